import math
from collections import deque

import numpy as np
import pytest

from benchmarks import conditions as conditions_module
from benchmarks.conditions import LEAST_BANDWIDTH, LEAST_CLOCK, Look, Watch, disturbances
from benchmarks.judge import SLOWED, condemned, is_doubtful, judged, with_known_incumbent, would_win
from benchmarks.outcome import Conditions, Impossible, Measured, Noisy, Retake, Samples
from benchmarks.race import Raced, Rules

RULES = Rules()
QUIET = Conditions()
DISTURBED = Conditions(flags=("memory",))


def samples(speedup, conditions=QUIET):
    noise = np.exp(np.random.default_rng(0).normal(0, 0.001, 30))
    return Samples(tuple(1e-3 / speedup * noise), (1e-3,) * 30, 1, 0.0, conditions)


@pytest.mark.parametrize(
    ("speedup", "conditions", "is_expected"),
    [
        (1.05, Conditions(), False),
        (1.05, DISTURBED, True),
        (1.5, DISTURBED, False),
        (0.95, DISTURBED, False),
        (1.0, DISTURBED, False),
        (1.05, Conditions(flags=("floor",)), False),
    ],
    ids=["quiet", "small gain", "clear gain", "loss", "nothing", "a flag that is no disturbance"],
)
def test_only_a_small_gain_on_a_disturbed_machine_is_doubted(speedup, conditions, is_expected):
    outcome = judged(samples(speedup, conditions), 0.0, 0.0)
    assert isinstance(outcome, Measured)
    assert is_doubtful(outcome, RULES) is is_expected


@pytest.mark.parametrize(("clear", "is_expected"), [(1.01, True), (1.1, True), (1.2, True)])
def test_rules_that_call_less_a_clear_gain_leave_it_as_doubtful(clear, is_expected):
    outcome = judged(samples(1.08, DISTURBED), 0.0, 0.0)
    assert is_doubtful(outcome, Rules(clear=clear)) is is_expected


@pytest.mark.parametrize(("speedup", "rounds", "low"), [(79.0, 1, 79 / 3), (79.0, 2, 79 / 3), (2.9, 5, 0.0)])
def test_what_no_disturbance_explains_is_a_gain_after_one_round(speedup, rounds, low):
    outcome = judged(Samples((1.0,) * rounds, (speedup,) * rounds, 1), 0.0, 0.0)
    assert math.exp(outcome.low) == pytest.approx(low)
    assert outcome.log_ratio == pytest.approx(math.log(speedup))


def test_a_loss_of_one_round_has_no_interval():
    outcome = judged(Samples((79.0,), (1.0,), 1), 0.0, 0.0)
    assert (outcome.low, outcome.high) == (-math.inf, math.inf)


def test_what_is_as_doubtful_the_second_time_is_noisy_and_keeps_its_samples():
    outcome = condemned(judged(samples(1.05, DISTURBED), 0.0, 0.0))
    assert isinstance(outcome, Noisy)
    assert "memory" in outcome.reason
    assert outcome.samples.conditions == DISTURBED
    assert not would_win(outcome)


def test_what_beats_the_hardware_is_doubted_and_then_impossible():
    outcome = judged(samples(2.0), 0.0, reject_s=1e-3)
    assert isinstance(outcome, Impossible)
    assert is_doubtful(outcome, RULES)
    assert condemned(outcome) is outcome
    assert len(outcome.samples.candidate_s) == 30


@pytest.mark.parametrize(("known_s", "is_expected"), [(1e-3, False), (0.99e-3 / SLOWED, True)])
def test_a_gain_over_an_incumbent_that_was_slowed_down_is_doubted_however_clear(known_s, is_expected):
    outcome = judged(with_known_incumbent(samples(8.0), known_s), 0.0, 0.0)
    assert is_doubtful(outcome, RULES) is is_expected


@pytest.mark.parametrize(("speedup", "wins"), [(1.05, True), (1.004, False), (1.0, False), (0.9, False)])
def test_a_gain_wins_where_it_counts_and_its_interval_is_above_nothing(speedup, wins):
    outcome = judged(samples(speedup), 0.0, 0.0)
    assert would_win(outcome) is wins
    assert outcome.log_ratio == pytest.approx(math.log(speedup), abs=0.001)


def look(clock_hz=4e9, memory_bytes_per_s=3e10, steal=0, at_s=0.0):
    idle = round(at_s * 200)
    return Look(clock_hz, memory_bytes_per_s, (0, 0, 0, idle, 0, 0, 0, steal), round(at_s * 1e9))


def raced(contended=0):
    return Raced([[1.0] * 20, [1.0] * 20], 1, contended, [Retake("preempted", (1.0, 1.0))])


@pytest.mark.parametrize(
    ("after", "contended", "flags"),
    [
        (look(at_s=1), 0, ()),
        (look(clock_hz=0.99 * LEAST_CLOCK * 4e9, at_s=1), 0, ("clock",)),
        (look(memory_bytes_per_s=0.99 * LEAST_BANDWIDTH * 3e10, at_s=1), 0, ("memory",)),
        (look(steal=20, at_s=1), 0, ("steal",)),
        (look(steal=2, at_s=0.05), 0, ()),
        (look(at_s=1), 5, ()),
        (look(at_s=1), 6, ("contended",)),
    ],
    ids=["quiet", "clock", "memory", "steal", "too short for ticks", "a few rounds", "many rounds"],
)
def test_conditions_name_what_was_wrong(after, contended, flags):
    conditions = Watch(deque([4e9]), deque([3e10])).judged(look(), after, raced(contended))
    assert conditions.flags == flags
    assert disturbances(conditions) == flags
    assert conditions.contended == contended
    assert [retake.reason for retake in conditions.retakes] == ["preempted"]


@pytest.mark.parametrize(("floor_s", "flags"), [(0.04, ()), (0.06, ("floor",))])
def test_a_call_that_is_mostly_the_calling_is_marked(floor_s, flags):
    conditions = Watch(deque([4e9]), deque([3e10])).judged(look(), look(at_s=1), raced(), floor_s)
    assert conditions.flags == flags
    assert disturbances(conditions) == ()


def test_looks_at_this_machine_are_remembered():
    watch = Watch()
    found = [watch.look() for _ in range(2)]
    assert list(watch.clocks_hz) == [one.clock_hz for one in found]
    assert list(watch.copies_bytes_per_s) == [one.memory_bytes_per_s for one in found]
    assert min(*watch.clocks_hz, *watch.copies_bytes_per_s) > 1e8


def test_a_look_of_just_now_is_as_good_as_another(monkeypatch):
    watch = Watch()
    first = watch.recent()
    assert watch.recent() is first
    monkeypatch.setattr(conditions_module, "RECENT_S", 0.0)
    assert watch.recent().at_ns > first.at_ns
    assert len(watch.clocks_hz) == 2
