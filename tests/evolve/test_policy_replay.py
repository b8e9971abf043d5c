"""Recorded races run again by other policies, and the search for a cheaper one, where noise and answer are planted."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest

from benchmarks import race as racing
from benchmarks.race import LEAST_GAIN, Rules, race
from evolve.loops.policy.replay import (
    FALSE,
    GAINS,
    NARROW,
    SURE,
    Candidate,
    Recorded,
    Trace,
    decision,
    mistakes,
    raw,
    spent,
)
from evolve.loops.policy.search import MOST_LOST, MOST_WRONG, Judge, found
from evolve.racing import HAND_SET, MOST_ROUNDS, SAMPLES_US, SPACE, rules_of

LAZY = SPACE.schedule(hopeless_percent=101, ruinous_percent=105, most_rounds=12, least_rounds=6)
"""Drops at the first sign of noise, and looks at few rounds."""


def trace_of(rng, noise):
    """A millisecond a call: longer than any sample is asked to be."""
    candidate_s, incumbent_s = 1e-3 * np.exp(rng.normal(0, noise, (2, MOST_ROUNDS)) / math.sqrt(2))
    return Trace(tuple(candidate_s.tolist()), tuple(incumbent_s.tolist()))


def candidate(speedup, beside_s=0.0, incumbent_s=1e-3):
    return Candidate({}, {}, math.log(speedup), incumbent_s / speedup, incumbent_s, beside_s)


def problem(rng, noise, speedups, races=12, beside_s=0.0):
    traces = [trace_of(rng, noise) for _ in range(races)]
    return Recorded(dict.fromkeys(SAMPLES_US, traces), [candidate(speedup, beside_s) for speedup in speedups])


def world(seed, noise, speedups, races=12, problems=2):
    rng = np.random.default_rng(seed)
    return [problem(rng, noise, speedups, races) for _ in range(problems)]


def look():
    pass


# ---- a race again

EXACT = Trace((1e-3,) * MOST_ROUNDS, (1e-3,) * MOST_ROUNDS)


@pytest.mark.parametrize(
    ("speedup", "rounds", "is_taken"),
    [(1 / 4, 1, False), (1 / 1.3, 2, False), (1 / 1.03, 6, False), (1.05, 30, True), (1.5, 6, True), (1.0, 6, False)],
)
def test_without_noise_a_race_is_what_its_rules_say(speedup, rounds, is_taken):
    made = decision(EXACT, math.log(speedup), Rules())
    assert (made.rounds, made.is_taken) == (rounds, is_taken)
    assert made.estimate == pytest.approx(math.log(speedup))


def test_a_gain_below_what_counts_takes_no_title():
    assert not decision(EXACT, 0.9 * LEAST_GAIN, Rules()).is_taken
    assert decision(EXACT, 1.1 * LEAST_GAIN, Rules()).is_taken


class Side:
    """A contestant that takes what a trace says, and so much longer or shorter."""

    def __init__(self, seconds):
        self.seconds = itertools.cycle(seconds)

    def sample(self, _loops):
        return next(self.seconds)


@pytest.mark.parametrize("policy", [HAND_SET, LAZY, SPACE.schedule(futile_percent=20, clear_percent=102)], ids=str)
@pytest.mark.parametrize("speedup", [0.5, 0.97, 1.0, 1.02, 1.2])
def test_a_replay_ends_where_the_race_itself_would(policy, speedup, monkeypatch):
    monkeypatch.setattr(racing, "RETAKES", 0)  # on a busy machine a round taken anew would skip one of the trace
    rng, rules = np.random.default_rng(3), rules_of(policy)
    for trace in (trace_of(rng, 0.02) for _ in range(20)):
        sides = [Side([time_s / speedup for time_s in trace.candidate_s]), Side(trace.incumbent_s)]
        raced = race(sides, 1, rules, rng, is_parallel=True)
        assert decision(trace, math.log(speedup), rules).rounds == len(raced.seconds[0])


def test_samples_cost_what_both_sides_take_up_to_the_end():
    known = Recorded({200: [EXACT]}, [candidate(1 / 1.3, 5e-3), candidate(1.5, 1e-3)])
    cost = spent(Rules(), [known])
    slow_s, fast_s = 2 * (1e-3 + 1.3e-3), 6 * (1e-3 + 1e-3 / 1.5)
    assert cost.sampled_s.tolist() == [[pytest.approx(slow_s + fast_s)]]
    assert cost.cost_s == pytest.approx(slow_s + fast_s + 6e-3)
    assert cost.lost.tolist() == [[0.0]]


def test_a_short_call_is_made_so_often_that_a_sample_is_long_enough():
    short = candidate(1.0, incumbent_s=1e-5)
    assert short.sampled_s([1, 1], 1e-4) == pytest.approx(2e-4)
    assert short.sampled_s([1, 1], 4e-4) == pytest.approx(8e-4)


def test_what_is_missed_and_what_is_taken_wrongly_is_lost():
    rng = np.random.default_rng(0)
    noisy = [trace_of(rng, 0.2) for _ in range(50)]
    cost = spent(Rules(), [Recorded({200: noisy}, [candidate(1.02)])])
    missed = [not decision(trace, math.log(1.02), Rules()).is_taken for trace in noisy]
    assert 0 < sum(missed) < len(missed)
    assert cost.lost.mean() == pytest.approx(math.log(1.02) * np.mean(missed))


# ---- mistakes


def test_where_there_is_no_noise_nobody_errs():
    wrong = mistakes(Rules(), world(0, 1e-5, [1.0]))
    assert len(wrong) == len(FALSE) + len(GAINS)
    assert not any(kind.any() for kind in wrong.values())


def test_small_gains_are_missed_in_noise_and_large_ones_are_not():
    wrong = mistakes(Rules(), world(0, 0.03, [1.0], races=60))
    missed = [wrong[f"misses {speedup:g}x"].mean() for speedup in GAINS]
    assert missed[0] > 0.5
    assert missed[-2:] == [0, 0]
    assert missed == sorted(missed, reverse=True)
    assert wrong["takes 1x for a gain"].mean() <= 0.05


def test_a_policy_that_decides_worse_has_no_fitness():
    judge = Judge(world(0, 0.03, [0.9, 1.0, 1.05]))
    assert judge.gain(LAZY) > 0
    assert judge.fitness(LAZY) is None
    assert judge.fitness(HAND_SET) == 0.0


def test_a_policy_that_decides_worse_is_found_out_on_new_traces():
    compared = Judge(world(1, 0.03, [0.9, 1.0, 1.05], races=40)).comparison(LAZY)
    assert compared.objections
    assert compared.rates[-1].difference.low > 0
    assert compared.rates[-1].chance < 0.01


def test_the_hand_set_policy_is_as_good_as_itself():
    compared = Judge(world(2, 0.02, [0.9, 1.0, 1.05], races=24, problems=3)).comparison(HAND_SET)
    assert compared.objections == ()
    assert {rate.difference.estimate for rate in compared.rates} == {0.0}
    assert {rate.chance for rate in compared.rates} == {1.0}
    assert compared.samples.estimate == 1.0
    # no difference was seen, which is not the same as that there is none
    assert 0 < compared.rates[-1].difference.high < MOST_WRONG < compared.rates[0].difference.high
    assert compared.lost.high == 0.0 < MOST_LOST


def test_no_race_that_differs_is_too_few_to_be_sure_of_much():
    compared = Judge(world(2, 0.02, [1.0], races=2, problems=1)).comparison(HAND_SET)
    assert compared.rates[-1].difference.high > MOST_WRONG


# ---- the search

MOSTLY_SLOWER = [1 / 3, 1 / 1.6, 1 / 1.2, 1 / 1.15, 1 / 1.1, 1 / 1.1, 1 / 1.05, 1.0, 1.03, 1.2]


@pytest.mark.parametrize("seed", range(2))
def test_where_there_is_next_to_no_noise_fewer_rounds_decide_as_well(seed):
    best = found(world(seed, 1e-3, MOSTLY_SLOWER, 6), HAND_SET, np.random.default_rng(seed), 96, look)
    assert best.gain > math.log(1.3)
    assert best.tried == 96
    fresh = Judge(world(seed + 100, 1e-3, MOSTLY_SLOWER, 24, 3)).comparison(best.policy)
    assert fresh.objections == ()
    assert fresh.samples.low > 1.3
    assert rules_of(best.policy).hopeless < 1.25


def test_where_no_race_can_be_shorter_nothing_is_found():
    """Everybody is four times slower, and leaves after a single round."""
    best = found(world(0, 0.01, [0.25] * 4, 6), HAND_SET, np.random.default_rng(0), 48, look)
    assert best.policy == HAND_SET
    assert best.gain == 0.0
    assert best.correct > 0


def test_the_search_begins_at_the_present_policy_and_keeps_it_where_nothing_is_better():
    problems = world(0, 1e-3, MOSTLY_SLOWER, 6)
    present = found(problems, HAND_SET, np.random.default_rng(0), 96, look).policy
    again = found(problems, present, np.random.default_rng(1), 16, look)
    assert again.gain >= Judge(problems).gain(present)
    assert again.policy == present or again.gain > Judge(problems).gain(present) + LEAST_GAIN


def test_the_search_follows_from_its_seed_and_may_be_stopped():
    problems = world(0, 1e-3, MOSTLY_SLOWER, 4)
    one, other = (found(problems, HAND_SET, np.random.default_rng(7), 48, look) for _ in range(2))
    assert one == other

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        found(problems, HAND_SET, np.random.default_rng(7), 48, stop)


# ---- the floor


def test_the_floor_is_what_each_ratio_needs_in_this_noise():
    rng = np.random.default_rng(0)
    noise, slower = 0.02, 1.03
    traces = [trace_of(rng, noise) for _ in range(200)]
    known = Recorded(dict.fromkeys(SAMPLES_US, traces), [candidate(1 / slower)])
    assert known.noise == pytest.approx(noise, rel=0.1)
    rounds = math.ceil((NARROW * known.noise / math.log(slower)) ** 2)
    assert 1 < rounds < 6
    assert known.fewest_s(NARROW) == pytest.approx(rounds * (1e-3 + slower * 1e-3))
    assert known.fewest_s(SURE) > known.fewest_s(NARROW)


@pytest.mark.parametrize(("speedup", "rounds"), [(1 / 2, 1), (2.0, 6), (1.003, 30), (1.002, 30)])
def test_a_loser_may_leave_at_once_a_winner_needs_an_interval_and_what_may_count_all_rounds(speedup, rounds):
    (known,) = world(0, 0.01, [speedup], problems=1)
    assert known.fewest_s(NARROW) == pytest.approx(rounds * 1e-3 * (1 + 1 / speedup))


def test_equals_need_no_more_rounds_than_tell_them_from_a_gain_that_counts():
    (quiet,), (noisy,) = (world(0, noise, [1.0], problems=1) for noise in (LEAST_GAIN / 10, LEAST_GAIN))
    assert quiet.fewest_s(NARROW) == pytest.approx(2e-3)
    assert quiet.fewest_s(NARROW) < noisy.fewest_s(NARROW) < noisy.fewest_s(SURE) < 30 * 2e-3


def test_raw_seconds_are_kept_once_for_lengths_that_share_them():
    rng = np.random.default_rng(0)
    shared = problem(rng, 0.01, [1.0], races=2)
    assert list(raw(shared)) == ["100 200 400"]
    apart = Recorded({length: [trace_of(rng, 0.01)] for length in SAMPLES_US}, [])
    kept = json.loads(json.dumps(raw(apart)))
    assert list(kept) == ["100", "200", "400"]
    assert kept["200"][0][1] == pytest.approx(apart.traces[200][0].incumbent_s, rel=1e-5)
