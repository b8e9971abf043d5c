"""surrogate_predict: out <- weighted Matern-5/2 kernels of each genome of a pool and all known ones.

out[i] = sum over j of weights[j] k(r), k(r) = (1 + a + a^2 / 3) exp(-a), a = sqrt(5) r, r the Euclidean distance of
pool[i] and known[j]: the mean of a Gaussian process that has seen the known genomes, and also a radial basis network.
pool: (n, genes) and known: (m, genes), encoded and divided by their length scales; weights: (m,), out: (n,); float32
or float64, C-contiguous. n m (genes + 5) fused multiply-adds, n m exps, n m square roots. Bytes: all inputs are read
and out is written, each once. Bound: the functions up to some 10 genes, arithmetic beyond.
Sources: Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, equation 4.17; Snoek, Larochelle and
Adams, Practical Bayesian Optimization, 2012 (why not the smoother squared exponential).

The squared distance may be had from products, as k is flat at 0: 1 - a^2 / 6. What cancels in |x|^2 + |y|^2 - 2 x.y is
wrong by some eps of |x|^2, and so is k. Weights of both signs cancel too; the tolerance is for weights of one.

Genes, and what they do to the machine:
- ``distances``: *products* takes one fused multiply-add for a gene, with both norms as two genes more; *differences*
  a subtraction too, which other units of the CPU may do meanwhile.
- ``passes``: *fused* keeps a tile in registers from distances to sums; *split* writes the squares of some rows and a
  block to a buffer first, so that either pass has the registers and the tile that it needs.
- ``rows vectors lanes``: the register tile: rows of the pool, and as many known genomes as a row has numbers. In the
  second of two passes it has one row.
- ``by_column``: the known genomes' vectors outermost within an update, not the pool's rows.
- ``steps``: genes in one turn of the inner loop.
- ``block``: tiles of known genomes that meet all rows of the pool before the next ones do: the cache they stay in.
- ``scaling``: the factor 5 is brought into the genes when they are *packed*, or into each square of the *tile*.
- ``degree``: of exp's polynomial in float32, of which float64 takes 5 more. One more costs one fma.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kernels.contract import Inputs, Kernel, Rival, Size, Work, installed, item_bytes
from kernels.language import Schedule, Space, choice, flag, integer, power_of_two, template
from kernels.language.simd import (
    rank1,
    row_reduce_add,
    scale,
    square_distances,
    store,
    tile_exp2,
    tile_fma,
    tile_load,
    tile_max,
    tile_mul,
    tile_reduce_add,
    tile_sqrt,
    tile_store,
    tile_zeros,
)

if TYPE_CHECKING:
    from kernels.language import Template

SPACE = Space(
    [
        choice("distances", ("products", "differences"), "how squares come about"),
        choice("passes", ("fused", "split"), "distances and kernels together or one after the other"),
        integer("rows", (1, 2, 3, 4, 6, 8), "rows of the register tile", default=4),
        integer("vectors", (1, 2, 3, 4, 6), "vectors in a row of the register tile", default=4),
        power_of_two("lanes", 2, 16, "numbers in a vector", default=8),
        flag("by_column", "the known genomes' vectors outermost within an update"),
        power_of_two("steps", 1, 8, "genes in one turn"),
        power_of_two("block", 1, 128, "tiles of known genomes in a block", default=16),
        choice("scaling", ("packed", "tile"), "where the factor 5 is brought in"),
        integer("degree", (5, 6, 7), "degree of exp's polynomial in float32"),
    ],
    [(lambda rows, vectors: rows * vectors <= 24, "the tile has more vectors than any register file")],
)

_LOG2_E = 1.4426950408889634
_NORMS = 2  # genes more where distances come from products


def exponent_degree(dtype: str, in_float32: int) -> int:
    """Of exp's polynomial."""
    return in_float32 + 5 if dtype == "float64" else in_float32


def depth(distances: str, genes: int) -> int:
    """Genes of packed rows."""
    return genes + _NORMS if distances == "products" else genes


@template("void(T[:, ::1], T[:, ::1], T[::1], T[::1])")
def baseline(p, pool, known, weights, out):
    """The loops that everybody writes."""
    for i in range(pool.shape[0]):
        total = 0.0
        for j in range(known.shape[0]):
            square = 0.0
            for g in range(pool.shape[1]):
                square += (pool[i, g] - known[j, g]) ** 2
            a = np.sqrt(5 * square)
            total += weights[j] * (1 + a + a * a / 3) * np.exp(-a)
        out[i] = total


@template("void(T[:, ::1], T[:, ::1], T[::1], T[::1], T[::1], T[::1], T[::1], T[::1])", runtime=("block",))
def tiled(p, pool, known, weights, out, panels, padded, left, buffer):
    """A block of known genomes after the other, against some rows of the pool after the other."""
    n = pool.shape[0]
    genes = pool.shape[1] + (_NORMS if p.distances == "products" else 0)
    width = p.vectors * p.lanes
    columns = (known.shape[0] + width - 1) // width * width
    pack(p, known, weights, panels, padded)
    out[:] = p.dtype(0)
    for first in range(0, columns, p.block * width):
        last = min(columns, first + p.block * width)
        for i in range(0, n, p.rows):
            pack_rows(p, pool, i, left)
            if p.passes == "fused":
                sums = tile_zeros(p.dtype, p.rows, p.vectors, p.lanes)
                for j in range(first, last, width):
                    w = tile_load(padded, j, 0, 1, p.vectors, p.lanes)
                    sums = tile_fma(matern(p, squares(p, left, panels, j * genes, genes)), w, sums)
                store(left, 0, row_reduce_add(sums))
                for r in range(min(p.rows, n - i)):
                    out[i + r] += left[r]
            else:
                for j in range(first, last, width):
                    tile_store(squares(p, left, panels, j * genes, genes), buffer, j - first, p.block * width)
                for r in range(min(p.rows, n - i)):
                    sums = tile_zeros(p.dtype, 1, p.vectors, p.lanes)
                    for j in range(first, last, width):
                        t = tile_load(buffer, r * p.block * width + j - first, 0, 1, p.vectors, p.lanes)
                        w = tile_load(padded, j, 0, 1, p.vectors, p.lanes)
                        sums = tile_fma(matern(p, t), w, sums)
                    out[i + r] += tile_reduce_add(sums)


@template()
def matern(p, squares):
    """The kernel of a tile of squared distances, 5 times as large if that was packed."""
    a = tile_sqrt(squares if p.scaling == "packed" else scale(squares, p.dtype(5)))
    factor = tile_fma(a, tile_fma(a, p.dtype(1 / 3), p.dtype(1)), p.dtype(1))
    return tile_mul(factor, tile_exp2(scale(a, p.dtype(-_LOG2_E)), exponent_degree(p.dtype, p.degree)))


@template()
def squares(p, left, panels, at, genes):
    """A tile of squared distances: of the packed rows, and of the known genomes' panel at element ``at``."""
    t = tile_zeros(p.dtype, p.rows, p.vectors, p.lanes)
    whole = genes // p.steps * p.steps
    for g in range(0, whole, p.steps):
        b = at + g * p.vectors * p.lanes
        if p.distances == "products":
            t = rank1(t, left, g * p.rows, panels, b, int(p.by_column), p.steps)
        else:
            t = square_distances(t, left, g * p.rows, panels, b, int(p.by_column), p.steps)
    if p.steps > 1:
        for g in range(whole, genes):
            b = at + g * p.vectors * p.lanes
            if p.distances == "products":
                t = rank1(t, left, g * p.rows, panels, b, int(p.by_column), 1)
            else:
                t = square_distances(t, left, g * p.rows, panels, b, int(p.by_column), 1)
    if p.distances == "products":
        # rounding may leave less than nothing; what is not a number stays so, as it is given last
        t = tile_max(tile_zeros(p.dtype, p.rows, p.vectors, p.lanes), t)
    return t


@template(runtime=("vectors", "lanes"))
def pack(p, known, weights, panels, padded):
    """Panels of a tile's width, gene after gene, and weights; behind the last genome lie such of no weight."""
    m, count = known.shape
    width = p.vectors * p.lanes
    genes = count + (_NORMS if p.distances == "products" else 0)
    factor = p.dtype(5 if p.distances == "products" else 5**0.5) if p.scaling == "packed" else p.dtype(1)
    for first in range(0, m, width):
        for j in range(width):
            row = min(first + j, m - 1)
            at = first * genes + j
            padded[first + j] = weights[row] if first + j < m else p.dtype(0)
            norm = p.dtype(0)
            for g in range(count):
                x = known[row, g]
                norm += x * x
                panels[at + g * width] = x * (factor * p.dtype(-2) if p.distances == "products" else factor)
            if p.distances == "products":
                panels[at + count * width] = factor
                panels[at + (count + 1) * width] = norm * factor


@template(runtime=("rows",))
def pack_rows(p, pool, first, left):
    """Rows of a tile, gene after gene; behind the last row of the pool come copies of it."""
    n, count = pool.shape
    factor = p.dtype(5**0.5) if p.scaling == "packed" and p.distances == "differences" else p.dtype(1)
    for r in range(p.rows):
        row = min(first + r, n - 1)
        norm = p.dtype(0)
        for g in range(count):
            x = pool[row, g]
            norm += x * x
            left[g * p.rows + r] = x * factor
        if p.distances == "products":
            left[count * p.rows + r] = norm
            left[(count + 1) * p.rows + r] = p.dtype(1)


def problem(size: Size, dtype: str, rng: np.random.Generator) -> Inputs:
    """Random genomes and weights."""
    n, m, genes = size
    shapes = ((n, genes), (m, genes), (m,))
    return tuple(rng.uniform(0.5, 2, shape).astype(dtype) for shape in shapes)


def size_of(pool: np.ndarray, known: np.ndarray, weights: np.ndarray) -> Size:
    """Genomes of the pool, known genomes, and genes.

    Raises:
        ValueError: the genomes are no matrices of as many columns, or the weights not as many as the known genomes.
    """
    if pool.ndim != 2 or known.ndim != 2 or pool.shape[1] != known.shape[1] or weights.shape != known.shape[:1]:
        shapes = f"{pool.shape}, {known.shape} and {weights.shape}"
        raise ValueError(
            f"surrogate_predict takes two matrices of as many genes and a weight a row, not shapes {shapes}"
        )
    return pool.shape[0], known.shape[0], pool.shape[1]


def out_shape(size: Size) -> tuple[int, ...]:
    """A number for each genome of the pool."""
    return (size[0],)


def reference(pool: np.ndarray, known: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The truth in float64."""
    x, y, w = (np.asarray(values, np.float64) for values in (pool, known, weights))
    roots = (np.sqrt(5 * ((row - y) ** 2).sum(axis=1)) for row in x)
    return np.array([((1 + a + a * a / 3) * np.exp(-a)) @ w for a in roots])


def work(size: Size, dtype: str) -> Work:
    """For a pair a fused multiply-add for each gene and both norms, one each of the weight, a and a^2; exp and root."""
    n, m, genes = size
    pairs = n * m
    operations = {"fma": pairs * (genes + 5), "mul": pairs, "exp": pairs, "sqrt": pairs}
    item = item_bytes(dtype)
    return Work(operations, ((n + m) * genes + m) * item, n * item)


def workspace(schedule: Schedule, size: Size) -> tuple[int, ...]:
    """Panels and weights of known genomes, a tile's rows, and a buffer of squares between two passes."""
    _, m, count = size
    width = schedule.vectors * schedule.lanes
    columns, genes = -(-m // width) * width, depth(schedule.distances, count)
    buffer = schedule.rows * schedule.block * width if schedule.passes == "split" else 0
    return columns * genes, columns, schedule.rows * genes, buffer


def tolerance(size: Size, dtype: str) -> float:
    """What products leave of norms as large as 4 genes, of which k takes a sixth; and the sum's, as a random walk."""
    _, m, genes = size
    return (16 + 4 * genes + m**0.5) * float(np.finfo(dtype).eps)


def numpy_products() -> Rival:
    """NumPy, with distances from a matrix product."""

    def call(pool: Any, known: Any, weights: Any, out: Any) -> None:
        squares = pool @ (-2 * known.T)
        squares += (pool * pool).sum(axis=1)[:, np.newaxis]
        squares += (known * known).sum(axis=1)
        a = np.sqrt(5 * np.maximum(squares, 0))
        np.matmul((1 + a + a * a / 3) * np.exp(-a), weights, out=out)

    return call


def scipy_cdist() -> Rival:
    """``scipy.spatial.distance.cdist``, and NumPy for the rest."""
    cdist = installed("scipy.spatial.distance").cdist

    def call(pool: Any, known: Any, weights: Any, out: Any) -> None:
        a = cdist(pool, known) * 5**0.5
        out[:] = ((1 + a + a * a / 3) * np.exp(-a)) @ weights

    return call


def torch_cdist() -> Rival:
    """``torch.cdist``, and torch for the rest."""
    torch = installed("torch")

    def call(pool: Any, known: Any, weights: Any, out: Any) -> None:
        x, y, w = (torch.from_numpy(values) for values in (pool, known, weights))
        a = torch.cdist(x, y) * 5**0.5
        torch.mv((1 + a + a * a / 3) * torch.exp(-a), w, out=torch.from_numpy(out))

    return call


def variant(_schedule: Schedule) -> Template:
    """The entry template of a schedule."""
    return tiled


KERNEL = Kernel(
    name="surrogate_predict",
    doc=__doc__,
    dims=("pool", "known", "genes"),
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
    rivals={"numpy": numpy_products, "scipy": scipy_cdist, "torch": torch_cdist},
    default_size=(2048, 512, 16),
    verify_sizes=((1, 1, 1), (3, 14, 2), (7, 33, 5), (17, 129, 3), (13, 301, 16)),
    tolerance=tolerance,
    split=("rows", "whole", "whole", "rows"),
    left=(
        "distances run at the rate of fused multiply-adds; root, exp and sum take 0.47 ns a pair beside them, where "
        "the bound has 0.36. exp by a table, as in black_scholes, would spare four products for 8 pairs: 0.07 ns of "
        "0.75."
    ),
)
