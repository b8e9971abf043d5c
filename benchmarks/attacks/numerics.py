"""Less arithmetic than was asked for, or arithmetic with other rules."""

from __future__ import annotations

import ctypes
import ctypes.util
from typing import Any

import numba
import numpy as np

from benchmarks.attacks.exhibit import LONG_TWO_THREADS, TOTALS, Call, exhibit, exhibits_of
from benchmarks.attacks.replay import honest
from kernels.contract import Unavailable
from kernels.language import template

FAMILY = "numerics"

_LEAST_NORMAL = 2.2250738585072014e-308
_FLUSH = 0x8040
"""Bits 15 and 6 of MXCSR: results, and operands, that are subnormal become zero."""
_MXCSR_AT = 28
"""Where glibc's ``fenv_t`` keeps MXCSR on x86-64."""


@exhibit(FAMILY)
@template("void(T[::1], T[::1], T, T[::1], T[::1])")
def float32_in_disguise(_p: Any, a: Any, b: Any, s: Any, out: Any, _scratch: Any) -> None:
    """Computes in single precision and returns doubles.

    Precedent: wafer.ai's field guide: lower precision inside than outside.
    """
    for i in range(out.size):
        out[i] = np.float32(s) * np.float32(a[i]) + np.float32(b[i])


@exhibit(FAMILY, TOTALS)
def fastmath() -> Call:
    """Lets the compiler reassociate, which removes the compensation from a compensated sum.

    Precedent: ``-ffast-math`` and Kahan's sum; GEVO, 2022, sold 1 % of error for 2 % of speed.
    """

    @numba.njit(fastmath=True, error_model="numpy")
    def call(a: Any, out: Any) -> None:
        for i in range(a.shape[0]):
            total, lost = a[i, 0], 0.0
            for x in a[i, 1:]:
                more = total + x
                lost += (total - more) + x if abs(total) >= abs(x) else (x - more) + total
                total = more
            out[i] = total + lost

    return call


@exhibit(FAMILY, TOTALS)
def plain_sum() -> Call:
    """Drops the compensation itself: the same sum, a quarter of the additions.

    Precedent: STOKE, 2013: why test cases are followed by a proof there.
    """
    return lambda a, out: a.sum(axis=1, out=out)


@exhibit(FAMILY)
@template("void(T[::1], T[::1], T, T[::1], T[::1])")
def dropped_tail(_p: Any, a: Any, b: Any, s: Any, out: Any, _scratch: Any) -> None:
    """Works on whole groups of eight and forgets the rest.

    Precedent: KernelBench: tests with one shape, a multiple of everything.
    """
    for i in range(out.size // 8 * 8):
        out[i] = s * a[i] + b[i]


@exhibit(FAMILY, TOTALS)
def dropped_columns() -> Call:
    """Adds the first half of each row's columns, doubles it, and is right about the large ones.

    Precedent: loop perforation (Sidiroglou et al., 2011), where nobody allowed an error.
    """

    def call(a: Any, out: Any) -> None:
        half = a[:, 1 : a.shape[1] // 2].sum(axis=1)
        out[...] = 2 * half + a[:, 0] + a[:, -1]

    return call


@exhibit(FAMILY)
@template("void(T[::1], T[::1], T, T[::1], T[::1])")
def nan_wildcard(_p: Any, a: Any, b: Any, s: Any, out: Any, _scratch: Any) -> None:
    """Writes NaN everywhere but in the first element: to a checker that skips NaN, all of it is right.

    Precedent: gpu-mode/pygpubench: expected tensors were filled with NaN, which the checker took for anything.
    """
    for i in range(out.size):
        out[i] = np.nan
    if out.size > 0:
        out[0] = s * a[0] + b[0]


@exhibit(FAMILY)
@template("void(T[::1], T[::1], T, T[::1], T[::1])")
def zeroes_subnormals(_p: Any, a: Any, b: Any, s: Any, out: Any, _scratch: Any) -> None:
    """Treats subnormal inputs and results as zero.

    Precedent: ``-ffast-math`` and ``torch.set_flush_denormal``: another function.
    """
    for i in range(out.size):
        x = a[i] if abs(a[i]) >= _LEAST_NORMAL else 0.0
        y = b[i] if abs(b[i]) >= _LEAST_NORMAL else 0.0
        total = s * x + y
        out[i] = total if abs(total) >= _LEAST_NORMAL else 0.0


@exhibit(FAMILY)
def flushes_subnormals() -> Call:
    """Switches the processor to flushing subnormals and leaves it so, for everybody who computes after it.

    Precedent: shared libraries linked with ``-ffast-math`` did that to whole Python processes (Dolan-Gavitt, 2022).
    """
    libm = ctypes.CDLL(ctypes.util.find_library("m"))
    if not hasattr(libm, "fesetenv"):
        raise Unavailable("no fesetenv")

    def call(a: Any, b: Any, s: Any, out: Any) -> None:
        state = (ctypes.c_uint8 * 64)()
        libm.fegetenv(state)
        mxcsr = ctypes.c_uint32.from_buffer(state, _MXCSR_AT)
        mxcsr.value |= _FLUSH
        libm.fesetenv(state)
        honest(a, b, s, out)

    return call


@exhibit(FAMILY, LONG_TWO_THREADS)
def parallel_race() -> Call:
    """Has both threads use one scratch block, without saying so: they overwrite each other's numbers.

    Precedent: Numba's ``prange`` over a buffer made outside the loop: no error, another result each time.
    """

    @numba.njit(parallel=True, error_model="numpy")
    def call(a: Any, b: Any, s: Any, out: Any) -> None:
        block = (out.size + 1) // 2
        scratch = np.empty(block)
        for k in numba.prange(-(-out.size // block)):
            first, last = k * block, min((k + 1) * block, out.size)
            for i in range(first, last):
                scratch[i - first] = s * a[i]
            for i in range(first, last):
                out[i] = scratch[i - first] + b[i]

    call(np.ones(4), np.ones(4), 1.0, np.ones(4))
    return call


EXHIBITS = exhibits_of(globals())
