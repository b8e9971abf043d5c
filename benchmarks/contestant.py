"""What takes part in a measurement: a built schedule, the baseline, or a rival; all are called alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import kernels
from kernels import Kernel, Size
from kernels.language import Handle, Schedule, Source, SourceFolder, driver_of, idle_of, parallel_of, slices, specialise

POLICIES = ("hot", "rotate", "flush")
"""What the caches hold when a call begins: its own data from the call before; other data, because the buffers rotate
through more than the last cache holds; nothing, because its lines were flushed. Part of what a figure means."""


@dataclass(frozen=True)
class Task:
    """What is measured: plain data that any process understands.

    Attributes:
        kernel: its name.
        size: extents in the order of the kernel's dims.
        dtype: ``"float32"`` or ``"float64"``.
        threads: that share each call of a contestant; more than one only where ``Kernel.split`` says how.
        seed: of the inputs.
        policy: one of ``POLICIES``.
    """

    kernel: str
    size: Size
    dtype: str
    threads: int = 1
    seed: int = 0
    policy: str = "hot"

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Task:
        """The task from what ``asdict`` made of it."""
        return cls(**{**data, "size": tuple(data["size"])})

    @property
    def definition(self) -> Kernel:
        """The kernel itself."""
        return kernels.get(self.kernel)


@dataclass(frozen=True)
class Contestant:
    """One side of a race; plain data.

    Attributes:
        handle: where its compiled code lies; None for a rival.
        runtime: values of its run-time parameters.
        schedule: what it was made from, for the size of its workspace; None for baseline and rivals.
        rival: the name of a library's answer, where it is one.
        driver: where its compiled caller lies, and a function of its signature that does nothing; None for a rival.
    """

    handle: Handle | None
    runtime: tuple[int, ...] = ()
    schedule: Schedule | None = None
    rival: str | None = None
    driver: tuple[Handle, Handle] | None = None


def source_of(task: Task, schedule: Schedule) -> Source:
    """The specialised source of a schedule, to be shared by as many threads as the task says.

    Raises:
        TemplateError: the template does not specialise, or threads cannot share it.
    """
    return _shared(task, specialise(task.definition.template(schedule), schedule, task.dtype))


def plain_source_of(task: Task) -> Source:
    """The specialised source of the fixed before: the plain loop that a user would write, shared as any schedule is."""
    return _shared(task, specialise(task.definition.baseline, {}, task.dtype))


def _shared(task: Task, source: Source) -> Source:
    return parallel_of(source, task.definition.split or (), task.threads)


def of_schedule(folder: SourceFolder, source: Source, schedule: Schedule) -> Contestant:
    """The contestant of a specialised schedule, its source written."""
    runtime = tuple(int(schedule[name]) for name in source.runtime)
    return Contestant(folder.write(source), runtime, schedule, driver=_written_driver(folder, source))


def of_baseline(folder: SourceFolder, task: Task) -> Contestant:
    """The contestant of the fixed before, its source written."""
    source = plain_source_of(task)
    return Contestant(folder.write(source), driver=_written_driver(folder, source))


def _written_driver(folder: SourceFolder, source: Source) -> tuple[Handle, Handle] | None:
    driver, idle = driver_of(source), idle_of(source)
    return (folder.write(driver), folder.write(idle)) if driver and idle else None


def workspace_counts(task: Task, contestant: Contestant, size: Size) -> tuple[int, ...]:
    """Elements of each scratch array that a contestant wants at a size, for all threads together."""
    if contestant.schedule is None:
        return ()
    return slices(task.definition.workspace(contestant.schedule, size), task.threads)


def callable_of(folder: SourceFolder, task: Task, contestant: Contestant) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The function, and what it takes behind inputs, output and workspace; compiles or loads it.

    Raises:
        kernels.Unavailable: the rival's library is missing.
        Exception: whatever Numba raises for code that it cannot compile.
    """
    if contestant.rival is not None:
        return task.definition.rivals[contestant.rival](), ()
    assert contestant.handle is not None
    compiled = folder.load(contestant.handle)
    return compiled.function, (*contestant.runtime, *compiled.pointers)
