"""What a schedule was compiled to, found again on disk: no template read, no Numba set up."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import llvmlite
import numba
import numpy as np

import kernels
from benchmarks.contestant import plain_source_of, source_of
from kernels.language import Schedule
from kernels.language.build import compiled_of
from kernels.language.image import LOADED_S

if TYPE_CHECKING:
    from benchmarks.contestant import Task
    from kernels.language import Compiled, Source, SourceFolder
    from kernels.language.image import Image

_FORMAT = 1
"""Of the facts that an image keeps here."""


class Made:
    """A schedule's compiled code: from its image where there is one, else from its source, of which an image is kept.

    An image bears the name of all that decides what it holds: the text of this package's kernels and of their language,
    schedule, dtype, threads, versions; the processor's is that of its folder. Kernels from elsewhere have none, as
    nobody knows what their modules import.

    Args:
        task: which kernel, dtype and threads.
        schedule: of the kernel.
        folder: where images, sources and compiled code are kept.

    Attributes:
        schedule: of what.
    """

    def __init__(self, task: Task, schedule: Schedule, folder: SourceFolder) -> None:
        self.schedule = schedule
        self._task, self._folder = task, folder

    @functools.cached_property
    def identity(self) -> str:
        """The source's.

        Raises:
            TemplateError: the schedule does not specialise.
        """
        return str(self._image.facts["identity"]) if self._image else self._source.identity

    @functools.cached_property
    def runtime(self) -> tuple[str, ...]:
        """The schedule's parameters that are passed when it is called."""
        return tuple(self._image.facts["runtime"]) if self._image else self._source.runtime

    @property
    def is_kept(self) -> bool:
        """Whether an image is kept of it."""
        return self._name is not None

    def compiled(self) -> Compiled:
        """The function itself.

        Raises:
            OSError: the source cannot be written.
            Exception: whatever Numba raises for code that it cannot compile.
        """
        found = compiled_of(self._image) if self._image else None
        return found or self._from_source()

    def _from_source(self) -> Compiled:
        handle = self._folder.write(self._source)
        compiled = self._folder.load(handle)
        if self._name and _is_as_loaded():
            facts = {"identity": self._source.identity, "runtime": self._source.runtime}
            # a full disk; another Numba that keeps its code otherwise: then there is no image, and all else is well
            with contextlib.suppress(OSError, AttributeError, TypeError, ValueError):
                self._folder.keep_image(self._name, facts, handle)
        return compiled

    @functools.cached_property
    def _source(self) -> Source:
        return source_of(self._task, self.schedule)

    @functools.cached_property
    def _image(self) -> Image | None:
        return self._folder.image(self._name) if self._name else None

    @functools.cached_property
    def _name(self) -> str | None:
        """The image's; None where the kernel can have none."""
        task = self._task
        module = sys.modules.get(f"kernels.{task.kernel}")
        if getattr(module, "KERNEL", None) is not task.definition or not _is_as_loaded():
            return None
        values = sorted(self.schedule.items()) or type(self).__name__
        told: Any = [library(), task.kernel, task.dtype, task.threads, values]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


class MadePlain(Made):
    """The compiled code of a kernel's plain loop, which has no schedule."""

    def __init__(self, task: Task, folder: SourceFolder) -> None:
        super().__init__(task, Schedule({}), folder)

    @functools.cached_property
    def _source(self) -> Source:
        return plain_source_of(self._task)


@functools.cache
def _files() -> tuple[Path, ...]:
    folder = Path(kernels.__file__).parent
    return tuple(sorted((*folder.glob("*.py"), *folder.glob("language/*.py"), *folder.glob("language/simd/*.py"))))


def _is_as_loaded() -> bool:
    """Whether no file has been changed since it was imported: the text of one is then that of what is at work."""
    return all(file.stat().st_mtime < LOADED_S for file in _files())


@functools.cache
def library() -> str:
    """Digest of the package's text, and of the versions of what turns it into machine code."""
    versions = (platform.python_version(), *(module.__version__ for module in (llvmlite, numba, np)))
    digest = hashlib.sha256(json.dumps([_FORMAT, *versions]).encode())
    for file in _files():
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
