"""spmv: out <- A @ x, a sparse matrix in compressed rows times a vector; here a banded matrix.

data, indices: (nonzeros,), values and their columns, row after row; indptr: (rows + 1,), where each row begins; x: as
long as the matrix has columns; out: (rows,). float32 or float64, indices and indptr int32. Nobody checks the columns
against x. 2 nonzeros FLOP. Bytes: matrix and x are read and out is written, each once. Bound: memory bandwidth, at 12
bytes for a float64 nonzero; below that are mispredicted row ends and x, where columns are scattered.
Problems are square. This one couples neighbours on a line; ``spmv_powerlaw`` and ``spmv_mesh`` have other structures.
Sources: Saad, Iterative Methods for Sparse Linear Systems, 2003, 3.4 (the format); Greathouse and Daga, Efficient
Sparse Matrix-Vector Multiplication on GPUs using the CSR Storage Format, 2014 (*stream*); Kreutzer et al., A Unified
Sparse Matrix Data Format, 2014 (sorting within windows).

Genes, and what they do to the machine:
- ``variant``: *scalar* adds a row number by number; *sorted* does so in the order of the rows' lengths within a window,
  so that row ends are predicted; *vector* takes ``lanes`` numbers of a row at a time; *stream* writes a block of all
  products into a buffer, without regard to rows, and adds rows from there.
- ``accumulators``: sums of a row under way; more of them wait less for each other.
- ``window block``: rows that are sorted together; products in the buffer, to stay in L1.
- ``lanes``: numbers in a vector: a row's last vector is filled in part.
- ``numbers``: of x are *looked up* by one load each, or *gathered* by an instruction, which some CPUs are slow at.
- ``tail``: of a row: *masked* touches none of the next row's numbers; *beyond* reads them and drops their products,
  in every vector, so that nobody asks which is the last; *single* adds what is left number by number.
- ``sums``: *each* row's lanes are added up by themselves, or those of ``lanes`` rows *together*, by a transposition.
- ``short``: what is left of a row is added number by number, if that is so many numbers or fewer.
- ``fetch into ahead``: the matrix is prefetched at a distance, where the hardware's own is too short: into the *near*
  caches, only into *outer* ones, or as what is used *once* and displaces little.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from kernels.contract import Inputs, Kernel, Rival, Size, Work, installed, item_bytes
from kernels.language import Schedule, Space, choice, flag, integer, power_of_two, template
from kernels.language.simd import (
    blend,
    broadcast,
    column_reduce_add,
    fma,
    gather,
    load,
    lookup,
    masked_gather,
    masked_load,
    mul,
    prefetch,
    reduce_add,
    store,
    tile_load,
    tile_store,
    tile_transpose,
)

if TYPE_CHECKING:
    from kernels.language import Template

_SCALAR = {"variant": ("scalar", "sorted")}
_VECTOR = {"variant": ("vector",)}
_LANED = {"variant": ("vector", "stream")}

SPACE = Space(
    [
        choice("variant", ("vector", "scalar", "sorted", "stream"), "algorithm"),
        integer("accumulators", (1, 2, 4), "sums of a row under way", when=_SCALAR),
        power_of_two("window", 64, 8192, "rows sorted together", default=1024, when={"variant": ("sorted",)}),
        power_of_two("block", 64, 8192, "products in the buffer", default=1024, when={"variant": ("stream",)}),
        power_of_two("lanes", 2, 16, "numbers in a vector", default=8, when=_LANED),
        choice("numbers", ("looked up", "gathered"), "how x is read", when=_LANED),
        choice("tail", ("beyond", "masked", "single"), "how the last numbers of a row are added", when=_VECTOR),
        choice("sums", ("each", "together"), "how lanes are added up", when=_VECTOR),
        integer(
            "short",
            (0, 1, 2, 3, 4, 6, 8, 12, 16),
            "longest rest of a row added number by number",
            default=1,
            when=_VECTOR,
        ),
        flag("fetch", "prefetch the matrix", default=True),
        choice("into", ("near", "outer", "once"), "caches that it is prefetched into", when={"fetch": (True,)}),
        power_of_two(
            "ahead", 32, 2048, "numbers ahead of which it is prefetched", default=512, when={"fetch": (True,)}
        ),
    ],
)

_LONGEST = 31
"""Rows of this length and longer are sorted as one."""


def locality(into: str) -> int:
    """The prefetch hint for caches."""
    return {"near": 3, "outer": 2, "once": 0}[into]


@template("void(T[::1], int32[::1], int32[::1], T[::1], T[::1])")
def baseline(p, data, indices, indptr, x, out):
    """The loops that everybody writes."""
    for i in range(out.size):
        total = p.dtype(0)
        for k in range(indptr[i], indptr[i + 1]):
            total += data[k] * x[indices[k]]
        out[i] = total


@template()
def term(p, data, indices, x, k):
    """One product. Unsigned, because Numba would ask of every index whether it counts from behind."""
    return data[np.uint64(k)] * x[np.uint32(indices[np.uint64(k)])]


@template()
def added(p, data, indices, x, k, stop):
    """The sum of the products from ``k`` to ``stop``, number by number."""
    total = p.dtype(0)
    if p.accumulators > 1:
        second = p.dtype(0)
        if p.accumulators == 2:
            while k + 2 <= stop:
                total += term(p, data, indices, x, k)
                second += term(p, data, indices, x, k + 1)
                k += 2
        else:
            third, fourth = p.dtype(0), p.dtype(0)
            while k + 4 <= stop:
                total += term(p, data, indices, x, k)
                second += term(p, data, indices, x, k + 1)
                third += term(p, data, indices, x, k + 2)
                fourth += term(p, data, indices, x, k + 3)
                k += 4
            total, second = total + third, second + fourth
        total += second
    while k < stop:
        total += term(p, data, indices, x, k)
        k += 1
    return total


@template("void(T[::1], int32[::1], int32[::1], T[::1], T[::1])", runtime=("ahead",))
def scalar(p, data, indices, indptr, x, out):
    """Row after row, number by number."""
    for i in range(out.size):
        if p.fetch:
            fetched(p, data, indices, indptr[i])
        out[i] = added(p, data, indices, x, np.int64(indptr[i]), np.int64(indptr[i + 1]))


@template("void(T[::1], int32[::1], int32[::1], T[::1], T[::1])", runtime=("window", "ahead"))
def ordered(p, data, indices, indptr, x, out):
    """The rows of a window in the order of their lengths, by counting."""
    order = np.empty(p.window, np.int32)
    places = np.empty(_LONGEST + 2, np.int32)
    for first in range(0, out.size, p.window):
        last = min(out.size, first + p.window)
        places[:] = 0
        for i in range(first, last):
            places[min(indptr[i + 1] - indptr[i], _LONGEST) + 1] += 1
            if p.fetch:
                fetched(p, data, indices, indptr[i])
        for length in range(_LONGEST + 1):
            places[length + 1] += places[length]
        for i in range(first, last):
            length = min(indptr[i + 1] - indptr[i], _LONGEST)
            order[places[length]] = i
            places[length] += 1
        for k in range(last - first):
            i = order[k]
            out[i] = added(p, data, indices, x, np.int64(indptr[i]), np.int64(indptr[i + 1]))


@template("void(T[::1], int32[::1], int32[::1], T[::1], T[::1], T[::1])", runtime=("short", "ahead"))
def vector(p, data, indices, indptr, x, out, buffer):
    """Row after row, some numbers at a time; ``lanes`` rows wait in the buffer until their lanes are added up."""
    rows = out.size
    safe = data.size - p.lanes  # the last place from which a whole vector can be read
    zero = broadcast(p.dtype(0), p.lanes)
    stop = np.int64(indptr[0])
    for i in range(rows):
        k, stop = stop, np.int64(indptr[i + 1])
        total = zero
        while (stop - k > p.short and k <= safe) if p.tail == "beyond" else stop - k >= p.lanes:
            if p.fetch:
                fetched(p, data, indices, k)
            v = picked(p, indices, x, k)
            if p.tail == "beyond":
                total = blend(fma(load(data, k, p.lanes), v, total), total, stop - k)
            else:
                total = fma(load(data, k, p.lanes), v, total)
            k += p.lanes
        if p.tail != "single" and stop - k > p.short:
            v = masked_gather(x, 0, masked_load(indices, k, p.lanes, stop - k), stop - k)
            total = fma(masked_load(data, k, p.lanes, stop - k), v, total)
            k = stop
        single = p.dtype(0)
        while k < stop:
            single += term(p, data, indices, x, k)
            k += 1
        if p.sums == "each":
            out[i] = reduce_add(total) + single
        else:
            place = i % p.lanes * p.lanes
            store(buffer, place, total)
            buffer[place] += single
            if i % p.lanes == p.lanes - 1:
                t = tile_transpose(tile_load(buffer, 0, p.lanes, p.lanes, 1, p.lanes))
                tile_store(column_reduce_add(t), out, i - p.lanes + 1, 0)
    if p.sums == "together":
        for i in range(rows - rows % p.lanes, rows):
            out[i] = reduce_add(load(buffer, i % p.lanes * p.lanes, p.lanes))


@template(runtime=("ahead",))
def fetched(p, data, indices, k):
    """Prefetches what is wanted ``ahead`` numbers after the k-th."""
    prefetch(data, k + p.ahead, locality(p.into), 0)
    prefetch(indices, k + p.ahead, locality(p.into), 0)


@template()
def picked(p, indices, x, k):
    """The numbers of x that belong to ``lanes`` values from the k-th on."""
    return lookup(x, indices, k, p.lanes) if p.numbers == "looked up" else gather(x, 0, load(indices, k, p.lanes))


@template("void(T[::1], int32[::1], int32[::1], T[::1], T[::1], T[::1])", runtime=("block", "ahead"))
def stream(p, data, indices, indptr, x, out, buffer):
    """Block after block of products; a row that a block ends within goes on in the next."""
    i, k, end = 0, np.int64(indptr[0]), np.int64(indptr[out.size])
    total = p.dtype(0)
    for first in range(k, end + 1, p.block):  # once even where all rows are empty
        last = min(end, first + p.block)
        for m in range(first, last, p.lanes):
            if p.fetch:
                fetched(p, data, indices, m)
            if last - m >= p.lanes:
                store(buffer, m - first, mul(load(data, m, p.lanes), picked(p, indices, x, m)))
            else:
                v = masked_gather(x, 0, masked_load(indices, m, p.lanes, last - m), last - m)
                store(buffer, m - first, mul(masked_load(data, m, p.lanes, last - m), v))
        while i < out.size and indptr[i + 1] <= last:
            total += summed(p, buffer, k - first, indptr[i + 1] - first)
            out[i] = total
            total = p.dtype(0)
            k = np.int64(indptr[i + 1])
            i += 1
        total += summed(p, buffer, k - first, last - first)
        k = last


@template()
def summed(p, buffer, k, stop):
    """The sum of the buffer's numbers from ``k`` to ``stop``."""
    total = broadcast(p.dtype(0), p.lanes)
    for m in range(k, stop, p.lanes):
        total = fma(masked_load(buffer, m, p.lanes, stop - m), broadcast(p.dtype(1), p.lanes), total)
    return reduce_add(total)


def row_starts(size: Size, weights: np.ndarray) -> np.ndarray:
    """Where rows begin whose lengths are in the ratio of the weights, as near as whole numbers can be."""
    shares = np.cumsum(weights)
    ends = np.floor(math.prod(size) * (shares / shares[-1]) + 0.5)
    return np.concatenate(([0], ends)).astype(np.int32)


def matrix_problem(indptr: np.ndarray, indices: np.ndarray, dtype: str, rng: np.random.Generator) -> Inputs:
    """Random values for a structure, and a random vector."""
    rows = indptr.size - 1
    data, x = (rng.uniform(0.5, 2, count).astype(dtype) for count in (indices.size, rows))
    return data, indices.astype(np.int32), indptr, x


def problem(size: Size, dtype: str, rng: np.random.Generator) -> Inputs:
    """A square matrix with as many nonzeros in every row, around the diagonal; it wraps round if it must."""
    rows, per_row = size
    first = np.clip(np.arange(rows) - per_row // 2, 0, max(0, rows - per_row))
    indptr = row_starts(size, np.ones(rows))
    indices = (first[:, np.newaxis] + np.arange(per_row)).ravel() % rows
    return matrix_problem(indptr, indices, dtype, rng)


def reference(data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The truth in float64."""
    rows = np.repeat(np.arange(indptr.size - 1), np.diff(indptr))
    products = np.asarray(data, np.float64) * np.asarray(x, np.float64)[indices]
    return np.bincount(rows, products, indptr.size - 1)


def size_of(data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, x: np.ndarray) -> Size:
    """Rows, and nonzeros in a row: their mean, rounded up.

    Raises:
        ValueError: the arrays are no matrix in compressed rows, or there is no x for it.
    """
    rows, nonzeros = indptr.size - 1, data.size
    if data.shape != indices.shape or rows < 0 or indptr.item(0) != 0 or indptr.item(-1) != nonzeros:
        raise ValueError(
            f"indptr must begin with 0 and end with the length of data and indices, whose shapes are {data.shape} "
            f"and {indices.shape}"
        )
    if nonzeros and not x.size:
        raise ValueError(f"a matrix of {nonzeros} nonzeros needs an x, not one of shape {x.shape}")
    return rows, -(-nonzeros // rows) if rows else 0


def out_shape(size: Size) -> tuple[int, ...]:
    """One number a row."""
    return (size[0],)


def work(size: Size, dtype: str) -> Work:
    """One fused multiply-add a nonzero; the matrix is square."""
    rows, nonzeros = size[0], math.prod(size)
    item = item_bytes(dtype)
    read_bytes = nonzeros * (item + 4) + (rows + 1) * 4 + rows * item
    return Work({"fma": nonzeros}, read_bytes, rows * item)


def workspace(schedule: Schedule, _size: Size) -> tuple[int, ...]:
    """The lanes of some rows, or the products of a block."""
    if schedule.variant == "vector":
        return (schedule.lanes**2,)
    return (schedule.block + schedule.lanes,) if schedule.variant == "stream" else ()


def rounding(longest: int, dtype: str) -> float:
    """Of a sum of positive products: it grows with the length of a row, as a random walk does."""
    return (8 + 2 * longest**0.5) * float(np.finfo(dtype).eps)


def tolerance(size: Size, dtype: str) -> float:
    """Of a sum of a row."""
    return rounding(size[1], dtype)


def scipy_csr() -> Rival:
    """``scipy.sparse.csr_array`` times a vector; the matrix is made at the first call."""
    csr_array = installed("scipy.sparse").csr_array
    made: dict[Any, Any] = {}

    def call(data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, x: np.ndarray, out: np.ndarray) -> None:
        key = tuple((part.ctypes.data, part.size) for part in (data, indices, indptr))
        if key not in made:
            made.clear()
            made[key] = csr_array((data, indices, indptr), shape=(indptr.size - 1, x.size), copy=False)
        out[:] = made[key] @ x

    return call


def torch_csr() -> Rival:
    """A sparse CSR tensor times a vector; the matrix is made at the first call."""
    torch = installed("torch")
    made: dict[Any, Any] = {}

    def call(data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, x: np.ndarray, out: np.ndarray) -> None:
        key = tuple((part.ctypes.data, part.size) for part in (data, indices, indptr))
        if key not in made:
            made.clear()
            parts = [torch.from_numpy(part) for part in (indptr, indices, data)]
            with warnings.catch_warnings(action="ignore"):  # that they are new, and unchecked
                made[key] = torch.sparse_csr_tensor(*parts, size=(indptr.size - 1, x.size))
        torch.mv(made[key], torch.from_numpy(x), out=torch.from_numpy(out))

    return call


def variant(schedule: Schedule) -> Template:
    """The entry template of a schedule."""
    return {"scalar": scalar, "sorted": ordered, "vector": vector, "stream": stream}[schedule.variant]


KERNEL = Kernel(
    name="spmv",
    doc=__doc__,
    dims=("rows", "per_row"),
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
    rivals={"scipy": scipy_csr, "torch": torch_csr},
    default_size=(1 << 20, 9),
    verify_sizes=((1, 1), (7, 3), (5, 8), (67, 5), (131, 9), (40, 100)),
    tolerance=tolerance,
    split=("whole", "whole", "fence", "whole", "rows"),
    small={"window": (256, 1024, 4096), "block": (256, 1024, 4096), "short": (0, 1, 4, 8), "ahead": (128, 512, 2048)},
    left=(
        "a nonzero takes 0.31 ns from caches, and 0.30 by its bytes from memory, which overlap only in part: 0.37 to "
        "0.41 together; fewer instructions a row would let loads run further ahead."
    ),
)
