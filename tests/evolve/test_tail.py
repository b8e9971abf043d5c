"""Tail, records and asymptote on planted draws and runs, whose truth is known."""

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.inference import Estimate
from evolve.tracker.asymptote import asymptote
from evolve.tracker.records import _chances, is_record, records
from evolve.tracker.tail import tail, zhang_stephens

DOUBLINGS = 2.0 ** np.arange(1, 12)


def pareto(xi, uniform):
    """Quantiles of the generalised Pareto law of scale 1."""
    return -np.log(uniform) if xi == 0 else np.expm1(-xi * np.log(uniform)) / xi


def holds(estimate, truth):
    return estimate.low <= truth <= estimate.high


# -- the tail ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("xi", [-1.2, -0.4, 0.3])
def test_both_intervals_hold_the_truth_as_often_as_they_say(xi):
    rng, worlds = np.random.default_rng(7), 80
    end = math.log(1 - 1 / xi) if xi < 0 else math.inf
    found = [tail(np.log1p(pareto(xi, rng.random(80)))) for _ in range(worlds)]
    # 95 % of 80, less three standard errors
    assert sum(holds(t.index, xi) for t in found) >= 70
    assert sum(holds(t.endpoint, end) for t in found) >= 70
    # P(more than 7 of 80 at 2.5 %) = 0.1 %
    if xi >= 0:
        assert sum(t.is_bounded for t in found) <= 7


def test_many_draws_of_a_bounded_space_show_its_end():
    rng = np.random.default_rng(1)
    found = tail(np.log1p(pareto(-1, rng.random(500))))
    assert found.is_bounded
    assert holds(found.endpoint, math.log(2))
    assert found.endpoint.high < math.log(2.1)
    assert (found.draws, found.in_tail) == (500, 50)


def test_draws_without_an_end_have_an_open_one_until_the_machine_sets_it():
    drawn = np.log1p(pareto(0.5, np.random.default_rng(2).random(400)))
    assert tail(drawn).endpoint.high == math.inf
    assert tail(drawn).endpoint.as_dict()["high"] is None
    assert tail(drawn, cap=9.0).endpoint.high == 9.0
    assert tail(drawn, cap=9.0).index == tail(drawn).index


def test_the_end_lies_above_the_best_draw():
    for seed in range(20):
        drawn = np.random.default_rng(seed).beta(2, 0.3, 100)
        assert tail(drawn).endpoint.low >= drawn.max()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-3, 3))
def test_what_the_baseline_is_shifts_the_endpoint_and_nothing_else(seed, shift):
    drawn = np.log1p(pareto(-0.7, np.random.default_rng(seed).random(60)))
    here, there = tail(drawn), tail(drawn + shift)
    assert there.index.estimate == pytest.approx(here.index.estimate, abs=1e-6)
    assert there.endpoint.low == pytest.approx(here.endpoint.low + shift, abs=1e-6)


def test_failures_are_draws_too_and_count_as_the_worst():
    drawn = np.log1p(pareto(-0.5, np.random.default_rng(4).random(150)))
    failed = np.concatenate([drawn, np.full(150, math.nan)])
    assert tail(failed).draws == 300
    assert tail(failed).in_tail == 25
    assert tail(np.where(np.isnan(failed), -math.inf, failed)) == tail(failed)


def test_no_tail_where_the_draws_carry_none():
    rng = np.random.default_rng(5)
    assert tail([]) is None
    assert tail(rng.normal(size=39)) is None
    assert tail(np.zeros(500)) is None
    assert tail(np.full(500, math.nan)) is None
    assert tail([*rng.normal(size=10), *[-math.inf] * 90]) is None
    assert tail(rng.choice(rng.normal(size=30), 400)) is None


def test_the_same_draws_give_the_same_tail_in_any_order():
    drawn = np.random.default_rng(6).normal(size=90)
    assert tail(drawn) == tail(drawn[::-1])
    json.dumps(tail(drawn).as_dict(), allow_nan=False)


def test_the_estimator_approaches_the_index_with_many_draws():
    uniform = np.sort(np.random.default_rng(8).random((20, 2000)), axis=1)[:, ::-1]
    for xi in (-0.5, 0.0, 0.5):
        assert zhang_stephens(pareto(xi, uniform)).mean() == pytest.approx(xi, abs=0.03)


# -- records -------------------------------------------------------------------------------------------------


def evenly(draws, rate):
    """Probability of 1 to n records, one evaluation after the other."""
    chances = np.ones(1)
    for i in range(draws):
        chances = np.convolve(chances, [1 - rate / (rate + i), rate / (rate + i)])
    return chances[1:]


@pytest.mark.parametrize(("draws", "rate"), [(2, 1.0), (7, 3.0), (40, 0.4), (200, 8.0), (60, 500.0)])
def test_the_law_of_the_number_of_records_is_exact(draws, rate):
    np.testing.assert_allclose(_chances(draws, rate), evenly(draws, rate), atol=1e-12)


def test_every_order_of_draws_gives_the_records_that_renyi_says():
    rng, orders = np.random.default_rng(0), [*itertools.permutations(range(5))]
    found = np.mean([is_record(np.array(order, dtype=float), rng) for order in orders], axis=0)
    np.testing.assert_allclose(found, 1 / np.arange(1, 6))


def test_ties_are_broken_so_that_a_coarse_score_has_the_records_of_a_fine_one():
    rng = np.random.default_rng(1)
    found = np.mean([is_record(np.floor(2 * rng.random(8)), rng) for _ in range(4000)], axis=0)
    # a standard error is at most 0.008
    np.testing.assert_allclose(found, 1 / np.arange(1, 9), atol=0.03)


def test_luck_has_ln_2_records_a_doubling_and_is_hardly_ever_taken_for_learning():
    rng = np.random.default_rng(2)
    found = [records(rng.normal(size=200), rng) for _ in range(300)]
    assert np.mean([r.per_doubling.estimate for r in found]) == pytest.approx(math.log(2), abs=0.08)
    assert sum(holds(r.per_doubling, math.log(2)) for r in found) >= 275
    assert sum(r.is_learning for r in found) <= 16


def test_a_search_that_beats_itself_four_times_as_often_is_seen_to_learn():
    rng, draws = np.random.default_rng(3), 300
    learnt = [
        records(np.where(rng.random(draws) < 4 / (4 + np.arange(draws)), np.arange(draws), -1.0), rng)
        for _ in range(100)
    ]
    assert sum(r.is_learning for r in learnt) >= 85
    assert sum(holds(r.per_doubling, 4 * math.log(2)) for r in learnt) >= 90


def test_the_ends_of_what_can_be_counted():
    rng = np.random.default_rng(4)
    assert records([], rng) is None
    assert records([1.0], rng) is None
    rising, falling = records(np.arange(9.0), rng), records(-np.arange(9.0), rng)
    assert (rising.count, rising.per_doubling.high, rising.is_learning) == (9, math.inf, True)
    assert (falling.count, falling.per_doubling.estimate, falling.per_doubling.low) == (1, 0.0, 0.0)
    assert not records(np.full(400, math.nan), rng).is_learning
    assert falling.doublings == pytest.approx(math.log2(9))
    json.dumps(rising.as_dict(), allow_nan=False)


# -- the asymptote -------------------------------------------------------------------------------------------


def run(truth, rng, error=0.01):
    """What is measured of a run with that ln S at each doubling."""
    values = truth(DOUBLINGS) + error * rng.normal(size=len(DOUBLINGS))
    half = 1.96 * error
    return [(t, Estimate(v, v - half, v + half)) for t, v in zip(DOUBLINGS, values, strict=True)]


@pytest.mark.parametrize(
    "truth", [lambda t: 1.5 - t**-0.5, lambda t: 1.5 - t**-0.2, lambda t: 1.5 - 1.2 * np.exp(-t / 200)]
)
def test_the_end_of_a_saturating_run_is_held_as_often_as_it_says(truth):
    rng = np.random.default_rng(5)
    found = [asymptote(run(truth, rng)) for _ in range(150)]
    # 95 % of 150, less three standard errors
    assert sum(holds(a.gain, 1.5) for a in found if a.gain) >= 134


@pytest.mark.parametrize("truth", [lambda t: 0.3 * np.log(t), lambda t: 0.002 * t])
def test_a_run_that_goes_on_growing_has_no_end_in_sight(truth):
    rng = np.random.default_rng(6)
    found = [asymptote(run(truth, rng)) for _ in range(60)]
    assert sum(a.gain is None or a.gain.high == math.inf for a in found) >= 57


def test_an_end_below_the_best_already_found_is_refused():
    values = [0.0, 0.5, 0.75, 0.875, 0.9, 0.9, 0.9, 0.9, 1.5]
    points = [(2.0**k, Estimate(v, v - 0.01, v + 0.01)) for k, v in enumerate(values)]
    found = asymptote(points)
    assert found.best > 1.48
    assert len(found.refused) == 1 or found.gain is None
    assert all("has been found" in reason for reason in found.refused)
    assert found.gain is None or min(found.gain.low, found.gain.estimate) >= found.best


def test_the_end_never_lies_below_what_has_been_found():
    for seed in range(40):
        found = asymptote(run(lambda t: 1.0 - 0.5 * np.exp(-t / 30), np.random.default_rng(seed), 0.03))
        assert found.gain is None or found.best <= found.gain.low <= found.gain.estimate <= found.gain.high


def test_which_law_it_is_shows_where_the_points_tell():
    rng = np.random.default_rng(8)
    assert asymptote(run(lambda t: 1.5 - 1.5 * t**-0.5, rng)).law == "power"
    assert asymptote(run(lambda t: 1.5 - 1.5 * np.exp(-t / 200), rng)).law == "exponential"


def test_units_of_time_do_not_matter_and_nor_does_the_order():
    points = run(lambda t: 1 - t**-0.5, np.random.default_rng(9))
    here, there = asymptote(points), asymptote([(t / 3600, gain) for t, gain in points[::-1]])
    assert there.gain.high == pytest.approx(here.gain.high)
    assert there.gain.estimate == pytest.approx(here.gain.estimate)


def test_points_that_carry_nothing_are_left_out():
    points = run(lambda t: 1 - t**-0.5, np.random.default_rng(10))
    opened = [(4.0, Estimate(1.0, -math.inf, math.inf)), (0.0, points[0][1]), (5.0, Estimate(1.0, 1.0, 1.0))]
    assert asymptote(points + opened).points == len(points)
    assert asymptote(points[:5]) is None
    assert asymptote([(7.0, gain) for _, gain in points]) is None
    assert asymptote([]) is None
    json.dumps(asymptote(points).as_dict(), allow_nan=False)
