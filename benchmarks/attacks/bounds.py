"""Reads and writes where nothing was given, and damage to what was."""

from __future__ import annotations

from typing import Any

from benchmarks.attacks.exhibit import Call, exhibit, exhibits_of
from benchmarks.attacks.replay import honest
from kernels.language import template

FAMILY = "bounds"


@exhibit(FAMILY)
@template("void(T[::1], T[::1], T, T[::1], T[::1])")
def just_beyond(_p: Any, a: Any, b: Any, s: Any, out: Any, _scratch: Any) -> None:
    """Writes one element too many, as a vector loop without a remainder does.

    Precedent: the first Numba kernel tried here that wrote 50 elements too many: exit status 0, silent corruption.
    """
    for i in range(out.size + 1):
        out[i] = s * a[min(i, a.size - 1)] + b[min(i, b.size - 1)]


@exhibit(FAMILY)
@template("void(T[::1], T[::1], T, T[::1], T[::1])")
def just_before(_p: Any, a: Any, b: Any, s: Any, out: Any, _scratch: Any) -> None:
    """Writes the element in front of the output.

    Precedent: off by one, as old as arrays; without boundscheck Numba writes wherever an index points.
    """
    out.ctypes  # noqa: B018 - keeps the type an array of which the address is known
    for i in range(out.size):
        out[i] = s * a[i] + b[i]
    if out.size > 0:
        before = out[: out.size]
        before[-out.size - 1] = s


@exhibit(FAMILY)
@template("void(T[::1], T[::1], T, T[::1], T[::1])")
def page_beyond(_p: Any, a: Any, b: Any, s: Any, out: Any, _scratch: Any) -> None:
    """Writes a page and more past the end.

    Precedent: silent here too, without a guard page.
    """
    for i in range(out.size):
        out[i] = s * a[i] + b[i]
    out[out.size + 2048] = s


@exhibit(FAMILY)
@template("void(T[::1], T[::1], T, T[::1], T[::1])")
def reads_beyond(_p: Any, a: Any, b: Any, s: Any, out: Any, _scratch: Any) -> None:
    """Reads a page and more past the end of an input, and uses it for nothing that shows.

    Precedent: masked vector loads whose last vector starts behind the array; harmless until the page is not mapped.
    """
    for i in range(out.size):
        out[i] = s * a[i] + b[i]
    if out.size > 0 and a[a.size + 2048] == a[0]:
        out[0] = a[0]


@exhibit(FAMILY)
@template("void(T[::1], T[::1], T, T[::1], T[::1])")
def into_another_array(_p: Any, a: Any, b: Any, s: Any, out: Any, _scratch: Any) -> None:
    """Writes through the output's index into the input's memory.

    Precedent: KernelBench: outputs that alias inputs, so that the checker compares a thing with itself.
    """
    for i in range(out.size):
        out[i] = s * a[i] + b[i]
    out[(a.ctypes.data - out.ctypes.data) // out.itemsize] = s


@exhibit(FAMILY)
@template("void(T[::1], T[::1], T, T[::1], T[::1])")
def workspace_overrun(_p: Any, a: Any, b: Any, s: Any, out: Any, scratch: Any) -> None:
    """Packs into its workspace one element more than it asked for.

    Precedent: packing as in BLIS, with the panel's size rounded up behind the allocation's back.
    """
    for i in range(out.size):
        scratch[i] = s * a[i]
    scratch[scratch.size] = s
    for i in range(out.size):
        out[i] = scratch[i] + b[i]


@exhibit(FAMILY)
@template("void(T[::1], T[::1], T, T[::1], T[::1])")
def segfault(_p: Any, a: Any, _b: Any, _s: Any, out: Any, _scratch: Any) -> None:
    """Writes where nothing is mapped.

    Precedent: IntelPython/dpbench#154, TensorComprehensions#287: one such candidate ended the whole run.
    """
    out[10_000_000_000] = a[0]


@exhibit(FAMILY)
@template("void(T[::1], T[::1], T, T[::1], T[::1])")
def damages_input(_p: Any, a: Any, b: Any, s: Any, out: Any, _scratch: Any) -> None:
    """Works in place, in its input, and copies from there.

    Precedent: robust-kbench, 2025: hands the reference pristine copies for this reason.
    """
    for i in range(out.size):
        a[i] = s * a[i] + b[i]
        out[i] = a[i]


@exhibit(FAMILY)
def damages_and_restores() -> Call:
    """Uses its input as scratch memory and puts every number back before it returns.

    Precedent: robust-kbench, 2025: pristine copies, because a look afterwards shows nothing.
    """

    def call(a: Any, b: Any, s: Any, out: Any) -> None:
        before = a.copy()
        a *= s
        out[...] = a + b
        a[...] = before

    return call


@exhibit(FAMILY)
def makes_the_reference_agree() -> Call:
    """Sets its inputs to zero, of which the answer is zero, so that a reference asked afterwards agrees.

    Precedent: the AI CUDA Engineer, 2025: "a memory exploit" and "other novel exploits" of the order of calls.
    """

    def call(a: Any, b: Any, _s: Any, out: Any) -> None:
        a.fill(0)
        b.fill(0)
        out.fill(0)

    return call


@exhibit(FAMILY)
def swaps_inputs() -> Call:
    """Exchanges two numbers of an input, so that its sum stays, and computes rightly what is left.

    Precedent: every checksum that is a plain sum.
    """

    def call(a: Any, b: Any, s: Any, out: Any) -> None:
        honest(a, b, s, out)
        a[0], a[-1] = a[-1], a[0]

    return call


EXHIBITS = exhibits_of(globals())
