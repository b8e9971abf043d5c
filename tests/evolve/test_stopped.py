"""Why a search ended by itself, and what it left of its budget."""

from __future__ import annotations

import pytest

from evolve.budget import Budget
from evolve.report.result import stopped as shown
from evolve.store import RunEvent
from evolve.tracker.stopped import stopped

FLAT = RunEvent("r", "flat", "2026-01-01", "nothing came")
STALLED = RunEvent("r", "stalled", "2026-01-02", "it asked for what it knew")
OTHERS = [RunEvent("r", kind, "2026-01-01", "else") for kind in ("started", "trusted", "retried", "finished")]


def told(budget, spent_s=33.0, evaluations=224):
    return stopped([*OTHERS, FLAT], Budget.parse(budget), spent_s, evaluations)


def test_a_search_that_used_up_its_budget_was_not_stopped():
    assert stopped(OTHERS, Budget.parse("4m"), 240.0, 900) is None


@pytest.mark.parametrize(
    ("budget", "share", "left_s", "left_evaluations", "said"),
    [
        ("4m", 207 / 240, 207.0, None, "with 3m 27s of its budget of 4m left: nothing came"),
        ("1000evals", 0.776, None, 776, "with 776 evaluations of its budget of 1000evals left: nothing came"),
        ("30s", 0.0, 0.0, None, "with 0s of its budget of 30s left: nothing came"),
        ("200evals", 0.0, None, 0, "with 0 evaluations of its budget of 200evals left: nothing came"),
    ],
)
def test_what_was_left_is_told_by_the_budgets_kind(budget, share, left_s, left_evaluations, said):
    found = told(budget)
    assert (found["kind"], found["why"]) == ("flat", "nothing came")
    assert found["left"] == pytest.approx(share)
    assert (found["left_s"], found["left_evaluations"]) == (left_s, left_evaluations)
    assert shown({"stopped": found, "budget": budget}) == [("stopped early", said)]


def test_the_last_reason_counts():
    found = stopped([FLAT, *OTHERS, STALLED], Budget.parse("4m"), 33.0, 224)
    assert (found["kind"], found["why"]) == ("stalled", "it asked for what it knew")
