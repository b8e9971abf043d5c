"""softmax: out <- exp(x - max) / sum(exp(x - max)), row by row.

x, out: (rows, columns), float32 or float64, C-contiguous. An element costs one exp, which is some 15 instructions on a
vector, and a handful of adds and multiplications beside it. Bytes: x is read and out written, each once at least. Bound:
arithmetic of the exponential where a row stays in cache; memory where it does not.
Sources: Milakov and Gimelshein, Online normalizer calculation for softmax, 2018 (online); Dukhan and Ablavatski, The
Two-Pass Softmax Algorithm, 2020 (stored and recomputed, there called reloading and recomputing).

Genes, and what they do to the machine:
- ``variant``: *recomputed* takes three passes over x: maximum, sum of exp, exp again; *stored* keeps exp in the second
  and only scales in the third: half the exps, more stores. *online* takes maximum and sum in one pass, correcting the
  sum whenever the maximum has grown, and *online_stored* keeps what was calculated with the maxima known so far: both
  read rows that no cache holds once less.
- ``chunk`` (online): turns between corrections; each costs one more exp for every element of a register tile.
- ``keep``: what is stored waits in *out* itself, or in a small *buffer* from which out is written just once.
- ``rows vectors lanes``: the register tile. Each of its elements has a maximum and a sum of its own, so that additions
  need not wait for each other; several rows share one pass of the loop.
- ``degree``: of exp's polynomial in float32; float64 takes 5 more. One more is one fma more.
- ``scaling``: by the reciprocal of the sum, or by a division for every element, which is rounded once less.
- ``stores``: *streaming* writes past the caches where rows are aligned: spares reading what is overwritten.
- ``fetch``: prefetch the next rows while these are read for the first time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kernels.contract import Kernel, Problem, Rival, Size, Unavailable, Work
from kernels.language import Schedule, Space, choice, flag, integer, power_of_two, template
from kernels.language.simd import (
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

_STORED = ("stored", "online_stored")
_AT_ONCE = ("stored", "recomputed", "online")
_ONLINE = ("online", "online_stored")
_DEGREE_FLOAT64 = 5

SPACE = Space(
    [
        choice("variant", ("stored", "recomputed", "online", "online_stored"), "algorithm"),
        power_of_two("chunk", 1, 64, "turns between corrections", default=8, when={"variant": _ONLINE}),
        choice("keep", ("out", "buffer"), "where exponentials wait", when={"variant": _STORED}),
        integer("rows", (1, 2, 3, 4, 6, 8), "rows of the register tile"),
        integer("vectors", (1, 2, 3, 4, 6, 8), "vectors in a row of the register tile", default=2),
        power_of_two("lanes", 2, 16, "elements of a vector", default=8),
        integer("degree", (5, 6, 7), "degree of exp's polynomial in float32"),
        choice("scaling", ("reciprocal", "division"), "how rows are normalised", when={"variant": _AT_ONCE}),
        choice("stores", ("ordinary", "streaming"), "through the caches or past them"),
        flag("fetch", "prefetch the next rows"),
    ],
    [(lambda rows, vectors: rows * vectors <= 8, "the tile and its sums exceed any register file")],
)


def lowest(dtype: str) -> float:
    """The least finite number: a maximum's start, from which no other number can be subtracted to give NaN."""
    return float(np.finfo(dtype).min)


def degree(dtype: str, in_float32: int) -> int:
    """Of exp's polynomial."""
    return in_float32 + (_DEGREE_FLOAT64 if dtype == "float64" else 0)


def item_bytes(dtype: str) -> int:
    """Bytes of an element."""
    return np.dtype(dtype).itemsize


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


@template(
    "void(T[:, ::1], T[:, ::1], T[::1], T[::1])", runtime=("rows", "chunk"), pointers=("offline_sums", "quotients")
)
def offline(p, x, out, buffer, state):
    """A few rows at a time: the maximum first, then exponentials and their sum, then quotients."""
    for at in range(0, x.size, p.rows * x.shape[1]):
        offline_sums(p, x, out, buffer, state, at)
        quotients(p, x, out, buffer, state, at)
    fence()


@template(
    "void(T[:, ::1], T[:, ::1], T[::1], T[::1])", runtime=("rows", "chunk"), pointers=("online_sums", "quotients")
)
def online(p, x, out, buffer, state):
    """A few rows at a time: maximum and sum in one pass, then quotients."""
    for at in range(0, x.size, p.rows * x.shape[1]):
        online_sums(p, x, out, buffer, state, at)
        quotients(p, x, out, buffer, state, at)
    fence()


@template("void(T[:, ::1], T[:, ::1], T[::1], T[::1], intp)")
def offline_sums(p, x, out, buffer, state, at):
    """Leaves maxima and sums of the rows that begin at element ``at`` in ``state``."""
    rows, columns = x.shape
    left = rows - at // columns
    is_full = left >= p.rows
    turn = p.vectors * p.lanes
    padded = (columns + turn - 1) // turn * turn
    exponent = degree(p.dtype, p.degree)
    zero = tile_zeros(p.dtype, p.rows, p.vectors, p.lanes)
    low = tile_add(zero, p.dtype(lowest(p.dtype)))
    highest, sums = low, zero
    for j in range(0, columns, turn):
        if p.fetch:
            tile_prefetch(low, x, at + p.rows * columns + j, columns)
        if is_full and columns - j >= turn:
            t = tile_load(x, at + j, columns, p.rows, p.vectors, p.lanes)
        else:
            t = tile_load_part(low, x, at + j, columns, left, columns - j)
        highest = tile_max(t, highest)
    top = row_reduce_max(highest)
    for j in range(0, columns, turn):
        if is_full and columns - j >= turn:
            t = tile_load(x, at + j, columns, p.rows, p.vectors, p.lanes)
        else:
            t = tile_load_part(low, x, at + j, columns, left, columns - j)
        t = tile_exp(tile_sub(t, top), exponent)
        sums = tile_add(sums, t)
        if p.keep == "buffer":
            tile_store(t, buffer, j, padded)
        elif p.variant == "stored":
            if is_full and columns - j >= turn:
                tile_store(t, out, at + j, columns)
            else:
                tile_store_part(t, out, at + j, columns, left, columns - j)
    column = tile_zeros(p.dtype, p.rows, 1, p.lanes)
    tile_store(tile_add(column, top), state, 0, p.lanes)
    tile_store(tile_add(column, row_reduce_add(sums)), state, p.rows * p.lanes, p.lanes)


@template("void(T[:, ::1], T[:, ::1], T[::1], T[::1], intp)", runtime=("chunk",))
def online_sums(p, x, out, buffer, state, at):
    """Leaves maxima and sums of the rows that begin at element ``at`` in ``state``, and the maxima after each chunk."""
    rows, columns = x.shape
    left = rows - at // columns
    is_full = left >= p.rows
    turn = p.vectors * p.lanes
    padded = (columns + turn - 1) // turn * turn
    exponent = degree(p.dtype, p.degree)
    zero = tile_zeros(p.dtype, p.rows, p.vectors, p.lanes)
    low = tile_add(zero, p.dtype(lowest(p.dtype)))
    highest, sums = low, zero
    place = 2 * p.rows * p.lanes
    for start in range(0, columns, p.chunk * turn):
        stop = min(columns, start + p.chunk * turn)
        before = highest
        for j in range(start, stop, turn):
            if p.fetch:
                tile_prefetch(low, x, at + p.rows * columns + j, columns)
            if is_full and columns - j >= turn:
                t = tile_load(x, at + j, columns, p.rows, p.vectors, p.lanes)
            else:
                t = tile_load_part(low, x, at + j, columns, left, columns - j)
            highest = tile_max(t, highest)
        sums = tile_mul(sums, tile_exp(tile_sub(before, highest), exponent))
        for j in range(start, stop, turn):
            if is_full and columns - j >= turn:
                t = tile_load(x, at + j, columns, p.rows, p.vectors, p.lanes)
            else:
                t = tile_load_part(low, x, at + j, columns, left, columns - j)
            t = tile_exp(tile_sub(t, highest), exponent)
            sums = tile_add(sums, t)
            if p.keep == "buffer":
                tile_store(t, buffer, j, padded)
            elif p.variant == "online_stored":
                if is_full and columns - j >= turn:
                    tile_store(t, out, at + j, columns)
                else:
                    tile_store_part(t, out, at + j, columns, left, columns - j)
        if p.variant == "online_stored":
            tile_store(highest, state, place, turn)
            place += p.rows * turn
    top = row_reduce_max(highest)
    sums = tile_mul(sums, tile_exp(tile_sub(highest, top), exponent))
    column = tile_zeros(p.dtype, p.rows, 1, p.lanes)
    tile_store(tile_add(column, top), state, 0, p.lanes)
    tile_store(tile_add(column, row_reduce_add(sums)), state, p.rows * p.lanes, p.lanes)


@template("void(T[:, ::1], T[:, ::1], T[::1], T[::1], intp)", runtime=("chunk",))
def quotients(p, x, out, buffer, state, at):
    """Writes the result of the rows that begin at element ``at``, from what was kept or from x."""
    rows, columns = x.shape
    left = rows - at // columns
    is_full = left >= p.rows
    turn = p.vectors * p.lanes
    padded = (columns + turn - 1) // turn * turn
    span = p.chunk * turn if p.variant == "online_stored" else columns
    exponent = degree(p.dtype, p.degree)
    zero = tile_zeros(p.dtype, p.rows, p.vectors, p.lanes)
    top = tile_load(state, 0, p.lanes, p.rows, 1, p.lanes)
    factor = tile_load(state, p.rows * p.lanes, p.lanes, p.rows, 1, p.lanes)
    if p.scaling == "reciprocal":
        one = tile_add(tile_zeros(p.dtype, p.rows, 1, p.lanes), p.dtype(1))
        factor = tile_div(one, factor)
    if p.stores == "streaming":
        place = out.ctypes.data | (at | columns) * item_bytes(p.dtype)
        is_aligned = place % (p.lanes * item_bytes(p.dtype)) == 0
    for start in range(0, columns, span):
        if p.variant == "online_stored":
            t = tile_load(state, p.rows * (2 * p.lanes + start // p.chunk), turn, p.rows, p.vectors, p.lanes)
            correction = tile_mul(tile_exp(tile_sub(t, top), exponent), factor)
        for j in range(start, min(columns, start + span), turn):
            if p.keep == "buffer":
                t = tile_load(buffer, j, padded, p.rows, p.vectors, p.lanes)
            elif p.variant in _STORED:
                if is_full and columns - j >= turn:
                    t = tile_load(out, at + j, columns, p.rows, p.vectors, p.lanes)
                else:
                    t = tile_load_part(zero, out, at + j, columns, left, columns - j)
            else:
                if is_full and columns - j >= turn:
                    t = tile_load(x, at + j, columns, p.rows, p.vectors, p.lanes)
                else:
                    t = tile_load_part(zero, x, at + j, columns, left, columns - j)
                t = tile_exp(tile_sub(t, top), exponent)
            if p.variant == "online_stored":
                t = tile_mul(t, correction)
            elif p.scaling == "reciprocal":
                t = tile_mul(t, factor)
            else:
                t = tile_div(t, factor)
            if p.stores == "streaming" and is_aligned and is_full and columns - j >= turn:
                tile_stream(t, out, at + j, columns)
            elif is_full and columns - j >= turn:
                tile_store(t, out, at + j, columns)
            else:
                tile_store_part(t, out, at + j, columns, left, columns - j)


def problem(size: Size, dtype: str, rng: np.random.Generator) -> Problem:
    """Random rows."""
    return Problem((rng.uniform(0.5, 2, size).astype(dtype),), size)


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
    array_bytes = count * np.dtype(dtype).itemsize
    return Work({"add": 2 * count, "exp": count, "mul": count, "div": rows}, array_bytes, array_bytes)


def workspace(schedule: Schedule, size: Size) -> tuple[int, ...]:
    """The buffer of exponentials; the maxima and sums of a block of rows, and its maxima after each chunk."""
    turn = schedule.vectors * schedule.lanes
    turns = -(-size[1] // turn)
    buffer = schedule.rows * turns * turn if schedule.keep == "buffer" else 0
    chunks = -(-turns // schedule.chunk) if schedule.variant == "online_stored" else 0
    return buffer, schedule.rows * (2 * schedule.lanes + chunks * turn)


def tolerance(size: Size, dtype: str) -> float:
    """Some rounding steps, and those of a sum, which grow like the root of its length: about 5 eps and root n / 4 seen."""
    return (8 + size[1] ** 0.5) * float(np.finfo(dtype).eps)


def scipy_softmax() -> Rival:
    """``scipy.special.softmax``."""
    try:
        from scipy.special import softmax  # noqa: PLC0415 - optional
    except ImportError as error:
        raise Unavailable("scipy is not installed") from error

    def call(x: np.ndarray, out: np.ndarray) -> None:
        out[:] = softmax(x, axis=1)

    return call


def torch_softmax() -> Rival:
    """``torch.softmax``."""
    try:
        import torch  # noqa: PLC0415 - an optional rival
    except ImportError as error:
        raise Unavailable("torch is not installed") from error
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
    verify_sizes=((1, 1), (3, 7), (5, 67), (17, 131), (9, 1009)),
    tolerance=tolerance,
)
