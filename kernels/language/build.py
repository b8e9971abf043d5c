"""Sources on disk and compiled code: content-addressed files, written once, that Numba caches beside themselves.

A module that is rewritten under the same name was served from its stale ``.pyc`` in 3 of 3 tries; a file named by the
SHA-256 of its text cannot be stale. Numba keys its own cache by CPU, so a folder may be shared between machines.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import importlib.util
import os
import re
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from kernels.language.compiled import CACHE, adopt, located, processor
from kernels.language.image import Image, linked, part_of
from kernels.language.lean import PACKAGE, lean
from kernels.language.simd import address_of
from kernels.language.stage import Source
from kernels.language.team import prepared, team

_IN_USE_S = 3600.0
_ABANDONED_S = 86400.0  # a scratch folder that nobody has written to
SCRATCH = "child-"
"""How the names of scratch folders begin that are made in a source folder."""
_IMAGE = ".image"
_KEY = re.compile(r"\bk([0-9a-f]{64})\b")
_CALLEES = re.compile(r"^from \.k([0-9a-f]{64}) import", re.MULTILINE)


@dataclass(frozen=True)
class Compiled:
    """A compiled entry with the addresses of the functions it takes.

    Attributes:
        function: the Numba dispatcher, called with arrays, run-time parameters and ``pointers``; of an image the entry.
        pointers: addresses to be passed last, in order: of functions, which stay loaded, and of a team.
    """

    function: Callable[..., Any]
    pointers: tuple[int, ...]

    @property
    def entry(self) -> Callable[..., Any]:
        """What Python may call instead, with arguments of the very types: past Numba's look at these, 0.1 us and more.

        It checks next to nothing.
        """
        overloads = getattr(self.function, "overloads", {})
        entry: Callable[..., Any] = next(iter(overloads.values())).entry_point if len(overloads) == 1 else self.function
        return entry


@dataclass(frozen=True)
class Handle:
    """All that another process needs to find a written source again; plain data."""

    name: str
    key: str
    pointers: tuple[Handle, ...] = ()
    threads: int = 1

    @classmethod
    def of(cls, source: Source) -> Handle:
        """The handle of a source."""
        return cls(source.name, source.key, tuple(map(cls.of, source.pointers)), source.threads)


class SourceFolder:
    """A folder of generated modules and their compiled code. Any number of processes may use it at once.

    Args:
        path: the folder.
        scratch: a folder on the same file system for what this process compiles, where it may not write to ``path``.

    Raises:
        OSError: the folder cannot be made or written.
    """

    def __init__(self, path: Path, scratch: Path | None = None) -> None:
        self.path, self.scratch = path, scratch
        path.mkdir(parents=True, exist_ok=True)

    def write(self, source: Source) -> Handle:
        """Write a source and all that it needs, each once, and note that they are wanted."""
        for needed in source.closure().values():
            file = self.path / f"{needed.module}.py"
            if not _is_noted(file):
                _write_whole(file, needed.text.encode())
        return Handle.of(source)

    def copy(self, handle: Handle, target: SourceFolder) -> None:
        """Copy a source that was written, and all that it needs, into another folder; compiled code stays behind.

        Raises:
            FileNotFoundError: it was not written, or has been trimmed.
            ValueError: a file does not hold what its name says: somebody has changed it.
        """
        self._copy_module(handle.key, target)
        for pointer in handle.pointers:
            self.copy(pointer, target)

    def _copy_module(self, key: str, target: SourceFolder) -> None:
        text = (self.path / f"k{key}.py").read_text(encoding="utf-8")
        if hashlib.sha256(text.encode()).hexdigest() != key:
            raise ValueError(f"the source k{key[:12]} was changed after it was written")
        for callee in _CALLEES.findall(text):
            self._copy_module(callee, target)
        _write_whole(target.path / f"k{key}.py", text.encode())

    def load(self, handle: Handle) -> Compiled:
        """Import a source that was written: compiles it, or takes the compiled code from disk.

        Raises:
            ImportError: it was not written, or so long ago that it, or what it needs, has been trimmed.
            Exception: whatever Numba raises for code that it cannot compile.
        """
        _look_into(self.path)
        with located(self.scratch), lean():
            module = importlib.import_module(f"{PACKAGE}.k{handle.key}")
        pointers = tuple(address_of(self.load(pointer).function) for pointer in handle.pointers)
        teams = (team(handle.threads),) if handle.threads > 1 else ()
        return Compiled(getattr(module, handle.name), (*pointers, *teams))

    def keep_image(self, name: str, facts: Mapping[str, Any], handle: Handle) -> None:
        """Keep the machine code of a source that is loaded, and facts about it, as an image, where it can be one.

        Args:
            name: by which it is found again, on this processor.
            facts: plain values.
            handle: of the source.
        """
        functions = [self.load(one).function for one in (handle, *handle.pointers)]
        functions += [prepared()] if handle.threads > 1 else []
        parts = [part for part in map(part_of, functions) if part]
        if len(parts) == len(functions):
            self.keep(name, Image({**facts, "threads": handle.threads}, tuple(parts)))

    def keep(self, name: str, image: Image) -> None:
        """Keep an image under a name, for this processor."""
        file = self._image(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(file, image.as_bytes())

    def image(self, name: str) -> Image | None:
        """The image that was kept under a name for this processor; None where there is none that is whole."""
        file = self._image(name)
        try:
            return Image.from_bytes(file.read_bytes()) if _is_noted(file) else None
        except OSError:  # another process trims; another user's file
            return None

    def _image(self, name: str) -> Path:
        return self.path / CACHE / processor() / f"{name}{_IMAGE}"

    def adopt(self, scratch: Path, handles: Iterable[Handle]) -> None:
        """Keep what another process compiled of some sources, of them alone; its scratch folder is empty then."""
        if any(scratch.iterdir()):
            adopt(scratch, self.path, {f"k{key}" for handle in handles for key in self._closure(handle)})

    def _closure(self, handle: Handle) -> set[str]:
        """Keys of a source and of all that it needs, as its text names them."""
        found, ahead = set[str](), {handle.key}
        while ahead:
            found |= ahead
            ahead = {named for key in ahead for named in _named_in(self.path / f"k{key}.py")} - found
        return found.union(*map(self._closure, handle.pointers))

    def size_bytes(self) -> int:
        """Bytes in the folder."""
        return sum(status.st_size for files in self._modules().values() for status in files.values())

    def trim(self, limit_bytes: int, *, in_use_s: float = _IN_USE_S) -> int:
        """Remove modules with their compiled code, the least recently wanted first, until the folder is within a limit.

        Args:
            limit_bytes: what may stay.
            in_use_s: what was wanted in so many seconds stays in any case: another process may be about to load it.

        Returns:
            The bytes freed.
        """
        for scratch in self.path.glob(f"{SCRATCH}*"):
            if scratch.stat().st_mtime < time.time() - _ABANDONED_S:
                shutil.rmtree(scratch, ignore_errors=True)
        modules = sorted(self._modules().values(), key=_last_use_s)
        sizes = [sum(status.st_size for status in files.values()) for files in modules]
        before = left = sum(sizes)
        for files, size in zip(modules, sizes, strict=True):
            if left <= limit_bytes or _last_use_s(files) > time.time() - in_use_s:
                break
            for file in files:
                file.unlink(missing_ok=True)
            left -= size
        return before - left

    def _modules(self) -> dict[str, dict[Path, os.stat_result]]:
        """Files by the module that they belong to: source, byte code, compiled code."""
        found: defaultdict[str, dict[Path, os.stat_result]] = defaultdict(dict)
        for file in self.path.rglob("*"):
            # another process may trim meanwhile
            with contextlib.suppress(FileNotFoundError):
                if file.is_file():
                    found[file.name.partition(".")[0]][file] = file.stat()
        return found


def compiled_of(image: Image) -> Compiled | None:
    """The functions of an image, linked; None where something that they call is not there."""
    functions = linked(image.parts)
    if functions is None:
        return None
    entry, *others = functions
    threads = image.facts["threads"]
    teams = (team(threads, others.pop().function),) if threads > 1 else ()
    return Compiled(entry.function, (*(one.address for one in others), *teams))


@functools.lru_cache(4096)
def _named_in(file: Path) -> frozenset[str]:
    """Keys in the text of a source, which never changes."""
    return frozenset(_KEY.findall(file.read_text(encoding="utf-8")))


def _write_whole(file: Path, data: bytes) -> None:
    """Write through a temporary name, so that another process sees the whole file or none."""
    handle, temporary = tempfile.mkstemp(dir=file.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _is_noted(file: Path) -> bool:
    """Note by its access time that a file is wanted, for file systems do so late or never; False if it is not there."""
    try:
        os.utime(file, ns=(time.time_ns(), file.stat().st_mtime_ns))
    except FileNotFoundError:
        return False
    except OSError:  # another user's file
        return True
    return True


def _last_use_s(files: dict[Path, os.stat_result]) -> float:
    """When a module was last wanted; of compiled code without a source, when it was made."""
    wanted = [status.st_atime for file, status in files.items() if file.suffix in (".py", _IMAGE)]
    return max(wanted or (status.st_mtime for status in files.values()))


class _Finder:
    """Finds generated modules by their names alone.

    Python's own finder lists a folder anew only where the folder's time stamp has changed: it does not see a file that
    was written in the same few milliseconds, and here it would list thousands of files for every one.
    """

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, _target: ModuleType | None = None) -> ModuleSpec | None:
        """The module's place, where it is one of the package."""
        package, _, module = name.rpartition(".")
        files = (Path(folder) / f"{module}.py" for folder in path or ()) if package == PACKAGE else ()
        return next((importlib.util.spec_from_file_location(name, file) for file in files if file.exists()), None)


def _look_into(folder: Path) -> None:
    """Have the synthetic package look into a folder first; its modules import each other by relative names."""
    if PACKAGE not in sys.modules:
        sys.modules[PACKAGE] = ModuleType(PACKAGE)
        sys.modules[PACKAGE].__path__ = []
        sys.meta_path.insert(0, _Finder)
    path = sys.modules[PACKAGE].__path__
    path[:] = [str(folder), *(other for other in path if other != str(folder))]
