"""layernorm: out <- (x - mean) / sqrt(variance + epsilon) * gamma + beta, row by row.

x, out: (rows, columns); gamma, beta: (columns,); epsilon: a scalar; float32 or float64, C-contiguous. Mean and variance
are those of the row, the variance over ``columns``. 8 FLOP an element, 4 instructions on a vector: a sum, a sum of
squares, and two for the result. x is read and out is written, each once at least. Bound: bandwidth, of the cache that
holds both matrices or of memory.
In random problems a row's numbers alternate between [0.5, 1) and [1.5, 2): no row of several has a variance near 0,
where all that is wrong with a mean would be blown up by 1 / sqrt(epsilon); epsilon is 1e-5.
Sources: Ba, Kiros and Hinton, Layer Normalization, 2016; Chan, Golub and LeVeque, Algorithms for Computing the Sample
Variance, 1983 (*twice* is their two-pass algorithm, *shifted* their one-pass algorithm with shifted data).

Genes, and what they do to the machine:
- ``variant``: *twice* takes the mean first, then the squares of what deviates from it, and reads a row three times;
  *shifted* takes both in one pass over what deviates from a pivot within the row, and reads it twice. Without a pivot
  the squares of a row that lies far from 0 would cancel: such a variant does not exist here. Nor does one loop for the
  sums of some rows and the result of the rows before them: on a busy Zen 5 the best of it took 99 us at 1024 x 1024 in
  float32, the best of *shifted* 88.
- ``pivot``: of *shifted*, the row's first *element*, or the mean of its first *turn* of the loop, which lies nearer to
  the mean, and for which the row's loop has to wait.
- ``rows vectors lanes``: the register tile. Each element has sums of its own, so that no addition waits for the one
  before; several rows share one turn, and each gamma and beta that is loaded.
- ``scaling``: *centred* subtracts the mean and scales; *folded* scales and adds what is left of the mean in one fma.
- ``stores``: *streaming* goes past the caches, where rows are aligned: spares reading what is overwritten.
- ``fetch``: the pass in which rows to come are prefetched: the *first* waits for memory itself, the *last* for stores.
- ``ahead``: how many tiles of rows further on they lie.
- ``claim``: the lines of out that the last pass will write are fetched during the first, to be owned by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kernels.contract import Inputs, Kernel, Rival, Size, Work, installed, item_bytes
from kernels.language import Schedule, Space, choice, flag, integer, power_of_two, template
from kernels.language.simd import (
    add,
    div,
    fence,
    maximum,
    mul,
    row_reduce_add,
    sqrt,
    sub,
    tile_add,
    tile_fma,
    tile_load,
    tile_load_part,
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

_EPSILON = 1e-5
_LEAST_DEVIATION = 0.2
"""Of the rows of two columns or more that ``problem`` makes."""

SPACE = Space(
    [
        choice("variant", ("shifted", "twice"), "algorithm"),
        choice("pivot", ("element", "turn"), "what is subtracted beforehand", when={"variant": ("shifted",)}),
        integer("rows", (1, 2, 3, 4, 6, 8), "rows of the register tile", default=2),
        integer("vectors", (1, 2, 3, 4, 6, 8), "vectors in a row of the register tile"),
        power_of_two("lanes", 2, 16, "numbers in a vector", default=16),
        choice("scaling", ("centred", "folded"), "how rows are normalised"),
        choice("stores", ("ordinary", "streaming"), "through the caches or past them"),
        choice("fetch", ("none", "first", "last"), "pass that prefetches"),
        integer("ahead", (1, 2, 3, 4, 6, 8), "tiles of rows ahead", when={"fetch": ("first", "last")}),
        flag("claim", "prefetch what will be written"),
    ],
    [(lambda rows, vectors: rows * vectors <= 12, "tile and sums exceed any register file")],
)


@template("void(T[:, ::1], T[::1], T[::1], T, T[:, ::1])")
def baseline(p, x, gamma, beta, epsilon, out):
    """The loops that everybody writes."""
    columns = x.shape[1]
    for i in range(x.shape[0]):
        mean = x[i, 0]
        for j in range(1, columns):
            mean += x[i, j]
        mean /= columns
        variance = (x[i, 0] - mean) ** 2
        for j in range(1, columns):
            variance += (x[i, j] - mean) ** 2
        deviation = np.sqrt(variance / columns + epsilon)
        for j in range(columns):
            out[i, j] = (x[i, j] - mean) / deviation * gamma[j] + beta[j]


@template("void(T[:, ::1], T[::1], T[::1], T, T[:, ::1])", runtime=("ahead",))
def normalised(p, x, gamma, beta, epsilon, out):  # noqa: PLR0915 - in four functions it compiles in 0.6 s, not in 0.35
    """A few rows at a time: mean and variance, then the result."""
    rows, columns = x.shape
    turn = p.vectors * p.lanes
    zero, narrow = tile_zeros(p.dtype, p.rows, p.vectors, p.lanes), tile_zeros(p.dtype, 1, p.vectors, p.lanes)
    is_aligned = (out.ctypes.data | columns * item_bytes(p.dtype)) % (p.lanes * item_bytes(p.dtype)) == 0
    for first in range(0, rows, p.rows):
        at, left = first * columns, rows - first
        next_at = at + p.ahead * p.rows * columns
        centre, sums, squares = zero, zero, zero
        if p.variant == "shifted":
            pivot = row_reduce_add(tile_load_part(zero, x, at, columns, left, 1 if p.pivot == "element" else columns))
            pivot = div(pivot, p.dtype(1 if p.pivot == "element" else min(columns, turn)))
            centre = tile_add(zero, pivot)  # what is not there does not deviate
        for j in range(0, columns, turn):
            if p.fetch == "first":
                tile_prefetch(zero, x, next_at + j, columns)
            if p.claim:
                tile_prefetch(zero, out, at + j, columns, 3, 1)
            if left >= p.rows and columns - j >= turn:
                t = tile_load(x, at + j, columns, p.rows, p.vectors, p.lanes)
            else:
                t = tile_load_part(centre, x, at + j, columns, left, columns - j)
            if p.variant == "shifted":
                t = tile_sub(t, pivot)
                squares = tile_fma(t, t, squares)
            sums = tile_add(sums, t)
        mean = div(row_reduce_add(sums), p.dtype(columns))
        if p.variant == "twice":
            centre = tile_add(zero, mean)
            for j in range(0, columns, turn):
                if left >= p.rows and columns - j >= turn:
                    t = tile_load(x, at + j, columns, p.rows, p.vectors, p.lanes)
                else:
                    t = tile_load_part(centre, x, at + j, columns, left, columns - j)
                t = tile_sub(t, mean)
                squares = tile_fma(t, t, squares)
        variance = div(row_reduce_add(squares), p.dtype(columns))
        if p.variant == "shifted":
            # rounding may leave less than nothing; in this order, NaN stays NaN
            variance = maximum(p.dtype(0), sub(variance, mul(mean, mean)))
            mean = add(pivot, mean)
        factor = div(p.dtype(1), sqrt(add(variance, epsilon)))
        offset = sub(p.dtype(0), mul(mean, factor))
        for j in range(0, columns, turn):
            if p.fetch == "last":
                tile_prefetch(zero, x, next_at + j, columns)
            is_whole = left >= p.rows and columns - j >= turn
            if is_whole:
                t = tile_load(x, at + j, columns, p.rows, p.vectors, p.lanes)
                g, b = tile_load(gamma, j, 0, 1, p.vectors, p.lanes), tile_load(beta, j, 0, 1, p.vectors, p.lanes)
            else:
                t = tile_load_part(zero, x, at + j, columns, left, columns - j)
                g = tile_load_part(narrow, gamma, j, 0, 1, columns - j)
                b = tile_load_part(narrow, beta, j, 0, 1, columns - j)
            t = tile_fma(t, factor, offset) if p.scaling == "folded" else tile_mul(tile_sub(t, mean), factor)
            t = tile_fma(t, g, b)
            if p.stores == "streaming" and is_aligned and is_whole:
                tile_stream(t, out, at + j, columns)
            elif is_whole:
                tile_store(t, out, at + j, columns)
            else:
                tile_store_part(t, out, at + j, columns, left, columns - j)
    if p.stores == "streaming":
        fence()


def problem(size: Size, dtype: str, rng: np.random.Generator) -> Inputs:
    """Rows that alternate between two ranges, random gamma and beta, and the usual epsilon."""
    x = rng.uniform(0.5, 1 - 2.0**-24, size)
    x[:, 1::2] += 1
    gamma, beta = (rng.uniform(0.5, 2, size[1]).astype(dtype) for _ in range(2))
    return x.astype(dtype), gamma, beta, np.dtype(dtype).type(_EPSILON)


def reference(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, epsilon: float) -> np.ndarray:
    """The truth in float64."""
    wide = np.asarray(x, np.float64)
    deviations = wide - wide.mean(axis=1, keepdims=True)
    variance = np.mean(deviations**2, axis=1, keepdims=True)
    return np.asarray(deviations / np.sqrt(variance + float(epsilon)) * np.float64(gamma) + np.float64(beta))


def size_of(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, _epsilon: float) -> Size:
    """Rows and columns of x.

    Raises:
        ValueError: it is no matrix, or gamma and beta are no vectors as long as its rows.
    """
    if x.ndim != 2 or not gamma.shape == beta.shape == x.shape[1:]:
        shapes = f"{x.shape}, {gamma.shape} and {beta.shape}"
        raise ValueError(f"layernorm takes a matrix of rows and two vectors as long as they are, not shapes {shapes}")
    return x.shape


def out_shape(size: Size) -> tuple[int, ...]:
    """The output has the shape of x."""
    return size


def work(size: Size, dtype: str) -> Work:
    """A sum and three fused multiply-adds for an element; a quotient and a root for a row."""
    rows, columns = size
    count = rows * columns
    operations = {"add": count, "fma": 3 * count, "div": rows, "sqrt": rows}
    return Work(operations, ((rows + 2) * columns + 1) * item_bytes(dtype), count * item_bytes(dtype))


def tolerance(size: Size, dtype: str) -> float:
    """Both sums' errors grow with their length, as a random walk, and are blown up by the row's deviation.

    Chan, Golub and LeVeque, table 1, of the two-pass and the shifted algorithm; a quarter of this was seen.
    """
    deviation = _LEAST_DEVIATION if size[1] > 1 else _EPSILON**0.5
    return (4 + size[1] ** 0.5) / deviation * float(np.finfo(dtype).eps)


def scale(truth: np.ndarray) -> np.ndarray:
    """The quadratic mean of a row: its numbers cross 0, where beta cancels the rest."""
    return np.broadcast_to(np.sqrt(np.mean(truth**2, axis=1, keepdims=True)), truth.shape)


def torch_layer_norm() -> Rival:
    """``torch.nn.functional.layer_norm``, and a copy: none of its forms writes into an array that is there already.

    At 1024 x 1024 in float32 the copy is a quarter of its time on a Zen 5, 83 of 326 us.
    """
    torch = installed("torch")

    def call(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, epsilon: float, out: np.ndarray) -> None:
        rows, weight, bias, target = map(torch.from_numpy, (x, gamma, beta, out))
        target.copy_(torch.nn.functional.layer_norm(rows, weight.shape, weight, bias, float(epsilon)))

    return call


def numpy_passes() -> Rival:
    """NumPy, array by array."""

    def call(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, epsilon: float, out: np.ndarray) -> None:
        np.subtract(x, x.mean(axis=1, keepdims=True), out=out)
        out /= np.sqrt(np.mean(out * out, axis=1, keepdims=True) + epsilon)
        out *= gamma
        out += beta

    return call


def variant(_schedule: Schedule) -> Template:
    """The entry template of a schedule: both variants share it."""
    return normalised


KERNEL = Kernel(
    name="layernorm",
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
    baseline=baseline,
    rivals={"numpy": numpy_passes, "torch": torch_layer_norm},
    default_size=(1024, 1024),
    verify_sizes=((1, 1), (3, 2), (5, 67), (13, 96), (17, 131), (9, 1009)),
    tolerance=tolerance,
    split=("rows", "whole", "whole", "whole", "rows"),
    scale=scale,
    left=(
        "86 to 95 GB/s of the 105 that a copy from and to L3 reaches, at 256 columns as at 2048, so hardly anything "
        "is lost between passes. Prefetching found nothing, both passes of different rows in one loop lost; counters "
        "would have to tell whether reads or writes wait."
    ),
)
