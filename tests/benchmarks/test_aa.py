"""The judgement on planted races; the races themselves need a quiet machine."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.aa import ROUNDS, binomial_estimate, judged
from benchmarks.inference import sign_test_miss
from benchmarks.outcome import Samples


def _races(gains, rng, noise=0.002, rounds=20):
    """Races whose candidate is faster by ``gains`` (ln units)."""
    return [
        Samples(
            tuple(np.exp(-gain + noise * rng.standard_normal(rounds))),
            tuple(np.exp(noise * rng.standard_normal(rounds))),
            1,
        )
        for gain in gains
    ]


def test_equals_raise_no_objection():
    found = judged(_races(np.zeros(200), np.random.default_rng(1)))
    assert found.objections == ()
    assert found.rate.low <= 0.05 <= found.rate.high
    assert found.ratio.low < 1 < found.ratio.high
    assert found.spread < 0.01
    assert found.expected == sign_test_miss(20)


def test_the_test_itself_misses_as_often_as_it_says():
    """Of 24 rounds: 2.3 %, so that a faultless machine stays under 7 % in 200 trials."""
    rng = np.random.default_rng(7)
    found = judged(_races(np.zeros(4000), rng, rounds=ROUNDS))
    assert found.expected == pytest.approx(0.0227, abs=1e-4)
    assert found.rate.low <= found.expected <= found.rate.high


def test_winners_among_equals_are_an_objection():
    rng = np.random.default_rng(2)
    found = judged(_races(np.where(np.arange(40) % 3, 0.0, 0.01), rng))
    assert found.false_positives >= 13
    assert [text for text in found.objections if "found a winner" in text]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_wide_spread_is_an_objection_to_either_side(sign):
    rng = np.random.default_rng(3)
    found = judged(_races(sign * np.abs(rng.normal(0, 0.05, 40)), rng, noise=0.2))
    assert found.spread > 0.05
    assert [text for text in found.objections if "differs from itself" in text]


def test_a_few_unlucky_races_of_few_are_no_objection():
    found = judged(_races([0.01] * 3 + [0.0] * 17, np.random.default_rng(5)))
    assert found.false_positives >= 3
    assert not [text for text in found.objections if "found a winner" in text]


def test_no_races_are_no_test():
    with pytest.raises(ValueError, match="at least one race"):
        judged([])


@pytest.mark.parametrize(("k", "n", "low", "high"), [(0, 20, 0, 0.1684), (1, 20, 0.00127, 0.2487), (20, 20, 0.8316, 1)])
def test_binomial_interval_is_the_exact_one(k, n, low, high):
    """Against Clopper and Pearson's limits as tabulated."""
    found = binomial_estimate(k, n)
    assert found.estimate == k / n
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)
