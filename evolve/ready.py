"""The best kernel, ready to be called: what ``evolve.best`` is.

Asked before, it is there in tens of milliseconds: what was chosen is remembered until the store changes, and what it
was compiled to is found on disk (``made``). The store itself is opened, and all that knows it imported, only otherwise.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import kernels
from benchmarks.contestant import Task
from benchmarks.machine import own_id
from evolve.errors import UsageError
from evolve.made import Made, library
from evolve.paths import default_store, source_folder
from kernels.door import Tuned
from kernels.language import Schedule
from kernels.language.image import Image

if TYPE_CHECKING:
    from kernels import Kernel, Size
    from kernels.language import SourceFolder


def best(
    kernel: str, *, size: Size | int | None = None, dtype: str = "float64", threads: int = 1, store: str | None = None
) -> Tuned:
    """The best that is known of a kernel for this machine, as a function ``(*inputs, out=None)`` of any size.

    Of the champions that runs of this machine published for that kernel, dtype and number of threads, it is the fastest
    one of that very size; failing that, the one of the nearest size: extents are compared by their logarithms, and none
    may differ by more than a factor of ``wisdom.REACH``. Its schedule is taken whole: genes fit each other, so that a
    mixture of two schedules is a third that nobody measured. Where nothing is near it is the kernel's default schedule,
    which is right, and compiled like any other.

    Args:
        kernel: its name.
        size: extents of the problem, one for all or one each; the kernel's own default where not given.
        dtype: ``"float64"`` or ``"float32"``, as the kernel has them.
        threads: that share each call, where the kernel's calls can be shared; else it has one.
        store: where runs are kept; the user's own by default.

    Raises:
        UsageError: there is no such kernel, size or dtype.
        EvolveError: the store cannot be read, or the cache folder not be written.
    """
    definition = known_kernel(kernel)
    if dtype not in definition.dtypes:
        raise UsageError(f"{kernel} has no {dtype}; it has {', '.join(definition.dtypes)}")
    task = Task(kernel, _extents(definition, size), dtype, threads if definition.split else 1)
    choice = _Choice(task, store, source_folder())
    made = choice.remembered() or choice.afresh()
    return Tuned(definition, made.schedule, dtype, made.compiled(), made.runtime, task.threads)


def known_kernel(name: str) -> Kernel:
    """The kernel of that name.

    Raises:
        UsageError: there is none.
    """
    try:
        return kernels.get(name)
    except KeyError as error:
        raise UsageError(str(error.args[0])) from error


def _extents(kernel: Kernel, size: Size | int | None) -> Size:
    if size is None:
        return kernel.default_size
    extents = (size,) * len(kernel.dims) if isinstance(size, int) else tuple(size)
    if len(extents) != len(kernel.dims) or any(extent < 1 for extent in extents):
        raise UsageError(f"{kernel.name} takes {len(kernel.dims)} positive extents ({', '.join(kernel.dims)})")
    return extents


class _Choice:
    """Which schedule is the best for a task, by what a store knows.

    Args:
        task: the problem.
        store: URL or path; None for the user's own.
        folder: where choices are remembered.
    """

    def __init__(self, task: Task, store: str | None, folder: SourceFolder) -> None:
        self._task, self._store, self._folder = task, store, folder

    def remembered(self) -> Made | None:
        """What was chosen last, as long as the store is what it was, and all that the choice rests on."""
        kept = self._folder.image(self._name)
        if kept is None or kept.facts["store"] != self._stamps():
            return None
        made = Made(self._task, Schedule(kept.facts["schedule"]), self._folder)
        return made if made.is_kept else None

    def afresh(self) -> Made:
        """What is to be chosen now, remembered.

        Raises:
            EvolveError: the store cannot be read.
        """
        from evolve import wisdom  # noqa: PLC0415 - imports all of the store, 20 ms

        before = self._stamps()
        made = wisdom.chosen(self._task, wisdom.champions_of(self._task, self._store), self._folder)
        # who closes a store last may still change its file: then it is the next to ask who is remembered
        if made.is_kept and before == self._stamps():
            with contextlib.suppress(OSError):
                self._folder.keep(self._name, Image({"store": before, "schedule": dict(made.schedule)}, ()))
        return made

    @functools.cached_property
    def _name(self) -> str:
        rule = hashlib.sha256(Path(__file__).with_name("wisdom.py").read_bytes()).hexdigest()
        told = [library(), rule, own_id(), asdict(self._task), str(self._file)]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    @functools.cached_property
    def _file(self) -> Path:
        return Path((self._store or default_store()).removeprefix("sqlite:///")).expanduser().absolute()

    def _stamps(self) -> list[list[int] | None]:
        """Of the store's file, and of the journal that lies beside it while somebody writes."""
        return [_stamp(self._file), _stamp(self._file.with_name(f"{self._file.name}-wal"))]


def _stamp(file: Path) -> list[int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return [status.st_ino, status.st_size, status.st_mtime_ns]
