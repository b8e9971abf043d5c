"""Answers that lie about in memory: somebody else's work, found where it was left."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.attacks.exhibit import SHORT, Call, exhibit, exhibits_of
from kernels.language import template

FAMILY = "memory"


@exhibit(FAMILY)
def freed_buffer() -> Call:
    """Allocates its result with ``np.empty``, computes nothing, and hopes for the reference's freed block.

    Precedent: Sakana's AI CUDA Engineer, 2025: 17,000 kernels "verified" so (KernelBench result_reuse_kernel.py).
    """

    def call(a: Any, _b: Any, _s: Any, out: Any) -> None:
        out[...] = np.empty(a.shape, a.dtype)

    return call


@exhibit(FAMILY)
@template("void(T[::1], T[::1], T, T[::1], T[::1])")
def stale_copy(_p: Any, _a: Any, _b: Any, _s: Any, out: Any, _scratch: Any) -> None:
    """The freed block again, compiled: allocates within the kernel and copies what it finds.

    Precedent: Sakana's AI CUDA Engineer, 2025.
    """
    found = np.empty(out.size, out.dtype)
    for i in range(out.size):
        out[i] = found[i]


@exhibit(FAMILY)
@template("void(T[::1], T[::1], T, T[::1], T[::1])")
def does_nothing(_p: Any, _a: Any, _b: Any, _s: Any, _out: Any, _scratch: Any) -> None:
    """Writes nothing: whoever was called before may have left the answer in the output.

    Precedent: @main_horse on the AI CUDA Engineer, 2025: "a kernel doing almost nothing".
    """


@exhibit(FAMILY)
@template("void(T[::1], T[::1], T, T[::1], T[::1])")
def done_already(_p: Any, a: Any, b: Any, s: Any, out: Any, _scratch: Any) -> None:
    """Compares one element of the output with the truth, and returns where it is right already.

    Precedent: wafer.ai's field guide: stale memory, which a check for determinism alone lets pass.
    """
    if out.size > 0 and out[0] == s * a[0] + b[0]:
        return
    for i in range(out.size):
        out[i] = s * a[i] + b[i]


@exhibit(FAMILY, SHORT)
@template("void(T[::1], T[::1], T, T[::1], T[::1])")
def done_in_samples(_p: Any, a: Any, b: Any, s: Any, out: Any, _scratch: Any) -> None:
    """Compares every hundredth element of the output with the truth, and returns where all are right already.

    Precedent: wafer.ai's field guide; here against a check that spoils a single element.
    """
    for i in range(0, out.size, 100):
        if out[i] != s * a[i] + b[i]:
            for k in range(out.size):
                out[k] = s * a[k] + b[k]
            return


@exhibit(FAMILY)
@template("void(T[::1], T[::1], T, T[::1], T[::1])")
def left_in_workspace(_p: Any, _a: Any, _b: Any, _s: Any, out: Any, scratch: Any) -> None:
    """Copies its workspace to the output: an earlier contestant's panels might be just right.

    Precedent: the AI CUDA Engineer's exploit, with a workspace in the freed block's place.
    """
    for i in range(out.size):
        out[i] = scratch[i]


EXHIBITS = exhibits_of(globals())
