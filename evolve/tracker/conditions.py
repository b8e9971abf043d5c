"""Under which conditions a run measured: what was found of the machine before, and what disturbed its races."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from benchmarks.conditions import DISTURBANCES
from evolve.tracker.curve import paid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.outcome import Conditions
    from evolve.store import Individual, RunEvent

GATES = ("trusted", "noisy")


def conditions(events: Sequence[RunEvent], individuals: Sequence[Individual]) -> dict[str, Any]:
    """Plain values: ``is_noisy`` where one session began on a noisy machine, ``flags`` by the races that bear them."""
    gates = [event for event in events if event.kind in GATES]
    found = _of_races(individuals)
    return {
        "is_noisy": any(event.kind == "noisy" for event in gates),
        "machine": gates[-1].detail if gates else None,
        "races": len(found),
        "disturbed": sum(not set(one.flags).isdisjoint(DISTURBANCES) for one in found),
        "flags": dict(Counter(flag for one in found for flag in one.flags).most_common()),
        "contended_rounds": sum(one.contended for one in found),
        "retaken_rounds": sum(len(one.retakes) for one in found),
        "retried": sum(event.kind == "retried" for event in events),
        "failed_afresh": [event.detail for event in events if event.kind == "failed_afresh"],
        "ceilings": [event.detail for event in events if event.kind == "ceilings"],
    }


def _of_races(individuals: Sequence[Individual]) -> list[Conditions]:
    """Of every race that was kept, whatever came of it."""
    samples = [getattr(i.record.outcome, "samples", None) for i in paid(individuals) if i.record]
    return [one.conditions for one in samples if one is not None and one.candidate_s]
