"""What an evaluation takes beside the samples of its race, measured here: specialising, compiling and proving."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.contestant import Task
from benchmarks.harness import Built, Harness, Incumbent
from benchmarks.inference import Estimate, launches_estimate
from benchmarks.outcome import Measured
from benchmarks.trials.cost import sampled_s
from evolve.loops.protocol import LapFailedError
from kernels.language import SourceFolder

if TYPE_CHECKING:
    from evolve.replay.recording import Recording
    from kernels.language import Schedule

SCHEDULES = 12
"""Of a space, drawn at random, that are built and proven anew."""


@dataclass(frozen=True)
class Costs:
    """Of one evaluation of a space, in seconds of one core.

    Attributes:
        built_s: for specialising and compiling: the mean over schedules that were drawn, with its interval.
        proven_s: for proofs, and all else beside the samples of the race.
        schedules: so many were drawn.
    """

    built_s: Estimate
    proven_s: Estimate
    schedules: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        estimates = {"built_s": self.built_s.as_dict(), "proven_s": self.proven_s.as_dict()}
        return {**estimates, "schedules": self.schedules}


def costs(recording: Recording, schedules: Sequence[Schedule], look: Callable[[], None]) -> Costs:
    """Build and prove schedules of a recorded space in an empty folder, and race each against the plain loop.

    Args:
        recording: of the space.
        schedules: of it.
        look: called between measurements; what it raises ends them.

    Raises:
        LapFailedError: the kernel is not installed here, or has none of these schedules any more.
    """
    task = _task(recording)
    with tempfile.TemporaryDirectory(prefix="evolve-builds-") as folder:
        found = _measured(task, schedules, SourceFolder(Path(folder)), look)
    if len(found) < len(schedules) / 2:
        raise LapFailedError(f"kernel {task.kernel} is no longer what was recorded: record its space anew")
    built_s, proven_s = (launches_estimate([[one] for one in side]) for side in zip(*found, strict=True))
    return Costs(built_s, proven_s, len(found))


def _task(recording: Recording) -> Task:
    subject = recording.subject
    task = Task(subject.kernel, subject.size, subject.dtype, subject.threads, 0, subject.policy)
    try:
        task.definition  # noqa: B018 - asked whether there is one
    except (KeyError, ImportError) as error:
        raise LapFailedError(f"kernel {subject.kernel} is not installed here: its builds cannot be timed") from error
    return task


def _measured(
    task: Task, schedules: Sequence[Schedule], folder: SourceFolder, look: Callable[[], None]
) -> list[tuple[float, float]]:
    """Seconds of each schedule that there still is, those that failed too: build, and all else but samples."""
    with Harness(task, folder) as harness:
        incumbent = harness.first_incumbent()
        plans = [harness.plan(schedule) for schedule in schedules]
        look()
        built = list(harness.build([plan for plan in plans if plan.contestant is not None]))
        return [(one.build_s, _beside_s(harness, one, incumbent, look)) for one in built]


def _beside_s(harness: Harness, built: Built, incumbent: Incumbent, look: Callable[[], None]) -> float:
    """Seconds of an evaluation without its build and its samples."""
    look()
    if built.failure is not None:
        return built.verify_s
    start_s = time.perf_counter()
    outcome = harness.measure(built, incumbent)
    took_s = time.perf_counter() - start_s
    return built.verify_s + took_s - (sampled_s(outcome.samples) if isinstance(outcome, Measured) else 0.0)
