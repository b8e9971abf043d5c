"""The loops whose end is known: what they reinvest, forecast, expect, and that they measure what they say."""

import json
import math
import os
import threading
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest
from planted_reinvestment import EXACT, frozen, kept

from benchmarks.inference import Estimate
from benchmarks.throughput import Rules
from evolve.errors import Interrupted
from evolve.loops import batching, reinvestment, replicators
from evolve.loops.protocol import Around, LapFailedError
from evolve.progress import StopRequest
from evolve.run import POLITE
from kernels.language import SourceFolder

SHORT = Rules(blocks=2, rounds=2, pause_s=0.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return SourceFolder(tmp_path_factory.mktemp("sources"))


# ---- the real thing


def test_lap_0_knows_its_ceiling(folder):
    same = batching.Server(folder, 3, "float64", SHORT).compared(1, 1, np.random.default_rng(0))
    most = Estimate(*(600 * rate for rate in (same.frozen_per_s.estimate, *_ends(same.frozen_per_s))))
    start = reinvestment.frozen(most, same, {"limit": "arithmetic"})
    assert start.gain == start.engine == EXACT
    assert start.ceiling.estimate == pytest.approx(math.log(600))
    assert start.ceiling.high - start.ceiling.low > math.log(most.high / most.low)
    assert start.details["limit"] == "arithmetic"
    assert json.loads(json.dumps(start.details)) == start.details


def _ends(estimate):
    return estimate.low, estimate.high


def test_a_server_measures_larger_batches_and_goes_on_from_what_is_kept(folder):
    server = batching.Server(folder, 32, "float64", SHORT)
    loop = batching.Batching(server, lambda: None, lambda _doing: None)
    laps = [frozen(math.log(800), throughput_per_s={"estimate": 0.0})]
    for number in (1, 2):
        turned = loop.turn(laps, np.random.default_rng(number))
        laps.append(kept(number, turned))
    again = batching.Batching(server, lambda: None, lambda _doing: None).turn(laps[:2], np.random.default_rng(2))
    assert again.inputs == laps[2].inputs == 2 + math.exp(laps[1].gain.estimate)
    assert again.details["units"] == reinvestment.units(again.inputs)
    assert len(again.details["blocks"]) == SHORT.blocks
    # what no batch can exceed is measured at every lap
    assert again.endpoint.estimate > math.log(10)
    assert again.details["expected"] == batching.expected([math.log(800), again.endpoint.estimate])


def test_many_requests_a_call_are_more_a_second_than_one(folder):
    found = batching.Server(folder, 32, "float64", SHORT).compared(1, 512, np.random.default_rng(0))
    assert found.gain.estimate > math.log(10)  # 200 on a quiet machine


def test_batching_begins_with_what_the_kernel_does_without_calls(folder, monkeypatch):
    server = batching.Server(folder, 32, "float64", SHORT)
    most = Estimate(9e9, 8e9, 10e9)
    monkeypatch.setattr(server, "most_per_s", lambda _say: (most, "arithmetic"))
    start = batching.Batching(server, lambda: None, lambda _doing: None).start()
    # many times what calls for single requests do, and below a ceiling far above any machine's
    assert math.log(10) < start.endpoint.estimate < start.ceiling.estimate
    assert start.details["expected"] == batching.expected([start.endpoint.estimate])
    assert batching.forecast([kept(0, start)]).gain.estimate == pytest.approx(math.log(2), abs=0.05)


def test_wrong_answers_are_no_throughput(folder, monkeypatch):
    server = batching.Server(folder, 3, "float32", SHORT)
    monkeypatch.setattr(server, "_function", lambda _x, _c, out, *_pointers: out.fill(1.0))
    with pytest.raises(LapFailedError, match="answered wrongly"):
        server.compared(1, 4, np.random.default_rng(0))


def test_the_ceiling_of_batching_is_that_of_its_arithmetic(folder, monkeypatch):
    ceilings = SimpleNamespace(
        flop_per_s={"float64": {mix: {"1": 64e9} for mix in ("fma", "fma_add", "mul_add")}},
        bytes_per_s={
            level: {name: {"1": 1e12} for name in ("copy", "copy_stream")} for level in ("L1", "L2", "L3", "DRAM")
        },
    )
    monkeypatch.setattr(batching.ceilings, "measure", lambda _say, _folder, only: ceilings)
    most, limit = batching.Server(folder, 32, "float64", SHORT).most_per_s(lambda _doing: None)
    assert most.estimate == pytest.approx(1e9)  # 64 GFLOP/s, 64 FLOP each
    assert most.low < most.estimate < most.high
    assert "arithmetic" in limit


@pytest.fixture(scope="module")
def hall(folder):
    return replicators.Hall(folder, sorted(os.sched_getaffinity(0))[:1], 4, SHORT)


def test_robots_finish_pieces_of_work_on_the_cores_they_are_given(hall, monkeypatch):
    seen = set()
    piece = hall._new_piece()

    def watched():
        seen.add((threading.get_ident(), tuple(os.sched_getaffinity(0))))
        piece()

    monkeypatch.setattr(hall, "_new_piece", lambda: watched)
    before = os.sched_getaffinity(0)
    assert hall.crew(3, np.random.default_rng(0))() > 0
    assert {cpus for _, cpus in seen} == {tuple(hall.cpus)}
    assert len({thread for thread, _ in seen}) == 3
    assert os.sched_getaffinity(0) == before


def test_a_lap_of_robots_is_kept_with_all_that_the_next_one_needs(hall):
    loop = replicators.Replicators(hall, lambda: None, lambda _doing: None)
    start = loop.start()
    assert start.ceiling.low < start.ceiling.estimate < start.ceiling.high
    assert start.details["cores"] == 1
    assert set(start.details["expected"]) == {"last_compounding", "first_capped"}
    laps = [kept(0, start)]
    turned = loop.turn(laps, np.random.default_rng(1))
    assert (turned.inputs, turned.details["units"]) == (2.0, 2)
    assert replicators.forecast([*laps, kept(1, turned)]).gain.low < math.log(8)
    loop.close()


def test_robots_for_whom_there_is_no_thread_fail_the_lap_and_leave_none_waiting(hall, monkeypatch):
    before, start = threading.active_count(), threading.Thread.start

    def few(thread):
        if threading.active_count() >= before + 3:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", few)
    with pytest.raises(LapFailedError, match="8 robots are more threads"):
        hall.compared(1, 8, np.random.default_rng(0))
    assert threading.active_count() == before


def test_finished_work_counts_by_its_share_at_either_end():
    # a piece every 10 ns, and one worker that began in between
    steady, late = list(range(0, 101, 10)), [40, 60, 80, 100]
    assert replicators.finished([steady], 25, 75) == pytest.approx(5)
    assert replicators.finished([steady, late], 25, 75) == pytest.approx(5 + 1.75)


def test_a_piece_of_work_is_what_it_says(folder):
    piece, seconds = replicators.work(folder)
    one, other = piece(), piece()
    one()
    other()
    assert one.args[2] is not other.args[2]
    assert np.isfinite(one.args[2]).all()
    assert seconds > 0


# ---- around them


def _around(**options):
    return Around(None, SimpleNamespace(id="batching-1", options=options), lambda _doing: None, StopRequest(), POLITE)


def test_loops_are_made_from_their_options(folder, monkeypatch):
    monkeypatch.setattr(batching, "source_folder", lambda: folder)
    monkeypatch.setattr(replicators, "source_folder", lambda: folder)
    made = batching.make(_around(degree=8, dtype="float32"))
    assert (made.server.degree, made.server.dtype) == (8, "float32")
    assert batching.make(_around()).server.degree == batching.DEGREE
    robots = replicators.make(_around(workers_per_core=3))
    assert robots.hall.rest_s == pytest.approx(2 * robots.hall.chunk_s)
    assert robots.hall.cpus == sorted(os.sched_getaffinity(0))[: replicators.MOST_CORES]


def test_a_lap_waits_for_the_machine_that_the_last_laps_met(folder):
    found = batching.Server(folder, 3, "float64", SHORT).compared(1, 2, np.random.default_rng(0))
    asked = []

    def compared(_frozen, _present, _rng, _between, usual_per_s):
        asked.append(usual_per_s)
        return found

    loop = batching.Batching(SimpleNamespace(compared=compared), lambda: None, lambda _doing: None)
    first = frozen(6.0, throughput_per_s={"estimate": 4.0})
    later = [frozen(6.0, throughput_per_s={"estimate": 99.0}, frozen_per_s={"estimate": rate}) for rate in (2.0, 2.1)]
    for laps in ([first], [first, later[0]], [first, *later], [*later, first]):
        loop.turn(laps, np.random.default_rng(0))
    assert asked == [4.0, 2.0, 2.1, 2.1]  # of two the slower one: one that has not come back may never do


@pytest.mark.parametrize(("usual", "said"), [(0.95, 0), (1.05, 0), (0.5, 1), (2.0, 1)])
def test_a_lap_that_met_another_machine_than_those_before_says_so(folder, usual, said):
    found = batching.Server(folder, 3, "float64", SHORT).compared(1, 2, np.random.default_rng(0))
    loop = batching.Batching(SimpleNamespace(compared=lambda *_: found), lambda: None, lambda _doing: None)
    usual_per_s = usual * found.frozen_per_s.estimate
    first = frozen(6.0, throughput_per_s={"estimate": usual_per_s})
    notes = loop.turn([first], np.random.default_rng(0)).details["notes"]
    assert len(notes) == said
    assert all(f"{1e6 / usual_per_s:.3g} us in the laps before" in note for note in notes)


def test_a_lap_stops_between_measurements_where_the_user_asks(folder, monkeypatch):
    monkeypatch.setattr(batching, "source_folder", lambda: folder)
    loop = batching.make(around := _around())
    around.stop.is_set = True
    with pytest.raises(Interrupted, match="batching-1"):
        loop.turn([frozen(6.0, throughput_per_s={"estimate": 0.0})], np.random.default_rng(0))


def test_what_is_kept_of_a_measurement_is_plain(folder):
    found = batching.Server(folder, 3, "float64", SHORT).compared(1, 2, np.random.default_rng(0))
    details = reinvestment.turned(2.0, found, {"expected": {}}).details
    assert json.loads(json.dumps(details)) == details
    assert details["throughput_per_s"] == asdict(found.present_per_s)
