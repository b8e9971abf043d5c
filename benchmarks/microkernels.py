"""The loops that ceilings are measured with: each does one thing as fast as the core can, and LLVM cannot remove it.

A vector of several registers' lanes stands for as many independent chains: LLVM splits it. ``a`` holds ones, so that
no value overflows, vanishes or becomes subnormal, however often a loop repeats. Arrays are walked in ``p.parts`` places
at once: two gave 45 GB/s from memory where one gave 31, because that many more lines are under way.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.language import static, template
from kernels.language.simd import add, div, exp, fence, fma, load, mul, sqrt, store, stream

_ARRAYS = "void(T[::1], T[::1], T[::1])"


@template("void(T[::1], T[::1])", runtime=("repeats",))
def arithmetic(p: Any, a: Any, out: Any) -> None:  # noqa: C901 - specialising leaves one loop without a branch
    """``p.unroll`` steps a repeat on independent chains in registers, with lanes of fma, add and mul as ``p`` says."""
    one = a[0]
    if p.fma_lanes > 0:
        x = load(a, 0, p.fma_lanes)
    if p.add_lanes > 0:
        y = load(a, 0, p.add_lanes)
    if p.mul_lanes > 0:
        z = load(a, 0, p.mul_lanes)
    for _ in range(p.repeats):
        for _step in static(p.unroll):
            if p.fma_lanes > 0:
                x = fma(x, one, one)
            if p.add_lanes > 0:
                y = add(y, one)
            if p.mul_lanes > 0:
                z = mul(z, one)
    if p.fma_lanes > 0:
        store(out, 0, x)
    if p.add_lanes > 0:
        store(out, p.fma_lanes, y)
    if p.mul_lanes > 0:
        store(out, p.fma_lanes + p.add_lanes, z)


@template("void(T[::1], T[::1])", runtime=("repeats",))
def chain(p: Any, a: Any, out: Any) -> None:
    """``p.links`` operations a repeat on one vector, each waiting for the one before."""
    one = load(a, 0, p.lanes)
    x = one
    for _ in range(p.repeats):
        for _link in static(p.links):
            if p.name == "add":
                x = add(x, one)
            if p.name == "mul":
                x = mul(x, one)
            if p.name == "fma":
                x = fma(x, one, one)
            if p.name == "div":
                x = div(x, one)
    store(out, 0, x)


@template("void(T[::1], T[::1])", runtime=("elements", "repeats"))
def function(p: Any, a: Any, out: Any) -> None:
    """One function of every element."""
    for _ in range(p.repeats):
        for i in range(0, p.elements, p.lanes):
            if p.name == "exp":
                store(out, i, exp(load(a, i, p.lanes), p.degree))
            if p.name == "sqrt":
                store(out, i, sqrt(load(a, i, p.lanes)))
            if p.name == "div":
                store(out, i, div(a[0], load(a, i, p.lanes)))


@template(_ARRAYS, runtime=("elements", "repeats"))
def read(p: Any, a: Any, b: Any, out: Any) -> None:
    """Add up ``a`` in separate sums, one a lane."""
    part = p.elements // p.parts
    total = load(b, 0, p.lanes)
    for _ in range(p.repeats):
        for i in range(0, part, p.lanes * p.unroll):
            for k in static(p.parts * p.unroll):
                total = add(total, load(a, i + k // p.unroll * part + k % p.unroll * p.lanes, p.lanes))
    store(out, 0, total)


@template(_ARRAYS, runtime=("elements", "repeats"))
def write(p: Any, a: Any, b: Any, out: Any) -> None:  # noqa: ARG001 - called like triad
    """``out[i] = value``."""
    part = p.elements // p.parts
    value = load(a, 0, p.lanes)
    for _ in range(p.repeats):
        for i in range(0, part, p.lanes * p.unroll):
            for k in static(p.parts * p.unroll):
                put(p, out, i + k // p.unroll * part + k % p.unroll * p.lanes, value)
    fence()


@template(_ARRAYS, runtime=("elements", "repeats"))
def copy(p: Any, a: Any, b: Any, out: Any) -> None:  # noqa: ARG001 - called like triad
    """``out[i] = a[i]``."""
    part = p.elements // p.parts
    for _ in range(p.repeats):
        for i in range(0, part, p.lanes * p.unroll):
            for k in static(p.parts * p.unroll):
                at = i + k // p.unroll * part + k % p.unroll * p.lanes
                put(p, out, at, load(a, at, p.lanes))
    fence()


@template(_ARRAYS, runtime=("elements", "repeats"))
def triad(p: Any, a: Any, b: Any, out: Any) -> None:
    """``out[i] = a[i] * one + b[i]`` (STREAM's, McCalpin 1995)."""
    one = a[0]
    part = p.elements // p.parts
    for _ in range(p.repeats):
        for i in range(0, part, p.lanes * p.unroll):
            for k in static(p.parts * p.unroll):
                at = i + k // p.unroll * part + k % p.unroll * p.lanes
                put(p, out, at, fma(load(a, at, p.lanes), one, load(b, at, p.lanes)))
    fence()


@template(_ARRAYS, runtime=("elements", "repeats"))
def update(p: Any, a: Any, b: Any, out: Any) -> None:  # noqa: ARG001 - called like triad
    """``out[i] *= one``."""
    one = a[0]
    part = p.elements // p.parts
    for _ in range(p.repeats):
        for i in range(0, part, p.lanes * p.unroll):
            for k in static(p.parts * p.unroll):
                at = i + k // p.unroll * part + k % p.unroll * p.lanes
                put(p, out, at, mul(load(out, at, p.lanes), one))


@template()
def put(p: Any, out: Any, i: Any, v: Any) -> None:
    """Store, or stream past the caches."""
    if p.is_streaming:
        stream(out, i, v)
    else:
        store(out, i, v)


@template("void(intp[::1], intp[::1])", runtime=("repeats",))
def chase(p: Any, following: Any, out: Any) -> None:
    """Follow ``following`` from element to element: every load waits for the one before."""
    at = out[0]
    for _ in range(p.repeats):
        at = following[np.uint64(at)]  # a signed index costs a test for negative ones on the way
    out[0] = at
