"""Where Numba keeps the compiled code of generated modules: by processor, and by who may write there.

One folder per processor, as Numba tells them apart: then a function's files are complete once they are there, and
nobody has to change them when another processor, or this one with instructions switched off, shares the sources.

A process that runs code which is not trusted writes into a scratch folder of its own, and what is to be kept another
one takes out of it (``adopt``). Compiled code is a pickle: whoever could write it could be anybody's kernel.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import inspect
import os
import shutil
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, ClassVar

from numba.core import caching, config

CACHE = "__pycache__"
_INDEX, _DATA = ".nbi", ".nbc"


class Locator(caching.InTreeCacheLocator):
    """Numba's name for what tells it where a function's compiled code lies; see the module."""

    scratch: ClassVar[Path | None] = None

    def __init__(self, function: Callable[..., Any], file: str) -> None:
        super().__init__(function, file)  # type: ignore[no-untyped-call]
        shared = Path(file).absolute().parent / CACHE / processor()
        self._is_there = (shared / _index(function)).exists()
        self._cache_path = str(shared if self._is_there or not self.scratch else self.scratch / shared.name)

    def ensure_cache_path(self) -> None:
        """See that code can be kept: what is there is only read, by whoever may not write there too."""
        if not self._is_there:
            super().ensure_cache_path()  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def located(scratch: Path | None) -> Iterator[None]:
    """Have Numba find and keep compiled code as above, for functions that are defined meanwhile."""
    settings: Any = config
    before = settings.CACHE_LOCATOR_CLASSES
    settings.CACHE_LOCATOR_CLASSES = f"{__name__}.{Locator.__name__}"
    Locator.scratch = scratch
    try:
        yield
    finally:
        settings.CACHE_LOCATOR_CLASSES = before
        Locator.scratch = None


def keep_nothing_elsewhere() -> None:
    """From here on this process goes on where it may not keep compiled code, instead of failing.

    Numba has no setting for that: on Linux it takes a folder that is no longer writable for a fault.
    """
    cache: Any = caching.Cache
    save = cache.save_overload

    def save_where_allowed(*arguments: Any) -> None:
        with contextlib.suppress(OSError):
            save(*arguments)

    cache.save_overload = save_where_allowed


def adopt(scratch: Path, folder: Path, modules: Collection[str]) -> None:
    """Move the compiled code of some modules from a scratch folder to their sources, and empty the scratch folder.

    What is there already stays as it is. Links are not followed, and nothing is read.

    Args:
        scratch: of a process that is not at work meanwhile.
        folder: of the sources.
        modules: whose code is wanted.
    """
    for place in (Path(entry) for entry in os.scandir(scratch) if entry.is_dir(follow_symlinks=False)):
        shared = folder / CACHE / place.name
        wanted = [e.name for e in os.scandir(place) if _is_file(e) and e.name.partition(".")[0] in modules]
        # the index last: it is what makes the rest count
        for name in sorted(wanted, key=lambda name: name.endswith(_INDEX)):
            if not (shared / f"{_function(name)}{_INDEX}").exists():
                shared.mkdir(parents=True, exist_ok=True)
                (place / name).replace(shared / name)
    clear(scratch)


def clear(scratch: Path) -> None:
    """Empty a scratch folder."""
    for entry in os.scandir(scratch):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry, ignore_errors=True)
        else:
            Path(entry).unlink(missing_ok=True)


def _is_file(entry: os.DirEntry[str]) -> bool:
    return entry.is_file(follow_symlinks=False) and entry.name.endswith((_INDEX, _DATA))


def _function(file: str) -> str:
    """What the names of a function's index and data files have in common."""
    stem = file.rpartition(".")[0]
    return stem if file.endswith(_INDEX) else stem.rpartition(".")[0]


@functools.cache
def processor() -> str:
    """A name for what code is compiled for: triple, processor, its features."""
    from numba.core.registry import cpu_target  # noqa: PLC0415 - sets Numba's target up

    told = repr(cpu_target.target_context.codegen().magic_tuple())
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def _index(function: Callable[..., Any]) -> str:
    """The name that Numba gives a function's index."""
    module = Path(inspect.getfile(function)).stem
    major, minor = sys.version_info[:2]
    return f"{module}.{function.__qualname__}-{function.__code__.co_firstlineno}.py{major}{minor}{sys.abiflags}{_INDEX}"
