"""horner: out <- c0 + x*(c1 + x*(c2 + ...)), a polynomial of every element of a vector.

x, out: (n,); c: (degree + 1,), the constant first; float32 or float64. n times degree fused multiply-adds, so
2 n degree FLOP. Bytes: x and c are read and out is written, each once. Bound: the FMA peak, but for low degrees.
Sources: Horner, A new method of solving numerical equations of all orders, Phil. Trans. 109, 1819; Knuth, The Art of
Computer Programming 2, 4.6.4 (2) (*horner*) and (20), Horner's rule of second order (*split*).

A polynomial is one chain of dependent operations, 4 cycles each: only different elements can keep the FMA units busy.

Genes, and what they do to the machine:
- ``variant``: *horner* carries a register tile of elements through all coefficients; *split* makes two chains of each,
  of the even and of the odd coefficients in x*x, for half the latency and one product more; *passes* goes over a block
  of out once for every coefficient, as LLVM vectorises it, and is held up by loads and stores.
- ``lanes vectors``: the register tile: so many elements are under way.
- ``turn``: coefficients in one turn of the loop.
- ``stores``: *streaming* goes past the caches, where out is aligned.
- ``block``: elements of out between passes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kernels.contract import Inputs, Kernel, Rival, Size, Work, installed, item_bytes
from kernels.language import Schedule, Space, choice, integer, power_of_two, static, template
from kernels.language.simd import (
    fence,
    tile_add,
    tile_fma,
    tile_load,
    tile_load_part,
    tile_mul,
    tile_store,
    tile_store_part,
    tile_stream,
    tile_zeros,
)

if TYPE_CHECKING:
    from kernels.language import Template

_TILED = ("horner", "split")

SPACE = Space(
    [
        choice("variant", ("horner", "split", "passes"), "algorithm"),
        power_of_two("lanes", 2, 16, "numbers in a vector", default=8, when={"variant": _TILED}),
        integer("vectors", (1, 2, 3, 4, 6, 8, 10, 12, 16), "vectors under way", default=12, when={"variant": _TILED}),
        power_of_two("turn", 1, 8, "coefficients in one turn of the loop", default=1, when={"variant": _TILED}),
        choice("stores", ("ordinary", "streaming"), "through the caches or past them", when={"variant": _TILED}),
        power_of_two("block", 64, 16384, "elements of out between passes", default=1024, when={"variant": ("passes",)}),
    ],
    [(lambda lanes, vectors: lanes * vectors <= 128, "tile and results exceed any register file")],
)


@template("void(T[::1], T[::1], T[::1])")
def baseline(p, x, c, out):
    """The loops that everybody writes."""
    for i in range(x.size):
        value = c[c.size - 1]
        for k in range(c.size - 2, -1, -1):
            value = value * x[i] + c[k]
        out[i] = value


@template("void(T[::1], T[::1], T[::1])", runtime=("block",))
def passes(p, x, c, out):
    """Block after block, one coefficient after the other."""
    for start in range(0, x.size, p.block):
        given, results = x[start : start + p.block], out[start : start + p.block]
        coefficient = c[c.size - 1]
        for i in range(results.size):
            results[i] = coefficient
        for k in range(c.size - 2, -1, -1):
            coefficient = c[k]  # read within the loop it might have been overwritten, and LLVM would not vectorise
            for i in range(results.size):
                results[i] = results[i] * given[i] + coefficient


@template("void(T[::1], T[::1], T[::1])")
def tiled(p, x, c, out):
    """A register tile of elements at a time; the last one in part."""
    step = p.vectors * p.lanes
    zero = tile_zeros(p.dtype, 1, p.vectors, p.lanes)
    if p.stores == "streaming":
        is_aligned = out.ctypes.data % (p.lanes * item_bytes(p.dtype)) == 0
    for i in range(0, x.size, step):
        left = x.size - i
        t = tile_load(x, i, 0, 1, p.vectors, p.lanes) if left >= step else tile_load_part(zero, x, i, 0, 1, left)
        t = even_and_odd(p, t, c) if p.variant == "split" else chained(p, t, c)
        if left < step:
            tile_store_part(t, out, i, 0, 1, left)
        elif p.stores == "streaming" and is_aligned:
            tile_stream(t, out, i, 0)
        else:
            tile_store(t, out, i, 0)
    if p.stores == "streaming":
        fence()


@template()
def chained(p, t, c):
    """Horner's rule for the elements of a tile."""
    total = tile_add(tile_zeros(p.dtype, 1, p.vectors, p.lanes), c[c.size - 1])
    k = c.size - 2
    while k >= p.turn - 1:
        for j in static(p.turn):
            total = tile_fma(total, t, c[k - j])
        k -= p.turn
    while k >= 0:
        total = tile_fma(total, t, c[k])
        k -= 1
    return total


@template()
def even_and_odd(p, t, c):
    """The polynomial as E(x*x) + x*O(x*x): two chains for the elements of a tile."""
    zero = tile_zeros(p.dtype, 1, p.vectors, p.lanes)
    square = tile_mul(t, t)
    pairs = c.size // 2
    even = tile_add(zero, c[c.size - 1]) if c.size % 2 == 1 else zero
    odd = zero
    k = pairs - 1
    while k >= p.turn - 1:
        for j in static(p.turn):
            even = tile_fma(even, square, c[2 * (k - j)])
            odd = tile_fma(odd, square, c[2 * (k - j) + 1])
        k -= p.turn
    while k >= 0:
        even = tile_fma(even, square, c[2 * k])
        odd = tile_fma(odd, square, c[2 * k + 1])
        k -= 1
    return tile_fma(odd, t, even)


def problem(size: Size, dtype: str, rng: np.random.Generator) -> Inputs:
    """Random coefficients, and x in [0.5, 1): no degree overflows."""
    n, degree = size
    x, c = rng.uniform(0.5, 1 - 2.0**-24, n), rng.uniform(0.5, 2, degree + 1)
    return x.astype(dtype), c.astype(dtype)


def size_of(x: np.ndarray, c: np.ndarray) -> Size:
    """The length of x, and the degree.

    Raises:
        ValueError: they are no vectors, or there are fewer than two coefficients.
    """
    if x.ndim != 1 or c.ndim != 1 or c.size < 2:
        raise ValueError(
            f"horner takes a vector and the coefficients of a degree of 1 at least, not shapes {x.shape} and {c.shape}"
        )
    return x.size, c.size - 1


def out_shape(size: Size) -> tuple[int, ...]:
    """The output is as long as x."""
    return (size[0],)


def reference(x: np.ndarray, c: np.ndarray) -> np.ndarray:
    """The truth in float64."""
    wide = np.asarray(x, np.float64)
    total = np.zeros_like(wide)
    for coefficient in np.asarray(c, np.float64)[::-1]:
        total = total * wide + coefficient
    return total


def work(size: Size, dtype: str) -> Work:
    """One fused multiply-add for an element and a coefficient but the first."""
    n, degree = size
    item = item_bytes(dtype)
    return Work({"fma": n * degree}, (n + degree + 1) * item, n * item)


def tolerance(size: Size, dtype: str) -> float:
    """Two roundings a coefficient, as all terms are positive (Higham, Accuracy and Stability, 2002, equation 5.3).

    Products with x below 1 shrink what was wrong before them, so that the roundings of a high degree never all meet.
    """
    return min(size[1] + 2, 64) * float(np.finfo(dtype).eps)


def numpy_polyval() -> Rival:
    """``numpy.polynomial.polynomial.polyval``: two passes a coefficient."""
    polyval = installed("numpy.polynomial.polynomial").polyval

    def call(x: np.ndarray, c: np.ndarray, out: np.ndarray) -> None:
        out[:] = polyval(x, c)

    return call


def variant(schedule: Schedule) -> Template:
    """The entry template of a schedule."""
    return passes if schedule.variant == "passes" else tiled


KERNEL = Kernel(
    name="horner",
    doc=__doc__,
    dims=("n", "degree"),
    dtypes=("float32", "float64"),
    space=SPACE,
    template=variant,
    problem=problem,
    reference=reference,
    size_of=size_of,
    out_shape=out_shape,
    work=work,
    baseline=baseline,
    rivals={"numpy": numpy_polyval},
    default_size=(16384, 64),
    verify_sizes=((1, 1), (7, 3), (64, 8), (129, 16), (1009, 17), (513, 70)),
    tolerance=tolerance,
    split=("rows", "whole", "rows"),
)
