"""One machine standing in for lesser ones: a process restricted to an older instruction set, or to fewer cores.

Only the environment is set, so that children are restricted too, and nothing here imports Numba: it reads both its
variables when it is imported. Both are needed: with the name alone Numba keeps the host's features and AVX-512 code.
The names are LLVM's x86-64 levels. Rivals follow as far as their libraries can be told: NumPy's, torch's and oneDNN's
dispatch and OpenBLAS' kernels; libm and memcpy, which glibc chooses by the CPU, do not.
"""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

NATIVE = "native"

_BASE = "+64bit,+cmov,+cx8,+fxsr,+mmx,+sse,+sse2"
_NUMPY_WIDE = "AVX512F AVX512CD AVX512_KNL AVX512_KNM AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR X86_V4"
"""Both NumPy's names until 2.3 and those since; one that its build lacks costs it a warning that is off by default."""


@dataclass(frozen=True)
class InstructionSet:
    """How to have code generated for a set, and nothing wider.

    Attributes:
        needs: features that the CPU must have, as LLVM names them.
        environment: variables that Numba and the rivals' libraries read.
    """

    needs: tuple[str, ...]
    environment: Mapping[str, str]


INSTRUCTION_SETS: Mapping[str, InstructionSet] = {
    "sse2": InstructionSet(
        ("sse2",),
        {
            "NUMBA_CPU_NAME": "x86-64",
            "NUMBA_CPU_FEATURES": _BASE,
            "OPENBLAS_CORETYPE": "Prescott",
            "ATEN_CPU_CAPABILITY": "default",
            "ONEDNN_MAX_CPU_ISA": "SSE41",
            "NPY_DISABLE_CPU_FEATURES": f"AVX F16C FMA3 FMA4 XOP AVX2 X86_V3 {_NUMPY_WIDE}",
        },
    ),
    "avx2": InstructionSet(
        ("avx", "avx2", "fma"),
        {
            "NUMBA_CPU_NAME": "x86-64-v3",
            "NUMBA_CPU_FEATURES": f"{_BASE},+avx,+avx2,+bmi,+bmi2,+cx16,+f16c,+fma,+lzcnt,+movbe,+popcnt,+sahf,+sse3,"
            "+sse4.1,+sse4.2,+ssse3,+xsave",
            "OPENBLAS_CORETYPE": "Haswell",
            "ATEN_CPU_CAPABILITY": "avx2",
            "ONEDNN_MAX_CPU_ISA": "AVX2",
            "NPY_DISABLE_CPU_FEATURES": _NUMPY_WIDE,
        },
    ),
}
"""Narrowest first."""

NAMES = (*INSTRUCTION_SETS, NATIVE)


class RestrictionError(ValueError):
    """This machine, or its system, does not allow what was asked for."""


def restrict(name: str) -> None:
    """Restrict this process and its children to an instruction set.

    Args:
        name: one of ``NAMES``; ``"native"`` leaves everything as it is.

    Raises:
        RestrictionError: there is no such set, or the CPU lacks it.
        RuntimeError: Numba has been imported already, and would not notice. What other libraries this process has
            loaded stays as it is; its children's follow.
    """
    if name == NATIVE:
        return
    wanted = environment(name)
    if "numba" in sys.modules:
        raise RuntimeError("restrict the instruction set before numba is imported")
    os.environ.update(wanted)


def environment(name: str) -> dict[str, str]:
    """The variables that restrict a new process to an instruction set; none for ``"native"``.

    Raises:
        RestrictionError: there is no such set, or the CPU lacks it.
    """
    if name == NATIVE:
        return {}
    if name not in INSTRUCTION_SETS:
        raise RestrictionError(f"no instruction set {name!r}; there are {', '.join(NAMES)}")
    if platform.machine().lower() not in ("x86_64", "amd64"):
        raise RestrictionError(f"{name} is an instruction set of x86-64; this CPU is {platform.machine()}")
    missing = [feature for feature in INSTRUCTION_SETS[name].needs if not _host_features().get(feature)]
    if missing:
        raise RestrictionError(f"{name} asked for on a CPU without {', '.join(missing).upper()}")
    return dict(INSTRUCTION_SETS[name].environment)


def narrower(features: tuple[str, ...], cpu: str) -> tuple[str, ...]:
    """The instruction sets within what code is generated for here.

    Args:
        features: of a ``Fingerprint``.
        cpu: its ``llvm_cpu``, by which a process is known that is restricted to one of them, or to less.
    """
    if "sse2" not in features:
        return ()
    names = [set_.environment["NUMBA_CPU_NAME"] for set_ in INSTRUCTION_SETS.values()]
    last = names.index(cpu) if cpu in names else len(names)
    return tuple(name for name in list(INSTRUCTION_SETS)[:last] if {*INSTRUCTION_SETS[name].needs} <= {*features})


def limit_cores(count: int) -> None:
    """Bind this process, and children that it starts later, to the last ``count`` of the cores that it may use.

    Call it before any thread is started, and before ``benchmarks.machine.fingerprint``.

    Raises:
        RestrictionError: there are not so many, or the system does not permit it.
    """
    allowed = sorted(os.sched_getaffinity(0))
    if not 1 <= count <= len(allowed):
        raise RestrictionError(f"{_cores(count)} asked for; this process may use 1 to {len(allowed)}")
    try:
        os.sched_setaffinity(0, allowed[-count:])
    except OSError as error:
        raise RestrictionError(f"the system does not let a process choose its cores ({error.strerror})") from error


def profile(cores: int) -> str:
    """What a process is restricted to, in words, as in ``"avx2, 1 core"``; "" for the whole machine.

    Args:
        cores: that it may use.
    """
    name = os.environ.get("NUMBA_CPU_NAME", "")
    known = {set_.environment["NUMBA_CPU_NAME"]: key for key, set_ in INSTRUCTION_SETS.items()}
    parts = (known.get(name, name), _cores(cores) if cores < (os.cpu_count() or cores) else "")
    return ", ".join(filter(None, parts))


def _cores(count: int) -> str:
    return f"{count} core{'' if count == 1 else 's'}"


def _host_features() -> Mapping[str, bool]:
    import llvmlite.binding as llvm  # noqa: PLC0415  loads LLVM, needed only here

    found: Mapping[str, bool] = llvm.get_host_cpu_features()
    return found
