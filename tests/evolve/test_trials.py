"""The time left, and the verdicts that rest on what was measured before."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from benchmarks.aa import SelfComparison, binomial_estimate
from benchmarks.inference import Estimate
from benchmarks.trials.equals import verdict_of
from benchmarks.trials.verdict import Trial
from evolve import trials as module
from evolve.trials import Timeline, all_of, of_attacks


class Clock:
    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def timeline():
    clock, said = Clock(), []
    return (
        Timeline([Trial(name, 10, lambda _s: []) for name in ("one", "two", "three")], said.append, clock),
        clock,
        said,
    )


def test_at_first_what_is_expected_is_left(timeline):
    line, _, said = timeline
    line.begin()
    assert said == ["trial 1 of 3, one, 30s left"]


def test_within_a_trial_its_own_pace_counts(timeline):
    line, clock, said = timeline
    tell = line.begin()
    clock.now_s += 10
    tell(1, 4)
    assert said[-1] == "trial 1 of 3, one 2 of 4, 50s left"


def test_later_trials_are_expected_at_the_pace_of_those_before(timeline):
    line, clock, _ = timeline
    line.begin()
    clock.now_s += 20
    line.begin()
    assert line.left_s(0, 1) == pytest.approx(40)
    clock.now_s += 5
    assert line.left_s(0, 1) == pytest.approx(35)


def test_what_takes_longer_than_expected_is_not_said_to_be_near_its_end(timeline):
    line, clock, _ = timeline
    line.begin()
    clock.now_s += 1000
    assert line.left_s(0, 1) == pytest.approx(500 + 20)


@pytest.mark.parametrize(("winners", "holds"), [(0, True), (11, True), (12, False), (14, False), (30, False)])
def test_equals_hold_the_bar_with_their_interval(winners, holds):
    """Of 200: 12 are 6 %, but the interval's upper end is above 10 %."""
    rate = binomial_estimate(winners, 200)
    found = verdict_of(SelfComparison(200, winners, rate, Estimate(1, 0.99, 1.01)))
    assert found.holds is holds


@dataclass(frozen=True)
class Shown:
    caught: int
    total: int
    honest_rejected: int
    rows: range


@pytest.mark.parametrize(
    ("caught", "rejected", "holds"), [(20, 0, [True, True]), (19, 0, [False, True]), (20, 1, [True, False])]
)
def test_one_attack_that_slips_through_and_one_false_alarm_are_too_many(caught, rejected, holds):
    assert [verdict.holds for verdict in of_attacks(Shown(caught, 20, rejected, range(25)))] == holds


def test_a_trial_that_fails_does_not_take_the_others_with_it(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # no other evolve of this machine holds this lock

    def fails(_setting):
        raise ValueError("planted\nfault")

    good = verdict_of(SelfComparison(200, 0, binomial_estimate(0, 200), Estimate(1, 0.99, 1.01)))
    monkeypatch.setattr(module, "MEASURED", (Trial("a bad one", 1, fails), Trial("good", 1, lambda _s: [good])))
    monkeypatch.setattr(module, "EVOLVED", Trial("last", 1, lambda setting: setting.tell(0, 1) or [good]))
    seen = SimpleNamespace(
        same=SelfComparison(200, 0, binomial_estimate(0, 200), Estimate(1, 0.99, 1.01)), detection=None
    )
    said = []
    verdicts = all_of(seen, Shown(20, 20, 0, range(25)), said.append)
    assert [verdict.name for verdict in verdicts] == [
        "aa_hot",
        "attacks_caught",
        "honest_rejected",
        "a_bad_one",
        "aa_hot",
        "aa_hot",
    ]
    assert verdicts[3].remark == "ValueError: planted fault"
    assert not verdicts[3].holds
    assert json.loads(json.dumps(verdicts[3].as_dict(), allow_nan=False))["found"]["estimate"] is None
    assert [line.partition(",")[0] for line in said] == ["trial 1 of 3", "trial 2 of 3", "trial 3 of 3", "trial 3 of 3"]
