"""The loops whose end is known: what they reinvest, forecast, expect, and that they measure what they say."""

import json
import math
import os
import threading
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.inference import Estimate
from benchmarks.throughput import Rules
from evolve.errors import Interrupted
from evolve.loops import batching, reinvestment, replicators
from evolve.loops.protocol import Around, LapFailedError
from evolve.progress import StopRequest
from evolve.run import POLITE
from evolve.store import Lap
from evolve.tracker.laps import series
from evolve.tracker.rule import decide
from kernels.language import SourceFolder

SHORT = Rules(blocks=2, rounds=2, pause_s=0.0)
EXACT = Estimate(0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return SourceFolder(tmp_path_factory.mktemp("sources"))


def _lap(number, turned):
    given = {name: getattr(turned, name) for name in ("gain", "engine", "inputs", "ceiling", "endpoint")}
    details = json.loads(json.dumps(turned.details))
    return Lap(loop="x", lap=number, started_at="", finished_at="", machine="m", details=details, **given)


def _start(ceiling, **details):
    bounds = Estimate(ceiling, ceiling - 0.05, ceiling + 0.05)
    return _lap(0, reinvestment.Turned(gain=EXACT, engine=EXACT, ceiling=bounds, endpoint=bounds, details=details))


def _planted(first, law, laps, noise=0.0, rng=None):
    """Laps of a loop that follows a law of throughput, f(n) / f(1)."""
    made = [first]
    for number in range(1, laps + 1):
        capital = reinvestment.next_capital(made)
        gain = math.log(law(reinvestment.units(capital))) + (rng.normal(0, noise) if rng else 0.0)
        found = Estimate(gain, gain - 1.96 * noise, gain + 1.96 * noise)
        turned = reinvestment.Turned(gain=found, engine=found, inputs=capital)
        made.append(_lap(number, turned))
    return made


def _batches(share):
    return lambda batch: math.exp(batching.gain_of(batch, share))


# ---- the law of reinvestment


def test_capital_doubles_while_throughput_is_in_proportion_to_it():
    laps = _planted(_start(20.0), float, 10)
    assert [lap.inputs for lap in laps] == pytest.approx([2.0**k for k in range(11)])


def test_capital_grows_by_as_much_as_before_where_throughput_has_ended():
    laps = _planted(_start(math.log(8)), lambda robots: min(robots, 8), 8)
    assert [lap.inputs for lap in laps][-3:] == pytest.approx([32, 40, 48])


def test_a_lap_that_is_measured_a_little_low_loses_no_machine():
    assert [reinvestment.units(capital) for capital in (0.2, 1.0, 3.97, 4.4, 7.5)] == [1, 1, 4, 4, 8]


def test_the_engine_is_the_throughput_that_buys_capital():
    [*_, last] = _planted(_start(20.0), float, 5, 0.01, np.random.default_rng(0))
    assert last.engine == last.gain


def test_a_ratio_of_rates_adds_their_errors():
    found = reinvestment.ratio_to(Estimate(800, 780, 820), Estimate(2, 1.9, 2.1))
    assert found.estimate == pytest.approx(math.log(400))
    assert found.high - found.estimate == pytest.approx(math.hypot(math.log(820 / 800), math.log(2 / 1.9)))
    assert found.estimate - found.low == pytest.approx(math.hypot(math.log(800 / 780), math.log(2.1 / 2)))


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


# ---- what is expected


def test_where_growth_ends_follows_from_the_law():
    # 1 2 4 8 16 32 and no more: lap 4 is the last that does not yet have all there is
    assert replicators.expected(math.log(32)) == {"last_compounding": 4, "first_capped": 5}
    assert replicators.expected(math.log(38)) == {"last_compounding": 4, "first_capped": 5}
    assert replicators.expected(math.log(42)) == {"last_compounding": 5, "first_capped": 6}
    assert replicators.expected(0.0) == {"last_compounding": 0, "first_capped": 1}
    assert replicators.expected(200.0) == {"last_compounding": None, "first_capped": None}


@pytest.mark.parametrize("calls_worth", [100, 1000, 4000])
def test_batching_ends_where_requests_cost_as_much_as_the_call(calls_worth):
    share = 1 / calls_worth
    found, laps = batching.expected([math.log(calls_worth)]), _planted(_start(5.0), _batches(share), 30)
    gains = [lap.gain.estimate for lap in laps]
    assert found["first_capped"] == next(lap for lap, gain in enumerate(gains) if gain >= math.log(calls_worth / 2))
    k = found["last_compounding"]
    before, at, after = np.diff(gains)[k - 2 : k + 1]
    assert at >= 0.95 * before - 0.02  # whole batches
    assert after < 0.95 * at + 0.02


def test_where_batching_ends_follows_the_machine_while_it_changes():
    slow_calls, fast_calls = math.log(700), math.log(100)
    assert batching.expected([slow_calls, fast_calls]) == batching.expected([fast_calls])
    assert batching.expected([*[slow_calls] * 12, fast_calls]) == batching.expected([slow_calls])


@pytest.mark.parametrize("seed", range(3))
def test_the_verdict_on_planted_loops_turns_where_the_law_says(seed):
    rng = np.random.default_rng(seed)
    doubling = lambda robots: min(robots, 32.0)  # noqa: E731
    for first, law, expected, laps in (
        (_start(math.log(850)), _batches(1 / 850), batching.expected([math.log(850)]), 20),
        (_start(math.log(32)), doubling, replicators.expected(math.log(32)), 10),
    ):
        made = _planted(first, law, laps, 0.01, rng)
        words = [decide(series(made[: k + 1])).verdict for k in range(len(made))]
        compounding = [k for k, word in enumerate(words) if word == "COMPOUNDING"]
        assert abs(compounding[-1] - expected["last_compounding"]) <= 1
        assert abs(words.index("CAPPED") - expected["first_capped"]) <= 1
        assert words[-1] == "CAPPED"


# ---- forecasts


def test_forecasts_of_batching_hold_in_as_many_laps_as_they_promise():
    held = []
    for seed in range(20):
        laps = _planted(_start(math.log(800)), _batches(1 / 800), 14, 0.01, np.random.default_rng(seed))
        said = [batching.forecast(laps[:k]).gain for k in range(1, len(laps))]
        held += [one.low <= lap.gain.estimate <= one.high for one, lap in zip(said, laps[1:], strict=True)]
    assert 0.92 <= np.mean(held) < 1  # where the law holds the next lap misses by its own noise only


def test_work_that_passes_behind_a_call_is_forecast_once_a_lap_has_shown_it():
    """As on a Zen 4: the first requests cost nothing beside the call that they wait for."""
    share, hidden, held = 1 / 286, 0.2, []
    law = lambda batch: math.exp(batching.gain_of(batch, share, hidden))  # noqa: E731
    for seed in range(20):
        laps = _planted(_start(math.log(286)), law, 14, 0.01, np.random.default_rng(seed))
        said = [batching.forecast(laps[:k]).gain for k in range(1, len(laps))]
        held += [one.low <= lap.gain.estimate <= one.high for one, lap in zip(said, laps[1:], strict=True)]
        likeliest = [one.estimate - lap.gain.estimate for one, lap in zip(said, laps[1:], strict=True)]
        assert abs(np.median(likeliest[6:])) < 0.03
    assert 0.92 <= np.mean(held) < 1


def test_a_server_whose_requests_are_dearer_than_the_ceiling_allows_is_forecast_by_its_own_laps():
    share = 1 / 300
    laps = _planted(_start(math.log(900)), _batches(share), 12, 0.01, np.random.default_rng(0))
    found = batching.forecast(laps)
    batch = reinvestment.units(reinvestment.next_capital(laps))
    assert "lap 12" in found.reason
    assert found.gain.estimate == pytest.approx(batching.gain_of(batch, share), abs=0.05)
    assert math.exp(found.gain.high) < 450


def test_laps_that_beat_a_ceiling_measured_low_are_forecast_by_themselves():
    laps = _planted(_start(math.log(600)), _batches(1 / 900), 12, 0.01, np.random.default_rng(0))
    found = batching.forecast(laps).gain
    batch = reinvestment.units(reinvestment.next_capital(laps))
    assert found.low < batching.gain_of(batch, 1 / 900) < found.high
    assert found.low > batching.gain_of(batch, 1 / 650)


def test_forecasts_of_robots_lie_between_the_queue_and_the_bound():
    law = lambda robots: min(robots, 32.0)  # noqa: E731
    laps = _planted(_start(math.log(32), cores=2), law, 9, 0.005, np.random.default_rng(1))
    for k in range(1, len(laps)):
        said = replicators.forecast(laps[:k])
        assert said.gain.low <= laps[k].gain.estimate <= said.gain.high
    assert "more than the cores keep at work" in said.reason


def test_robots_that_stay_behind_the_bound_are_forecast_to_stay_there():
    laps = _planted(_start(math.log(32), cores=2), lambda robots: 0.8 * min(robots, 32.0), 9, 0.005)
    assert replicators.forecast(laps).gain.estimate == pytest.approx(math.log(0.8 * 32), abs=0.01)


def test_lap_0_against_itself_says_how_well_lap_1_can_be_foretold():
    plain, noisy = (_start(5.0, cores=2, itself={"low": -half, "high": half}) for half in (0.01, 0.2))
    widths = [found.gain.high - found.gain.low for found in map(replicators.forecast, ([plain], [noisy]))]
    assert widths[1] - widths[0] == pytest.approx(2 * (0.2 - 0.01))


def test_the_queue_of_two_robots_is_the_closed_form():
    # M/M/1//2 with load a: the core is idle with probability 1 / (1 + 2a + 2a^2)
    most, load = 4.0, 1 / 3
    idle = 1 / (1 + 2 * load + 2 * load**2)
    assert replicators.queue(2, 1, most) == pytest.approx((1 - idle) * most)


@pytest.mark.parametrize("cores", [1, 2, 8])
def test_the_queue_begins_as_one_robot_and_ends_at_the_cores(cores):
    most = 16.0 * cores
    found = [replicators.queue(robots, cores, most) for robots in (1, cores, 16 * cores, 2000)]
    assert found[0] == pytest.approx(1)
    assert found[1] == pytest.approx(cores)
    assert 0.7 * most < found[2] < 0.95 * most
    assert found[3] == pytest.approx(most)


def test_robots_that_never_rest_need_a_core_each():
    assert [replicators.queue(robots, 2, 2.0) for robots in (1, 2, 5)] == [1, 2, 2]


# ---- the real thing


def test_a_server_measures_larger_batches_and_goes_on_from_what_is_kept(folder):
    server = batching.Server(folder, 32, "float64", SHORT)
    loop = batching.Batching(server, lambda: None, lambda _doing: None)
    laps = [_start(math.log(800), throughput_per_s={"estimate": 0.0})]
    for number in (1, 2):
        turned = loop.turn(laps, np.random.default_rng(number))
        laps.append(_lap(number, turned))
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
    assert batching.forecast([_lap(0, start)]).gain.estimate == pytest.approx(math.log(2), abs=0.05)


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
    laps = [_lap(0, start)]
    turned = loop.turn(laps, np.random.default_rng(1))
    assert (turned.inputs, turned.details["units"]) == (2.0, 2)
    assert replicators.forecast([*laps, _lap(1, turned)]).gain.low < math.log(8)
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
    first = _start(6.0, throughput_per_s={"estimate": 4.0})
    later = [_start(6.0, throughput_per_s={"estimate": 99.0}, frozen_per_s={"estimate": rate}) for rate in (2.0, 2.1)]
    for laps in ([first], [first, later[0]], [first, *later], [*later, first]):
        loop.turn(laps, np.random.default_rng(0))
    assert asked == [4.0, 2.0, 2.1, 2.1]  # of two the slower one: one that has not come back may never do


@pytest.mark.parametrize(("usual", "said"), [(0.95, 0), (1.05, 0), (0.5, 1), (2.0, 1)])
def test_a_lap_that_met_another_machine_than_those_before_says_so(folder, usual, said):
    found = batching.Server(folder, 3, "float64", SHORT).compared(1, 2, np.random.default_rng(0))
    loop = batching.Batching(SimpleNamespace(compared=lambda *_: found), lambda: None, lambda _doing: None)
    usual_per_s = usual * found.frozen_per_s.estimate
    first = _start(6.0, throughput_per_s={"estimate": usual_per_s})
    notes = loop.turn([first], np.random.default_rng(0)).details["notes"]
    assert len(notes) == said
    assert all(f"{1e6 / usual_per_s:.3g} us in the laps before" in note for note in notes)


def test_a_lap_stops_between_measurements_where_the_user_asks(folder, monkeypatch):
    monkeypatch.setattr(batching, "source_folder", lambda: folder)
    loop = batching.make(around := _around())
    around.stop.is_set = True
    with pytest.raises(Interrupted, match="batching-1"):
        loop.turn([_start(6.0, throughput_per_s={"estimate": 0.0})], np.random.default_rng(0))


def test_what_is_kept_of_a_measurement_is_plain(folder):
    found = batching.Server(folder, 3, "float64", SHORT).compared(1, 2, np.random.default_rng(0))
    details = reinvestment.turned(2.0, found, {"expected": {}}).details
    assert json.loads(json.dumps(details)) == details
    assert details["throughput_per_s"] == asdict(found.present_per_s)
