"""matvec: out <- a @ x, a matrix larger than the caches times a vector.

a: (rows, columns), x: (columns,), out: (rows,); float32 or float64, C-contiguous. 2 rows columns FLOP; a, x and out are
moved once each, and a is nearly all of it. Bound: memory bandwidth of reads, as there is one fma for an element of a.
Sources: Dongarra, Du Croz, Hammarling and Hanson, An Extended Set of FORTRAN Basic Linear Algebra Subprograms, 1988
(GEMV); Williams, Waterman and Patterson, Roofline, 2009.

Nothing is left to be won but to keep as many misses under way as the core can. On a Zen 5 at 256 MiB, four streams of
one vector each read 41.6 GB/s, where the ceiling of a read was 42.0; with prefetch instructions the same tile took 7 to
13 % longer. More than that takes more cores, or numbers of fewer bytes.

Genes, and what they do to the machine:
- ``variant``: *rows* takes neighbouring rows together, so that x is loaded once for all of them; *apart* takes rows
  that lie a part of the matrix apart, each a long stream of its own, with a hardware prefetcher and a DRAM page of its
  own; *parts* walks the parts of a single row together, and a is read from its first element to its last.
- ``rows vectors lanes``: the register tile. Rows are streams; rows times vectors are the sums that wait for nobody.
- ``block``: columns after which the next rows take their turn: x stays in the cache that holds so much of it.
- ``into``: whether a is prefetched, and into which caches: all, the outer ones, or as little as possible of any.
- ``distance``: elements of a row from a load to the prefetch of the same turn; behind a row's end come the next rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kernels.contract import Inputs, Kernel, Rival, Size, Work, installed, item_bytes
from kernels.language import Schedule, Space, choice, integer, power_of_two, template
from kernels.language.simd import (
    extract,
    row_reduce_add,
    tile_fma,
    tile_load,
    tile_load_part,
    tile_prefetch,
    tile_reduce_add,
    tile_zeros,
)

if TYPE_CHECKING:
    from kernels.language import Template

_TOGETHER = ("apart", "rows")
_FETCHED = ("all", "outer", "once")

SPACE = Space(
    [
        choice("variant", ("apart", "rows", "parts"), "what is walked together"),
        integer("rows", (1, 2, 3, 4, 6, 8), "rows of the register tile", default=4),
        integer("vectors", (1, 2, 3, 4, 6, 8), "vectors in a row of the register tile", default=2),
        power_of_two("lanes", 2, 16, "numbers in a vector", default=8),
        power_of_two("block", 512, 65536, "columns in one go", default=65536, when={"variant": _TOGETHER}),
        choice("into", ("none", "all", "outer", "once"), "caches that prefetching fills"),
        power_of_two("distance", 64, 4096, "elements ahead", default=512, when={"into": _FETCHED}),
    ],
    [(lambda rows, vectors: rows * vectors <= 16, "the sums exceed any register file")],
)


def locality(into: str) -> int:
    """The hint of a prefetch instruction."""
    return {"once": 0, "outer": 1, "all": 3}[into]


@template("void(T[:, ::1], T[::1], T[::1])")
def baseline(p, a, x, out):
    """The loops that everybody writes."""
    for i in range(a.shape[0]):
        total = a[i, 0] * x[0]
        for j in range(1, a.shape[1]):
            total += a[i, j] * x[j]
        out[i] = total


@template("void(T[:, ::1], T[::1], T[::1])", runtime=("block", "distance"))
def together(p, a, x, out):
    """Some rows at a time, block after block of columns; the last rows, fewer than a tile has, are neighbours."""
    rows, columns = a.shape
    turn = p.vectors * p.lanes
    extent = max(1, p.block // turn) * turn
    groups = rows // p.rows
    zero, narrow = tile_zeros(p.dtype, p.rows, p.vectors, p.lanes), tile_zeros(p.dtype, 1, p.vectors, p.lanes)
    for start in range(0, columns, extent):
        stop = min(columns, start + extent)
        # where the block's end is passed, the rows that come next begin
        skip = (columns if p.variant == "apart" else p.rows * columns) - (stop - start)
        for k in range((rows + p.rows - 1) // p.rows):
            left = min(p.rows, rows - k * p.rows)
            first, apart = (k, groups) if p.variant == "apart" and k < groups else (k * p.rows, 1)
            at, ld = first * columns, apart * columns
            whole = start + (stop - start) // turn * turn if left == p.rows else start
            sums = zero
            for j in range(start, whole, turn):
                if p.into != "none":
                    far = at + j + p.distance + (skip if j + p.distance >= stop else 0)
                    tile_prefetch(zero, a, far, ld, locality(p.into))
                t = tile_load(a, at + j, ld, p.rows, p.vectors, p.lanes)
                sums = tile_fma(t, tile_load(x, j, 0, 1, p.vectors, p.lanes), sums)
            for j in range(whole, stop, turn):
                t = tile_load_part(zero, a, at + j, ld, left, stop - j)
                sums = tile_fma(t, tile_load_part(narrow, x, j, 0, 1, stop - j), sums)
            totals = row_reduce_add(sums)
            for r in range(left):
                before = out[first + r * apart] if start > 0 else p.dtype(0)
                out[first + r * apart] = before + extract(totals, r)


@template("void(T[:, ::1], T[::1], T[::1])", runtime=("distance",))
def parts(p, a, x, out):
    """Row after row: its parts together, then the columns that are left."""
    rows, columns = a.shape
    turn = p.vectors * p.lanes
    part = columns // (p.rows * turn) * turn
    zero, narrow = tile_zeros(p.dtype, p.rows, p.vectors, p.lanes), tile_zeros(p.dtype, 1, p.vectors, p.lanes)
    for i in range(rows):
        at = i * columns
        sums, rest = zero, narrow
        for j in range(0, part, turn):
            if p.into != "none":
                far = at + j + p.distance + (columns - part if j + p.distance >= part else 0)
                tile_prefetch(zero, a, far, part, locality(p.into))
            t = tile_load(a, at + j, part, p.rows, p.vectors, p.lanes)
            sums = tile_fma(t, tile_load(x, j, part, p.rows, p.vectors, p.lanes), sums)
        for j in range(p.rows * part, columns, turn):
            t = tile_load_part(narrow, a, at + j, 0, 1, columns - j)
            rest = tile_fma(t, tile_load_part(narrow, x, j, 0, 1, columns - j), rest)
        out[i] = tile_reduce_add(sums) + tile_reduce_add(rest)


def problem(size: Size, dtype: str, rng: np.random.Generator) -> Inputs:
    """A random matrix and a random vector."""
    a, x = rng.uniform(0.5, 2, size), rng.uniform(0.5, 2, size[1])
    return a.astype(dtype, copy=False), x.astype(dtype, copy=False)


def size_of(a: np.ndarray, x: np.ndarray) -> Size:
    """Rows and columns of a.

    Raises:
        ValueError: a is no matrix, or x no vector as long as its rows.
    """
    if a.ndim != 2 or x.shape != a.shape[1:]:
        raise ValueError(f"matvec takes a matrix and a vector as long as its rows, not shapes {a.shape} and {x.shape}")
    return a.shape


def out_shape(size: Size) -> tuple[int, ...]:
    """A number for each row."""
    return size[:1]


def reference(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The truth in float64."""
    return np.asarray(a, np.float64) @ np.asarray(x, np.float64)


def work(size: Size, dtype: str) -> Work:
    """One fma for each element of a."""
    rows, columns = size
    item = item_bytes(dtype)
    return Work({"fma": rows * columns}, (rows + 1) * columns * item, rows * item)


def tolerance(size: Size, dtype: str) -> float:
    """A sum's error grows with its length, as a random walk; twice what the plain loop shows over thousands of rows.

    Higham and Mary, A New Approach to Probabilistic Rounding Error Analysis, 2019.
    """
    return (8 + size[1] ** 0.5) * float(np.finfo(dtype).eps)


def numpy_dot() -> Rival:
    """``numpy.dot``: OpenBLAS' gemv, unless NumPy was built otherwise."""
    return np.dot


def scipy_gemv() -> Rival:
    """``scipy.linalg.blas``: gemv of the transposed view, which is in the order that BLAS wants."""
    blas = installed("scipy.linalg.blas")

    def call(a: np.ndarray, x: np.ndarray, out: np.ndarray) -> None:
        (blas.dgemv if a.dtype == np.float64 else blas.sgemv)(1, a.T, x, 0, out, trans=1, overwrite_y=1)

    return call


def torch_mv() -> Rival:
    """``torch.mv``."""
    torch = installed("torch")
    return lambda a, x, out: torch.mv(torch.from_numpy(a), torch.from_numpy(x), out=torch.from_numpy(out))


def variant(schedule: Schedule) -> Template:
    """The entry template of a schedule."""
    return parts if schedule.variant == "parts" else together


KERNEL = Kernel(
    name="matvec",
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
    rivals={"numpy": numpy_dot, "scipy": scipy_gemv, "torch": torch_mv},
    default_size=(8192, 6144),
    verify_sizes=((1, 1), (3, 7), (5, 67), (13, 96), (17, 1031), (9, 2500)),
    tolerance=tolerance,
    split=("rows", "whole", "rows"),
    left=(
        "little on one core: 33 to 38 GB/s were read within hours, 86 % of what the ceiling's loop read in turns with "
        "it; more takes cores, or numbers of fewer bytes."
    ),
)
