"""What this machine is: the fingerprint that every measurement carries, and the vector width kernels start from."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import isa

if TYPE_CHECKING:
    from collections.abc import Mapping

_SYSFS = Path("/sys/devices/system/cpu")
_PROC = Path("/proc")

VECTOR_BYTES_BY_FEATURE = {"avx512f": 64, "avx": 32, "sse2": 16, "neon": 16}
"""Register width by instruction set, widest first."""

_FEATURES = ("sse2", "avx", "avx2", "fma", "avx512f", "avx512bw", "avx512vl", "neon", "sve")
_PACKAGES = ("numpy", "numba", "llvmlite", "scipy")
_SIZE_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "": 1}


@dataclass(frozen=True)
class Cache:
    """One data cache as a core sees it.

    Attributes:
        level: ``"L1"``, ``"L2"``, ``"L3"``.
        bytes: capacity of one instance.
        line_bytes: size of a cache line.
        shared_by: logical cores that share an instance.
    """

    level: str
    bytes: int
    line_bytes: int
    shared_by: int


DEFAULT_CACHES = (Cache("L1", 32 << 10, 64, 1), Cache("L2", 1 << 20, 64, 1), Cache("L3", 16 << 20, 64, 4))
"""Assumed where sysfs says nothing; ``Fingerprint.caches_assumed`` is then True."""


@dataclass(frozen=True)
class Fingerprint:
    """The machine, its software, and a name for it that says nothing of its owner.

    Attributes:
        machine_id: 12 hexadecimal digits over the hardware part alone: cpu, llvm_cpu, features, cores, caches.
        cpu: model name as the kernel gives it (a hypervisor may hide it).
        llvm_cpu: LLVM's name for the microarchitecture that code is generated for, as in ``"znver5"``.
        features: instruction sets of interest that code is generated for, as LLVM names them.
        vector_bytes: width of a vector register: 16, 32 or 64.
        logical_cores: cores that this process may run on.
        physical_cores: the same without hyper-threads.
        caches: data caches, smallest first.
        caches_assumed: True where the system did not tell and defaults stand in.
        memory_bytes: main memory.
        huge_pages: setting of transparent huge pages: ``always``, ``madvise``, ``never``; None if unknown.
        governor: frequency governor; None where the machine has or shows none.
        system: operating system and kernel release.
        versions: of Python and of the packages that decide what code runs.
        profile: what this process is restricted to, as in ``"avx2, 1 core"``; "" for the whole machine. Instruction
            set and cores are part of ``machine_id``: a restricted machine is another one.
    """

    machine_id: str
    cpu: str
    llvm_cpu: str
    features: tuple[str, ...]
    vector_bytes: int
    logical_cores: int
    physical_cores: int
    caches: tuple[Cache, ...]
    caches_assumed: bool
    memory_bytes: int
    huge_pages: str | None
    governor: str | None
    system: str
    versions: Mapping[str, str]
    profile: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dict(json.loads(json.dumps(asdict(self))))

    def native_lanes(self, dtype: Any) -> int:
        """Elements of ``dtype`` in one vector register."""
        return max(1, self.vector_bytes // int(np.dtype(dtype).itemsize))


@lru_cache(maxsize=1)
def fingerprint() -> Fingerprint:
    """This machine, read once per process; imports llvmlite.

    Call it before the process is bound to fewer cores than its parent: the cores are part of ``machine_id``.
    """
    hardware = _hardware()
    return Fingerprint(
        machine_id=own_id(),
        **hardware,
        vector_bytes=vector_bytes(hardware["features"]),
        caches_assumed=hardware["caches"] is DEFAULT_CACHES,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        huge_pages=_huge_pages(),
        governor=_text(_SYSFS / "cpu0/cpufreq/scaling_governor"),
        system=f"{platform.system()} {platform.release()}",
        versions=_versions(),
        profile=isa.profile(hardware["logical_cores"]),
    )


def own_id() -> str:
    """This machine's id alone, without the versions of packages, of which some take milliseconds to read."""
    return machine_id(_hardware())


@lru_cache(maxsize=1)
def _hardware() -> dict[str, Any]:
    """What ``machine_id`` is made of, read once per process."""
    llvm_cpu, features = _target()
    cores = _affinity()
    return {
        "cpu": _cpu_model(),
        "llvm_cpu": llvm_cpu,
        "features": features,
        "logical_cores": len(cores),
        "physical_cores": _physical_cores(cores),
        "caches": caches() or DEFAULT_CACHES,
    }


def native_lanes(dtype: Any) -> int:
    """Elements of ``dtype`` in one vector register of this machine."""
    return fingerprint().native_lanes(dtype)


def machine_id(hardware: Mapping[str, Any]) -> str:
    """12 hexadecimal digits of the hardware description, the same in whatever order it is given."""
    plain = json.dumps(hardware, sort_keys=True, default=lambda cache: sorted(asdict(cache).items()))
    return hashlib.sha256(plain.encode()).hexdigest()[:12]


def vector_bytes(features: tuple[str, ...]) -> int:
    """Register width that these instruction sets give; 16 for none of them, as LLVM legalises any vector."""
    return next((width for feature, width in VECTOR_BYTES_BY_FEATURE.items() if feature in features), 16)


def caches(cpu: int | None = None, sysfs: Path = _SYSFS) -> tuple[Cache, ...]:
    """Data caches of a core from sysfs, smallest first; empty where the system does not tell."""
    core = max(_affinity()) if cpu is None else cpu
    entries = sorted(sysfs.glob(f"cpu{core}/cache/index*"))
    found = [_cache(entry) for entry in entries if _text(entry / "type") in ("Data", "Unified")]
    return tuple(sorted((cache for cache in found if cache), key=lambda cache: cache.level))


def _cache(entry: Path) -> Cache | None:
    size, level = _text(entry / "size"), _text(entry / "level")
    if not size or not level:
        return None
    line_bytes = int(_text(entry / "coherency_line_size") or 64)
    shared_by = len(_cpu_list(_text(entry / "shared_cpu_list") or "0"))
    return Cache(f"L{level}", _size_bytes(size), line_bytes, shared_by)


def _size_bytes(text: str) -> int:
    match = re.fullmatch(r"(\d+)([KMG]?)B?", text)
    if not match:
        raise ValueError(f"a cache size reads like 32K; sysfs says {text!r}")
    return int(match[1]) * _SIZE_UNITS[match[2]]


def _cpu_list(text: str) -> list[int]:
    """The kernel's list format: ``"0-3,8"`` is 0 1 2 3 8."""
    spans = [span.split("-") for span in text.split(",")]
    return [cpu for span in spans for cpu in range(int(span[0]), int(span[-1]) + 1)]


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def _affinity() -> set[int]:
    return os.sched_getaffinity(0)


def _physical_cores(cores: set[int]) -> int:
    siblings = {_text(_SYSFS / f"cpu{core}/topology/thread_siblings_list") or str(core) for core in cores}
    return len(siblings)


def _cpu_model() -> str:
    match = re.search(r"^model name\s*:\s*(.+)$", _text(_PROC / "cpuinfo") or "", re.MULTILINE)
    return match[1].strip() if match else platform.processor() or platform.machine()


def _huge_pages() -> str | None:
    match = re.search(r"\[(\w+)\]", _text(Path("/sys/kernel/mm/transparent_hugepage/enabled")) or "")
    return match[1] if match else None


def _target() -> tuple[str, tuple[str, ...]]:
    """Name and features of the CPU that Numba generates code for: the host's, unless its variables say otherwise."""
    import llvmlite.binding as llvm  # noqa: PLC0415  loads LLVM, needed only here

    name, told = os.environ.get("NUMBA_CPU_NAME"), os.environ.get("NUMBA_CPU_FEATURES")
    if told is None and (name or "").lower() != "generic":
        features = llvm.get_host_cpu_features()
    else:
        features = {feature[1:]: feature[0] == "+" for feature in (told or "+sse2").split(",") if feature}
    return name or llvm.get_host_cpu_name(), tuple(name for name in _FEATURES if features.get(name))


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in _PACKAGES}}
