"""Honest kernels, some of them odd: the harness must not take one for a cheat."""

from __future__ import annotations

import time
from typing import Any

import numba
import numpy as np

from benchmarks.attacks.exhibit import HONEST, SHORT, TOTALS, TWO_THREADS, Call, exhibit, exhibits_of
from benchmarks.attacks.replay import honest, honest_totals
from kernels.language import template
from kernels.language.simd import broadcast, fence, fma, load, store, stream

LANES = 8


@exhibit(HONEST)
@template("void(T[::1], T[::1], T, T[::1], T[::1])")
def plain(_p: Any, a: Any, b: Any, s: Any, out: Any, _scratch: Any) -> None:
    """The plain loop."""
    for i in range(out.size):
        out[i] = s * a[i] + b[i]


@exhibit(HONEST)
@template("void(T[::1], T[::1], T, T[::1], T[::1])")
def vectorised(_p: Any, a: Any, b: Any, s: Any, out: Any, _scratch: Any) -> None:
    """Vectors, and a scalar remainder."""
    whole = out.size // LANES * LANES
    for i in range(0, whole, LANES):
        store(out, i, fma(load(a, i, LANES), broadcast(s, LANES), load(b, i, LANES)))
    for i in range(whole, out.size):
        out[i] = s * a[i] + b[i]


@exhibit(HONEST)
@template("void(T[::1], T[::1], T, T[::1], T[::1])")
def streaming(_p: Any, a: Any, b: Any, s: Any, out: Any, _scratch: Any) -> None:
    """Stores past the caches, from the first aligned element on."""
    first = min(out.size, -out.ctypes.data % 64 // 8)
    whole = first + (out.size - first) // LANES * LANES
    for i in range(first):
        out[i] = s * a[i] + b[i]
    for i in range(first, whole, LANES):
        stream(out, i, fma(load(a, i, LANES), broadcast(s, LANES), load(b, i, LANES)))
    for i in range(whole, out.size):
        out[i] = s * a[i] + b[i]
    fence()


@exhibit(HONEST)
@template("void(T[::1], T[::1], T, T[::1], T[::1])")
def with_workspace(_p: Any, a: Any, b: Any, s: Any, out: Any, scratch: Any) -> None:
    """Two passes, through its workspace."""
    for i in range(out.size):
        scratch[i] = s * a[i]
    for i in range(out.size):
        out[i] = scratch[i] + b[i]


@exhibit(HONEST, SHORT)
@template("void(T[::1], T[::1], T, T[::1], T[::1])")
def short(_p: Any, a: Any, b: Any, s: Any, out: Any, _scratch: Any) -> None:
    """The plain loop, called so briefly that a sample holds hundreds of calls."""
    for i in range(out.size):
        out[i] = b[i] + a[i] * s


@exhibit(HONEST)
@template("void(T[::1], T[::1], T, T[::1], T[::1])")
def slower(_p: Any, a: Any, b: Any, s: Any, out: Any, _scratch: Any) -> None:
    """Does its work ten times over: slow is not wrong."""
    for turn in range(10):
        for i in range(out.size):
            out[i] = (s + turn) * a[i] + b[i] if turn < 9 else s * a[i] + b[i]


@exhibit(HONEST)
def own_buffers() -> Call:
    """A library's two passes, with a buffer that it makes when it first needs one, and keeps."""
    buffers: dict[Any, Any] = {}

    def call(a: Any, b: Any, s: Any, out: Any) -> None:
        buffer = buffers.setdefault(a.shape, np.empty_like(a))
        np.multiply(a, s, out=buffer)
        np.add(buffer, b, out=out)

    return call


@exhibit(HONEST)
def slow_first_call() -> Call:
    """Loads and compiles what it needs in its first call."""
    state: list[Call] = []

    def call(a: Any, b: Any, s: Any, out: Any) -> None:
        if not state:
            time.sleep(0.2)
            state.append(honest)
        state[0](a, b, s, out)

    return call


@exhibit(HONEST, TWO_THREADS)
def parallel() -> Call:
    """Two threads, where two are allowed."""

    @numba.njit(parallel=True, error_model="numpy")
    def call(a: Any, b: Any, s: Any, out: Any) -> None:
        for i in numba.prange(out.size):
            out[i] = s * a[i] + b[i]

    call(np.ones(4), np.ones(4), 1.0, np.ones(4))
    return call


@exhibit(HONEST, TOTALS)
def compensated() -> Call:
    """Row sums, compiled when it is made."""
    return honest_totals()


EXHIBITS = exhibits_of(globals())
