"""Whether what was measured once is found again: each speedup in the other measurement's interval."""

from __future__ import annotations

from planted_bench import LEADER, moved, suites

from evolve.repeats import repeats


def test_speedups_repeat_where_each_lies_in_the_others_interval():
    found = repeats(suites(LEADER), moved(1.02))
    assert (found.agreeing(), found.agreeing(over_plain_loop=True)) == ((2, 2), (1, 1))
    assert repeats(suites(LEADER), moved(1.2)).agreeing() == (1, 2)


def test_one_interval_that_holds_the_other_is_not_enough():
    wide = {"estimate": 21.5, "low": 10.0, "high": 40.0, "level": 0.95}
    found = repeats(suites(LEADER), suites({**LEADER, "speedups": {"baseline": wide}}))
    assert found.agreeing() == (0, 1)


def test_another_schedule_is_no_repeat():
    assert repeats(suites(LEADER), moved(1.0, schedule={"mr": 8, "order": "ijk"})) is None
