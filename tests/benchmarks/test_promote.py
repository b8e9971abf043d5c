"""Promotion by measurements with a planted truth: no clock, no process; seeded."""

from __future__ import annotations

import json
import math
from collections import Counter
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.contestant import Contestant
from benchmarks.exchange import ContestantFailedError
from benchmarks.inference import launches_estimate
from benchmarks.outcome import Conditions, Rounds
from benchmarks.promote import Finalist, Terms, promote

ROUND_SPREAD = 0.013
HELD_BACK = 0.06  # rounds that something hits hard


def named(name):
    return Contestant(None, rival=name)


class World:
    """A harness whose contestants take planted times; each launch and each build shifts them."""

    def __init__(self, rng, times_s, launch_spread=0.005, build_spread=0.0, failing=(), flags=()):
        self.rng, self.times_s, self.failing, self.flags = rng, times_s, failing, flags
        self.launch_spread, self.build_spread = launch_spread, build_spread
        self.baseline, self.folder = named("baseline"), None
        self.calls = Counter()
        self.shifts = {}

    def launch(self, _seed, folder):
        own = {name: self.rng.normal(0, self.launch_spread / math.sqrt(2)) for name in self.times_s}
        build = self.shifts.setdefault(
            folder.path, {name: self.rng.normal(0, self.build_spread / math.sqrt(2)) for name in self.times_s}
        )
        shift = {name: own[name] + build[name] for name in own}
        return nullcontext(SimpleNamespace(prove=self.prove, rounds=self.rounds(shift), pair=self.pair(shift)))

    def prove(self, contestant):
        if contestant.rival in self.failing:
            raise ContestantFailedError("Crashed: died of SIGSEGV")

    def rounds(self, shift):
        def race(contestants, _rules, count=30):
            self.calls.update(contestant.rival for contestant in contestants)
            return Rounds(
                tuple(self.taken(one, shift, count) for one in contestants), 1, 0.0, Conditions(flags=self.flags)
            )

        return race

    def pair(self, shift):
        return lambda a, b, rules: self.rounds(shift)([a, b], rules, rules.least_rounds).pair(0, 1)

    def taken(self, contestant, shift, count):
        name = contestant.rival
        hits = 1 + (self.rng.random(count) < HELD_BACK) * self.rng.uniform(0.1, 1, count)
        return tuple(self.times_s[name] * np.exp(shift[name] + self.rng.normal(0, ROUND_SPREAD, count)) * hits)


def verdicts(trials, gain=0.0, *, terms=None, finalists=1, **spreads):
    """What becomes of finalists that are so much faster than incumbent and baseline."""
    rng, found = np.random.default_rng(5), Counter()
    names = [f"f{k}" for k in range(finalists)]
    for _ in range(trials):
        times_s = {"baseline": 1.0, "incumbent": 1.0, **dict.fromkeys(names, 1 / (1 + gain))}
        entered = [Finalist(named(name), named("incumbent")) for name in names]
        found.update(one.verdict for one in promote(World(rng, times_s, **spreads), entered, terms).decisions)
    return found


@pytest.mark.parametrize(
    "spreads",
    [
        {"launch_spread": 0.005},
        {"launch_spread": 0.045, "build_spread": 0.01},
        {"launch_spread": 0.02, "build_spread": 0.02},
    ],
)
def test_of_forty_equals_at_most_one_is_promoted(spreads):
    for finalists in (1, 4):
        found = verdicts(40, finalists=finalists, **spreads)
        assert found["promoted"] <= 1
        assert found.total() == 40 * finalists


def test_a_gain_of_five_percent_is_found_and_one_of_two_percent_in_most_trials():
    assert verdicts(40, 0.05)["promoted"] == 40
    assert verdicts(40, 0.02)["promoted"] >= 26


def test_a_gain_below_the_least_one_is_not_promoted():
    found = verdicts(20, 0.005, launch_spread=0.002)
    assert found["promoted"] == 0
    assert found["rejected"] >= 10
    assert verdicts(20, 0.03, terms=Terms(spread=0.05), launch_spread=0.002) == {"rejected": 20}


def test_what_is_twice_as_fast_takes_one_ring_of_launches():
    world = World(np.random.default_rng(1), {"baseline": 2.0, "f": 1.0})
    said = []
    found = promote(world, [Finalist(named("f"))], say=lambda launch, of: said.append((launch, of)))
    assert found.decisions[0].verdict == "promoted"
    assert said == [(1, 9), (2, 9), (3, 9)]
    assert found.launches == 3
    assert found.champion == 0
    assert found.decisions[0].speedups["baseline"].estimate == pytest.approx(2, rel=0.02)


def test_a_challenger_must_beat_the_incumbent_too():
    world = World(np.random.default_rng(2), {"baseline": 2.0, "incumbent": 1.0, "slow": 1.2, "fast": 0.8})
    entered = [Finalist(named("incumbent")), *(Finalist(named(n), named("incumbent")) for n in ("slow", "fast"))]
    found = promote(world, entered)
    assert [one.verdict for one in found.decisions] == ["promoted", "rejected", "promoted"]
    assert found.champion == 2
    assert found.decisions[2].speedups["incumbent"].estimate == pytest.approx(1.25, rel=0.02)


def test_without_a_better_challenger_the_incumbent_is_champion():
    world = World(np.random.default_rng(3), {"baseline": 2.0, "incumbent": 1.0, "equal": 1.0})
    found = promote(world, [Finalist(named("incumbent")), Finalist(named("equal"), named("incumbent"))])
    assert found.champion == 0
    assert found.decisions[1].verdict in ("rejected", "undecided")


def test_a_slow_baseline_is_paired_with_the_first_finalist_alone():
    world = World(np.random.default_rng(4), {"baseline": 50.0, "incumbent": 1.0, "fast": 0.8})
    entered = [Finalist(named("incumbent")), Finalist(named("fast"), named("incumbent"))]
    found = promote(world, entered, Terms(baseline_s=5.0))
    assert world.calls["baseline"] == found.launches
    assert [one.speedups["baseline"].estimate for one in found.decisions] == pytest.approx([50, 62.5], rel=0.1)
    assert found.champion == 1


def test_a_slow_baseline_is_not_timed_again_once_all_are_far_above_it():
    world = World(np.random.default_rng(4), {"baseline": 50.0, "incumbent": 1.0, "equal": 0.99}, launch_spread=0.002)
    entered = [Finalist(named("incumbent"), named("equal")), Finalist(named("equal"), named("incumbent"))]
    found = promote(world, entered, Terms(baseline_s=5.0))
    assert found.launches > world.calls["baseline"] >= 3
    assert all(one.speedups["baseline"].low > 10 for one in found.decisions)


@pytest.mark.parametrize(("known_gain", "is_timed"), [(math.log(50), False), (math.log(2), True)])
def test_a_baseline_of_a_minute_is_not_timed_again_where_the_search_settled_it(known_gain, is_timed):
    world = World(np.random.default_rng(4), {"baseline": 50.0, "incumbent": 1.0, "fast": 0.8}, launch_spread=0.002)
    entered = [Finalist(named("incumbent")), Finalist(named("fast"), named("incumbent"))]
    found = promote(world, entered, Terms(baseline_s=61.0, known_gain=known_gain))
    assert bool(world.calls["baseline"]) is is_timed
    assert found.champion == 1


def test_who_fails_is_out_and_the_others_go_on():
    world = World(np.random.default_rng(6), {"baseline": 2.0, "f": 1.0, "broken": 0.1}, failing=("broken",))
    found = promote(world, [Finalist(named("broken")), Finalist(named("f"))])
    assert [one.verdict for one in found.decisions] == ["failed", "promoted"]
    assert "SIGSEGV" in found.decisions[0].reason
    assert found.champion == 1


def test_a_fault_within_a_race_is_pinned_on_whoever_has_it():
    world = World(np.random.default_rng(7), {"baseline": 2.0, "f": 1.0, "liar": 0.1})
    whole = world.rounds

    def rounds(shift):
        def race(contestants, rules, count=30):
            if any(one.rival == "liar" for one in contestants):
                raise ContestantFailedError("Wrong: called again, it left its output as it was")
            return whole(shift)(contestants, rules, count)

        return race

    world.rounds = rounds
    found = promote(world, [Finalist(named("liar")), Finalist(named("f"))])
    assert [one.verdict for one in found.decisions] == ["failed", "promoted"]


def test_a_baseline_may_be_held_against_itself():
    world = World(np.random.default_rng(8), {"baseline": 1.0})
    found = promote(world, [Finalist(world.baseline, world.baseline)])
    assert found.decisions[0].verdict != "promoted"
    assert set(found.decisions[0].speedups) == {"baseline", "incumbent"}


def test_disturbances_are_told_and_all_of_it_is_json():
    world = World(np.random.default_rng(9), {"baseline": 1.0, "f": 1.0}, flags=("memory", "multimodal"))
    found = promote(world, [Finalist(named("f"))])
    assert found.flags == {"memory": found.launches}
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["decisions"][0]["verdict"] == "rejected"


# ---- the intervals


def _held(trials, rng, builds, launches, build_spread, launch_spread):
    held = 0
    for _ in range(trials):
        values = rng.normal(0, launch_spread, (builds, launches)) + rng.normal(0, build_spread, (builds, 1))
        held += launches_estimate(values.tolist()).low <= 0
    return held / trials


@pytest.mark.parametrize(
    ("build_spread", "launch_spread", "least"),
    [(0, 0.005, 0.965), (0, 0.045, 0.965), (0.005, 0.01, 0.95), (0.01, 0.045, 0.965), (0.01, 0.005, 0.91)],
)
def test_the_lower_end_misses_seldom_even_where_builds_differ(build_spread, launch_spread, least):
    assert _held(2000, np.random.default_rng(3), 3, 3, build_spread, launch_spread) >= least


def test_one_launch_shows_no_spread():
    with pytest.raises(ValueError, match="two of them"):
        launches_estimate([[0.1], []])


def test_builds_that_differ_widen_the_interval():
    alike = launches_estimate([[0.0, 0.1, 0.2]] * 3)
    apart = launches_estimate([[0.0] * 3, [0.1] * 3, [0.2] * 3])
    assert alike.estimate == apart.estimate == pytest.approx(0.1)
    assert apart.high - apart.low > 1.5 * (alike.high - alike.low)
