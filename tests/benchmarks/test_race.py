from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from benchmarks import race as race_module
from benchmarks.race import LONG_S, MOST_LOOPS, RETAKES, SAMPLE_S, Rules, is_decided, loops_for, race, sample, warm_up

RULES = Rules()
FASTER, SLOWER, RUINOUS = math.log(1.05), -math.log(1.05), -math.log(4)


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
        "a bad start is forgiven",
        "no gain in sight after half",
        "a hair faster",
    ],
)
def test_a_race_takes_as_many_rounds_as_it_needs(ratios, rounds):
    assert decided_after(ratios) == rounds


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


@pytest.fixture
def planted_samples(monkeypatch):
    """Samples of planted length; returns the list of what was timed."""
    taken = []

    def fake(call, loops):
        taken.append((call, loops))
        return next(call)

    monkeypatch.setattr(race_module, "sample", fake)
    return taken


def run_race(candidate_s, incumbent_s, rules, seed=0):
    sides = itertools.cycle(candidate_s), itertools.cycle(incumbent_s)
    return sides, race(*sides, rules, np.random.default_rng(seed))


def firsts_of_a_race(taken, seed):
    taken.clear()
    (candidate, _), _ = run_race([1.0], [1.0], Rules(most_rounds=20, may_drop=False), seed)
    return [call is candidate for call, _ in taken[2::2]]


def test_the_order_turns_within_each_block_whose_first_is_drawn(planted_samples):
    races = [firsts_of_a_race(planted_samples, seed) for seed in range(5)]
    assert all(len(firsts) == 20 for firsts in races)
    assert all(one != other for firsts in races for one, other in zip(firsts[::2], firsts[1::2], strict=True))
    assert all(0 < sum(firsts[::2]) < 10 for firsts in races)


def test_both_sides_have_the_same_number_of_calls_in_a_sample(planted_samples):
    _, (candidate_s, incumbent_s, loops) = run_race([1e-5], [1.0], Rules(most_rounds=8, may_drop=False))
    assert loops == 20
    assert {n for _, n in planted_samples[4:]} == {20}
    assert candidate_s == [1e-5] * 8
    assert incumbent_s == [1.0] * 8


def test_a_hopeless_candidate_costs_two_rounds(planted_samples):
    _, (candidate_s, incumbent_s, _) = run_race([2.0], [1.0], RULES)
    assert (len(candidate_s), len(incumbent_s)) == (2, 2)
    assert len(planted_samples) == 2 + 4


class Clock:
    """A machine whose clocks show what is planted: wall and processor seconds a sample, and switches."""

    def __init__(self, monkeypatch, samples):
        self.samples, self.taken = samples, 0
        self.wall_ns = self.cpu_ns = self.ru_nivcsw = 0
        monkeypatch.setattr(race_module.time, "perf_counter_ns", lambda: self.wall_ns)
        monkeypatch.setattr(race_module.time, "thread_time_ns", lambda: self.cpu_ns)
        monkeypatch.setattr(race_module.resource, "getrusage", lambda _who: self)

    def call(self):
        wall_s, cpu_s, switches = self.samples[self.taken]
        self.taken += 1
        self.wall_ns += round(wall_s * 1e9)
        self.cpu_ns += round(cpu_s * 1e9)
        self.ru_nivcsw += switches


@pytest.mark.parametrize(
    ("samples", "taken"),
    [
        ([(1e-3, 1e-3, 0), (2e-3, 2e-3, 0)], 1),
        ([(2e-3, 1e-3, 0), (1e-3, 1e-3, 0)], 2),
        ([(2e-3, 2e-3, 1), (1e-3, 1e-3, 0)], 2),
        ([(2e-3, 1e-3, 1)] * 5, RETAKES),
        ([(2 * LONG_S, LONG_S, 3), (1e-3, 1e-3, 0)], 1),
    ],
    ids=["clean", "the processor was elsewhere", "switched", "never clean", "long and disturbed"],
)
def test_a_sample_is_retaken_for_a_cause_and_never_by_value(monkeypatch, samples, taken):
    clock = Clock(monkeypatch, samples)
    assert sample(clock.call, 1) == pytest.approx(samples[taken - 1][0])
    assert clock.taken == taken


def test_a_sample_is_seconds_per_call(monkeypatch):
    clock = Clock(monkeypatch, [(1e-3, 1e-3, 0)] * 4)
    assert sample(clock.call, 4) == pytest.approx(1e-3)
    assert clock.taken == 4


def test_what_takes_long_is_called_once_to_warm_up(planted_samples):
    assert warm_up([iter([1.0]), iter([2.0])]) == 1.0
    assert warm_up([iter([1e-3, 1e-4]), iter([1.0, 1.0])]) == 1e-4
    assert len(planted_samples) == 2 + 4
