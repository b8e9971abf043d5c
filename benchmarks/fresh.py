"""What may be shown of a contestant: paired samples in new processes, on new inputs, at new addresses.

One process is one memory layout, and that is one sample of the spread that another user will see (measured between
launches: 4.5 %, between rounds of one launch: 1.3 %). So the launch is what is repeated.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.contestant import Contestant
from benchmarks.harness import Harness
from benchmarks.inference import Estimate, hierarchical_speedup
from benchmarks.launch import Launch
from benchmarks.outcome import Samples
from benchmarks.race import Rules

LAUNCHES = 5
AGAINST_PEER = Rules(most_rounds=20, least_rounds=6, most_s=2.0, may_drop=False)
AGAINST_PLAIN = Rules(most_rounds=12, least_rounds=3, most_s=2.0, may_drop=False)
"""Few rounds are enough against a plain loop that is many times slower, and each of them may take seconds."""


@dataclass(frozen=True)
class Opponent:
    """Whom a contestant is timed against, and how often in each launch."""

    contestant: Contestant
    rules: Rules


@dataclass(frozen=True)
class Fresh:
    """What the launches found.

    Attributes:
        samples: by opponent, one value a launch; opponents whose library is missing are left out.
    """

    samples: Mapping[str, Sequence[Samples]]

    @property
    def time_s(self) -> float:
        """Seconds a call of the contestant: the median of all its launches and opponents."""
        launches = [launch for launches in self.samples.values() for launch in launches]
        return float(np.median([np.median(launch.candidate_s) for launch in launches]))

    def speedups(self, rng: np.random.Generator) -> dict[str, Estimate]:
        """t_opponent / t_contestant by opponent, the spread between launches in the interval."""
        return {
            name: hierarchical_speedup([(launch.candidate_s, launch.incumbent_s) for launch in launches], rng)
            for name, launches in self.samples.items()
        }


def against(
    harness: Harness,
    contestant: Contestant,
    opponents: Mapping[str, Opponent],
    launches: int = LAUNCHES,
    say: Callable[[int], None] = lambda _launch: None,
) -> Fresh:
    """Time a contestant against each opponent in each of several fresh processes.

    Args:
        harness: of the task; its own children stay idle.
        contestant: what the figures are about.
        opponents: by name.
        launches: fresh processes.
        say: is told the number of each launch before it begins, from 1 on.

    Raises:
        ContestantFailedError: a contestant is wrong, crashes, or takes minutes.
    """
    samples: dict[str, list[Samples]] = {}
    for launch in range(launches):
        say(launch + 1)
        with harness.launch(int.from_bytes(os.urandom(4))) as process:
            for name, found in _one_launch(process, contestant, opponents).items():
                samples.setdefault(name, []).append(found)
    return Fresh(samples)


def _one_launch(process: Launch, contestant: Contestant, opponents: Mapping[str, Opponent]) -> dict[str, Samples]:
    pairs = {name: process.pair(contestant, other.contestant, other.rules) for name, other in opponents.items()}
    return {name: samples for name, samples in pairs.items() if samples is not None}
