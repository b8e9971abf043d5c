"""Real runs under fixed names: which there are, how one is made or found, and what a store's runs say of the search."""

from __future__ import annotations

import contextlib
import json
import math
import subprocess
import sys
from dataclasses import astuple, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import kernels
from benchmarks.machine import fingerprint
from benchmarks.outcome import Measured, Samples
from evolve.cli import live as command
from evolve.errors import EvolveError, Interrupted, UsageError
from evolve.live import PARTS, make
from evolve.live.course import Course
from evolve.live.figures import figures_of
from evolve.live.footprint import bytes_an_evaluation
from evolve.live.intervals import geometric_mean, geometric_ratio, mean
from evolve.live.lineup import Group, Lineup, LiveRun, Terms, lineups
from evolve.live.make import Making, complete_all, finished
from evolve.report import live as report
from evolve.starting import origin_of, start_of
from evolve.store import (
    Batch,
    Evaluation,
    Machine,
    OutcomeRecord,
    RunSpec,
    open_store,
)

ROOT = Path(__file__).parents[2]
HERE = fingerprint()
MATMUL = kernels.get("matmul")
ONE = LiveRun("live", "matmul", "64", "float64", "6evals")
BASELINE_S = 1.0


def at(elapsed_s):
    return (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=elapsed_s)).isoformat(timespec="microseconds")


@pytest.fixture
def store(url):
    with open_store(url) as opened:
        opened.add_machine(Machine(HERE.machine_id, HERE.as_dict()))
        yield opened


@pytest.fixture
def plant(store, monkeypatch):
    """Plants the run of that name: ``(elapsed_s, time_s)`` of each evaluation; the fastest so far takes the title."""

    def now(elapsed_s):
        monkeypatch.setattr("evolve.store.sqlite.utc_now", lambda: at(elapsed_s))

    def planted(one, evaluations, *, turns=(), ending="finished", schedule=None):
        asked = one.request
        spec = {name: getattr(asked, name) for name in ("kernel", "size", "dtype", "threads", "strategy", "seed")}
        terms = {"control_share": 0.15, "batch_size": 1, "budget": one.budget, "machine": HERE.machine_id}
        run = store.create_run(RunSpec(**spec, **terms, name=one.name))
        now(0)
        store.add_event(run.id, "started")
        title, title_s = None, BASELINE_S
        for number, (elapsed_s, time_s) in enumerate(evaluations, 1):
            made = Evaluation(run.id, number, number - 1, 0, "search", "mutate", schedule or {"mr": number})
            store.add_batch(Batch(run.id, number - 1, at(elapsed_s)), [made])
            ratio = math.log(title_s / time_s)
            samples = Samples((time_s,) * 6, (title_s,) * 6, 1)
            outcome = Measured(time_s=time_s, log_ratio=ratio, low=ratio - 1e-3, high=ratio + 1e-3, samples=samples)
            store.add_outcome(OutcomeRecord(run.id, number, outcome, at(elapsed_s), -math.log(time_s), title))
            if time_s < title_s:
                title, title_s = number, time_s
        spent = {"build": 6.0, "verify": 1.0, "measure": 2.0, "search": 0.25, "other": 0.75}
        store.add_phases(run.id, 0, {**spent, "building": 4.0, "building_cpu": 3.0 * HERE.logical_cores})
        for elapsed_s, kind in (*turns, (evaluations[-1][0], ending)):
            now(elapsed_s)
            store.add_event(run.id, kind)
        return run

    return planted


# ---- which runs


def test_every_run_has_a_name_of_its_own_and_a_problem_that_there_is():
    terms = [Terms(), Terms(budget="7m"), Terms(is_quick=True), Terms(prefix="again")]
    runs = [one for each in terms for lineup in lineups(PARTS, each) for one in lineup.runs]
    assert len({one.name for one in runs}) == len(set(runs)) > 60
    assert {one.name.partition("-")[0] for one in runs} == {"live", "again"}
    for one in runs:
        assert one.request.dtype in kernels.get(one.kernel).dtypes
        assert one.request.name == one.name


def test_groups_that_are_held_against_each_other_have_the_same_seeds_and_take_turns():
    [speed] = lineups(["speed"], Terms(seeds=3))
    assert [group.label for group in speed.groups] == ["genetic", "random"]
    assert [(one.strategy, one.seed) for one in speed.runs] == [
        (strategy, seed) for seed in (1, 2, 3) for strategy in ("genetic", "random")
    ]
    assert len({one.request.budget for one in speed.runs}) == 1


def test_sources_are_made_before_those_that_begin_there():
    [warm] = lineups(["warm"], Terms(seeds=2))
    order = list(warm.runs)
    begun = [one for one in order if one.source]
    assert len(begun) == 2 * len(warm.sources) == 2 * (len(warm.groups) - 1)
    assert all(order.index(one.source) < order.index(one) for one in begun)
    assert {(one.size, one.dtype) for one in warm.sources} >= {("256", "float64"), ("512", "float32")}


# ---- making them


@pytest.fixture
def making(monkeypatch):
    """What was started, with its beginning, and resumed; what was said."""
    done, said = [], []
    monkeypatch.setattr(make, "start", lambda _store, asked, *_: done.append(("start", asked)))
    monkeypatch.setattr(make, "resume", lambda _store, run, *_: done.append(("resume", run)))
    return SimpleNamespace(done=done, said=said, terms=Making(contextlib.nullcontext, None, said.append))


def test_what_is_finished_stays_what_was_interrupted_goes_on_and_the_rest_is_started(store, plant, making):
    over, broken, new = (LiveRun("live", "matmul", "64", "float64", "6m", seed) for seed in (1, 2, 3))
    plant(over, [(1.0, 0.5)])
    run = plant(broken, [(1.0, 0.5)], ending="interrupted")
    complete_all(store, [over, broken, new, new], making.terms)
    assert making.done == [("resume", run.id), ("start", new.request)]
    assert making.said[0].startswith(f"run 1 of 2: {broken.name}, some 12m 40s left")
    assert making.said[1].startswith(f"run 2 of 2: {new.name}, 0s left")


def test_a_name_that_belongs_to_another_problem_is_refused(store, plant, making):
    class Larger(LiveRun):
        """Of the same name."""

        @property
        def request(self):
            return replace(super().request, size=(65, 65, 65))

    plant(ONE, [(1.0, 0.5)], ending="interrupted")
    with pytest.raises(UsageError, match="--store"):
        complete_all(store, [Larger(*astuple(ONE))], making.terms)


@pytest.mark.parametrize(("dtype", "lanes"), [("float64", 8), ("float32", 4)])
def test_a_warm_run_begins_at_its_sources_champion_with_vectors_as_wide(store, plant, making, dtype, lanes):
    found = MATMUL.space.schedule(variant="packed", mr=6, nv=2, lanes=lanes)
    source = LiveRun("live", "matmul", "32", dtype, "6evals", 1000)
    plant(source, [(1.0, 0.5)], schedule=dict(found))
    warm = LiveRun("live", "matmul", "64", "float64", "6evals", source=source)
    complete_all(store, [source, warm], making.terms)
    [(did, asked)] = making.done
    wanted = MATMUL.space.schedule(variant="packed", mr=6, nv=2, lanes=8 if dtype == "float64" else 2)
    assert (did, start_of(asked), origin_of(asked.options)) == ("start", dict(wanted), source.problem)


def test_without_a_champion_there_is_nothing_to_begin_at(store, plant, making):
    source = LiveRun("live", "matmul", "32", "float64", "6evals", 1000)
    plant(source, [(1.0, 2 * BASELINE_S)])
    with pytest.raises(EvolveError, match="no champion to begin at"):
        complete_all(store, [LiveRun("live", "matmul", "64", "float64", "6evals", source=source)], making.terms)


@pytest.mark.parametrize(("ending", "words"), [(None, ["run", "matmul"]), ("interrupted", ["resume"])])
def test_a_run_of_a_lesser_machine_is_made_by_a_process_of_its_own(store, plant, making, monkeypatch, ending, words):
    one = LiveRun("live", "matmul", "64", "float64", "6evals", isa="sse2")
    if ending:
        plant(one, [(1.0, 0.5)], ending=ending)
    asked = []

    def run(line, **_):
        asked.append(line)
        return subprocess.CompletedProcess(line, 0)

    monkeypatch.setattr(make.subprocess, "run", run)
    complete_all(store, [one], Making(making.terms.watch, None, making.said.append, ("--wait",)))
    [line] = asked
    assert line[3 : 3 + len(words)] == words
    assert one.name in line
    assert {("--isa", "sse2"), ("--store", store.url)} <= set(pairwise(line))
    assert line[-1] == "--wait"
    assert ("--cold" in line) == (ending is None)


@pytest.mark.parametrize(("code", "error"), [(130, Interrupted), (4, EvolveError)])
def test_what_stops_such_a_process_stops_all(store, making, monkeypatch, code, error):
    one = LiveRun("live", "matmul", "64", "float64", "6evals", isa="sse2")
    monkeypatch.setattr(make.subprocess, "run", lambda line, **_: subprocess.CompletedProcess(line, code))
    with pytest.raises(error, match=one.name):
        complete_all(store, [one], making.terms)


# ---- how one went


def test_a_run_is_there_when_its_title_is_held_by_what_is_fast_enough(store, plant):
    course = Course(store, plant(ONE, [(10.0, 0.9), (20.0, 0.5), (30.0, 0.7), (40.0, 0.4), (50.0, 0.6)]))
    assert [(one.time_s, one.elapsed_s, one.evaluations) for one in course.holders] == [
        (0.9, 10.0, 1), (0.5, 20.0, 2), (0.4, 40.0, 4),
    ]  # fmt: skip
    assert (course.champion.schedule, course.evaluations, course.searching_s) == ({"mr": 4}, 5, 50.0)
    legs = [course.until(target_s) for target_s in (2.0, 0.5, 0.45, 0.3)]
    assert [(leg.elapsed_s, leg.evaluations, leg.is_there) for leg in legs] == [
        (10.0, 1, True), (20.0, 2, True), (40.0, 4, True), (50.0, 5, False),
    ]  # fmt: skip


def test_the_race_that_a_holder_won_is_one_of_all_that_it_ran(store, plant, monkeypatch):
    run = plant(ONE, [(10.0, 0.5), (20.0, 0.9), (30.0, 0.9)])
    slow = Samples((0.9,) * 6, (0.6,) * 6, 1)
    paid = Course(store, run).paid
    for individual in paid[1:]:
        object.__setattr__(individual.record.outcome, "samples", slow)
    monkeypatch.setattr("evolve.live.course.paid", lambda _individuals: paid)
    assert Course(store, run).champion.time_s == 0.6


def test_a_pause_between_sessions_is_no_part_of_a_runs_time(store, plant):
    turns = ((12.0, "interrupted"), (1000.0, "resumed"))
    course = Course(store, plant(ONE, [(10.0, 0.9), (1010.0, 0.5)], turns=turns))
    assert [holder.elapsed_s for holder in course.holders] == [10.0, 22.0]


def test_nothing_that_beat_the_plain_loop_is_no_champion(store, plant):
    course = Course(store, plant(ONE, [(10.0, 1.5)]))
    assert (course.champion, course.until(1.0).is_there) == (None, False)


# ---- intervals


def test_one_seed_says_nothing_of_others_and_equal_ones_all():
    assert geometric_mean([5.0]).as_dict()["high"] is None
    found = geometric_mean([5.0] * 3)
    assert (found.estimate, found.low, found.high) == pytest.approx((5.0, 5.0, 5.0))
    assert mean([1.0, 3.0]).estimate == 2.0
    assert geometric_ratio([8.0, 2.0], [1.0, 1.0]).estimate == pytest.approx(4.0)


def test_intervals_of_few_seeds_hold_the_truth():
    rng = np.random.default_rng(1)
    for count in (3, 5):
        found = [geometric_mean(rng.lognormal(math.log(7.0), 0.3, count)) for _ in range(400)]
        assert 0.90 <= np.mean([one.low <= 7.0 <= one.high for one in found]) <= 0.99
        pairs = [rng.lognormal(0.0, 0.3, (2, count)) * [[3.0], [1.0]] for _ in range(400)]
        assert 0.90 <= np.mean([(r := geometric_ratio(*pair)).low <= 3.0 <= r.high for pair in pairs]) <= 0.995


# ---- figures


def _lineup(part, groups):
    return Lineup(part, tuple(Group(label, tuple(runs)) for label, runs in groups.items()))


def _speed():
    groups = {word: [LiveRun("live", "matmul", "64", "float64", "6evals", seed, word) for seed in (1, 2)]
              for word in ("genetic", "random")}  # fmt: skip
    return _lineup("speed", groups), groups


def test_the_search_is_held_against_random_draws_at_95_percent_of_the_best(store, plant):
    lineup, groups = _speed()
    # 0.104 is within 95 % of 0.1, 0.106 is not
    plant(groups["genetic"][0], [(10.0, 0.106), (20.0, 0.104), (90.0, 0.1)])
    plant(groups["genetic"][1], [(5.0, 0.104)])
    plant(groups["random"][0], [(10.0, 0.106), (60.0, 0.104)])
    plant(groups["random"][1], [(10.0, 0.106), (60.0, 0.106), (240.0, 0.5)])
    found = figures_of(store, [lineup]).speed
    assert found.best_s == pytest.approx(0.1)
    assert [leg.elapsed_s for leg in (*found.ours.legs, *found.random.legs)] == [20.0, 5.0, 60.0, 240.0]
    assert (found.ours.arrived, found.random.arrived) == (2, 1)
    assert found.sooner.estimate == pytest.approx(math.sqrt(60 * 240 / (20 * 5)))
    assert found.fewer.estimate == pytest.approx(math.sqrt(2 * 3 / (2 * 1)))
    assert report.bounded(found).startswith("at least 12.0x [")


def test_a_search_that_is_not_there_makes_no_lower_bound(store, plant):
    lineup, groups = _speed()
    for one, time_s in zip((*groups["genetic"], *groups["random"]), (0.1, 0.5, 0.5, 0.5), strict=True):
        plant(one, [(10.0, time_s)])
    assert "at least" not in report.bounded(figures_of(store, [lineup]).speed)


def test_warm_runs_are_held_against_the_cold_one_of_their_seed(store, plant):
    cold = [LiveRun("live", "matmul", "64", "float64", "6evals", seed) for seed in (1, 2)]
    source = LiveRun("live", "matmul", "32", "float64", "6evals", 1000)
    warm = [LiveRun("live", "matmul", "64", "float64", "6evals", seed, source=source) for seed in (1, 2)]
    plant(cold[0], [(10.0, 0.3), (80.0, 0.1)])
    plant(cold[1], [(10.0, 0.3), (90.0, 0.2)])
    plant(warm[0], [(5.0, 0.3), (20.0, 0.1019)])
    plant(warm[1], [(10.0, 0.2039), (30.0, 0.1)])
    found = figures_of(store, [_lineup("warm", {"cold": cold, "32": warm})]).warm
    [start] = found.starts
    assert (found.cold.arrived, start.way.arrived) == (2, 2)
    assert start.sooner.estimate == pytest.approx(math.sqrt(80 / 20 * 90 / 10))
    assert start.fewer.estimate == pytest.approx(math.sqrt(2 / 2 * 2 / 1))
    assert start.faster.estimate == pytest.approx(math.sqrt(0.1 / 0.1019 * 0.2 / 0.1))
    assert "at most" not in report.at_most(start, start.sooner)


def test_a_warm_run_that_never_gets_there_gains_at_most_so_much(store, plant):
    cold = [LiveRun("live", "matmul", "64", "float64", "6evals")]
    source = LiveRun("live", "matmul", "32", "float64", "6evals", 1000)
    warm = [LiveRun("live", "matmul", "64", "float64", "6evals", source=source)]
    plant(cold[0], [(10.0, 0.3), (80.0, 0.1)])
    plant(warm[0], [(5.0, 0.3), (20.0, 0.2)])
    figures = figures_of(store, [_lineup("warm", {"cold": cold, "32": warm})])
    assert "at most 4.00x" in report.text(figures)
    assert [row[2] for row in report.bars(figures)] == ["at most 4.00x (one seed)"]


def test_time_is_shared_out_and_what_was_asked_is_held_against_it(store, plant):
    group = {"matmul 64x64x64 float64": [LiveRun("live", "matmul", "64", "float64", "6evals", seed) for seed in (1, 2)]}
    for one, seconds in zip(*group.values(), (0.9, 3.6), strict=True):
        plant(one, [(seconds * k / 10, 0.5) for k in range(1, 11)])
    figures = figures_of(store, [_lineup("throughput", group)])
    [engine] = figures.engines
    assert engine.per_s.estimate == pytest.approx(50 / 9)
    assert (engine.busy.estimate, engine.search.estimate, engine.engine.estimate) == pytest.approx((0.75, 0.025, 0.1))
    assert [row[-1] for row in report.bars(figures)] == ["yes", "NO", "NO", "yes"]
    assert engine.stored_bytes.estimate < report.MOST_BYTES


def test_raw_samples_do_not_count_as_what_an_evaluation_takes(store, plant):
    short, long = plant(ONE, [(1.0 + k, 0.5) for k in range(40)]), ONE
    before = bytes_an_evaluation(store, short)
    assert 0 < before < 4000
    again = LiveRun(long.prefix, long.kernel, long.size, long.dtype, long.budget, 2)
    run = plant(again, [(1.0 + k, 0.5) for k in range(39)])
    many = Samples((0.5,) * 2000, (1.0,) * 2000, 1)
    store.add_batch(Batch(run.id, 39, at(50.0)), [Evaluation(run.id, 40, 39, 0, "search", "mutate", {"mr": 40})])
    outcome = Measured(time_s=0.5, log_ratio=0.0, low=-1e-3, high=1e-3, samples=many)
    store.add_outcome(OutcomeRecord(run.id, 40, outcome, at(50.0), 0.1, 1))
    assert bytes_an_evaluation(store, run) == pytest.approx(before, rel=0.2)


def test_a_part_whose_runs_are_not_all_there_is_left_out_and_said(store, plant):
    lineup, groups = _speed()
    plant(groups["genetic"][0], [(1.0, 0.5)])
    figures = figures_of(store, [lineup])
    assert (figures.speed, figures.engines) == (None, [])
    [line] = figures.left_out
    assert "speed: 3 runs are missing" in line
    assert groups["random"][0].name in line
    assert "left out" in report.text(figures)


def test_what_found_nothing_is_left_out_and_said(store, plant):
    lineup, groups = _speed()
    for one in (*groups["genetic"], *groups["random"]):
        plant(one, [(1.0, 2.0)])
    assert "nothing beat the plain loop" in figures_of(store, [lineup]).left_out[0]


def test_the_part_of_the_file_holds_every_table(store, plant):
    lineup, groups = _speed()
    for one in (*groups["genetic"], *groups["random"]):
        plant(one, [(1.0 + one.seed, 0.5), (9.0, 0.4)])
    figures = figures_of(store, [lineup], is_quick=True)
    told = report.markdown(figures, {"date": "2026-01-01", "machine": "a CPU", "versions": "numba 1"})
    assert told.startswith(report.TITLE)
    assert "nothing here is to be quoted" in told
    assert "| genetic | 9.00 s [" in told
    assert "speed: matmul 64x64x64 float64, random" in told
    assert json.loads(json.dumps(figures.as_dict(), allow_nan=False))["speed"]["strategies"][1]["arrived"] == 2


# ---- the command


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--budget", "soon"], "budget 'soon'"),
        (["--only", "luck"], "luck"),
        (["--results", "/no/such/folder/RESULTS.md"], "cannot be written"),
        (["--read", "--store", "/no/such/runs.db"], "there is no store"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(arguments, said, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["search", *arguments])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code in (1, 2)
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.slow
@pytest.mark.measuring
def test_the_command_makes_its_runs_once_and_writes_what_they_say(tmp_path, url, known_machine):
    del known_machine
    results = tmp_path / "RESULTS.md"
    asked = ["--only", "throughput", "--only", "speed", "--quick", "--seeds", "1", "--budget", "8evals", "--json"]
    terms = ["--anyway", "--wait", "--results", str(results), "--store", url]
    line = [sys.executable, "-m", "benchmarks.suites.search", *asked, *terms]
    first = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stderr
    told = json.loads(first.stdout)
    assert told["left_out"] == []
    assert [len(told["engines"]), len(told["speed"]["strategies"]), told["warm"]] == [4, 2, None]
    assert all(0 < engine["busy"]["estimate"] <= 1.05 for engine in told["engines"])
    assert report.TITLE in results.read_text()
    again = subprocess.run([*line, "--read"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert json.loads(again.stdout) == told
    with open_store(url) as store:
        assert [finished(store, SimpleNamespace(name=run.name)) == run for run in store.runs()] == [True] * 3
