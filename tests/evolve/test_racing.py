"""Policies of races: what they may say, how they reach a run, and where nobody asks them."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from planted_loop import plant_found

from benchmarks import aa, fresh, harness, promote
from benchmarks.contestant import Task
from benchmarks.harness import Harness
from benchmarks.outcome import Conditions
from benchmarks.race import Rules, is_decided
from evolve import checkpoint
from evolve.errors import UsageError
from evolve.racing import HAND_SET, MOST_ROUNDS, SAMPLES_US, SPACE, changes, found_by, raced_by, rules_for, rules_of
from evolve.store import RunSpec
from kernels.language import SourceFolder

PUBLISHED = {
    "launches against a peer": fresh.AGAINST_PEER,
    "launches against the plain loop": fresh.AGAINST_PLAIN,
    "promotion": promote.ROUNDS,
    "promotion of what is slow": promote.SLOW_ROUNDS,
    "checkpoints": checkpoint.RULES,
    "tests of equals": aa.RULES,
    "the plain loop": harness.BASELINE_RULES,
}
HASTY = SPACE.schedule(most_rounds=12, hopeless_percent=101, ruinous_percent=105, clear_percent=101, sample_us=100)


def spec(**options):
    return RunSpec(
        kernel="triad", size=(8,), dtype="float64", threads=1, strategy="random", control_share=0.0, seed=1,
        budget="9evals", batch_size=8, machine="m", options=options,
    )  # fmt: skip


def test_the_default_policy_is_the_hand_set_one():
    assert rules_of(HAND_SET) == Rules()
    assert changes(HAND_SET) == "as set by hand"
    assert changes(SPACE.schedule(hopeless_percent=110)) == "hopeless_percent 105 -> 110"


def test_every_policy_keeps_the_limits():
    rng = np.random.default_rng(0)
    for policy in [HAND_SET, *SPACE.neighbours(HAND_SET), *(SPACE.sample(rng) for _ in range(300))]:
        rules = rules_of(policy)
        assert rules.may_drop
        assert rules.most_s == Rules.most_s
        assert 6 <= rules.least_rounds <= rules.most_rounds <= MOST_ROUNDS
        assert 1 < rules.hopeless <= rules.ruinous
        assert rules.clear > 1
        assert round(rules.sample_s * 1e6) in SAMPLES_US


def test_no_policy_has_a_winner_without_an_interval():
    rng = np.random.default_rng(1)
    for policy in (SPACE.sample(rng) for _ in range(100)):
        rules = rules_of(policy)
        decided = next(n for n in range(1, MOST_ROUNDS + 1) if is_decided([math.log(3)] * n, rules))
        assert decided >= 6


@pytest.mark.parametrize(
    "wrong",
    [{"least_rounds": 4}, {"most_s": 1}, {"hopeless_percent": 150, "ruinous_percent": 140}, {"may_drop": False}],
)
def test_what_is_beyond_the_limits_is_no_policy(wrong):
    with pytest.raises(ValueError, match="not a policy"):
        rules_of({**HAND_SET, **wrong})
    with pytest.raises(ValueError, match="not a policy"):
        raced_by({**HAND_SET, **wrong})


def test_a_policy_reaches_a_run_as_one_of_its_options_and_no_other_way():
    assert rules_for(spec()) == Rules()
    assert rules_for(spec(**raced_by(HASTY))) == rules_of(HASTY)
    assert rules_for(spec()) == Rules()


def genes(policy):
    return {"policy": {"genes": dict(policy)}}


def test_what_a_loop_found_can_race_a_run(store):
    loop = plant_found(store, "policy", genes(HAND_SET), genes(HASTY))
    assert rules_for(spec(**raced_by(found_by(store, loop.id)))) == rules_of(HASTY)


def test_another_kind_of_loop_and_another_version_s_policy_are_refused(store):
    old = plant_found(store, "policy", genes(HAND_SET), genes({**HASTY, "sample_us": 7}))
    with pytest.raises(UsageError, match="none of this version"):
        found_by(store, old.id)
    other = plant_found(store, "search", {}, {})
    with pytest.raises(UsageError, match="evolves no policy"):
        found_by(store, other.id)


# ---- out of reach


class Recorder:
    """A child that notes by which rules it is asked to race, and finds that all are equal."""

    def __init__(self, place):
        self.place, self.rules, self.answered = place, [], 0

    def call(self, request, _limit_s):
        if request["do"] == "race":
            self.rules.append(request["rules"])
        return {
            "seconds": [[1e-3] * 8] * len(request.get("contestants", ())),
            "loops": 1, "floor_s": 0.0, "conditions": dataclasses.asdict(Conditions()),
            "max_error": 0.0, "measure_s": 0.1, "verify_s": 1e-3, "call_s": 1e-3,
        }  # fmt: skip

    def stop(self):
        pass


@pytest.fixture
def hasty(tmp_path):
    """A harness with a policy, whose child only notes what it is asked."""
    task = Task("triad", (64,), "float64")
    with Harness(task, SourceFolder(tmp_path), rules=rules_of(HASTY)) as made:
        made._measurer = Recorder(made._measurer.place)
        yield made


def test_only_candidates_are_raced_by_a_policy(hasty):
    plan = hasty.plan(hasty.task.definition.space.schedule())
    incumbent = hasty.first_incumbent()
    hasty.measure(harness.Built(plan), incumbent)
    assert hasty._measurer.rules == [harness.BASELINE_RULES, rules_of(HASTY)]


def test_who_is_not_raced_at_all_is_no_matter_of_policy():
    for behind in (2.0, 2.5, 5.9, 6.1, 10.0):
        verdicts = {harness.is_far_behind(behind, 1.0, rules) for rules in (Rules(), rules_of(HASTY))}
        assert verdicts == {behind > 6}


@pytest.mark.parametrize("rules", PUBLISHED.values(), ids=PUBLISHED.keys())
def test_what_is_published_is_raced_by_rules_of_its_own(hasty, rules):
    assert not rules.may_drop
    assert rules.sample_s == Rules.sample_s
    hasty.pair(hasty.baseline, hasty.baseline, rules)
    assert hasty._measurer.rules == [rules]


def test_tests_of_equals_do_not_ask_the_policy(hasty):
    aa.same(hasty, hasty.baseline, 3)
    assert hasty._measurer.rules == [aa.RULES] * 3
