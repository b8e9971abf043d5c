from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from benchmarks import race as race_module
from benchmarks.race import (
    LEAST_GAIN,
    LONG_S,
    MOST_LOOPS,
    RETAKES,
    SAMPLE_S,
    Rules,
    is_decided,
    loops_for,
    race,
    warm_up,
)

RULES = Rules()
FASTER, SLOWER, RUINOUS = math.log(1.05), -math.log(1.04), -math.log(4)


def decided_after(ratios, rules=RULES):
    """Rounds of a planted sequence that a race would take; None where the sequence is too short."""
    return next((n for n in range(1, len(ratios) + 1) if is_decided(ratios[:n], rules)), None)


@pytest.mark.parametrize(
    ("ratios", "rounds"),
    [
        ([RUINOUS] * 40, 1),
        ([-math.log(1.3)] * 40, 2),
        ([-math.log(1.3), 0.0] + [FASTER] * 40, 30),
        ([SLOWER] * 40, 6),
        ([math.log(1.5)] * 40, 6),
        ([FASTER] * 40, 30),
        ([LEAST_GAIN / 2, 0.0] * 20, 6),
        ([RUINOUS / 2, FASTER] + [FASTER] * 40, 30),
        ([0.010, -0.012] * 20, 16),
        ([0.012, -0.010] * 20, 30),
    ],
    ids=[
        "ruinous at once",
        "hopeless twice",
        "one bad round is none",
        "surely slower",
        "clearly faster",
        "small gains take all rounds",
        "no gain that counts",
        "a bad start is forgiven",
        "no gain in sight after half",
        "a hair faster",
    ],
)
def test_a_race_takes_as_many_rounds_as_it_needs(ratios, rounds):
    assert decided_after(ratios) == rounds


@pytest.mark.parametrize(("futile", "rounds"), [(0.2, 6), (0.4, 12), (0.5, 16), (1.0, 30)])
def test_from_which_round_on_the_middle_has_to_be_in_front_is_a_rule(futile, rounds):
    assert decided_after([0.010, -0.012] * 20, Rules(futile=futile)) == rounds


def test_what_is_reported_takes_all_rounds_whatever_happens():
    assert decided_after([RUINOUS] * 40, Rules(most_rounds=12, may_drop=False)) == 12


@pytest.mark.parametrize("rounds", [3, 5, 7, 29])
def test_only_whole_blocks_decide(rounds):
    assert not is_decided([-math.log(2)] * rounds, RULES)


def test_nothing_is_decided_before_the_first_round():
    assert not is_decided([], RULES)


@pytest.mark.parametrize(
    ("call_s", "loops"), [(1.0, 1), (SAMPLE_S, 1), (SAMPLE_S / 3, 3), (SAMPLE_S / 2.5, 3), (0.0, MOST_LOOPS)]
)
def test_a_sample_lasts_long_enough(call_s, loops):
    assert loops_for(call_s) == loops


def test_rules_may_say_how_long_a_sample_is():
    assert [loops_for(1e-5, sample_s) for sample_s in (1e-4, 2e-4, 4e-4)] == [10, 20, 40]


class Planted:
    """A contestant whose samples have planted lengths; a common log notes when it was asked, and for how many calls."""

    def __init__(self, seconds, log):
        self.seconds, self.log = itertools.cycle(seconds), log

    def sample(self, loops):
        self.log.append((self, loops))
        return next(self.seconds)


def run_race(*seconds, rules=RULES, seed=0):
    log = []
    sides = [Planted(times, log) for times in seconds]
    raced = race(sides, loops_for(warm_up(sides)), rules, np.random.default_rng(seed))
    return sides, raced, log


def order_of_a_race(count, seed):
    """Which side was asked, round by round, warm-up left out; samples of 1 s are warmed up by one."""
    sides, _, log = run_race(*[[1.0]] * count, rules=Rules(most_rounds=12, may_drop=False), seed=seed)
    asked = [sides.index(side) for side, _ in log[count:]]
    return [asked[k : k + count] for k in range(0, len(asked), count)]


@pytest.mark.parametrize("count", [2, 3, 4])
def test_within_a_block_everyone_stands_once_in_every_place(count):
    for seed in range(5):
        rounds = order_of_a_race(count, seed)
        assert len(rounds) == 12
        for block in range(0, 12, count):
            for place in range(count):
                assert sorted(order[place] for order in rounds[block : block + count]) == list(range(count))


def test_each_block_is_drawn_anew():
    firsts = [order[0] for seed in range(5) for order in order_of_a_race(2, seed)[::2]]
    assert 0 < sum(firsts) < len(firsts)


def test_all_sides_have_the_same_number_of_calls_in_a_sample():
    _, raced, log = run_race([1e-5], [1.0], rules=Rules(most_rounds=8, may_drop=False))
    assert raced.loops == 20
    assert {loops for _, loops in log[-16:]} == {20}
    assert raced.seconds == [[1e-5] * 8, [1.0] * 8]


def test_a_hopeless_candidate_costs_two_rounds():
    _, raced, log = run_race([2.0], [1.0])
    assert [len(times) for times in raced.seconds] == [2, 2]
    assert len(log) == 2 + 4


def test_whose_call_takes_a_minute_is_known_by_one_round():
    _, raced, _ = run_race([1.0], [61.0], rules=Rules(patience_s=-1.0))
    assert [len(times) for times in raced.seconds] == [1, 1]


def test_no_block_is_left_half_done_when_time_is_up():
    _, raced, _ = run_race([1.0], [1.0], [1.0], rules=Rules(most_rounds=30, least_rounds=4, most_s=0.0, may_drop=False))
    assert [len(times) for times in raced.seconds] == [6, 6, 6]


class Clock:
    """A machine whose clocks show what is planted for each sample: wall and processor seconds, and switches."""

    def __init__(self, monkeypatch, samples):
        self.samples, self.taken = samples, 0
        self.wall_ns = self.cpu_ns = self.ru_nivcsw = 0
        monkeypatch.setattr(race_module, "now_ns", lambda: self.wall_ns)
        monkeypatch.setattr(race_module.time, "thread_time_ns", lambda: self.cpu_ns)
        monkeypatch.setattr(race_module.resource, "getrusage", lambda _who: self)

    def sample(self, _loops):
        wall_s, cpu_s, switches = self.samples[min(self.taken, len(self.samples) - 1)]
        self.taken += 1
        self.wall_ns += round(wall_s * 1e9)
        self.cpu_ns += round(cpu_s * 1e9)
        self.ru_nivcsw += switches
        return wall_s


CLEAN = (6e-3, 6e-3, 0)


@pytest.mark.parametrize(
    ("disturbed", "reasons", "contended"),
    [
        ([CLEAN, (8e-3, 8e-3, 0)], [], 0),
        ([(8e-3, 6e-3, 0), CLEAN], ["waited"], 0),
        ([CLEAN, (8e-3, 8e-3, 1)], ["preempted"], 0),
        ([(8e-3, 6e-3, 1)] * 8, ["preempted"] * RETAKES, 1),
        ([(2 * LONG_S, LONG_S, 3), CLEAN], [], 1),
    ],
    ids=["slow and clean", "the processor was elsewhere", "switched", "never clean", "long and disturbed"],
)
def test_a_round_is_retaken_whole_for_a_cause_and_never_by_value(monkeypatch, disturbed, reasons, contended):
    clock = Clock(monkeypatch, [*disturbed, CLEAN])
    raced = race([clock, clock], 1, Rules(most_rounds=1, least_rounds=1, may_drop=False), np.random.default_rng(0))
    assert [retake.reason for retake in raced.retakes] == reasons
    assert all(len(retake.seconds) == 2 for retake in raced.retakes)
    assert raced.contended == contended
    assert clock.taken == 2 * (len(reasons) + 1)


def test_waiting_for_threads_of_its_own_is_no_disturbance(monkeypatch):
    clock = Clock(monkeypatch, [(8e-3, 2e-3, 0)])
    rules = Rules(most_rounds=4, may_drop=False)
    raced = race([clock, clock], 1, rules, np.random.default_rng(0), is_parallel=True)
    assert raced.retakes == []


def test_what_takes_long_is_called_once_to_warm_up():
    log = []
    assert warm_up([Planted([1.0], log), Planted([2.0], log)]) == 1.0
    assert len(log) == 2


def test_what_is_short_is_warmed_up_until_two_samples_agree(monkeypatch):
    monkeypatch.setattr(race_module, "now_ns", lambda: 0)
    log = []
    assert warm_up([Planted([1e-3, 5e-4, 4e-4, 3.99e-4, 1.0], log)]) == 3.99e-4
    assert len(log) == 4
