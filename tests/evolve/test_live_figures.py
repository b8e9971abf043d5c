"""What a store's runs say of the search: how each went, and the figures with their intervals."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from planted_live import ONE, Planter, at, store_of_here

from benchmarks.outcome import Measured, Samples
from evolve.live.course import Course
from evolve.live.figures import figures_of
from evolve.live.footprint import bytes_an_evaluation
from evolve.live.intervals import geometric_mean, geometric_ratio, mean
from evolve.live.lineup import Group, Lineup, LiveRun
from evolve.report import live as report
from evolve.store import Batch, Evaluation, OutcomeRecord


@pytest.fixture
def store(url):
    with store_of_here(url) as opened:
        yield opened


@pytest.fixture
def plant(store, monkeypatch):
    return Planter(store, monkeypatch)


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
    [pace] = figures.paces
    assert pace.per_s.estimate == pytest.approx(50 / 9)
    assert (pace.busy.estimate, pace.search.estimate, pace.engine.estimate) == pytest.approx((0.75, 0.025, 0.1))
    assert [row[-1] for row in report.bars(figures)] == ["yes", "NO", "NO", "yes"]
    assert pace.stored_bytes.estimate < report.MOST_BYTES


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
    assert (figures.speed, figures.paces) == (None, [])
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
    told = report.markdown(figures, "speed", {"date": "2026-01-01", "machine": "a CPU", "versions": "numba 1"})
    assert told.startswith(report.TITLES["speed"])
    assert "nothing here is to be quoted" in told
    assert "| genetic | 9.00 s [" in told
    assert "speed: matmul 64x64x64 float64, random" in told
    assert json.loads(json.dumps(figures.as_dict(), allow_nan=False))["speed"]["strategies"][1]["arrived"] == 2
