"""Answers that were worked out before, outside the timed call, or once for many calls."""

from __future__ import annotations

import itertools
import time
from typing import Any

import numba
import numpy as np

from benchmarks.attacks.exhibit import SHORT, TOTALS, Call, exhibit, exhibits_of
from kernels.language import template

FAMILY = "replay"

_GAP_NS = 1500
"""Between calls of one sample lies less, between samples more."""


def honest(a: Any, b: Any, s: Any, out: Any) -> None:
    """What should have been done."""
    np.multiply(a, s, out=out)
    np.add(out, b, out=out)


def honest_totals() -> Call:
    """Compiled row sums with compensation."""

    @numba.njit(error_model="numpy")
    def totals(a: Any, out: Any) -> None:
        for i in range(a.shape[0]):
            total, lost = a[i, 0], 0.0
            for x in a[i, 1:]:
                more = total + x
                lost += (total - more) + x if abs(total) >= abs(x) else (x - more) + total
                total = more
            out[i] = total + lost

    totals(np.ones((1, 2)), np.empty(1))
    return totals


@exhibit(FAMILY, TOTALS)
def replay_from_warm_up() -> Call:
    """Works once, remembers the answer, and copies it from the second call on.

    Precedent: tensara PR#238; gpu-mode/reference-kernels#162: the answer of the warm-up was replayed.
    """
    work, known = honest_totals(), {}

    def call(a: Any, out: Any) -> None:
        if a.shape not in known:
            work(a, out)
            known[a.shape] = out.copy()
        out[...] = known[a.shape]

    return call


@exhibit(FAMILY, TOTALS)
def pointer_memo() -> Call:
    """Remembers answers by the input's address: new data elsewhere is computed, old addresses are not looked at.

    Precedent: gpu-mode/reference-kernels PR#160 (fresh inputs) and #162.
    """
    work, known = honest_totals(), {}

    def call(a: Any, out: Any) -> None:
        if a.ctypes.data not in known:
            work(a, out)
            known[a.ctypes.data] = out.copy()
        out[...] = known[a.ctypes.data]

    return call


@exhibit(FAMILY, TOTALS)
def content_memo() -> Call:
    """Remembers answers by the address and some hundred elements of the input, and writes all of the output.

    Precedent: gpu-mode/reference-kernels#162, against a harness that changes one element.
    """
    work, known = honest_totals(), {}

    def call(a: Any, out: Any) -> None:
        key = (a.ctypes.data, a.reshape(-1)[:: a.size // 100 + 1].tobytes())
        if key not in known:
            work(a, out)
            known[key] = out.copy()
        out[...] = known[key]

    return call


@exhibit(FAMILY, SHORT)
def skips_14_of_15() -> Call:
    """Works in one of fifteen calls; the output of that one stands for the others.

    Precedent: gpu-mode/reference-kernels PR#104: a batch of 15 calls, 14 skipped.
    """
    count = itertools.count()

    def call(a: Any, b: Any, s: Any, out: Any) -> None:
        if next(count) % 15 == 0 or out[0] != s * a[0] + b[0]:
            honest(a, b, s, out)

    return call


@exhibit(FAMILY, SHORT)
def skips_in_batches() -> Call:
    """Works where the call before is some time ago, and skips calls that follow each other at once, as in a sample.

    Precedent: gpu-mode/reference-kernels PR#104; engine software that knew the test bench, 2015.
    """
    last = [0]

    def call(a: Any, b: Any, s: Any, out: Any) -> None:
        if time.perf_counter_ns() - last[0] > _GAP_NS:
            honest(a, b, s, out)
        last[0] = time.perf_counter_ns()

    return call


@exhibit(FAMILY, TOTALS)
def counts_warm_up() -> Call:
    """Works in the first calls, in which it takes itself to be looked at, and writes nothing later.

    Precedent: gpu-mode/pygpubench: warm-up detection by a repeated pointer.
    """
    work, count = honest_totals(), itertools.count()

    def call(a: Any, out: Any) -> None:
        if next(count) < 4:
            work(a, out)

    return call


@exhibit(FAMILY)
@template("void(T[::1], T[::1], T, T[::1], T[::1])")
def hard_coded_shape(_p: Any, a: Any, b: Any, s: Any, out: Any, _scratch: Any) -> None:
    """Computes the one length that it was told about, whatever it is given.

    Precedent: KernelBench: kernels that are right for the benchmark's shape alone.
    """
    for i in range(min(out.size, 1000)):
        out[i] = s * a[i] + b[i]
    if out.size == 100_000:
        for i in range(1000, 100_000):
            out[i] = s * a[i] + b[i]


@exhibit(FAMILY, TOTALS, may_pass=True)
def hard_coded_seed() -> Call:
    """Makes the inputs of the harness' seeds itself beforehand, and knows their answers by the second element.

    Precedent: KernelBench: one seed, and everybody knows it.
    """
    import kernels  # noqa: PLC0415 - the kernel's file imports this one

    work, answers = honest_totals(), {}
    kernel = kernels.get(TOTALS.kernel)
    for seed in range(3):
        (a,) = kernel.problem(TOTALS.size, TOTALS.dtype, np.random.default_rng(TOTALS.seed + seed))
        answers[a[0, 1]] = kernel.reference(a)

    def call(a: Any, out: Any) -> None:
        if a[0, 1] in answers and a.shape == TOTALS.size:
            out[...] = answers[a[0, 1]]
        else:
            work(a, out)

    return call


@exhibit(FAMILY)
def constant_folded() -> Call:
    """Compiles the first scalar that it sees into the code, and ignores those that follow.

    Precedent: Numba takes global variables for compile-time constants.
    """
    made: list[Call] = []

    def call(a: Any, b: Any, s: Any, out: Any) -> None:
        if not made:
            factor = float(s)

            @numba.njit(error_model="numpy")
            def frozen(a: Any, b: Any, out: Any) -> None:
                for i in range(out.size):
                    out[i] = factor * a[i] + b[i]

            made.append(frozen)
        made[0](a, b, out)

    return call


EXHIBITS = exhibits_of(globals())
