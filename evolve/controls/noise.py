"""The harness' own noise: laps of this machine in which nothing changed, so that all they show is error.

They are measured by the very code that measures the laps of the real loops: throughput in one process, as the loops
that reinvest do, and a kernel over fresh processes, as the loop of kernels does.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.inference import SESSION_SPREAD, Estimate, across_sessions

if TYPE_CHECKING:
    from collections.abc import Mapping

Say = Callable[[str], None]

BATCHES = (1, 64, 4096)
"""Whose throughput is held against itself: all overhead, some of it, next to none."""
BLOCKS = 24
"""Of each batch: two laps and a half, and 15 stretches as long as a lap."""
LAUNCHES = 12
LAUNCHES_OF_LAP = 6
"""What ``evolve loop kernels`` takes unless told otherwise."""
_SUBSETS = 100


@dataclass(frozen=True)
class Noise:
    """Laps whose truth is 0.

    Attributes:
        laps: ln S, as it is measured of a loop that left everything as it was.
        drift: standard deviation, in ln units, by which the truth itself moves from lap to lap: the intervals of laps
            allow for it, and no recording of one minute can hold it.
    """

    laps: tuple[Estimate, ...]
    drift: float = SESSION_SPREAD

    def around(self, truth: float, rng: np.random.Generator) -> Estimate:
        """A lap that measures ``truth``, with one of the errors that were recorded, and the interval that it had.

        Errors are mirrored at random: they are those of a ratio whose sides were named by chance.
        """
        lap = self.laps[int(rng.integers(len(self.laps)))]
        found = truth + self.drift * float(rng.standard_normal())
        if rng.random() < 0.5:
            return Estimate(found - lap.estimate, found - lap.high, found - lap.low, lap.level)
        return Estimate(found + lap.estimate, found + lap.low, found + lap.high, lap.level)

    def times(self, factor: float) -> Noise:
        """The same noise, so many times as large, and known to be."""
        ends = ((lap.estimate, lap.low, lap.high) for lap in self.laps)
        return Noise(tuple(Estimate(*(factor * end for end in one)) for one in ends), factor * self.drift)

    def as_dict(self) -> dict[str, float]:
        """In figures: how many laps, their root mean square error, median half-width, and intervals that held 0."""
        halves = [(lap.high - lap.low) / 2 for lap in self.laps]
        held = sum(lap.low <= 0 <= lap.high for lap in self.laps)
        spread = float(np.sqrt(np.mean([lap.estimate**2 for lap in self.laps])))
        return {"laps": len(self.laps), "spread": spread, "half_width": float(np.median(halves)), "held": held}


@dataclass(frozen=True)
class Recorded:
    """The noise of a machine.

    Attributes:
        machine: its id.
        measured_at: when, ISO 8601.
        blocks: ln ratios of throughput, by batch: the medians of blocks one after the other.
        launches: ln ratios of a kernel to itself, the medians of fresh processes.
    """

    machine: str
    measured_at: str
    blocks: Sequence[Sequence[float]]
    launches: Sequence[float]

    def throughput(self) -> Noise:
        """Laps of blocks that followed each other: what drifted between them is in the laps too."""
        from benchmarks.throughput import Rules, gain_of  # noqa: PLC0415 - imports the harness

        size = Rules().blocks
        stretches = [
            [[block] for block in taken[first : first + size]]
            for taken in self.blocks
            for first in range(len(taken) - size + 1)
        ]
        return Noise(tuple(map(gain_of, stretches)))

    def fresh(self) -> Noise:
        """Laps of launches drawn from all: they know nothing of each other, so that their order means nothing."""
        rng = np.random.default_rng(0)
        subsets = (rng.choice(self.launches, LAUNCHES_OF_LAP, replace=False) for _ in range(_SUBSETS))
        return Noise(tuple(across_sessions([*map(float, one)]) for one in subsets))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Recorded:
        """The inverse of ``as_dict``."""
        return cls(**told)


def record(machine: str, say: Say, blocks: int = BLOCKS, launches: int = LAUNCHES) -> Recorded:
    """Measure laps in which nothing changes; takes some forty seconds, in which nothing else should run.

    Args:
        machine: id of this machine.
        say: is told what is measured.
        blocks: of each batch, as many as a lap has at least.
        launches: fresh processes, ``LAUNCHES_OF_LAP`` at least.

    Raises:
        ContestantFailedError: a kernel of the project's own is wrong.
    """
    measured_at = datetime.now(UTC).isoformat(timespec="seconds")
    return Recorded(machine, measured_at, _throughputs(blocks, say), _launches(launches, say))


def _throughputs(blocks: int, say: Say) -> list[list[float]]:
    from evolve.loops.batching import RULES, Server  # noqa: PLC0415 - compiles a kernel
    from evolve.paths import source_folder  # noqa: PLC0415 - imports numba

    server, found = Server(source_folder(), rules=replace(RULES, blocks=blocks)), []
    for batch in BATCHES:
        say(f"noise: batches of {batch} against themselves")
        taken = server.compared(batch, batch, np.random.default_rng(batch)).blocks
        found.append([float(np.median(block)) for block in taken])
    return found


def _launches(launches: int, say: Say) -> list[float]:
    from benchmarks import aa, fresh  # noqa: PLC0415 - imports the harness
    from benchmarks.harness import Harness  # noqa: PLC0415
    from benchmarks.precision import PROBLEM  # noqa: PLC0415
    from evolve.loops.remeasure import medians  # noqa: PLC0415
    from kernels.language import SourceFolder  # noqa: PLC0415 - imports numba

    def told(launch: int) -> None:
        say(f"noise: a kernel against itself, fresh process {launch} of {launches}")

    # a folder of its own: what is compiled here has no place in the cache
    with (
        tempfile.TemporaryDirectory(prefix="evolve-noise-") as folder,
        Harness(PROBLEM, SourceFolder(Path(folder))) as harness,
    ):
        itself = aa.itself(harness)
        against = {"itself": fresh.Opponent(itself, fresh.AGAINST_PEER)}
        found = fresh.against(harness, itself, against, launches, told)
    return medians(
        [{"candidate_s": one.candidate_s, "incumbent_s": one.incumbent_s} for one in found.samples["itself"]]
    )
