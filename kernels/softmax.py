"""softmax: out <- exp(x - max) / sum(exp(x - max)), row by row.

x, out: (rows, columns), float32 or float64, C-contiguous. An element costs one exp, which is 15 to 20 instructions on a
vector, and some additions and products beside it. Bytes: x is read and out is written, each once at least. Bound: the
arithmetic of exp where the rows in work stay in cache, memory bandwidth where they do not.
Sources: Milakov and Gimelshein, Online normalizer calculation for softmax, 2018 (*online*); Dukhan and Ablavatski, The
Two-Pass Softmax Algorithm, 2020 (*recomputed* and *stored*, three passes with recomputing and with reloading there).

Exp is a polynomial, at degree 5 right to 2.2e-7 in float32, at degree 10 to 4.3e-16 in float64: two units in the last
place, which the tolerance allows. A result is then wrong by what the exps, the sum and the quotient are.

Genes, and what they do to the machine:
- ``variant``: *recomputed* takes three passes over a row: maximum, sum of exp, exp once more. *stored* keeps the exps
  of the second pass in out and scales them there; *buffered* keeps them in a buffer, so that out is written once.
  *online* takes maximum and sum in one pass: after each chunk it corrects the sum to the maximum known by then,
  and rows too long for a cache are read once less; *online_buffered* keeps the exps besides.
- ``chunk``: turns of the loop in a chunk; a chunk costs one more exp for each element of a register tile.
- ``rows vectors lanes``: the register tile. Each element has a maximum and a sum of its own, so that no addition waits
  for the one before; several rows share one turn.
- ``degree``: of exp's polynomial in float32, of which float64 takes 5 more. One more costs one fma.
- ``scaling``: by the reciprocal of the sum, or by a division for every element, which is rounded once less.
- ``stores``: *streaming* goes past the caches, where rows are aligned: spares reading what is overwritten.
- ``fetch``: the next rows are prefetched while these are read for the first time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kernels.contract import Inputs, Kernel, Rival, Size, Work, installed, item_bytes
from kernels.language import Schedule, Space, choice, flag, integer, power_of_two, template
from kernels.language.simd import (
    div,
    fence,
    row_reduce_add,
    row_reduce_max,
    tile_add,
    tile_div,
    tile_exp,
    tile_load,
    tile_load_part,
    tile_max,
    tile_mul,
    tile_prefetch,
    tile_store,
    tile_store_part,
    tile_stream,
    tile_sub,
    tile_zeros,
)

if TYPE_CHECKING:
    from kernels.language import Template

_ONLINE = ("online", "online_buffered")
_SCALED = ("recomputed", "stored", "buffered", "online")

SPACE = Space(
    [
        choice("variant", ("stored", "buffered", "recomputed", "online", "online_buffered"), "algorithm"),
        power_of_two("chunk", 1, 64, "turns between corrections", default=8, when={"variant": _ONLINE}),
        integer("rows", (1, 2, 3, 4, 6, 8), "rows of the register tile"),
        integer("vectors", (1, 2, 3, 4, 6, 8), "vectors in a row of the register tile", default=2),
        power_of_two("lanes", 2, 16, "numbers in a vector", default=8),
        integer("degree", (5, 6, 7), "degree of exp's polynomial in float32"),
        choice("scaling", ("reciprocal", "division"), "how rows are normalised", when={"variant": _SCALED}),
        choice("stores", ("ordinary", "streaming"), "through the caches or past them"),
        flag("fetch", "prefetch the next rows"),
    ],
    [(lambda rows, vectors: rows * vectors <= 8, "tile, maxima and sums exceed any register file")],
)


def lowest(dtype: str) -> float:
    """The least finite number: maxima start from it, and unlike -inf it can be subtracted from itself."""
    return float(np.finfo(dtype).min)


def degree(dtype: str, in_float32: int) -> int:
    """Of exp's polynomial."""
    return in_float32 + 5 if dtype == "float64" else in_float32


@template("void(T[:, ::1], T[:, ::1])")
def baseline(p, x, out):
    """The loops that everybody writes."""
    for i in range(x.shape[0]):
        largest = x[i, 0]
        for j in range(x.shape[1]):
            largest = max(largest, x[i, j])
        total = 0.0
        for j in range(x.shape[1]):
            out[i, j] = np.exp(x[i, j] - largest)
            total += out[i, j]
        for j in range(x.shape[1]):
            out[i, j] /= total


@template("void(T[:, ::1], T[:, ::1], T[::1])")
def offline(p, x, out, buffer):
    """A few rows at a time: first the maximum, then exponentials and their sum, then quotients."""
    rows, columns = x.shape
    turn = p.vectors * p.lanes
    zero = tile_zeros(p.dtype, p.rows, p.vectors, p.lanes)
    low = tile_add(zero, p.dtype(lowest(p.dtype)))
    for first in range(0, rows, p.rows):
        at, left = first * columns, rows - first
        highest, sums = low, zero
        for j in range(0, columns, turn):
            if p.fetch:
                tile_prefetch(low, x, at + p.rows * columns + j, columns)
            if left >= p.rows and columns - j >= turn:
                t = tile_load(x, at + j, columns, p.rows, p.vectors, p.lanes)
            else:
                t = tile_load_part(low, x, at + j, columns, left, columns - j)
            highest = tile_max(t, highest)
        top = row_reduce_max(highest)
        for j in range(0, columns, turn):
            if left >= p.rows and columns - j >= turn:
                t = tile_load(x, at + j, columns, p.rows, p.vectors, p.lanes)
            else:
                t = tile_load_part(low, x, at + j, columns, left, columns - j)
            t = tile_exp(tile_sub(t, top), degree(p.dtype, p.degree))
            sums = tile_add(sums, t)
            if p.variant == "buffered":
                tile_store(t, buffer, j * p.rows, turn)
            elif p.variant == "stored" and left >= p.rows and columns - j >= turn:
                tile_store(t, out, at + j, columns)
            elif p.variant == "stored":
                tile_store_part(t, out, at + j, columns, left, columns - j)
        total = row_reduce_add(sums)
        source = buffer if p.variant == "buffered" else out if p.variant == "stored" else x
        quotients(p, source, out, at, top, div(p.dtype(1), total) if p.scaling == "reciprocal" else total)
    if p.stores == "streaming":
        fence()


@template("void(T[:, ::1], T[:, ::1], T[::1], T[::1])", runtime=("chunk",))
def online(p, x, out, buffer, maxima):
    """A few rows at a time: maximum and sum in one pass, then quotients."""
    rows, columns = x.shape
    turn = p.vectors * p.lanes
    exponent = degree(p.dtype, p.degree)
    zero = tile_zeros(p.dtype, p.rows, p.vectors, p.lanes)
    low = tile_add(zero, p.dtype(lowest(p.dtype)))
    for first in range(0, rows, p.rows):
        at, left = first * columns, rows - first
        highest, sums = low, zero
        for start in range(0, columns, p.chunk * turn):
            stop = min(columns, start + p.chunk * turn)
            before = highest
            for j in range(start, stop, turn):
                if p.fetch:
                    tile_prefetch(low, x, at + p.rows * columns + j, columns)
                if left >= p.rows and columns - j >= turn:
                    t = tile_load(x, at + j, columns, p.rows, p.vectors, p.lanes)
                else:
                    t = tile_load_part(low, x, at + j, columns, left, columns - j)
                highest = tile_max(t, highest)
            # the polynomial at 0 is not quite 1: undivided, each chunk would add that error to those before
            sums = tile_div(tile_mul(sums, tile_exp(tile_sub(before, highest), exponent)), tile_exp(zero, exponent))
            for j in range(start, stop, turn):
                if left >= p.rows and columns - j >= turn:
                    t = tile_load(x, at + j, columns, p.rows, p.vectors, p.lanes)
                else:
                    t = tile_load_part(low, x, at + j, columns, left, columns - j)
                t = tile_exp(tile_sub(t, highest), exponent)
                sums = tile_add(sums, t)
                if p.variant == "online_buffered":
                    tile_store(t, buffer, j * p.rows, turn)
            if p.variant == "online_buffered":
                tile_store(highest, maxima, start // p.chunk * p.rows, turn)
        top = row_reduce_max(highest)
        total = row_reduce_add(tile_mul(sums, tile_exp(tile_sub(highest, top), exponent)))
        if p.variant == "online":
            quotients(p, x, out, at, top, div(p.dtype(1), total) if p.scaling == "reciprocal" else total)
        else:
            for start in range(0, columns, p.chunk * turn):
                t = tile_load(maxima, start // p.chunk * p.rows, turn, p.rows, p.vectors, p.lanes)
                quotients(p, buffer, out, at + start, top, tile_div(tile_exp(tile_sub(t, top), exponent), total))
    if p.stores == "streaming":
        fence()


@template(runtime=("chunk",))
def quotients(p, source, out, at, top, factor):
    """Writes normalised rows, of an online variant with a buffer a chunk of them, from element ``at`` on."""
    rows, columns = out.shape
    turn = p.vectors * p.lanes
    left = rows - at // columns
    zero = tile_zeros(p.dtype, p.rows, p.vectors, p.lanes)
    start = at % columns if p.variant == "online_buffered" else 0
    stop = min(columns, start + p.chunk * turn) if p.variant == "online_buffered" else columns
    if p.stores == "streaming":
        place = out.ctypes.data | (at | columns) * item_bytes(p.dtype)
        is_aligned = place % (p.lanes * item_bytes(p.dtype)) == 0
    for j in range(start, stop, turn):
        is_whole = left >= p.rows and columns - j >= turn
        if p.variant in ("buffered", "online_buffered"):
            t = tile_load(source, j * p.rows, turn, p.rows, p.vectors, p.lanes)
        elif is_whole:
            t = tile_load(source, at + j, columns, p.rows, p.vectors, p.lanes)
        else:
            t = tile_load_part(zero, source, at + j, columns, left, columns - j)
        if p.variant in ("recomputed", "online"):
            t = tile_exp(tile_sub(t, top), degree(p.dtype, p.degree))
        t = tile_mul(t, factor) if p.scaling == "reciprocal" else tile_div(t, factor)
        if p.stores == "streaming" and is_aligned and is_whole:
            tile_stream(t, out, at - start + j, columns)
        elif is_whole:
            tile_store(t, out, at - start + j, columns)
        else:
            tile_store_part(t, out, at - start + j, columns, left, columns - j)


def problem(size: Size, dtype: str, rng: np.random.Generator) -> Inputs:
    """Random rows."""
    return (rng.uniform(0.5, 2, size).astype(dtype),)


def reference(x: np.ndarray) -> np.ndarray:
    """The truth in float64."""
    wide = np.asarray(x, np.float64)
    exponentials = np.exp(wide - wide.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def size_of(x: np.ndarray) -> Size:
    """Rows and columns of x.

    Raises:
        ValueError: it is no matrix.
    """
    if x.ndim != 2:
        raise ValueError(f"softmax takes a matrix of rows, not an array of shape {x.shape}")
    return x.shape


def out_shape(size: Size) -> tuple[int, ...]:
    """The output has the shape of x."""
    return size


def work(size: Size, dtype: str) -> Work:
    """One subtraction, exp, addition and product for an element; one division for a row. Maxima are not counted."""
    rows, columns = size
    count = rows * columns
    array_bytes = count * item_bytes(dtype)
    return Work({"add": 2 * count, "exp": count, "mul": count, "div": rows}, array_bytes, array_bytes)


def workspace(schedule: Schedule, size: Size) -> tuple[int, ...]:
    """The buffer of exponentials of a few rows, and for online variants their maxima after each chunk."""
    tile = schedule.rows * schedule.vectors * schedule.lanes
    turns = -(-size[1] // (schedule.vectors * schedule.lanes))
    buffer = turns * tile if schedule.variant in ("buffered", "online_buffered") else 0
    if schedule.variant not in ("online", "online_buffered"):
        return (buffer,)
    return buffer, -(-turns // schedule.chunk) * tile if buffer else 0


def tolerance(size: Size, dtype: str) -> float:
    """Of exp, sum and quotient: a sum's error grows with its length, as a random walk; a quarter of this was seen."""
    return (8 + size[1] ** 0.5) * float(np.finfo(dtype).eps)


def scipy_softmax() -> Rival:
    """``scipy.special.softmax``."""
    softmax = installed("scipy.special").softmax

    def call(x: np.ndarray, out: np.ndarray) -> None:
        out[:] = softmax(x, axis=1)

    return call


def torch_softmax() -> Rival:
    """``torch.softmax``."""
    torch = installed("torch")
    return lambda x, out: torch.softmax(torch.from_numpy(x), 1, out=torch.from_numpy(out))


def variant(schedule: Schedule) -> Template:
    """The entry template of a schedule."""
    return online if schedule.variant in _ONLINE else offline


KERNEL = Kernel(
    name="softmax",
    doc=__doc__,
    dims=("rows", "columns"),
    dtypes=("float32", "float64"),
    space=SPACE,
    template=variant,
    problem=problem,
    reference=reference,
    size_of=size_of,
    out_shape=out_shape,
    work=work,
    workspace=workspace,
    baseline=baseline,
    rivals={"scipy": scipy_softmax, "torch": torch_softmax},
    default_size=(1024, 1024),
    verify_sizes=((1, 1), (3, 7), (5, 67), (13, 96), (17, 131), (9, 1009)),
    tolerance=tolerance,
    split=("rows", "rows"),
    small={"chunk": (2, 8, 32), "rows": (1, 2, 4), "vectors": (1, 2, 4), "lanes": (4, 8, 16), "degree": (5, 7)},
    left=(
        "some 200 us once L3 holds its data, which takes eight calls after another function's; a row then takes as "
        "long as from L2, so it is instructions. A second pass of exps adds a quarter: they are a third of the time, "
        "and what the passes for maximum and quotients wait for, counters would have to tell. exp by a table, as in "
        "black_scholes, would spare four of nine instructions that multiply."
    ),
)
