"""The laps of a closed loop as the verdict sees them: what was gained, by what input, below which ceiling."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from benchmarks.inference import Estimate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evolve.store import Lap

CEILING_MOVED = 0.10
"""By more than this, in ln units, two laps' ceilings may not differ beyond their intervals."""


@dataclass(frozen=True)
class Point:
    """A lap.

    Attributes:
        lap: 0 is the frozen start.
        gain: ln S_k against lap 0.
        inputs: research input up to here, positive.
        engine: ln G_k against the frozen engine; None where the loop leaves its engine as it is.
        left: what the ceiling leaves, in ln units, where the lap was held against the ceiling itself: so the noise of
            lap 0, which stands above both, is not in it.
    """

    lap: int
    gain: Estimate
    inputs: float
    engine: Estimate | None = None
    left: Estimate | None = None


@dataclass(frozen=True)
class Series:
    """All that a verdict rests on.

    Attributes:
        points: the laps, one after the other.
        ceiling: ln of the greatest S that the machine allows; None where it is not known.
        endpoint: ln of the greatest S in the space; None where it is not known.
        faults: why nothing can be told from these laps, whatever they show.
    """

    points: tuple[Point, ...]
    ceiling: Estimate | None = None
    endpoint: Estimate | None = None
    faults: tuple[str, ...] = ()


def series(laps: Sequence[Lap]) -> Series:
    """What the laps of one loop are to the verdict; whatever is wrong with them becomes a fault, never an error."""
    measured = [lap for lap in laps if lap.gain is not None]
    ceilings = [lap.ceiling for lap in measured if lap.ceiling is not None]
    endpoints = [lap.endpoint for lap in measured if lap.endpoint is not None]
    points = tuple(
        Point(lap.lap, lap.gain, lap.inputs, lap.engine, left_of(lap)) for lap in measured if lap.gain is not None
    )
    return Series(points, ceilings[-1] if ceilings else None, endpoints[-1] if endpoints else None, (*_faults(laps),))


def left_of(lap: Lap) -> Estimate | None:
    """What the ceiling leaves, in ln units, where the lap itself was held against it."""
    told = lap.details.get("left")
    return Estimate(**told) if told and None not in told.values() else None


def _faults(laps: Sequence[Lap]) -> Iterator[str]:
    numbers = [lap.lap for lap in laps]
    if numbers != [*range(len(laps))]:
        yield f"laps are missing: there are {', '.join(map(str, numbers))}"
    if len({lap.machine for lap in laps}) > 1:
        yield "its laps were measured on different machines: times of two machines do not mix"
    for lap in laps:
        if lap.fault or lap.gain is None:
            yield f"lap {lap.lap} came to nothing: {lap.fault or 'it has no figure'}"
        elif not _is_usable(lap.gain):
            yield f"lap {lap.lap} has no interval: {lap.gain.estimate:.3g} ({lap.gain.low:.3g} to {lap.gain.high:.3g})"
        elif not 0 < lap.inputs < math.inf:
            yield f"lap {lap.lap} has a research input of {lap.inputs:.3g}: it must be positive"
    yield from _moved([lap for lap in laps if lap.ceiling is not None])


def _is_usable(gain: Estimate) -> bool:
    return -math.inf < gain.low <= gain.estimate <= gain.high < math.inf


def _moved(laps: Sequence[Lap]) -> Iterator[str]:
    for before, after in pairwise(laps):
        old, new = before.ceiling, after.ceiling
        assert old is not None
        assert new is not None
        apart = max(new.low - old.high, old.low - new.high)
        if apart > CEILING_MOVED:
            yield (
                f"the ceiling changed between laps {before.lap} and {after.lap}: "
                f"{math.exp(old.estimate):.3g}x, then {math.exp(new.estimate):.3g}x"
            )
