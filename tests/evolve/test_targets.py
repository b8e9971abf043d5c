"""Evaluations to a target: what a search takes for what another one finds."""

import math

import numpy as np
import pytest

from evolve.replay.landscape import Landscape
from evolve.replay.targets import fewer, half_find_s, most, reached, running_time
from kernels.language.space import Space, integer

BUDGET = 100


def test_who_never_arrives_begins_anew_until_one_does():
    assert running_time([10, 30], BUDGET) == 20
    assert running_time([10, None], BUDGET) == 110
    assert running_time([10, None, None], BUDGET) == 210
    assert running_time([1, 1], BUDGET) == 1


def test_where_nobody_arrives_it_is_long_but_a_number():
    found = fewer([[None] * 8], [[10] * 8], BUDGET)
    assert found.estimate == pytest.approx(math.log(8 * BUDGET / 0.5 / 10))
    assert math.isfinite(found.low)
    assert math.isfinite(found.high)


def test_equals_are_exactly_equal():
    times = [3, 70, None, 12, 55, 8]
    found = fewer([times, times], [times, times], BUDGET)
    assert (found.estimate, found.low, found.high) == (0, 0, 0)


def test_half_as_many_are_twice_as_fast_whatever_the_space():
    quick, slow = [4, 10, 30, 22], [8, 20, 60, 44]
    found = fewer([slow, [2 * n for n in slow]], [quick, [2 * n for n in quick]], 1000)
    assert found.estimate == pytest.approx(math.log(2))
    assert found.low == pytest.approx(found.high), "the same seeds on both sides"


def test_the_interval_holds_the_truth():
    """Geometric arrivals, at rates whose ratio is 2: 40 seeds on each of two spaces."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(100):
        one, other = (
            [[int(n) if n <= BUDGET else None for n in rng.geometric(rate, 40)] for _space in range(2)]
            for rate in (0.02, 0.04)
        )
        found = fewer(one, other, BUDGET)
        held += found.low <= math.log(2) <= found.high
    assert held >= 88


def test_one_seed_says_nothing_of_others():
    assert fewer([[5]], [[10]], BUDGET).low == -math.inf


def test_the_ceiling_is_one_evaluation():
    assert most([[10, 30]], BUDGET).estimate == pytest.approx(math.log(20))


def test_the_target_is_what_half_of_the_searches_find():
    space = Space([integer("x", range(10), "")])
    landscape = Landscape("line", space, {space.schedule(x=x): 10.0 - x for x in range(10)}, "")
    searches = [(9.0, 4.0), (8.0, 3.0), (7.0, 2.0), (None, 1.0)]
    target_s = half_find_s(landscape, searches, 2)
    assert [reached(one, target_s, 2) for one in searches] == [None, None, 2, 2]
    assert reached((None, 5.0, 1.0), 1.0, 2) is None, "the budget was used up"
    assert reached((5.0, 1.0005), half_find_s(landscape, [(1.0,)], 2), 2) == 2, "that is the same time"
