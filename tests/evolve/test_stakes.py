"""Amdahl's law over all parts of an engine at once, and what it foretells."""

import math

import pytest

from benchmarks.inference import Estimate
from evolve.loops.engine.stakes import NEVER_SEARCHED, Searched, Stake, expected, to_bound, to_nothing
from evolve.tracker.amdahl import program_speedup, speedup_of_all


def exactly(value):
    return Estimate(value, value, value)


def stake(part="surrogate_predict", share=0.6, times=8.0, spread=0.1, width=0.02):
    return Stake(part, Estimate(share, share - width, share + width), math.log(times), spread)


def test_the_law_for_one_kernel_is_that_for_several():
    for share, speedup in ((0.3, 4.0), (0.05, math.inf), (0.99, 1.0), (0.5, 0.5)):
        assert speedup_of_all([(share, speedup)]) == pytest.approx(program_speedup(speedup, share))


def test_several_kernels_save_what_each_of_them_saves():
    assert speedup_of_all([(0.3, 3.0), (0.4, 2.0)]) == pytest.approx(1 / (1 - 0.2 - 0.2))
    assert speedup_of_all([]) == 1.0
    assert speedup_of_all([(0.5, math.inf), (0.5, math.inf)]) == math.inf


def test_parts_at_their_bounds_leave_more_time_than_parts_that_take_none():
    stakes = [stake(), stake("novelty", 0.1, 3.0)]
    bound, nothing = to_bound(stakes), to_nothing(stakes)
    assert bound.estimate == pytest.approx(math.log(1 / (1 - 0.6 * 7 / 8 - 0.1 * 2 / 3)))
    assert nothing.estimate == pytest.approx(math.log(1 / 0.3))
    assert bound.low < bound.estimate < bound.high
    assert nothing.low < nothing.estimate < nothing.high


def test_a_part_at_its_bound_has_nothing_to_give():
    assert to_bound([stake(times=1.0, spread=0.0)]) == Estimate(0.0, 0.0, 0.0)
    assert to_bound([stake(times=0.5, spread=0.0)]).estimate == 0.0
    assert to_bound([]) == to_nothing([]) == Estimate(0.0, 0.0, 0.0)


def test_shares_that_noise_adds_up_to_more_than_all_have_an_end():
    found = to_nothing([stake(share=0.7, width=0.2), stake("novelty", share=0.29, width=0.2)])
    assert found.low < found.estimate < found.high < math.inf


def test_what_was_never_searched_is_expected_where_other_champions_are():
    found = expected([stake(spread=0.0, width=0.0)], {})
    assert found.estimate == pytest.approx(math.log(program_speedup(NEVER_SEARCHED.estimate * 8, 0.6)))
    assert found.low == pytest.approx(math.log(program_speedup(NEVER_SEARCHED.low * 8, 0.6)))
    assert found.high == pytest.approx(to_bound([stake(spread=0.0, width=0.0)]).high)


def test_a_plain_loop_near_its_bound_is_not_expected_to_become_slower():
    assert expected([stake(times=1.2)], {}).low == 0.0


def test_further_search_is_expected_to_bring_less_and_never_to_harm():
    searched = {"surrogate_predict": Searched(exactly(2.0), 0.5, 40, 400)}
    first, later = expected([stake(times=8)], {}), expected([stake(times=math.exp(0.5))], searched)
    assert 0 == later.low < later.estimate < later.high < first.estimate
    longer = {"surrogate_predict": Searched(exactly(2.0), 0.5, 400, 400)}
    assert expected([stake()], longer).estimate < expected([stake()], searched).estimate


def test_the_engine_gains_a_share_of_what_the_part_gains():
    searched = {"surrogate_predict": Searched(exactly(2.0), 0.5, 40, 400)}
    whole = expected([stake(share=0.95, width=0.0)], searched).estimate
    part = expected([stake(share=0.1, width=0.0)], searched).estimate
    assert 0 < part < 0.2 * whole


def test_a_stake_comes_back_from_json_with_what_else_was_told():
    assert Stake.from_dict({**stake().as_dict(), "run": "novelty-3f9a"}) == stake()
