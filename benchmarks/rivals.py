"""What stands behind the rivals: versions of their libraries, and the CPU that those wrote their kernels for.

OpenBLAS chooses its kernels by the CPU's model, and takes older ones for a model that it does not know; a figure
against it is half explained by that choice.
"""

from __future__ import annotations

import importlib.metadata
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import threadpoolctl

PACKAGES = ("numpy", "scipy", "torch", "numexpr", "pyfftw")

VECTOR_BYTES_BY_TARGET = {
    **dict.fromkeys(("skylakex", "cooperlake", "sapphirerapids", "avx512"), 64),
    **dict.fromkeys(("sandybridge", "bulldozer", "piledriver", "steamroller", "excavator"), 32),
    **dict.fromkeys(("haswell", "zen", "avx2"), 32),
    **dict.fromkeys(("core2", "penryn", "nehalem", "prescott", "katmai", "barcelona", "atom", "default"), 16),
}
"""Width of the registers that kernels for a target use, as far as it is known: OpenBLAS' names (its file TargetList),
and torch's capabilities."""


@dataclass(frozen=True)
class Library:
    """A library of compiled kernels that is loaded.

    Attributes:
        package: the Python package that brought it; "" where its place does not tell.
        name: as in ``"openblas"``.
        version: its own.
        target: the CPU whose kernels it chose; "" where it does not tell.
        vector_bytes: width of that target's registers, None where it is not known.
    """

    package: str
    name: str
    version: str
    target: str
    vector_bytes: int | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def versions() -> dict[str, str]:
    """Versions of those packages that are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def loaded() -> list[Library]:
    """The libraries that this process has loaded; call it after the rivals were used."""
    libraries = [_library(info) for info in threadpoolctl.threadpool_info()]
    if "torch" in sys.modules:
        capability = sys.modules["torch"].backends.cpu.get_cpu_capability()
        libraries.append(_of("torch", "torch", versions().get("torch", ""), capability))
    return libraries


def _library(info: dict[str, Any]) -> Library:
    return _of(_package(info["filepath"]), info["internal_api"], info["version"] or "", info.get("architecture") or "")


def _of(package: str, name: str, version: str, target: str) -> Library:
    return Library(package, name, version, target, VECTOR_BYTES_BY_TARGET.get(target.lower()))


def _package(file: str) -> str:
    """Wheels keep their libraries in ``numpy.libs`` or in ``torch/lib``."""
    places = {part.removesuffix(".libs") for part in Path(file).parts}
    return next((name for name in PACKAGES if name in places), "")
