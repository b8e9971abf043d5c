"""Down to which difference a machine can be trusted: races of equals at three levels, and the gains they leave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from benchmarks import aa
from benchmarks.contestant import Task
from benchmarks.noise import POWERS, Detection, Noise, witnessed

if TYPE_CHECKING:
    import numpy as np

    from benchmarks.harness import Harness

PROBLEM = Task("triad", (8192,), "float64")
"""192 KiB, two microseconds a call: short, and at home in the second cache, so that it feels clock, caches and places.
"""


@dataclass(frozen=True)
class Extent:
    """How much is tried: races of one function, builds and races of them, fresh processes."""

    trials: int
    builds: int
    launches: int


QUICK = Extent(trials=40, builds=4, launches=5)
FULL = Extent(trials=200, builds=12, launches=20)


@dataclass(frozen=True)
class Precision:
    """What races of equals say of a machine.

    Attributes:
        same: one function in one process.
        rebuilt: two builds of one source in one process.
        relaunched: one function in two processes.
        noise: at the same levels.
        smallest_gain: by rounds, what is found in four of five races.
        rounds_for: by gain, the rounds that find it as often as it must be; None where too many are needed.
        conditions: what the machine did meanwhile.
        detection: what these gains are calculated from, for more of them.
    """

    same: aa.SelfComparison
    rebuilt: aa.SelfComparison
    relaunched: aa.SelfComparison
    noise: Noise
    smallest_gain: Mapping[int, float]
    rounds_for: Mapping[float, int | None]
    conditions: Mapping[str, Any]
    detection: Detection

    @property
    def levels(self) -> dict[str, aa.SelfComparison]:
        """The A/A tests by name."""
        return {"same": self.same, "rebuilt": self.rebuilt, "relaunched": self.relaunched}

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "aa": {name: level.as_dict() for name, level in self.levels.items()},
            "noise": asdict(self.noise),
            "smallest_gain": {str(rounds): gain for rounds, gain in self.smallest_gain.items()},
            "rounds_for": {f"{gain:g}": rounds for gain, rounds in self.rounds_for.items()},
            "conditions": dict(self.conditions),
        }


def precision(harness: Harness, extent: Extent, rng: np.random.Generator, say: Callable[[str], None]) -> Precision:
    """Race the default schedule of the harness' task against itself, at three levels.

    Args:
        harness: of a task as ``PROBLEM``; nothing else should run meanwhile.
        extent: how much is tried.
        rng: draws the rounds of which the smallest gains are calculated.
        say: is told what is done.

    Raises:
        ContestantFailedError: the schedule fails.
    """
    say("a function raced against itself")
    contestant = aa.itself(harness)
    same = aa.same(harness, contestant, extent.trials)
    say("two builds of one source raced against each other")
    rebuilt = aa.rebuilt(harness, extent.builds, extent.trials)
    say("a function timed in fresh processes")
    relaunched = aa.relaunched(harness, contestant, extent.launches)
    detection = Detection.of(same, rng)
    return Precision(
        same=aa.judged(same),
        rebuilt=aa.judged(rebuilt),
        relaunched=aa.judged(relaunched),
        noise=Noise.of(same, rebuilt, relaunched),
        smallest_gain=detection.smallest_gains(),
        rounds_for={gain: detection.rounds_for(gain) for gain in POWERS},
        conditions=witnessed([*same, *rebuilt]),
        detection=detection,
    )
