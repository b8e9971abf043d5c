"""What a run's facts say of what is to come, as plain values: where the champion heads, what is left, what pays."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.inference import Estimate, exponential
from evolve.tracker.amdahl import waterfall
from evolve.tracker.asymptote import asymptote
from evolve.tracker.breakeven import break_evens
from evolve.tracker.checkpoints import checkpoints, points
from evolve.tracker.curve import paid
from evolve.tracker.front import front
from evolve.tracker.gain import expected_gain
from evolve.tracker.null import cap_of, control_scores
from evolve.tracker.split import split
from evolve.tracker.stopping import is_flat
from evolve.tracker.tail import tail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evolve.store import Individual, Run, Store
    from evolve.tracker.asymptote import Asymptote
    from evolve.tracker.checkpoints import Axis
    from evolve.tracker.tail import Tail

AXES: tuple[Axis, ...] = ("evaluations", "elapsed_s", "cpu_s")

SOON_S = 300.0
"""The minutes for which a further gain is told."""


def outlook(
    store: Store,
    run: Run,
    individuals: Sequence[Individual],
    searching_s: float,
    elapsed_s: float,
    share: float | None = None,
) -> dict[str, Any]:
    """Plain values, every speedup with its interval; None wherever the data do not carry a figure.

    Args:
        store: where the run is.
        run: it.
        individuals: all that it asked for.
        searching_s: wall time of its search.
        elapsed_s: wall time of all of it.
        share: of a program's time that the plain kernel takes; None leaves the program out.
    """
    bound, publication = store.bound(run.id), store.publication(run.id)
    cap = cap_of(bound)
    found = tail(control_scores(individuals), cap)
    fresh, rng = store.checkpoints(run.id), np.random.default_rng(run.seed)
    rows = checkpoints(fresh, publication, individuals)
    parts = split(individuals, bound, publication, _end(found, cap), rng, fresh)
    program = waterfall(publication.speedup, share, _finite(math.exp(cap))) if share and publication else None
    place = front(store, run.id)
    return {
        "curve": rows,
        "tail": _tail(found, cap),
        "asymptote": {axis: _asymptote(asymptote(points(rows, axis))) for axis in AXES},
        "split": parts.as_dict() if parts else None,
        "gain": _gains(individuals, searching_s, cap),
        "flat": _flat(store, run, individuals),
        "break_even": [one.as_dict() for one in break_evens(elapsed_s, publication)] if publication else [],
        "front": place.as_dict() if place else None,
        "amdahl": program.as_dict() if program else None,
    }


def _gains(individuals: Sequence[Individual], searching_s: float, cap: float) -> list[dict[str, Any]]:
    """Of as many evaluations again, and of five minutes more at the rate so far."""
    evaluations = len(paid(individuals))
    if not evaluations or searching_s <= 0:
        return []
    each_s = searching_s / evaluations
    counts = (evaluations, max(1, round(SOON_S / each_s)))
    found = [expected_gain(individuals, count, each_s, cap) for count in counts]
    return [one.as_dict() for one in found if one]


def _flat(store: Store, run: Run, individuals: Sequence[Individual]) -> dict[str, Any]:
    """What the stop rule says of the search, and for what reason it did stop where it was told to."""
    reasons = [event.detail for event in store.events(run.id) if event.kind == "flat"]
    return {**is_flat(individuals).as_dict(), "stopped": reasons[-1] if reasons else None}


def _asymptote(found: Asymptote | None) -> dict[str, Any] | None:
    if found is None:
        return None
    ends = exponential(found.gain).as_dict() if found.gain else None
    return {"speedup": ends, "law": found.law, "points": found.points, "refused": list(found.refused)}


def _finite(value: float) -> float | None:
    return value if value < math.inf else None


def _end(found: Tail | None, cap: float) -> Estimate | None:
    """The endpoint of the scores, where they show by themselves that there is one, below the cap."""
    return found.endpoint if found and found.is_bounded and found.endpoint.estimate < cap else None


def _tail(found: Tail | None, cap: float) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        **found.as_dict(),
        "endpoint": exponential(found.endpoint).as_dict(),
        "is_seen": _end(found, cap) is not None,
    }
