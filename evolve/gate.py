"""What a run asks first: is this machine quiet enough to measure, and which gain can it find?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import aa, precision
from benchmarks.harness import Harness
from benchmarks.noise import Detection
from benchmarks.quiet import wait_until_quiet
from evolve.errors import NoisyMachineError
from evolve.paths import source_folder

if TYPE_CHECKING:
    from benchmarks.contestant import Task
    from benchmarks.outcome import Samples

TRIALS = 20
ROUNDS = 30
"""Of a race in a search: the smallest gain is told for so many."""

PATIENCE_S = 30.0
BUSY, NOISY = "busy_start", "noisy"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Gate:
    """What was found before a run.

    Attributes:
        line: the same in one line.
        spread: how far from 1 the ratio of equals came in 95 % of races: 0.01 is 1 %.
        smallest_gain: what four of five races of ``ROUNDS`` rounds find: 0.01 is 1 %.
        flags: ``busy_start`` where others kept the machine busy, ``noisy`` where a run should not have begun.
    """

    line: str
    spread: float
    smallest_gain: float
    flags: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def gate(task: Task | None, say: Say, *, anyway: bool = False) -> Gate:
    """Wait for a quiet moment, then race a function against itself for a second.

    Args:
        task: what the run is going to measure: the races have its cache policy and its threads; None for no run.
        say: is told what is waited for.
        anyway: do not wait; go on where nothing can be told from noise, and say so.

    Raises:
        NoisyMachineError: what equals are told to differ by, twice, is more than a search could make use of.
        ContestantFailedError: the function that is raced fails.
    """
    say("waiting for a quiet machine")
    disturbing = wait_until_quiet(0.0 if anyway else PATIENCE_S)
    races = _races(task, say)
    found = aa.judged(races)
    if found.objections and not anyway:
        raise NoisyMachineError("; ".join(found.objections), "stop what else runs here, or measure --anyway")
    flags = (*((BUSY,) if disturbing else ()), *((NOISY,) if found.objections else ()))
    detection = Detection.of(races, np.random.default_rng(len(races)))
    smallest_gain = detection.smallest_gain(ROUNDS)
    return Gate(_line(found, smallest_gain, flags), found.spread, smallest_gain, flags)


def _races(task: Task | None, say: Say) -> list[Samples]:
    """Races of equals; once more where the first would have to be refused."""
    problem = replace(precision.PROBLEM, policy=task.policy, threads=task.threads) if task else precision.PROBLEM
    with Harness(problem, source_folder()) as harness:
        contestant = aa.itself(harness)
        for attempt in ("a function raced against itself", "raced against itself once more"):
            say(attempt)
            races = aa.same(harness, contestant, TRIALS)
            if not aa.judged(races).objections:
                break
    return races


def _line(found: aa.SelfComparison, smallest_gain: float, flags: tuple[str, ...]) -> str:
    busy = ", though others use it" if BUSY in flags else ""
    told = "too noisy to judge, measured all the same" if NOISY in flags else f"can be trusted{busy}"
    return (
        f"machine {told}: equals are within {found.spread:.1%} of each other, {found.false_positives} of "
        f"{found.trials} races of equals found a winner, {ROUNDS} rounds find gains of {smallest_gain:.1%}"
    )
