"""Candidates that are far behind: two proofs do for a race, and nothing less than far behind is taken for it."""

from __future__ import annotations

import math
from dataclasses import asdict

import pytest

from benchmarks.harness import FAR, Built, Harness, Incumbent, is_far_behind
from benchmarks.outcome import Conditions
from benchmarks.race import LONG_S, Rules

INCUMBENT_S = 3e-3
PROVEN = {"verify_s": 1e-3, "max_error": 0.25}


class Scripted:
    """A measuring child whose proofs take planted times, in turn; races are lost by a tenth."""

    def __init__(self, candidate, calls_s, incumbent_s=INCUMBENT_S):
        self.candidate, self.calls_s, self.incumbent_s = candidate, iter(calls_s), incumbent_s
        self.asked = []

    def call(self, request, _limit_s):
        is_candidate = request.get("candidate") == self.candidate
        self.asked.append(request["do"] if is_candidate or request["do"] == "race" else "incumbent")
        if request["do"] == "race":
            seconds = [[1.1e-3] * 6, [1e-3] * 6]
            rest = {"loops": 1, "floor_s": 0.0, "conditions": asdict(Conditions()), "sampled_s": 0.1, "measure_s": 0.2}
            return {**PROVEN, "seconds": seconds, **rest}
        call_s = next(self.calls_s) if is_candidate else self.incumbent_s
        return call_s if isinstance(call_s, dict) else {**PROVEN, "call_s": call_s}

    def stop(self):
        pass


@pytest.fixture
def measured(task, folder):
    """Measures a candidate whose proofs take planted times; returns what came of it, and what was asked for."""

    def measure(*calls_s, rules=Rules(), incumbent_s=INCUMBENT_S):  # noqa: B008 - frozen
        with Harness(task, folder, rules=rules) as harness:
            plan = harness.plan(task.definition.space.default)
            harness._measurer = Scripted(plan.contestant, calls_s, incumbent_s)
            outcome = harness.measure(Built(plan, verify_s=0.5), Incumbent(harness.baseline, INCUMBENT_S))
            return outcome, harness._measurer.asked

    return measure


def test_who_is_far_behind_in_two_proofs_is_not_raced(measured):
    outcome, asked = measured(0.9, 0.8)
    assert asked == ["try", "try", "incumbent"]
    assert (outcome.samples.candidate_s, outcome.samples.incumbent_s) == ((0.8,), (INCUMBENT_S,))
    assert outcome.log_ratio == pytest.approx(math.log(INCUMBENT_S / 0.8))
    assert (outcome.time_s, outcome.max_error, outcome.low) == (0.8, 0.25, -math.inf)
    assert outcome.measure_s == pytest.approx(0.8 + INCUMBENT_S)


@pytest.mark.parametrize(
    ("calls_s", "changes"),
    [
        ((0.8, 1e-3), {}),
        ((0.99 * LONG_S,), {}),
        ((0.8,), {"rules": Rules(may_drop=False)}),
        ((0.8, 0.8), {"incumbent_s": 0.2}),
        ((0.8,), {"rules": Rules(ruinous=150.0)}),
    ],
    ids=["slow at first only", "short", "nobody is dropped", "a slow moment", "other rules"],
)
def test_all_others_are_raced(measured, calls_s, changes):
    outcome, asked = measured(*calls_s, **changes)
    assert asked[-1] == "race"
    assert outcome.log_ratio == pytest.approx(-math.log(1.1))


def test_a_second_proof_that_fails_is_what_came_of_it(measured):
    outcome, asked = measured(0.8, {"failed": "Wrong", "reason": "called again, it did nothing"})
    assert (outcome.kind, outcome.reason) == ("Wrong", "called again, it did nothing")
    assert "race" not in asked


def test_far_behind_is_beyond_what_a_first_round_of_a_race_would_be():
    rules = Rules()
    assert is_far_behind(LONG_S, LONG_S / (1.01 * FAR * rules.ruinous), rules)
    assert not is_far_behind(LONG_S, LONG_S / (0.99 * FAR * rules.ruinous), rules)
