"""Sources on disk and compiled code: content-addressed files, written once, that Numba caches beside themselves.

A module that is rewritten under the same name was served from its stale ``.pyc`` in 3 of 3 tries; a file named by the
SHA-256 of its text cannot be stale. Numba keys its own cache by CPU, so a folder may be shared between machines.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from kernels.language.simd import address_of
from kernels.language.stage import Source

_PACKAGE = "evolve_generated"


@dataclass(frozen=True)
class Compiled:
    """A compiled entry with the addresses of the functions it takes.

    Attributes:
        function: the Numba dispatcher, called with arrays, run-time parameters and ``pointers``.
        pointers: addresses to be passed last, in order; the modules of their functions stay loaded.
    """

    function: Callable[..., Any]
    pointers: tuple[int, ...]


@dataclass(frozen=True)
class Handle:
    """All that another process needs to find a written source again; plain data."""

    name: str
    key: str
    pointers: tuple[Handle, ...] = ()

    @classmethod
    def of(cls, source: Source) -> Handle:
        """The handle of a source."""
        return cls(source.name, source.key, tuple(map(cls.of, source.pointers)))

    @classmethod
    def from_json(cls, data: Any) -> Handle:
        """The handle from what ``dataclasses.asdict`` made of it."""
        return cls(data["name"], data["key"], tuple(map(cls.from_json, data["pointers"])))


class SourceFolder:
    """A folder of generated modules and their compiled code.

    Raises:
        OSError: the folder cannot be made or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    def write(self, source: Source) -> Handle:
        """Write a source and all that it needs, each once."""
        for needed in source.closure().values():
            file = self.path / f"{needed.module}.py"
            if not file.exists():
                _write_whole(file, needed.text)
        return Handle.of(source)

    def load(self, handle: Handle) -> Compiled:
        """Import a written source: compiles it, or takes the compiled code from disk.

        Raises:
            Exception: whatever Numba raises for code that it cannot compile.
        """
        module = importlib.import_module(f"{self._package().__name__}.k{handle.key}")
        pointers = tuple(address_of(self.load(pointer).function) for pointer in handle.pointers)
        return Compiled(getattr(module, handle.name), pointers)

    def _package(self) -> ModuleType:
        """The synthetic package whose modules are generated files; they import each other by relative names."""
        package = sys.modules.setdefault(_PACKAGE, ModuleType(_PACKAGE))
        package.__path__ = list(dict.fromkeys([*getattr(package, "__path__", []), str(self.path)]))
        return package

    def size_bytes(self) -> int:
        """Bytes in the folder."""
        return sum(file.stat().st_size for file in self._files())

    def trim(self, limit_bytes: int) -> int:
        """Remove the files least recently used until the folder is within its limit; returns the bytes freed."""
        excess = before = self.size_bytes() - limit_bytes
        for file in sorted(self._files(), key=lambda f: f.stat().st_atime):
            if excess <= 0:
                break
            excess -= file.stat().st_size
            file.unlink(missing_ok=True)
        return max(0, before - max(0, excess)) if before > 0 else 0

    def _files(self) -> Iterable[Path]:
        return [file for file in self.path.rglob("*") if file.is_file()]


def _write_whole(file: Path, text: str) -> None:
    """Write through a temporary name, so that another process sees the whole file or none."""
    handle, temporary = tempfile.mkstemp(dir=file.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
