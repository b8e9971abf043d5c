"""rmsnorm: out <- x / sqrt(mean(x^2) + 1e-6) * gain, row by row.

x, out: (rows, columns); gain: (columns,); float32 or float64, C-contiguous. An element costs a fused multiply-add and
two products, so 4 FLOP. x is read and out is written, each once at least. Bound: bandwidth, of memory or of the cache
that holds both matrices. Source: Zhang and Sennrich, Root Mean Square Layer Normalization, 2019.

Genes, and what they do to the machine:
- ``rows vectors lanes``: the register tile. Each element has a sum of its own, so that no addition waits for the one
  before; several rows share each part of gain that is loaded.
- ``scaling``: by the reciprocal of the root, or by a division for every element, which is rounded once less.
- ``stores``: *streaming* goes past the caches, where rows are aligned: spares reading what is overwritten.
- ``fetch``: the pass over a row, *first* (squares) or *last* (result), in which rows to come are prefetched.
- ``ahead``: how many tiles of rows further on they lie.
- ``claim``: the lines of out that the last pass will write are fetched during the first, to be owned by then.
"""

from __future__ import annotations

import numpy as np

from kernels.contract import Inputs, Kernel, Rival, Size, Work, installed, item_bytes
from kernels.language import Schedule, Space, Template, choice, flag, integer, power_of_two, template
from kernels.language.simd import (
    add,
    div,
    fence,
    row_reduce_add,
    sqrt,
    tile_div,
    tile_fma,
    tile_load,
    tile_load_part,
    tile_mul,
    tile_prefetch,
    tile_store,
    tile_store_part,
    tile_stream,
    tile_zeros,
)

_EPSILON = 1e-6

SPACE = Space(
    [
        integer("rows", (1, 2, 3, 4, 6, 8), "rows of the register tile", default=2),
        integer("vectors", (1, 2, 3, 4, 6, 8), "vectors in a row of the register tile", default=2),
        power_of_two("lanes", 2, 16, "numbers in a vector", default=8),
        choice("scaling", ("reciprocal", "division"), "how rows are normalised"),
        choice("stores", ("ordinary", "streaming"), "through the caches or past them"),
        choice("fetch", ("none", "first", "last"), "pass that prefetches"),
        integer("ahead", (1, 2, 3, 4, 6, 8, 12), "tiles of rows ahead", when={"fetch": ("first", "last")}),
        flag("claim", "prefetch what will be written"),
    ],
    [(lambda rows, vectors: rows * vectors <= 16, "the sums exceed any register file")],
)


@template("void(T[:, ::1], T[::1], T[:, ::1])")
def baseline(p, x, gain, out):
    """The loops that everybody writes."""
    columns = x.shape[1]
    for i in range(x.shape[0]):
        squares = x[i, 0] * x[i, 0]
        for j in range(1, columns):
            squares += x[i, j] * x[i, j]
        root = np.sqrt(squares / columns + p.dtype(_EPSILON))
        for j in range(columns):
            out[i, j] = x[i, j] / root * gain[j]


@template("void(T[:, ::1], T[::1], T[:, ::1])", runtime=("ahead",))
def normalised(p, x, gain, out):
    """A few rows at a time: squares, then the result; what a tile has beyond the matrix is 0 and not stored."""
    rows, columns = x.shape
    turn = p.vectors * p.lanes
    zero, narrow = tile_zeros(p.dtype, p.rows, p.vectors, p.lanes), tile_zeros(p.dtype, 1, p.vectors, p.lanes)
    is_aligned = (out.ctypes.data | columns * item_bytes(p.dtype)) % (p.lanes * item_bytes(p.dtype)) == 0
    for first in range(0, rows, p.rows):
        at, left = first * columns, rows - first
        next_at = at + p.ahead * p.rows * columns
        squares = zero
        for j in range(0, columns, turn):
            if p.fetch == "first":
                tile_prefetch(zero, x, next_at + j, columns)
            if p.claim:
                tile_prefetch(zero, out, at + j, columns, 3, 1)
            if left >= p.rows and columns - j >= turn:
                t = tile_load(x, at + j, columns, p.rows, p.vectors, p.lanes)
            else:
                t = tile_load_part(zero, x, at + j, columns, left, columns - j)
            squares = tile_fma(t, t, squares)
        root = sqrt(add(div(row_reduce_add(squares), p.dtype(columns)), p.dtype(_EPSILON)))
        factor = div(p.dtype(1), root)
        for j in range(0, columns, turn):
            if p.fetch == "last":
                tile_prefetch(zero, x, next_at + j, columns)
            is_whole = left >= p.rows and columns - j >= turn
            if is_whole:
                t = tile_load(x, at + j, columns, p.rows, p.vectors, p.lanes)
                g = tile_load(gain, j, 0, 1, p.vectors, p.lanes)
            else:
                t = tile_load_part(zero, x, at + j, columns, left, columns - j)
                g = tile_load_part(narrow, gain, j, 0, 1, columns - j)
            t = tile_mul(tile_mul(t, factor) if p.scaling == "reciprocal" else tile_div(t, root), g)
            if p.stores == "streaming" and is_aligned and is_whole:
                tile_stream(t, out, at + j, columns)
            elif is_whole:
                tile_store(t, out, at + j, columns)
            else:
                tile_store_part(t, out, at + j, columns, left, columns - j)
    if p.stores == "streaming":
        fence()


def problem(size: Size, dtype: str, rng: np.random.Generator) -> Inputs:
    """Random rows and a random gain."""
    x, gain = rng.uniform(0.5, 2, size), rng.uniform(0.5, 2, size[1])
    return x.astype(dtype), gain.astype(dtype)


def reference(x: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """The truth in float64."""
    wide = np.asarray(x, np.float64)
    return np.asarray(wide / np.sqrt(np.mean(wide**2, axis=1, keepdims=True) + _EPSILON) * np.float64(gain))


def size_of(x: np.ndarray, gain: np.ndarray) -> Size:
    """Rows and columns of x.

    Raises:
        ValueError: it is no matrix, or gain no vector as long as its rows.
    """
    if x.ndim != 2 or gain.shape != x.shape[1:]:
        raise ValueError(
            f"rmsnorm takes a matrix of rows and a vector as long as they are, not shapes {x.shape} and {gain.shape}"
        )
    return x.shape


def out_shape(size: Size) -> tuple[int, ...]:
    """The output has the shape of x."""
    return size


def work(size: Size, dtype: str) -> Work:
    """A fused multiply-add and two products for an element; a quotient and a root for a row."""
    rows, columns = size
    count, item = rows * columns, item_bytes(dtype)
    operations = {"fma": count, "mul": 2 * count, "div": rows, "sqrt": rows}
    return Work(operations, (count + columns) * item, count * item)


def tolerance(size: Size, dtype: str) -> float:
    """A sum's error grows with its length, as a random walk, and the root halves it; a quarter of this was seen."""
    return (8 + size[1] ** 0.5) * float(np.finfo(dtype).eps)


def torch_rms_norm() -> Rival:
    """``torch.nn.functional.rms_norm``, and a copy into ``out``."""
    torch = installed("torch")

    def call(x: np.ndarray, gain: np.ndarray, out: np.ndarray) -> None:
        rows, weight, target = map(torch.from_numpy, (x, gain, out))
        target.copy_(torch.nn.functional.rms_norm(rows, weight.shape, weight, _EPSILON))

    return call


def variant(_schedule: Schedule) -> Template:
    """The entry template: there is one algorithm."""
    return normalised


KERNEL = Kernel(
    name="rmsnorm",
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
    rivals={"torch": torch_rms_norm},
    default_size=(1024, 1024),
    verify_sizes=((1, 1), (3, 7), (5, 67), (13, 96), (17, 131), (9, 1009)),
    tolerance=tolerance,
    split=("rows", "whole", "rows"),
    left=(
        "98 GB/s of the 105 that a copy from and to L3 reaches, with rows of 256 as with rows of 1024, so nothing is "
        "lost between the passes over a row."
    ),
)
