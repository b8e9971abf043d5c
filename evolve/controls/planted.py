"""What a planted world is: laps as a store holds them, and the truth about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.inference import Estimate
from evolve.store.looprecords import Lap

if TYPE_CHECKING:
    import numpy as np

    from evolve.controls.noise import Noise

CAPPED, COMPOUNDING, UNDECIDED = "CAPPED", "COMPOUNDING", "UNDECIDED"
START = Estimate(0.0, 0.0, 0.0)
"""Lap 0 is what all others are held against: exact."""
CEILING_SPREAD = 0.01
"""Standard error of a measured ceiling, in ln units."""
_Z = 1.959963984540054
_NAME = "planted"


@dataclass(frozen=True)
class Setting:
    """What a world is made from.

    Attributes:
        throughput: noise of laps that measure throughput in one process, as the loops that reinvest do.
        launches: noise of laps that are measured over fresh processes, as the loop of kernels does.
        laps: how many after lap 0.
        rng: of this world alone.
    """

    throughput: Noise
    launches: Noise
    laps: int
    rng: np.random.Generator

    def measured(self, truth: float, spread: float) -> Estimate:
        """A figure that is measured apart from the laps, with a normal error of that standard deviation."""
        found = truth + spread * float(self.rng.standard_normal())
        return Estimate(found, found - _Z * spread, found + _Z * spread)


@dataclass(frozen=True)
class World:
    """A loop as a store holds it, and the truth about it.

    Attributes:
        laps: lap 0 first.
        ratio: rho; None where no one ratio describes it.
        asymptote: ln S to which its laps come; None where that is not known or they come to no end.
    """

    laps: Sequence[Lap]
    ratio: float | None = None
    asymptote: float | None = None


@dataclass(frozen=True)
class Kind:
    """Worlds of one kind.

    Attributes:
        name: for programs.
        what: in words.
        plant: makes one.
        wrong: verdicts that are false of it.
        right: the verdict that must be reached; "" where none is asked for.
    """

    name: str
    what: str
    plant: Callable[[Setting], World]
    wrong: tuple[str, ...] = ()
    right: str = ""


def laps_of(
    gains: Sequence[Estimate],
    inputs: Sequence[float],
    *,
    ceiling: Estimate | None = None,
    endpoint: Estimate | None = None,
    engines: Sequence[Estimate] | None = None,
) -> list[Lap]:
    """Laps, lap 0 first, as a store would hold them."""
    return [
        Lap(
            loop=_NAME,
            lap=number,
            started_at="",
            finished_at="",
            machine=_NAME,
            gain=gain,
            engine=engines[number] if engines else None,
            inputs=inputs[number],
            ceiling=ceiling,
            endpoint=endpoint,
        )
        for number, gain in enumerate(gains)
    ]
