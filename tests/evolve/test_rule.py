"""The lap ratio, the feedback and the verdict, on laps whose truth is planted."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.inference import Estimate
from evolve.store.rows import json_text
from evolve.tracker.evidence import difference
from evolve.tracker.feedback import UNCHANGED, feedback, slope
from evolve.tracker.laps import Point, Series
from evolve.tracker.ratio import LEAST_LAPS, ratio_of, recent_ratio
from evolve.tracker.rule import decide

NOISE = 0.01


def about(value, sigma=NOISE):
    return Estimate(value, value - 1.96 * sigma, value + 1.96 * sigma)


FIRST = math.log(1.3)


def geometric(rho, laps=8):
    return FIRST * np.concatenate([[0.0], np.cumsum(rho ** np.arange(laps))])


def noisy(truth, rng, sigma=NOISE):
    return [about(0.0, 0.0), *(about(value + sigma * rng.standard_normal(), sigma) for value in truth[1:])]


def points(truth, rng, *, engine=True, xi=1.0):
    gains, engines = noisy(truth, rng), noisy(truth / xi, rng)
    inputs = np.exp(truth / xi)
    return tuple(Point(k, gains[k], float(inputs[k]), engines[k] if engine else None) for k in range(len(truth)))


def verdicts(truth, ceiling, *, trials=20, engine=True):
    rng = np.random.default_rng(7)
    made = [Series(points(truth, rng, engine=engine), about(ceiling)) for _ in range(trials)]
    return [decide(one).verdict for one in made]


# ---- the ratio


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.8, 0.95, 1.0, 1.1])
def test_the_ratio_of_laps_without_noise_is_found(rho):
    found = ratio_of([about(value, 1e-6) for value in geometric(rho)])
    assert found.ratio.estimate == pytest.approx(rho, abs=1e-4)
    assert found.ratio.low <= rho + 1e-9
    assert found.ratio.high >= rho - 1e-9
    if rho < 1:
        assert found.asymptote.estimate == pytest.approx(FIRST / (1 - rho), rel=1e-2)
    else:
        assert found.asymptote.high == math.inf


@pytest.mark.parametrize("rho", [0.3, 0.8, 1.0, 1.1])
def test_intervals_hold_the_truth_as_often_as_they_say(rho):
    rng, truth = np.random.default_rng(3), geometric(rho)
    found = [ratio_of(noisy(truth, rng)) for _ in range(300)]
    held = np.mean([one.ratio.low <= rho <= one.ratio.high for one in found])
    assert 0.92 <= held <= 0.985
    if rho < 1:
        end = FIRST / (1 - rho)
        assert 0.92 <= np.mean([one.asymptote.low <= end <= one.asymptote.high for one in found]) <= 0.99


def test_laps_that_scatter_more_than_they_say_widen_the_interval():
    truth = geometric(0.8)
    wild = truth + 0.05 * np.array([0, 1, -1, 1, -1, 1, -1, 1, -1])
    calm, stormy = (ratio_of([about(value) for value in laps]) for laps in (truth, wild))
    assert stormy.fit < 0.01 < calm.fit
    assert stormy.ratio.high - stormy.ratio.low > 2 * (calm.ratio.high - calm.ratio.low)


def test_no_gain_at_all_has_no_ratio():
    found = ratio_of([about(0.0) for _ in range(9)])
    assert found.ratio.low == -math.inf
    assert found.ratio.high == math.inf


def test_a_loop_that_bends_is_judged_by_how_it_goes_on():
    doubling = [about(k * math.log(2)) for k in range(7)]
    flat = [about(6 * math.log(2) + 0.2 * (1 - 0.5**k)) for k in range(1, 7)]
    found = recent_ratio([*doubling, *flat])
    assert found is not None
    assert found.first >= 5
    assert found.ratio.high < 1


def test_too_few_laps_have_no_ratio():
    assert recent_ratio([about(value) for value in geometric(0.5, LEAST_LAPS - 1)]) is None
    assert recent_ratio([about(value) for value in geometric(0.5, LEAST_LAPS)]) is not None


# ---- feedback


def test_a_slope_with_errors_on_both_axes():
    rng = np.random.default_rng(5)
    x, sigma = np.linspace(0, 2, 9), np.full(9, 0.02)
    held = []
    for _ in range(300):
        found = slope(x + sigma * rng.standard_normal(9), 1.5 * x + sigma * rng.standard_normal(9), sigma, sigma)
        held.append(found.low <= 1.5 <= found.high)
    assert 0.92 <= np.mean(held) <= 0.99


def test_an_axis_that_hardly_moves_has_no_slope():
    rng = np.random.default_rng(5)
    x = 0.01 * rng.standard_normal(9)
    assert slope(x, 3 * x, np.full(9, 0.01), np.full(9, 0.01)) is None


def test_an_engine_that_is_left_as_it_is_feeds_nothing_back():
    found = feedback(points(geometric(0.5), np.random.default_rng(1), engine=False))
    assert found.eta == found.product == UNCHANGED


def test_the_feedback_is_the_product_of_both_elasticities():
    found = feedback(points(geometric(1.0), np.random.default_rng(1), xi=0.5))
    assert found.xi.estimate == pytest.approx(0.5, rel=0.05)
    assert found.eta.estimate == pytest.approx(2.0, rel=0.05)
    assert found.product.low < 1 < found.product.high


# ---- the verdict


@pytest.mark.parametrize("rho", [0.1, 0.5, 0.8])
def test_gains_that_end_at_the_ceiling_are_capped(rho):
    assert verdicts(geometric(rho), FIRST / (1 - rho)).count("CAPPED") >= 19


@pytest.mark.parametrize("rho", [1.0, 1.1, 1.2])
def test_gains_that_go_on_are_compounding(rho):
    truth = geometric(rho)
    assert verdicts(truth, truth[-1] + math.log(20)).count("COMPOUNDING") >= 19


def test_a_flattening_curve_far_below_its_ceiling_proves_nothing():
    assert set(verdicts(geometric(0.5), math.log(50))) == {"UNDECIDED"}


def test_it_is_capped_where_the_space_ends_there():
    laps = points(geometric(0.5), np.random.default_rng(2))
    assert decide(Series(laps, about(math.log(50)), about(2 * FIRST))).verdict == "CAPPED"
    for known_little in (math.inf, math.log(50)):
        assert decide(Series(laps, about(math.log(50)), Estimate(0.6, 0.5, known_little))).verdict == "UNDECIDED"


def test_who_has_arrived_is_capped_at_once():
    flat = (Point(0, about(0.0, 0.0), 1.0), Point(1, about(0.0), 2.0))
    found = decide(Series(flat, about(0.05)))
    assert found.verdict == "CAPPED"
    assert "limit above" in found.overturn


def test_growth_that_does_not_feed_its_engine_is_not_compounding():
    truth = geometric(1.0)
    assert "COMPOUNDING" not in verdicts(truth, truth[-1] + 3, engine=False)


def test_an_engine_no_better_than_the_frozen_one_is_not_compounding():
    laps = points(geometric(1.0), np.random.default_rng(1))
    same = tuple(replace(point, engine=about(0.0)) for point in laps)
    assert decide(Series(same, about(9.0))).verdict == "UNDECIDED"


@pytest.mark.parametrize("ceiling", [0.5, 1.0, 3.0])
def test_equals_are_never_called_compounding(ceiling):
    assert "COMPOUNDING" not in verdicts(np.zeros(9), ceiling, trials=50)


def test_a_verdict_says_how_many_laps_would_decide():
    laps = points(geometric(0.9, 6), np.random.default_rng(4))
    found = decide(Series(laps[:3], about(FIRST / 0.1)))
    assert found.verdict == "UNDECIDED"
    assert found.laps_to_decide == LEAST_LAPS - 2
    assert "2 laps" in found.reasons[0]


def test_the_look_ahead_is_borne_out():
    truth = np.log(2.0 ** np.arange(13))
    truth[7:] = truth[6] + 0.35 * (1 - 0.6 ** np.arange(1, 7))
    laps = points(truth, np.random.default_rng(6))
    ceiling = about(float(truth[6]) + 0.35)
    waiting = [decide(Series(laps[:k], ceiling)) for k in range(2, 14)]
    for k, found in enumerate(waiting):
        if found.verdict == "UNDECIDED" and found.laps_to_decide is not None and k > 6:
            assert waiting[min(k + found.laps_to_decide + 1, 11)].verdict == "CAPPED"
    assert waiting[-1].verdict == "CAPPED"


# ---- what cannot be judged


def test_what_cannot_be_judged_is_undecided_with_the_reason():
    laps = points(geometric(0.5), np.random.default_rng(2))
    exact = tuple(replace(point, gain=about(0.0, 0.0)) for point in laps)
    slower = (*laps[:-1], replace(laps[-1], gain=about(-0.5)))
    cases = {
        "no lap": Series(laps[:1], about(1.0)),
        "different machines": Series(laps, about(1.0), faults=("laps of different machines",)),
        "no variance": Series(exact, about(1.0)),
        "slower": Series(slower, about(1.0)),
        "beats the ceiling": Series(laps, about(-0.5)),
    }
    for why, broken in cases.items():
        found = decide(broken)
        assert found.verdict == "UNDECIDED", why
        assert why in found.reasons[0]


def test_without_any_ceiling_nothing_is_called_capped():
    found = decide(Series(points(geometric(0.5), np.random.default_rng(2))))
    assert found.verdict == "UNDECIDED"
    assert next(leg for leg in found.legs if leg.name == "arrived").found is None


finite = st.floats(-5, 5)
widths = st.floats(0, 3)


@settings(max_examples=60, deadline=None)
@example([*[(0.0, 0.0, 1.0, None)] * 4, (0.5, 2.3e-265, 1.0, None)], None, None)
@given(
    st.lists(st.tuples(finite, widths, st.floats(1e-3, 1e6), st.none() | finite), max_size=9),
    st.none() | finite,
    st.none() | finite,
)
def test_any_laps_get_a_verdict_that_can_be_printed(laps, ceiling, endpoint):
    made = tuple(
        Point(k, Estimate(gain, gain - width, gain + width), inputs, None if engine is None else about(engine))
        for k, (gain, width, inputs, engine) in enumerate(laps)
    )
    limits = (None if limit is None else about(limit) for limit in (ceiling, endpoint))
    found = decide(Series(made, *limits))
    assert found.verdict in ("CAPPED", "COMPOUNDING", "UNDECIDED")
    assert found.reasons
    assert found.overturn
    assert json.loads(json_text(found.as_dict()))["verdict"] == found.verdict


def test_differences_add_their_errors():
    found = difference(about(1.0, 0.03), about(0.4, 0.04))
    assert found.estimate == pytest.approx(0.6)
    assert found.high - found.estimate == pytest.approx(1.96 * 0.05)
