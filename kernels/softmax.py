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
from kernels.language import Schedule, Space, choice, flag, integer, power_of_two, static, template
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


def vector_bytes(dtype: str, lanes: int) -> int:
    """Bytes of a vector, and the alignment of a streaming store."""
    return lanes * np.dtype(dtype).itemsize

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
    """The maximum first, then exponentials and their sum, then the quotients, for a few rows at a time."""
    columns = x.shape[1]
    low = tile_add(tile_zeros(p.dtype, p.rows, p.vectors, p.lanes), p.dtype(lowest(p.dtype)))
    for at in range(0, x.size, p.rows * columns):
        top = row_reduce_max(raised(p, x, at, columns, low))
        total = row_reduce_add(exponentials(p, x, out if p.keep == "out" else buffer, at, columns, top))
        factor = div(p.dtype(1), total) if p.scaling == "reciprocal" else total
        if p.variant == "recomputed":
            rewrite(p, x, out, at, top, factor)
        else:
            finish(p, out if p.keep == "out" else buffer, out, at, columns, factor)
    if p.stores == "streaming":
        fence()


@template("void(T[:, ::1], T[:, ::1], T[::1], T[::1])", runtime=("chunk",))
def online(p, x, out, buffer, maxima):
    """Maximum and sum in one pass, then the quotients, for a few rows at a time."""
    columns = x.shape[1]
    turn = p.vectors * p.lanes
    span = p.chunk * turn
    exponent = degree(p.dtype, p.degree)
    zero = tile_zeros(p.dtype, p.rows, p.vectors, p.lanes)
    low = tile_add(zero, p.dtype(lowest(p.dtype)))
    for at in range(0, x.size, p.rows * columns):
        highest, sums = low, zero
        for j in range(0, columns, span):
            count = min(span, columns - j)
            before = highest
            highest = raised(p, x, at + j, count, before)
            sums = tile_mul(sums, tile_exp(tile_sub(before, highest), exponent))
            sums = tile_add(exponentials(p, x, out if p.keep == "out" else buffer, at + j, count, highest), sums)
            if p.variant == "online_stored":
                tile_store(highest, maxima, j // span * p.rows * turn, turn)
        top = row_reduce_max(highest)
        total = row_reduce_add(tile_mul(sums, tile_exp(tile_sub(highest, top), exponent)))
        if p.variant == "online":
            rewrite(p, x, out, at, top, div(p.dtype(1), total) if p.scaling == "reciprocal" else total)
        else:
            for j in range(0, columns, span):
                t = tile_load(maxima, j // span * p.rows * turn, turn, p.rows, p.vectors, p.lanes)
                t = tile_div(tile_exp(tile_sub(t, top), exponent), total)
                finish(p, out if p.keep == "out" else buffer, out, at + j, min(span, columns - j), t)
    if p.stores == "streaming":
        fence()


@template()
def raised(p, x, at, count, highest):
    """The register tile ``highest``, raised to the maxima over ``count`` columns from element ``at`` on."""
    rows, columns = x.shape
    left = rows - at // columns
    for j in range(0, count, p.vectors * p.lanes):
        if p.fetch:
            tile_prefetch(highest, x, at + p.rows * columns + j, columns)
        highest = tile_max(tile_load_part(highest, x, at + j, columns, left, count - j), highest)
    return highest


@template()
def exponentials(p, x, kept, at, count, highest):
    """The register tile of sums of exp(x - highest) over ``count`` columns; keeps the exponentials where they are wanted."""
    rows, columns = x.shape
    left = rows - at // columns
    sums = tile_zeros(p.dtype, p.rows, p.vectors, p.lanes)
    low = tile_add(sums, p.dtype(lowest(p.dtype)))
    for j in range(0, count, p.vectors * p.lanes):
        t = tile_load_part(low, x, at + j, columns, left, count - j)
        t = tile_exp(tile_sub(t, highest), degree(p.dtype, p.degree))
        sums = tile_add(sums, t)
        if p.variant in _STORED:
            tile_store_part(t, kept, at + j if p.keep == "out" else at % columns + j, columns, left, count - j)
    return sums


@template()
def finish(p, kept, out, at, count, factor):
    """Normalise the exponentials that were kept."""
    rows, columns = out.shape
    left = rows - at // columns
    zero = tile_zeros(p.dtype, p.rows, p.vectors, p.lanes)
    for j in range(0, count, p.vectors * p.lanes):
        t = tile_load_part(zero, kept, at + j if p.keep == "out" else at % columns + j, columns, left, count - j)
        t = tile_div(t, factor) if p.variant == "stored" and p.scaling == "division" else tile_mul(t, factor)
        write(p, t, out, at + j, left, count - j)


@template()
def rewrite(p, x, out, at, top, factor):
    """Calculate the exponentials once more, and normalise them."""
    rows, columns = x.shape
    left = rows - at // columns
    zero = tile_zeros(p.dtype, p.rows, p.vectors, p.lanes)
    for j in range(0, columns, p.vectors * p.lanes):
        t = tile_load_part(zero, x, at + j, columns, left, columns - j)
        t = tile_exp(tile_sub(t, top), degree(p.dtype, p.degree))
        t = tile_mul(t, factor) if p.scaling == "reciprocal" else tile_div(t, factor)
        write(p, t, out, at + j, left, columns - j)


@template()
def write(p, t, out, at, rows, columns):
    """Store the part of a register tile that lies inside, past the caches where the schedule and the address say so."""
    ld = out.shape[1]
    if p.stores == "streaming":
        item_bytes = vector_bytes(p.dtype, 1)
        is_whole = rows >= p.rows and columns >= p.vectors * p.lanes
        if is_whole and (out.ctypes.data | (at | ld) * item_bytes) % vector_bytes(p.dtype, p.lanes) == 0:
            tile_stream(t, out, at, ld)
        else:
            tile_store_part(t, out, at, ld, rows, columns)
    else:
        tile_store_part(t, out, at, ld, rows, columns)


@template("void(T[:, ::1], T[:, ::1], T[::1], T[::1], intp)", runtime=("chunk",))
def quotients(p, x, out, buffer, state, at):
    """Writes the result of the rows that begin at element ``at``, from what was kept or from x."""
    rows, columns = x.shape
    left = rows - at // columns
    turn = p.vectors * p.lanes
    padded = (columns + turn - 1) // turn * turn
    span = p.chunk * turn if p.variant == "online_stored" else columns
    exponent = degree(p.dtype, p.degree)
    zero = tile_zeros(p.dtype, p.rows, p.vectors, p.lanes)
    top = tile_load(state, 0, p.lanes, p.rows, 1, p.lanes)
    factor = tile_load(state, p.rows * p.lanes, p.lanes, p.rows, 1, p.lanes)
    if p.scaling == "reciprocal":
        factor = tile_div(tile_exp(tile_zeros(p.dtype, p.rows, 1, p.lanes), exponent), factor)
    is_aligned = (out.ctypes.data | at * itemsize(p.dtype) | columns * itemsize(p.dtype)) % vector_bytes(p.dtype, p.lanes) == 0
    for start in range(0, columns, span):
        if p.variant == "online_stored":
            t = tile_load(state, p.rows * (2 * p.lanes + start // p.chunk), turn, p.rows, p.vectors, p.lanes)
            correction = tile_mul(tile_exp(tile_sub(t, top), exponent), factor)
        for j in range(start, min(columns, start + span), turn):
            if p.keep == "buffer":
                t = tile_load(buffer, j, padded, p.rows, p.vectors, p.lanes)
            elif p.variant in _STORED:
                t = tile_load_part(zero, out, at + j, columns, left, columns - j)
            else:
                t = tile_load_part(zero, x, at + j, columns, left, columns - j)
                t = tile_exp(tile_sub(t, top), exponent)
            if p.variant == "online_stored":
                t = tile_mul(t, correction)
            elif p.scaling == "reciprocal":
                t = tile_mul(t, factor)
            else:
                t = tile_div(t, factor)
            if p.stores == "streaming" and is_aligned and left >= p.rows and columns - j >= turn:
                tile_stream(t, out, at + j, columns)
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
    """The buffer of exponentials, and of online variants the maxima after each chunk."""
    columns = size[1]
    turn = schedule.vectors * schedule.lanes
    stored = schedule.variant in ("stored", "online_stored")
    buffer = schedule.rows * columns if stored and schedule.keep == "buffer" else 0
    chunks = -(-columns // (schedule.chunk * turn)) if schedule.variant == "online_stored" else 0
    return (buffer, chunks * schedule.rows * turn) if schedule.variant in ("online", "online_stored") else (buffer,)


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
