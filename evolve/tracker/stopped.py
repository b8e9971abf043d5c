"""Why a search ended before its budget was used up, and how much of that was left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evolve.budget import Budget
    from evolve.store import RunEvent

EARLY = ("flat", "stalled")
"""Notes of a search that ended by itself."""


def stopped(events: Sequence[RunEvent], budget: Budget, spent_s: float, evaluations: int) -> dict[str, Any] | None:
    """What ended a search early, in plain values; None where nothing did.

    Args:
        events: the run's.
        budget: of its search.
        spent_s: wall time of the search.
        evaluations: that it took.

    Returns:
        ``kind``, one of ``EARLY``; ``why``, a sentence; and of the budget ``left``, a share of it, with ``left_s`` or
        ``left_evaluations`` by its kind, the other None.
    """
    found = [event for event in events if event.kind in EARLY]
    if not found:
        return None
    return {
        "kind": found[-1].kind,
        "why": found[-1].detail,
        "left": max(0.0, 1.0 - budget.fraction(spent_s, evaluations)),
        "left_s": None if budget.seconds is None else max(0.0, budget.seconds - spent_s),
        "left_evaluations": None if budget.evaluations is None else max(0, budget.evaluations - evaluations),
    }
