"""What is tuned: the kernel language, and one file a kernel.

A kernel file ends in ``KERNEL = Kernel(...)``; ``names`` finds it by walking this package, and third parties' kernels
by the entry-point group ``evolve.kernels``. A file that is installed nowhere is named by its path.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.metadata
import importlib.util
import pkgutil
import sys
from pathlib import Path

from kernels.contract import Inputs, Kernel, Size, Unavailable, Work

__all__ = ["Inputs", "Kernel", "Size", "Unavailable", "Work", "get", "names"]

_NOT_KERNELS = {"contract", "door", "language", "openblas", "testing"}


@functools.cache
def _own() -> dict[str, str]:
    """Module by kernel name, of this package."""
    return {m.name: f"kernels.{m.name}" for m in pkgutil.iter_modules(__path__) if m.name not in _NOT_KERNELS}


@functools.cache
def _places() -> dict[str, str]:
    """The same of all: this package's files first, so that nobody can take their names."""
    others = importlib.metadata.entry_points(group="evolve.kernels")
    return {**{point.name: point.value for point in others}, **_own()}


def names() -> list[str]:
    """Names of all kernels, sorted; imports none of them."""
    return sorted(_places())


def get(name: str) -> Kernel:
    """The kernel of that name, or of the file at a path that ends in ``.py``.

    Raises:
        KeyError: there is none; the message lists those there are.
        Exception: whatever the file raises when it is run.
    """
    if name.endswith(".py"):
        return _from_file(Path(name).resolve())
    # reading everybody's entry points takes some milliseconds
    place = _own().get(name) or _places().get(name)
    if place is None:
        raise KeyError(f"no kernel {name!r}; there are {', '.join(names())}")
    kernel: Kernel = importlib.import_module(place).KERNEL
    return kernel


@functools.cache
def _from_file(path: Path) -> Kernel:
    """Import a kernel file as a module of its own: templates read their source, exports their module."""
    name = f"{path.stem}_{hashlib.sha256(bytes(path)).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise KeyError(f"no kernel file {str(path)!r}")
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kernel = getattr(module, "KERNEL", None)
    if not isinstance(kernel, Kernel):
        raise KeyError(f"kernel file {str(path)!r} does not end in KERNEL = Kernel(...)")
    return kernel
