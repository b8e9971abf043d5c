"""novelty: out <- mean distance of each genome of a pool to its 15 nearest ones in an archive.

pool: (n, genes), archive: (m, genes), out: (n,); float32 or float64, C-contiguous. Distances are Euclidean. An archive
of fewer than 15 counts as a whole; a distance that is not a number counts as infinite. n m genes differences and fused
multiply-adds, and 15 n square roots. Bytes: both matrices are read and out is written, each once. Bound: arithmetic.
Source: Lehman and Stanley, Abandoning Objectives: Evolution through the Search for Novelty Alone, 2011.

Distances are sums of squared differences: |x|^2 + |y|^2 - 2 x.y would take an operation less, and is wrong for genomes
that are close, the very ones that novelty is to find. What comes on top is picking the nearest: 15 are kept in one
sorted vector, into which a number is inserted by two instructions; rarely, as most numbers are too great. A random
order of m numbers has 15 (1 + ln(m / 15)) that belong to the nearest when they come. What is less than a limit is
written down first, without a branch for each number: 2.4 ms became 2.1 for 1024 genomes, and in blocks 1.9.

Genes, and what they do to the machine:
- ``variant``: *online* compares each tile of squares with what is the 15th of its row by then. *twice* writes the
  squares of some rows and a block of the archive to a buffer, which a second pass looks through. Of the first block it
  keeps the least of each lane: the 15th of those is the first limit, below which few squares lie.
- ``rows vectors lanes``: the register tile: rows of the pool, and as many numbers of the archive as a row has.
- ``by_column``: archive's vectors outermost within an update, not the pool's rows.
- ``steps``: genes in one turn of the inner loop.
- ``block``: tiles of the archive in a block. *online*: they meet all rows of the pool before the next ones do, and so
  the cache they stay in. *twice*: the buffer's size, and so the cache it stays in, against a later and later limit.
- ``scan``: vectors of the buffer that the second pass compares at once, to write down what is less on success; 0 writes
  it down of every vector, without asking.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kernels.contract import Inputs, Kernel, Rival, Size, Work, installed, item_bytes
from kernels.language import Schedule, Space, choice, flag, integer, power_of_two, template
from kernels.language.simd import (
    broadcast,
    extract,
    insert_sorted,
    load,
    mask_any,
    masked_load,
    reduce_add,
    sqrt,
    square_distances,
    store,
    store_less,
    tile_add,
    tile_less,
    tile_load,
    tile_min,
    tile_store,
    tile_transpose,
    tile_zeros,
)

if TYPE_CHECKING:
    from kernels.language import Template

NEIGHBOURS = 15
_LIST = 16  # numbers that are kept sorted: a whole vector
_FEW = 64  # numbers that may be written down before they are inserted

SPACE = Space(
    [
        choice("variant", ("twice", "online"), "algorithm"),
        integer("rows", (1, 2, 3, 4, 6, 8, 10, 12), "rows of the register tile", default=8),
        integer("vectors", (1, 2, 3, 4, 6), "vectors in a row of the register tile", default=3),
        power_of_two("lanes", 2, 16, "numbers in a vector", default=8),
        flag("by_column", "the archive's vectors outermost within an update"),
        power_of_two("steps", 1, 8, "genes in one turn"),
        power_of_two("block", 1, 256, "tiles of the archive in a block", default=32),
        integer("scan", (0, 1, 2, 4, 8, 16), "vectors compared at once", when={"variant": ("twice",)}),
    ],
    [
        (lambda rows, vectors: rows * vectors <= 24, "the tile has more vectors than any register file"),
    ],
)


def above_rounding(dtype: str) -> float:
    """A factor just above 1."""
    return 1 + 4 * float(np.finfo(dtype).eps)


def least(dtype: str) -> float:
    """The least normal number."""
    return float(np.finfo(dtype).tiny)


@template("void(T[:, ::1], T[:, ::1], T[::1])")
def baseline(p, pool, archive, out):
    """The loops that everybody writes, with the nearest in a sorted list."""
    count = min(NEIGHBOURS, archive.shape[0])
    nearest = np.empty(count)
    for i in range(pool.shape[0]):
        nearest[:] = np.inf
        for j in range(archive.shape[0]):
            square = 0.0
            for g in range(pool.shape[1]):
                square += (pool[i, g] - archive[j, g]) ** 2
            if square < nearest[count - 1]:
                k = count - 1
                while k > 0 and nearest[k - 1] > square:
                    nearest[k] = nearest[k - 1]
                    k -= 1
                nearest[k] = square
        out[i] = np.sqrt(nearest).sum() / count


@template("void(T[:, ::1], T[:, ::1], T[::1], T[::1], T[::1], T[::1], T[::1])", runtime=("block",))
def online(p, pool, archive, out, panels, left, buffer, lists):
    """A block of the archive after the other, against some rows of the pool after the other."""
    n, genes = pool.shape
    width = p.vectors * p.lanes
    columns = (archive.shape[0] + width - 1) // width * width
    pack(p, archive, panels)
    for k in range(0, n * _LIST, _LIST):
        store(lists, k, broadcast(p.dtype(np.inf), _LIST))
    for first in range(0, columns, p.block * width):
        for i in range(0, n, p.rows):
            pack_rows(p, pool, i, left)
            for j in range(first, min(columns, first + p.block * width), width):
                t = squares(p, left, panels, j * genes, genes)
                tile_store(t, buffer, 0, width)
                for r in range(min(p.rows, n - i)):
                    limit = lists[(i + r) * _LIST + NEIGHBOURS - 1]
                    if mask_any(tile_less(tile_load(buffer, r * width, 0, 1, p.vectors, p.lanes), limit)):
                        pick(p, buffer, r * width, limit, lists, (i + r) * _LIST)
    for i in range(n):
        out[i] = mean(p, lists, i * _LIST, archive.shape[0])


@template(runtime=("rows", "vectors"))
def pick(p, buffer, start, limit, lists, at):
    """Inserts what is near enough of one row of a tile into that row's list."""
    width, count = p.vectors * p.lanes, 0
    for q in range(start, start + width, p.lanes):
        count += store_less(buffer, p.rows * width + count, load(buffer, q, p.lanes), limit)
    store(lists, at, inserted(p, load(lists, at, _LIST), buffer, p.rows * width, count))


@template()
def inserted(p, nearest, numbers, first, count):
    """A sorted list with so many numbers more, as far as it holds them."""
    for k in range(first, first + count):
        nearest = insert_sorted(nearest, numbers[k])
    return nearest


@template("void(T[:, ::1], T[:, ::1], T[::1], T[::1], T[::1], T[::1], T[::1])", runtime=("block",))
def twice(p, pool, archive, out, panels, left, buffer, lists):
    """Some rows of the pool against a block of the archive, and then what is near of each."""
    n, genes = pool.shape
    width = p.vectors * p.lanes
    columns = (archive.shape[0] + width - 1) // width * width
    turn, step = max(1, p.scan) * p.lanes, p.block * width
    stride = (min(columns, step) + turn - 1) // turn * turn
    minima = p.rows * stride
    pack(p, archive, panels)
    high = tile_add(tile_zeros(p.dtype, p.rows, p.vectors, p.lanes), p.dtype(np.inf))
    for i in range(0, n, p.rows):
        pack_rows(p, pool, i, left)
        tile_store(high, buffer, minima, width)
        for r in range(p.rows):
            store(lists, r * _LIST, broadcast(p.dtype(np.inf), _LIST))
        for first in range(0, columns, step):
            some = min(columns - first, step)
            for j in range(0, some, width):
                t = squares(p, left, panels, (first + j) * genes, genes)
                tile_store(t, buffer, j, stride)
                if first == 0:
                    lowest = tile_load(buffer, minima, width, p.rows, p.vectors, p.lanes)
                    tile_store(tile_min(t, lowest), buffer, minima, width)
            if first == 0:
                for r in range(p.rows):  # apart from what follows: the chain of one row meets that of the next
                    buffer[minima + r * width] = limit_of(p, buffer, minima + r * width)
            end = (some + turn - 1) // turn * turn
            for r in range(min(p.rows, n - i)):
                for q in range(r * stride + some, r * stride + end):
                    buffer[q] = p.dtype(np.inf)
                nearest = load(lists, r * _LIST, _LIST)
                limit = buffer[minima + r * width] if first == 0 else extract(nearest, NEIGHBOURS - 1)
                nearest = nearest_of(p, nearest, buffer, r * stride, r * stride + end, limit, lists)
                store(lists, r * _LIST, nearest)
        for r in range(min(p.rows, n - i)):
            out[i + r] = mean(p, lists, r * _LIST, archive.shape[0])


@template()
def nearest_of(p, nearest, buffer, first, last, limit, lists):
    """A row's sorted list with more squares, of which none that matters is at or above the limit."""
    room, count = p.rows * _LIST, 0
    for j in range(first, last, max(1, p.scan) * p.lanes):
        if p.scan == 0:
            count += store_less(lists, room + count, load(buffer, j, p.lanes), limit)
        elif mask_any(tile_less(tile_load(buffer, j, 0, 1, p.scan, p.lanes), limit)):
            for q in range(j, j + p.scan * p.lanes, p.lanes):
                count += store_less(lists, room + count, load(buffer, q, p.lanes), limit)
        if count > _FEW:
            nearest = inserted(p, nearest, lists, room, count)
            limit = min(limit, extract(nearest, NEIGHBOURS - 1))
            count = 0
    return inserted(p, nearest, lists, room, count)


@template(runtime=("vectors", "lanes"))
def limit_of(p, buffer, start):
    """What is above the 15th of the least ones of the lanes, at ``start``, and infinite if they are fewer."""
    nearest = inserted(p, broadcast(p.dtype(np.inf), _LIST), buffer, start, p.vectors * p.lanes)
    return extract(nearest, NEIGHBOURS - 1) * p.dtype(above_rounding(p.dtype)) + p.dtype(least(p.dtype))


@template()
def squares(p, left, panels, at, genes):
    """A tile of squared distances: of the packed rows, and of the archive's panel at element ``at``."""
    t = tile_zeros(p.dtype, p.rows, p.vectors, p.lanes)
    whole = genes // p.steps * p.steps
    for g in range(0, whole, p.steps):
        t = square_distances(t, left, g * p.rows, panels, at + g * p.vectors * p.lanes, int(p.by_column), p.steps)
    if p.steps > 1:
        for g in range(whole, genes):
            t = square_distances(t, left, g * p.rows, panels, at + g * p.vectors * p.lanes, int(p.by_column), 1)
    return t


@template(runtime=("vectors",))
def pack(p, archive, panels):
    """Panels of a tile's width, gene after gene; behind the last genome lie infinitely distant ones."""
    m, genes = archive.shape
    width = p.vectors * p.lanes
    for first in range(0, (m + width - 1) // width * width, p.lanes):
        at = first // width * width * genes + first % width
        whole = genes // p.lanes * p.lanes if first + p.lanes <= m else 0
        for g in range(0, whole, p.lanes):
            t = tile_load(archive, first * genes + g, genes, p.lanes, 1, p.lanes)
            tile_store(tile_transpose(t), panels, at + g * width, width)
        for g in range(whole, genes):
            for j in range(p.lanes):
                far = first + j >= m
                panels[at + g * width + j] = p.dtype(np.inf) if far else archive[first + j, g]


@template(runtime=("rows",))
def pack_rows(p, pool, first, left):
    """Rows of a tile, gene after gene; behind the last row of the pool come copies of it."""
    n, genes = pool.shape
    for r in range(p.rows):
        row = min(first + r, n - 1)
        for g in range(genes):
            left[g * p.rows + r] = pool[row, g]


@template()
def mean(p, lists, at, size):
    """The mean root of the first numbers of the list at ``at``: 15, or all of an archive's ``size``."""
    count = min(NEIGHBOURS, size)
    return reduce_add(sqrt(masked_load(lists, at, _LIST, count))) / p.dtype(count)


def problem(size: Size, dtype: str, rng: np.random.Generator) -> Inputs:
    """Random genomes."""
    n, m, genes = size
    pool, archive = (rng.uniform(0.5, 2, (count, genes)).astype(dtype) for count in (n, m))
    return pool, archive


def size_of(pool: np.ndarray, archive: np.ndarray) -> Size:
    """Genomes of the pool, genomes of the archive, and genes.

    Raises:
        ValueError: they are no matrices of as many columns.
    """
    if pool.ndim != 2 or archive.ndim != 2 or pool.shape[1] != archive.shape[1]:
        raise ValueError(f"novelty takes two matrices of as many genes, not shapes {pool.shape} and {archive.shape}")
    return pool.shape[0], archive.shape[0], pool.shape[1]


def out_shape(size: Size) -> tuple[int, ...]:
    """A number for each genome of the pool."""
    return (size[0],)


def reference(pool: np.ndarray, archive: np.ndarray) -> np.ndarray:
    """The truth in float64."""
    x, y = np.asarray(pool, np.float64), np.asarray(archive, np.float64)
    count = min(NEIGHBOURS, len(y))
    with np.errstate(invalid="ignore"):
        distances = [np.sqrt(np.nan_to_num(((row - y) ** 2).sum(axis=1), nan=np.inf, posinf=np.inf)) for row in x]
    return np.array([np.partition(row, count - 1)[:count].mean() for row in distances])


def work(size: Size, dtype: str) -> Work:
    """A difference and a fused multiply-add for each gene of each pair, and the nearest ones' roots."""
    n, m, genes = size
    count = min(NEIGHBOURS, m)
    operations = {"add": n * m * genes + n * count, "fma": n * m * genes, "sqrt": n * count}
    item = item_bytes(dtype)
    return Work(operations, (n + m) * genes * item, n * item)


def workspace(schedule: Schedule, size: Size) -> tuple[int, ...]:
    """The archive's panels, a tile's rows, a buffer of squares, and lists of the nearest; behind one what may be."""
    n, m, genes = size
    width = schedule.vectors * schedule.lanes
    columns = -(-m // width) * width
    if schedule.variant == "online":
        return columns * genes, schedule.rows * genes, (schedule.rows + 1) * width + schedule.lanes, n * _LIST
    turn = max(1, schedule.scan) * schedule.lanes
    step = min(columns, schedule.block * width)
    squares = schedule.rows * (-(-step // turn) * turn + width)
    return columns * genes, schedule.rows * genes, squares, schedule.rows * _LIST + _FEW + turn + schedule.lanes


def tolerance(size: Size, dtype: str) -> float:
    """Sums of as many positive terms as genes (Higham, Accuracy and Stability, 4.2), half of that in the root."""
    return (4 + size[2] / 2) * float(np.finfo(dtype).eps)


def scipy_cdist() -> Rival:
    """``scipy.spatial.distance.cdist`` and NumPy's ``partition``."""
    cdist = installed("scipy.spatial.distance").cdist

    def call(pool: np.ndarray, archive: np.ndarray, out: np.ndarray) -> None:
        count = min(NEIGHBOURS, len(archive))
        distances = cdist(pool, archive)
        distances.partition(count - 1, axis=1)
        out[:] = distances[:, :count].mean(axis=1)

    return call


def scipy_tree() -> Rival:
    """``scipy.spatial.KDTree``, built in each call."""
    tree = installed("scipy.spatial").KDTree

    def call(pool: np.ndarray, archive: np.ndarray, out: np.ndarray) -> None:
        count = min(NEIGHBOURS, len(archive))
        distances, _ = tree(archive).query(pool, k=range(1, count + 1))
        out[:] = distances.mean(axis=1)

    return call


def torch_cdist() -> Rival:
    """``torch.cdist`` without products, and ``topk``."""
    torch = installed("torch")

    def call(pool: Any, archive: Any, out: Any) -> None:
        count = min(NEIGHBOURS, len(archive))
        exactly = "donot_use_mm_for_euclid_dist"
        distances = torch.cdist(torch.from_numpy(pool), torch.from_numpy(archive), compute_mode=exactly)
        nearest = torch.topk(distances, count, dim=1, largest=False, sorted=False).values
        torch.mean(nearest, 1, out=torch.from_numpy(out))

    return call


def variant(schedule: Schedule) -> Template:
    """The entry template of a schedule."""
    return online if schedule.variant == "online" else twice


KERNEL = Kernel(
    name="novelty",
    doc=__doc__,
    dims=("pool", "archive", "genes"),
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
    rivals={"scipy": scipy_cdist, "scipy_tree": scipy_tree, "torch": torch_cdist},
    default_size=(1024, 4096, 16),
    verify_sizes=((1, 1, 1), (3, 14, 2), (7, 33, 5), (17, 129, 3), (13, 301, 16)),
    tolerance=tolerance,
    split=("rows", "whole", "rows"),
    left=(
        "arithmetic alone runs at its bound; the rest stores squares and looks through them, which a limit "
        "known beforehand would spare."
    ),
)
