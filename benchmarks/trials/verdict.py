"""What a trial is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.aa import proven
from benchmarks.contestant import Task
from benchmarks.harness import Built
from benchmarks.inference import Estimate

if TYPE_CHECKING:
    import numpy as np

    from benchmarks.harness import Harness
    from benchmarks.noise import Detection
    from kernels.language import SourceFolder

Tell = Callable[[int, int], None]
"""Is told how many steps of how many are done."""

PLANTED = Task(str(Path(__file__).with_name("planted.py")), (16,), "float64")
NULL = Task(str(Path(__file__).with_name("null.py")), (16,), "float64")


@dataclass(frozen=True)
class Verdict:
    """One line of the table.

    Attributes:
        name: for programs.
        what: was tried.
        bar: in words.
        found: the figure that is held against the bar, with its interval.
        unit: of ``found``: ``share``, ``s`` or ``factor``.
        holds: whether it meets the bar.
        trials: how often it was tried.
        remark: what else is to be said of it.
        details: more figures, plain values.
    """

    name: str
    what: str
    bar: str
    found: Estimate
    unit: str
    holds: bool
    trials: int
    remark: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "found": self.found.as_dict()}


@dataclass(frozen=True)
class Setting:
    """What a trial works with.

    Attributes:
        folder: of sources and compiled code.
        detection: what this machine can find, from its races of equals.
        spread: how far from 1 the ratio of equals comes in 95 % of races.
        rng: of the trial's own choices.
        tell: of its progress.
    """

    folder: SourceFolder
    detection: Detection
    spread: float
    rng: np.random.Generator
    tell: Tell = lambda _done, _total: None


@dataclass(frozen=True)
class Trial:
    """A trial to be made.

    Attributes:
        name: in words.
        expected_s: what it takes on a quiet machine, for the time left.
        run: makes it.
    """

    name: str
    expected_s: float
    run: Callable[[Setting], Sequence[Verdict]]


def built(harness: Harness, steps: Sequence[int]) -> list[Built]:
    """Planted schedules of so many steps, built and proven, in order.

    Raises:
        ContestantFailedError: one of them fails.
    """
    # a label of its own each: they are as many candidates, though some of them are the same
    space = harness.task.definition.space
    plans = [harness.plan(space.schedule(steps=count, label=k)) for k, count in enumerate(steps)]
    proven(harness, plans)
    return [Built(plan) for plan in plans]
