"""What may be shown of a contestant: paired samples in new processes, of new builds, on new inputs, at new addresses.

One process is one memory layout, and that is one sample of the spread that another user will see (measured between
launches: 4.5 %, between rounds of one launch: 1.3 %). So the launch is what is repeated, each with a build of its own.
What is published is where a repeat of all this will find the speedup, see ``repeat_interval``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.audit import UnseenError, audit
from benchmarks.contestant import Contestant
from benchmarks.exchange import ContestantFailedError
from benchmarks.harness import Harness
from benchmarks.inference import Estimate, Medians, hierarchical_speedup, numpy_medians, repeat_interval
from benchmarks.launch import Launch, fresh_build
from benchmarks.outcome import Samples
from benchmarks.race import Rules

LAUNCHES = 10
SLOW_S = 1.0
SLOW_LAUNCHES = 5
"""Launches for an opponent that takes ``SLOW_S`` a call or more: many times slower, it needs no fine figure."""
SLOWEST_S = 20.0
LEAST_LAUNCHES = 2
"""For one that takes ``SLOWEST_S`` a call: fewer support no interval. The plain product of 2048 x 2048 takes 61 s."""

AGAINST_PEER = Rules(most_rounds=30, least_rounds=6, most_s=1.0, may_drop=False)
AGAINST_PLAIN = Rules(most_rounds=30, least_rounds=2, most_s=1.0, may_drop=False)
"""Few rounds are enough against a plain loop that is many times slower, and each of them may take seconds."""


@dataclass(frozen=True)
class Opponent:
    """Whom a contestant is timed against, and how often in each launch.

    Attributes:
        contestant: the other side.
        rules: of the race in a launch.
        call_s: seconds a call, roughly, where that is known: what is slow takes part in fewer launches.
    """

    contestant: Contestant
    rules: Rules
    call_s: float = 0.0

    def takes_part(self, launch: int) -> bool:
        """Whether it is raced in a launch, counted from 0."""
        most = SLOW_LAUNCHES if self.call_s < SLOWEST_S else LEAST_LAUNCHES
        return self.call_s < SLOW_S or launch < most


@dataclass(frozen=True)
class Fresh:
    """What the launches found.

    Attributes:
        samples: by opponent, one value a launch; opponents whose library is missing are left out.
        assembly: of the contestant, as the first launch compiled it, by the function's name.
        audited: launches whose figures stood the audit, as far as the system allows one.
        launches: fresh processes, each with a build of its own.
    """

    samples: Mapping[str, Sequence[Samples]]
    assembly: Mapping[str, str] = field(default_factory=dict)
    audited: int = 0
    launches: int = LAUNCHES

    @property
    def time_s(self) -> float:
        """Seconds a call of the contestant: the median of all its launches and opponents."""
        launches = [launch for launches in self.samples.values() for launch in launches]
        return float(np.median([np.median(launch.candidate_s) for launch in launches]))

    @property
    def flags(self) -> dict[str, int]:
        """What disturbed the races, and how many of them."""
        flags = [flag for launches in self.samples.values() for one in launches for flag in one.conditions.flags]
        return {flag: flags.count(flag) for flag in sorted(set(flags))}

    def confidence(self, rng: np.random.Generator, medians: Medians = numpy_medians) -> dict[str, Estimate]:
        """t_opponent / t_contestant by opponent, with the interval for the truth of this session."""
        sides = {name: [(one.candidate_s, one.incumbent_s) for one in found] for name, found in self.samples.items()}
        return {name: hierarchical_speedup(launches, rng, medians=medians) for name, launches in sides.items()}

    def speedups(self, rng: np.random.Generator, medians: Medians = numpy_medians) -> dict[str, Estimate]:
        """t_opponent / t_contestant by opponent, with the interval in which a repeat of all launches will find it."""
        return {name: repeat_interval(estimate) for name, estimate in self.confidence(rng, medians).items()}


def against(
    harness: Harness,
    contestant: Contestant,
    opponents: Mapping[str, Opponent],
    launches: int = LAUNCHES,
    say: Callable[[int], None] = lambda _launch: None,
) -> Fresh:
    """Time a contestant against each opponent in each of several fresh processes, each with a build of its own.

    Args:
        harness: of the task; its own children stay idle.
        contestant: what the figures are about.
        opponents: by name.
        launches: fresh processes.
        say: is told the number of each launch before it begins, from 1 on.

    Raises:
        ContestantFailedError: a contestant is wrong, crashes, takes minutes, or fails the audit of a launch.
    """
    samples: dict[str, list[Samples]] = {}
    assembly: dict[str, str] = {}
    audited = 0
    compiled = [contestant, *(other.contestant for other in opponents.values())]
    for launch in range(launches):
        say(launch + 1)
        present = {name: other for name, other in opponents.items() if other.takes_part(launch)}
        with fresh_build(harness.folder, compiled) as folder, harness.launch(new_seed(), folder) as process:
            # first of all: a rival that fails takes the process with it, and a new one finds code without assembly
            process.prove(contestant)
            assembly = assembly or process.assembly(contestant)
            taken = _one_launch(process, contestant, present)
            for name, found in taken.items():
                samples.setdefault(name, []).append(found)
            audited += _audited(process, contestant, list(taken.values()))
    return Fresh(samples, assembly, audited, launches)


def _audited(process: Launch, contestant: Contestant, taken: Sequence[Samples]) -> bool:
    """Whether the figures of a launch were seen to hold; False where the machine was too busy to see.

    Raises:
        ContestantFailedError: twice they did not hold.
    """
    if not taken:
        return False
    claimed_s = float(np.median([np.median(samples.candidate_s) for samples in taken]))
    reason, rng, task = "", np.random.default_rng(), process.child.place.task
    for _ in range(2):
        try:
            found = audit(process.child, task, contestant, claimed_s, rng)
        except UnseenError:
            return False
        if found is None:
            return True
        reason = found
    raise ContestantFailedError(f"audit: {reason}")


def new_seed() -> int:
    """Of inputs that nobody has seen."""
    return int.from_bytes(os.urandom(4))


def _one_launch(process: Launch, contestant: Contestant, opponents: Mapping[str, Opponent]) -> dict[str, Samples]:
    pairs = {name: process.pair(contestant, other.contestant, other.rules) for name, other in opponents.items()}
    return {name: samples for name, samples in pairs.items() if samples is not None}
