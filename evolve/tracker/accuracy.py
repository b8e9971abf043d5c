"""Time against error: the front of what is fastest at each error, and how much of the plane it covers by and by."""

from __future__ import annotations

import math
from itertools import accumulate, groupby
from typing import TYPE_CHECKING, Any

from evolve.accuracy import LEAST_ERROR
from evolve.tracker.curve import paid

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evolve.store import Individual

Point = tuple[float, float]
"""Fitness, and ln(tolerated / error): both the larger the better, both 0 for the plain loop at the tolerance."""


def accuracy(individuals: Sequence[Individual]) -> dict[str, Any] | None:
    """The front and its hypervolume after each generation, as plain values; None where nothing is measured."""
    measured = [i for i in paid(individuals) if i.fitness is not None]
    if not measured:
        return None
    return {"front": [_told(i) for i in front(measured)], "hypervolume": hypervolumes(measured)}


def front(individuals: Iterable[Individual]) -> list[Individual]:
    """Those that no other one beats in both, the fastest first; of equals the earliest."""
    found: list[Individual] = []
    for one in sorted(individuals, key=lambda i: (-(i.fitness or 0.0), i.error, i.evaluation.number)):
        if not found or one.error < found[-1].error:
            found.append(one)
    return found


def hypervolumes(individuals: Iterable[Individual]) -> list[float]:
    """The area that the front dominates, in ln units squared, after each generation (Zitzler and Thiele 1998).

    Zitzler and Thiele, Multiobjective Optimization Using Evolutionary Algorithms, PPSN V: the measure S. Its reference
    point is the plain loop's time at the largest error that is tolerated.
    """
    by_generation = groupby(individuals, key=lambda i: i.evaluation.batch)
    points = [_outline(_point(i) for i in generation) for _, generation in by_generation]
    return [_area(seen) for seen in accumulate(points, lambda before, more: _outline([*before, *more]))]


def _point(individual: Individual) -> Point:
    return individual.fitness or 0.0, -math.log(max(individual.error, LEAST_ERROR))


def _outline(points: Iterable[Point]) -> list[Point]:
    """Those of positive points that no other one beats in both, x falling and y rising."""
    kept: list[Point] = []
    for x, y in sorted(points, reverse=True):
        if x > 0 and y > (kept[-1][1] if kept else 0.0):
            kept.append((x, y))
    return kept


def _area(outline: Iterable[Point]) -> float:
    """Of the union of the rectangles between the origin and each point of an outline."""
    area, height = 0.0, 0.0
    for x, y in outline:
        area += x * (y - height)
        height = y
    return area


def _told(individual: Individual) -> dict[str, Any]:
    return {
        "evaluation": individual.evaluation.number,
        "schedule": individual.evaluation.schedule,
        "search_speedup": math.exp(individual.fitness or 0.0),
        "time_s": individual.search_time_s,
        "error": individual.error,
    }
