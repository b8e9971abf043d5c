"""Do tricks stack: on planted effects, whose answer is known."""

import json

import numpy as np
import pytest

from benchmarks.inference import Estimate
from evolve.tracker.factorial import cells, contrasts, effects, place, stacking, word

FACTORS = ("engine", "policy", "search", "model")


def planted(gains, interactions=None, blocks=24, noise=0.0, seed=1):
    """Responses of blocks that differ by much, tricks that add, and interactions of groups that are on together."""
    rng = np.random.default_rng(seed)
    clean = [
        sum(gains.get(one, 0.0) for one in on)
        + sum(more for group, more in (interactions or {}).items() if set(group) <= set(on))
        for on in cells(FACTORS)
    ]
    levels = rng.normal(0, 3.0, (blocks, 1))
    return levels + np.array(clean) + noise * rng.standard_normal((blocks, len(clean)))


def by_factors(found):
    return {effect.factors: effect.gain for effect in found}


def test_cells_stand_in_standard_order():
    assert cells(("a", "b")) == [(), ("a",), ("b",), ("a", "b")]
    for at, on in enumerate(cells(FACTORS)):
        assert place(FACTORS, on) == at
    with pytest.raises(ValueError, match="not in list"):
        place(FACTORS, ["luck"])


def test_contrasts_are_those_of_the_definition():
    """Against sums over all cells with signs, for responses drawn at random."""
    rng = np.random.default_rng(2)
    responses = rng.standard_normal((5, 16))
    found = contrasts(responses)
    for at in range(1, 16):
        signs = [(-1) ** (at.bit_count() - (at & cell).bit_count()) for cell in range(16)]
        assert found[:, at] == pytest.approx(responses @ np.array(signs) / 8)
    assert found[:, 0] == pytest.approx(responses.mean(axis=1))


def test_yates_own_numbers():
    """Box, Hunter and Hunter, pilot plant: temperature 23, concentration -5, catalyst 1.5, their interactions."""
    yields = [[60, 72, 54, 68, 52, 83, 45, 80]]
    assert contrasts(yields)[0].tolist() == [64.25, 23.0, -5.0, 1.5, 1.5, 10.0, 0.0, 0.5]


def test_effects_that_add_are_found_and_nothing_else():
    gains = {"engine": 0.05, "policy": 0.3, "search": 0.4, "model": -0.1}
    found = by_factors(effects(FACTORS, planted(gains)))
    assert len(found) == 15
    for factor, gain in gains.items():
        assert found[factor,].estimate == pytest.approx(gain)
    assert max(abs(gain.estimate) for on, gain in found.items() if len(on) > 1) == pytest.approx(0, abs=1e-12)


def test_an_interaction_is_half_of_what_one_gains_more_where_the_other_is_on():
    found = by_factors(effects(FACTORS, planted({"search": 0.4, "model": 0.5}, {("search", "model"): -0.3})))
    assert found["search", "model"].estimate == pytest.approx(-0.15)
    assert found["search",].estimate == pytest.approx(0.4 - 0.15)
    assert found["engine", "search"].estimate == pytest.approx(0, abs=1e-12)
    assert found["engine", "search", "model"].estimate == pytest.approx(0, abs=1e-12)


def test_what_blocks_differ_by_is_in_no_interval():
    found = effects(FACTORS, planted({"search": 0.4}, noise=0.0))
    assert all(effect.gain.high - effect.gain.low < 1e-9 for effect in found)


def test_intervals_hold_the_truth_as_often_as_they_say():
    truth, missed, count = 0.1, 0, 400
    for seed in range(count):
        found = by_factors(effects(FACTORS, planted({"search": truth}, blocks=12, noise=0.5, seed=seed)))
        gain = found["search",]
        missed += not gain.low <= truth <= gain.high
    # of 400 at 5 %: 20, give or take 4.4
    assert 7 <= missed <= 35


def test_stacking_tells_whether_all_together_give_the_sum():
    gains = {"engine": 0.05, "policy": 0.3, "search": 0.4, "model": 0.5}
    adds = stacking(FACTORS, planted(gains, noise=0.05))
    assert adds.word == "additive"
    assert adds.expected.estimate == pytest.approx(1.25, abs=0.1)
    less = stacking(FACTORS, planted(gains, {("search", "model"): -0.4}, noise=0.05))
    assert less.word == "sub-additive"
    assert less.beyond.estimate == pytest.approx(-0.4, abs=0.1)
    assert less.together.estimate == pytest.approx(less.expected.estimate + less.beyond.estimate)
    more = stacking(FACTORS, planted(gains, {("engine", "policy"): 0.3}, noise=0.05))
    assert more.word == "super-additive"
    assert less.singles["search"].estimate == pytest.approx(0.4, abs=0.1)
    assert json.dumps(more.as_dict(), allow_nan=False)


def test_a_single_trick_stacks_with_nothing():
    found = stacking(("engine",), [[0.0, 0.2], [1.0, 1.3]])
    assert found.beyond.estimate == 0
    assert [effect.factors for effect in effects(("engine",), [[0.0, 0.2], [1.0, 1.3]])] == [("engine",)]


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ((-0.1, 0.1), "additive"),
        ((0.01, 0.1), "super-additive"),
        ((-0.2, -0.1), "sub-additive"),
        ((0, 0), "additive"),
        ((0.001, 0.003), "additive"),
    ],
)
def test_the_word_follows_from_the_interval(ends, said):
    assert word(Estimate(sum(ends) / 2, *ends)) == said


@pytest.mark.parametrize(
    "responses", [np.zeros((4, 8)), np.zeros((1, 16)), np.full((4, 16), np.nan), np.zeros((0, 16))]
)
def test_what_is_no_full_factorial_is_refused(responses):
    with pytest.raises(ValueError, match=r"cells a block|2 blocks"):
        effects(FACTORS, responses)


def test_a_count_of_cells_that_is_no_power_of_two_is_refused():
    with pytest.raises(ValueError, match="2\\^k"):
        contrasts(np.zeros((3, 6)))
