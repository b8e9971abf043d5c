"""The champion against the fixed baseline, re-measured at checkpoints: over evaluations, seconds and CPU-seconds.

Each row is a measurement of its own against the same baseline, never a product of gains. The last row is the published
one where there is one: new processes, new builds, new inputs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from benchmarks.inference import Estimate
from evolve.tracker.curve import paid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evolve.store import Checkpoint, Individual, Publication

Axis = Literal["evaluations", "elapsed_s", "cpu_s"]


def checkpoints(
    fresh: Sequence[Checkpoint], publication: Publication | None, individuals: Sequence[Individual]
) -> list[dict[str, Any]]:
    """The champion curve as plain rows, in the order in which they were measured.

    Args:
        fresh: the run's checkpoints.
        publication: its final measurement, which stands at the end of the search: at the axes of the last checkpoint
            where the search ended with one, else at the last evaluation, with the seconds unknown (None).
        individuals: what the run evaluated.

    Returns:
        ``evaluations``, ``elapsed_s``, ``cpu_s`` (seconds of the run, processor seconds), ``evaluation`` (the
        champion's number), ``speedup`` (t_baseline / t_champion with its interval), ``source``: ``checkpoint`` or
        ``published``.
    """
    rows = [_row(one, _axes(one), "checkpoint") for one in fresh]
    if publication is not None:
        rows.append(_row(publication, _end(fresh, len(paid(individuals))), "published"))
    return rows


def points(rows: Sequence[Mapping[str, Any]], axis: Axis = "evaluations") -> list[tuple[float, Estimate]]:
    """The curve for a fit: ``(evaluations or seconds, ln speedup)``, rows without a finite interval left out.

    Of rows at the same place the last one counts, the published one.
    """
    found: dict[float, Estimate] = {}
    for row in rows:
        ends = [row["speedup"][name] for name in ("estimate", "low", "high")]
        if row[axis] and all(end is not None and 0 < end < math.inf for end in ends):
            estimate, low, high = map(math.log, ends)
            found[float(row[axis])] = Estimate(estimate, low, high, row["speedup"]["level"])
    return sorted(found.items())


def _row(fact: Checkpoint | Publication, axes: Mapping[str, Any], source: str) -> dict[str, Any]:
    return {**axes, "evaluation": fact.evaluation, "speedup": fact.speedup.as_dict(), "source": source}


def _axes(one: Checkpoint) -> dict[str, Any]:
    return {"evaluations": one.evaluations, "elapsed_s": one.elapsed_s, "cpu_s": one.cpu_s}


def _end(fresh: Sequence[Checkpoint], evaluations: int) -> dict[str, Any]:
    if fresh and fresh[-1].evaluations == evaluations:
        return _axes(fresh[-1])
    return {"evaluations": evaluations, "elapsed_s": None, "cpu_s": None}
