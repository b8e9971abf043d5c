from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.inference import (
    Estimate,
    hierarchical_speedup,
    log_ratios,
    median_estimate,
    repeat_interval,
    sign_test_interval,
    speedup_estimate,
)

times = st.lists(st.floats(1e-6, 1e3), min_size=6, max_size=60)


def _skewed_pair(rng, rounds, speedup):
    """Paired samples with the noise of a shared machine: 1.3 % wobble, one round in sixteen hit by 10 to 100 %."""
    shared = rng.lognormal(0, 0.02, size=rounds)

    def side(base):
        hits = 1 + (rng.random(rounds) < 1 / 16) * rng.uniform(0.1, 1.0, size=rounds)
        return base * shared * hits * rng.lognormal(0, 0.013, size=rounds)

    return side(1e-3 / speedup), side(1e-3)


def _coverage(interval_of, truth, trials):
    held = [low <= truth <= high for low, high in (interval_of() for _ in range(trials))]
    return sum(held) / trials


@pytest.mark.parametrize("rounds", [8, 15, 30])
def test_interval_holds_the_truth_at_its_level_under_skewed_noise(rounds):
    rng = np.random.default_rng(rounds)

    def interval():
        found = speedup_estimate(*_skewed_pair(rng, rounds, 1.25))
        return found.low, found.high

    coverage = _coverage(interval, 1.25, 1500)
    assert 0.94 <= coverage <= 0.995


def test_lower_level_gives_lower_coverage_and_narrower_interval():
    rng = np.random.default_rng(5)
    coverage = _coverage(lambda: sign_test_interval(rng.exponential(size=40), 0.5), math.log(2), 1500)
    assert 0.48 <= coverage <= 0.66
    values = rng.normal(size=40)
    (low95, high95), (low50, high50) = sign_test_interval(values), sign_test_interval(values, 0.5)
    assert low95 < low50 <= high50 < high95


@pytest.mark.parametrize(("n", "rank"), [(6, 1), (8, 1), (9, 2), (15, 4), (20, 6), (30, 10), (100, 40)])
def test_ranks_are_those_of_the_published_tables(n, rank):
    # Dixon & Massey, Introduction to Statistical Analysis, table A-25: 95 % limits for the median.
    assert sign_test_interval(np.arange(1.0, n + 1)) == (rank, n + 1 - rank)


@pytest.mark.parametrize("n", [0, 1, 5])
def test_few_rounds_support_no_interval(n):
    assert sign_test_interval(np.ones(n)) == (-math.inf, math.inf)


def test_few_rounds_support_no_speedup_interval():
    found = speedup_estimate([1.0] * 5, [2.0] * 5)
    assert (found.estimate, found.low, found.high) == (2.0, 0.0, math.inf)
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["high"] is None


@given(times, st.integers(0, 2**32 - 1))
def test_interval_ignores_order_and_contains_the_estimate(values, seed):
    found = median_estimate(values)
    shuffled = np.random.default_rng(seed).permutation(values)
    assert median_estimate(shuffled) == found
    assert found.low <= found.estimate <= found.high


@given(times, st.floats(1e-3, 1e3))
def test_speedup_ignores_the_unit_of_time(values, unit):
    candidate = np.array(values)
    incumbent = candidate[::-1] * 1.5
    found, scaled = speedup_estimate(candidate, incumbent), speedup_estimate(candidate * unit, incumbent * unit)
    for a, b in zip(found.as_dict().values(), scaled.as_dict().values(), strict=True):
        assert a == pytest.approx(b, rel=1e-9)


@given(times)
def test_exchanging_the_sides_inverts_the_speedup(values):
    candidate = np.array(values)
    incumbent = np.sort(candidate)
    forward, backward = speedup_estimate(candidate, incumbent), speedup_estimate(incumbent, candidate)
    assert forward.estimate * backward.estimate == pytest.approx(1)
    assert forward.low * backward.high == pytest.approx(1)


def test_log_ratio_is_positive_for_the_faster_first_argument():
    assert log_ratios([1.0, 2.0], [2.0, 2.0]) == pytest.approx([math.log(2), 0])


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [([1.0], [1.0, 2.0], "one value of each side"), ([0.0], [1.0], "positive"), ([1.0], [math.nan], "positive")],
)
def test_unusable_times_are_refused(a, b, message):
    with pytest.raises(ValueError, match=message):
        log_ratios(a, b)


def test_nan_and_senseless_levels_are_refused():
    with pytest.raises(ValueError, match="NaN"):
        sign_test_interval([1.0] * 9 + [math.nan])
    with pytest.raises(ValueError, match="level"):
        sign_test_interval([1.0] * 9, 95)


def _launches(rng, count, rounds, spread):
    shifts = np.exp(rng.normal(0, spread, size=count))
    return [_skewed_pair(rng, rounds, 1.1 * shift) for shift in shifts]


@pytest.mark.parametrize("count", [3, 10])
def test_hierarchical_interval_covers_where_launches_differ_and_pooling_does_not(count):
    rng = np.random.default_rng(11)
    held_by_pooled = held = 0
    trials = 150
    for _ in range(trials):
        launches = _launches(rng, count, 30, 0.03)
        found = hierarchical_speedup(launches, rng, resamples=400)
        held += found.low <= 1.1 <= found.high
        pooled = speedup_estimate(*(np.concatenate(side) for side in zip(*launches, strict=True)))
        held_by_pooled += pooled.low <= 1.1 <= pooled.high
    assert held / trials >= 0.92
    assert held_by_pooled / trials <= 0.7


def test_hierarchical_estimate_is_the_median_of_launch_medians_whatever_the_round_counts():
    launches = [(np.ones(n), np.full(n, ratio)) for n, ratio in ((3, 1.0), (50, 4.0), (7, 2.0))]
    found = hierarchical_speedup(launches, np.random.default_rng(0))
    assert found.estimate == pytest.approx(2)
    assert found.low * found.high == pytest.approx(4)
    assert found.low < 1
    assert 4 < found.high < 20


def test_hierarchical_interval_repeats_with_the_seed():
    launches = _launches(np.random.default_rng(3), 5, 12, 0.02)
    first, second = (hierarchical_speedup(launches, np.random.default_rng(7)) for _ in range(2))
    assert first == second


def test_one_launch_says_nothing_about_the_spread_between_launches():
    found = hierarchical_speedup([(np.ones(30), np.full(30, 2.0))], np.random.default_rng(0))
    assert found == Estimate(pytest.approx(2), 0.0, math.inf, 0.95)


def test_hierarchical_speedup_needs_launches_with_rounds():
    for launches in ([], [([], [])]):
        with pytest.raises(ValueError, match="at least one"):
            hierarchical_speedup(launches, np.random.default_rng(0))


@pytest.mark.parametrize(("spread", "drift"), [(0.045, 0.0), (0.01, 0.01), (0.001, 0.01)])
def test_two_sessions_find_each_other_within_their_intervals(spread, drift):
    rng, trials = np.random.default_rng(8), 120
    mutual = plain = 0
    for _ in range(trials):
        sessions = [hierarchical_speedup(_launches(rng, 10, 20, spread), rng, resamples=300) for _ in range(2)]
        drifts = np.exp(rng.normal(0, drift, 2))
        first, second = (
            Estimate(*(value * by for value in (one.estimate, one.low, one.high)), one.level)
            for one, by in zip(sessions, drifts, strict=True)
        )
        plain += first.low <= second.estimate <= first.high and second.low <= first.estimate <= second.high
        wide, other = repeat_interval(first), repeat_interval(second)
        mutual += wide.low <= other.estimate <= wide.high and other.low <= wide.estimate <= other.high
    assert mutual / trials >= 0.9
    assert plain < mutual


def test_a_repeat_is_less_certain_than_the_truth_and_an_open_interval_stays_open():
    known = Estimate(2.0, 1.9, 2.2)
    repeat = repeat_interval(known, 0.0)
    assert repeat.estimate == 2.0
    assert math.log(repeat.estimate / repeat.low) == pytest.approx(math.sqrt(2) * math.log(2 / 1.9))
    assert math.log(repeat.high / repeat.estimate) == pytest.approx(math.sqrt(2) * math.log(2.2 / 2))
    assert repeat_interval(Estimate(2.0, 0.0, math.inf)) == Estimate(2.0, 0.0, math.inf)
    exact = repeat_interval(Estimate(2.0, 2.0, 2.0))
    assert exact.high / 2.0 == pytest.approx(math.exp(1.96 * math.sqrt(2) * 0.01), rel=1e-4)
