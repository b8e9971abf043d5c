from __future__ import annotations

import pytest

from evolve.budget import Budget


@pytest.mark.parametrize(
    ("text", "seconds", "evaluations"),
    [
        ("90s", 90, None),
        ("5m", 300, None),
        ("1h30m", 5400, None),
        ("0.5h", 1800, None),
        ("1 H", 3600, None),
        ("300evals", None, 300),
        ("1eval", None, 1),
    ],
)
def test_parsed(text, seconds, evaluations):
    assert Budget.parse(text) == Budget(seconds, evaluations, text)


@pytest.mark.parametrize(
    "text", ["0", "0s", "0evals", "0h0m", "-5m", "5", "1.5", "", "m", "5 minutes", "5mm5", "evals", "1..5s"]
)
def test_nonsense_is_refused_with_the_forms_there_are(text):
    with pytest.raises(ValueError, match="write 90s, 5m, 1h30m or 300evals"):
        Budget.parse(text)


def test_time_is_used_up_by_time_alone():
    budget = Budget.parse("100s")
    assert budget.fraction(25, 10**6) == 0.25
    assert budget.left_s(25, 0) == 75
    assert budget.left_s(101, 0) == 0


def test_evaluations_are_used_up_by_evaluations_alone_and_time_left_follows_their_rate():
    budget = Budget.parse("100evals")
    assert budget.fraction(10**6, 20) == 0.2
    assert budget.left_s(10, 0) is None
    assert budget.left_s(10, 20) == 40
    assert budget.left_s(10, 101) == 0
