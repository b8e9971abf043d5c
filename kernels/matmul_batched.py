"""matmul_batched: out[i] <- a[i] @ b[i] for a batch of row-major matrices of any shape.

a: (batch, m, k), b: (batch, k, n), out: (batch, m, n); float32 or float64, C-contiguous. 2 batch mnk FLOP; every matrix
is moved once at least. Bound: of many small products the bandwidth of memory, or of the cache that holds them all: n^3
ones have n / 12 FLOP for a byte in float64, twice as many in float32; from some 64^3 on arithmetic.

Nothing is shared between products, so their loop stands outside all others, but for one algorithm that has it inside
them. *whole*: tiles of one product after the other, of all its depth, so that each is written once; what does not fill
a tile is done by one that overlaps its neighbour. Matrices are read where they lie, as copying costs a small product
more than it spares (Heinecke et al., LIBXSMM, 2016). *blocked*: ``matmul``'s packed algorithm, with its blocks for
caches, on each product: for large ones. *interleaved*: as many products as a vector has lanes at once, a matrix in each
lane, into which they are copied first: for tiny ones and shapes that no vector fits (Kim et al., Designing
Vector-Friendly Compact BLAS and LAPACK Kernels, 2017).

Threads share the batch; of a single product its rows.

Genes, and what they do to the machine; those of ``matmul`` mean here what they mean there:
- ``variant``: the algorithms above.
- ``mr nv lanes``: the register tile: rows, vectors in a row, numbers in a vector. Of *interleaved*, the vectors are
  columns and the numbers products.
- ``steps``: updates in one turn of the inner loop.
- ``by_column``: vectors of b outermost within an update, not rows of a.
- ``rows_inside``: rows of tiles run innermost: b's columns stay in L1, not a's rows.
- ``pack_b``: b is copied into panels: rows that lie a power of two apart fall into few sets of L1.
- ``fetch_out``: the tile of out is fetched into L1 before its sums are made.
- ``fetch_next``: the next product's a and b are fetched, some with each tile, into the *near* caches or only *outer*
  ones: the hardware's own prefetcher meets a small matrix anew.
- ``stores``: *streaming* goes past the caches, where rows are aligned: spares reading what is overwritten.
- ``mc kc nc outer pack_a a_columns ahead_a ahead_b``: of *blocked*: cache blocks, their order, how a is copied, and
  what is fetched ahead within panels.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kernels.contract import Inputs, Kernel, Rival, Size, Work, installed, item_bytes
from kernels.language import Schedule, Space, choice, template
from kernels.language.simd import (
    fence,
    prefetch,
    rank1_strided,
    tile_fma,
    tile_load,
    tile_load_part,
    tile_prefetch,
    tile_store,
    tile_store_part,
    tile_stream,
    tile_transpose,
    tile_zeros,
)
from kernels.matmul import KERNEL as MATMUL
from kernels.matmul import copy_a, copy_b, micro, packed  # noqa: F401 - of micro, packed takes the address
from kernels.matmul import tolerance as tolerance_of_one
from kernels.matmul import workspace as workspace_of_one
from kernels.openblas import AS_IT_IS, ROW_MAJOR, avx512_gemms

if TYPE_CHECKING:
    from kernels.language import Parameter, Template, Value

_LINE_BYTES = 64
_WHOLE = {"variant": ("whole",)}
_VARIANTS = ("whole", "blocked", "interleaved")
_VARIANTS_BY_GENE = {
    **dict.fromkeys(("mr", "nv", "lanes"), _VARIANTS),
    **dict.fromkeys(("steps", "by_column", "rows_inside", "pack_b", "fetch_out"), _VARIANTS[:2]),
    **dict.fromkeys(("mc", "kc", "nc", "outer", "pack_a", "a_columns", "ahead_a", "ahead_b"), ("blocked",)),
}
"""Which algorithms have a gene of ``matmul``."""
_DEFAULTS: dict[str, Value] = {"mr": 6, "nv": 1, "lanes": 16, "steps": 2, "rows_inside": False, "pack_b": False}
"""Where they are not those of ``matmul``."""


def _gene(name: str) -> Parameter:
    one = MATMUL.space.by_name[name]
    return replace(one, when={"variant": _VARIANTS_BY_GENE[name]}, default=_DEFAULTS.get(name, one.default))


SPACE = Space(
    [
        choice("variant", _VARIANTS, "algorithm"),
        *map(_gene, _VARIANTS_BY_GENE),
        choice("fetch_next", ("near", "outer", "no"), "caches that the next product is fetched into", when=_WHOLE),
        choice("stores", ("ordinary", "streaming"), "through the caches or past them", when=_WHOLE),
    ],
    [(constraint.predicate, constraint.reason) for constraint in MATMUL.space.constraints],
)


@template("void(T[:, :, ::1], T[:, :, ::1], T[:, :, ::1])")
def baseline(_p, a, b, out):
    """The loops of the definition, as anybody would write them."""
    for e in range(a.shape[0]):
        for i in range(a.shape[1]):
            for j in range(b.shape[2]):
                total = a[e, i, 0] * b[e, 0, j]
                for k in range(1, a.shape[2]):
                    total += a[e, i, k] * b[e, k, j]
                out[e, i, j] = total


@template(
    "void(T[:, :, ::1], T[:, :, ::1], T[:, :, ::1], T[::1], T[::1])", runtime=packed.runtime, pointers=packed.pointers
)
def blocked(p, a, b, out, panel_a, panel_b):
    """Cache blocks and panels of one product after the other."""
    for e in range(a.shape[0]):
        packed(p, a[e], b[e], out[e], panel_a, panel_b)


@template(
    "void(T[:, :, ::1], T[:, :, ::1], T[:, :, ::1], T[::1], T[::1])",
    runtime=("pack_b",),
    pointers=("copy_a", "copy_b"),
)
def whole(p, a, b, out, panel_a, panel_b):
    """Tiles of one product after the other; copied is what one tile is too large for, and b where it is wanted."""
    batch, m, depth = a.shape
    n = b.shape[2]
    width, line = p.nv * p.lanes, _LINE_BYTES // item_bytes(p.dtype)
    flat_a, flat_b = a.reshape(a.size), b.reshape(b.size)
    copies_a, copies_b = m < p.mr, p.pack_b or n < width
    left, right = panel_a if copies_a else flat_a, panel_b if copies_b else flat_b
    # in panels, a row of b is as long as a tile's, and the next columns lie behind all rows
    ldb = width if copies_b else n
    across = depth if copies_b else 1
    last = n if copies_b else n - width
    is_aligned = (out.ctypes.data | n * item_bytes(p.dtype)) % (p.lanes * item_bytes(p.dtype)) == 0
    tiles = ((m + p.mr - 1) // p.mr) * ((n + width - 1) // width)
    share_a, share_b = m * depth // tiles + 1, depth * n // tiles + 1
    for e in range(batch):
        if copies_a:
            copy_a(p, flat_a, e * m * depth, depth, m, depth, panel_a)
        if copies_b:
            copy_b(p, flat_b, e * depth * n, n, depth, n, panel_b)
        at_a, at_b = 0 if copies_a else e * m * depth, 0 if copies_b else e * depth * n
        next_a, next_b = (e + 1) * m * depth, (e + 1) * depth * n
        for x in range(0, n if p.rows_inside else m, width if p.rows_inside else p.mr):
            for y in range(0, m if p.rows_inside else n, p.mr if p.rows_inside else width):
                i = max(0, min(y if p.rows_inside else x, m - p.mr))
                j = min(x if p.rows_inside else y, last)
                at = (e * m + i) * n + j
                u, v = at_a + i * depth, at_b + j * across
                tile = tile_zeros(p.dtype(0), p.mr, p.nv, p.lanes)
                if p.fetch_out:
                    tile_prefetch(tile, out, at, n, 3, 1)
                if p.fetch_next != "no":
                    for q in range(0, share_a, line):
                        prefetch(flat_a, next_a + q, 3 if p.fetch_next == "near" else 2, 0)
                    for q in range(0, share_b, line):
                        prefetch(flat_b, next_b + q, 3 if p.fetch_next == "near" else 2, 0)
                    next_a += share_a
                    next_b += share_b
                for _ in range(depth // p.steps):
                    tile = rank1_strided(tile, left, u, depth, right, v, ldb, int(p.by_column), p.steps)
                    u += p.steps
                    v += ldb * p.steps
                if p.steps > 1:
                    for _ in range(depth % p.steps):
                        tile = rank1_strided(tile, left, u, depth, right, v, ldb, int(p.by_column), 1)
                        u += 1
                        v += ldb
                if m < p.mr or n - j < width:
                    tile_store_part(tile, out, at, n, m - i, n - j)
                elif p.stores == "streaming" and is_aligned:
                    tile_stream(tile, out, at, n)
                else:
                    tile_store(tile, out, at, n)
    if p.stores == "streaming":
        fence()


@template("void(T[:, :, ::1], T[:, :, ::1], T[:, :, ::1], T[::1], T[::1], T[::1])", pointers=("interleave", "separate"))
def interleaved(p, a, b, out, wide_a, wide_b, wide_out):
    """As many products at once as a vector has lanes: no number meets one of another lane."""
    batch, m, depth = a.shape
    n = b.shape[2]
    for e in range(0, batch, p.lanes):
        interleave(p, a, e, batch - e, wide_a)
        interleave(p, b, e, batch - e, wide_b)
        for i in range(0, m, p.mr):
            for j in range(0, n, p.nv):
                tile = tile_zeros(p.dtype(0), p.mr, p.nv, p.lanes)
                u, v = i * depth * p.lanes, j * p.lanes
                for _ in range(depth):
                    # the same row of b for every row of the tile, the same column of a for every column
                    row = tile_load(wide_b, v, 0, p.mr, p.nv, p.lanes)
                    tile = tile_fma(row, tile_load(wide_a, u, depth * p.lanes, p.mr, 1, p.lanes), tile)
                    u += p.lanes
                    v += n * p.lanes
                at = (i * n + j) * p.lanes
                tile_store_part(tile, wide_out, at, n * p.lanes, m - i, (n - j) * p.lanes)
        separate(p, wide_out, out, e, batch - e)


@template("void(T[:, :, ::1], intp, intp, T[::1])")
def interleave(p, x, e, count, wide):
    """Lays ``count`` matrices from number ``e`` on side by side, one in each lane; lanes that are left are zeros."""
    elements = x.shape[1] * x.shape[2]
    zero = tile_zeros(p.dtype(0), p.lanes, 1, p.lanes)
    for c in range(0, elements, p.lanes):
        square = tile_load_part(zero, x, e * elements + c, elements, count, elements - c)
        tile_store(tile_transpose(square), wide, c * p.lanes, p.lanes)


@template("void(T[::1], T[:, :, ::1], intp, intp)")
def separate(p, wide, x, e, count):
    """The way back."""
    elements = x.shape[1] * x.shape[2]
    for c in range(0, elements, p.lanes):
        square = tile_transpose(tile_load(wide, c * p.lanes, p.lanes, p.lanes, 1, p.lanes))
        tile_store_part(square, x, e * elements + c, elements, count, elements - c)


def reference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The products in float64; ``(batch, m, k)`` and ``(batch, k, n)`` to ``(batch, m, n)``."""
    return np.matmul(a.astype(np.float64), b.astype(np.float64))


def size_of(a: np.ndarray, b: np.ndarray) -> Size:
    """``(batch, m, n, k)`` of two batches of matrices.

    Raises:
        ValueError: they are not as many, or the columns of a are not as many as the rows of b.
    """
    if a.ndim != 3 or b.ndim != 3 or (a.shape[0], a.shape[2]) != b.shape[:2]:
        raise ValueError(f"matmul_batched takes shapes (batch, m, k) and (batch, k, n), not {a.shape} and {b.shape}")
    return a.shape[0], a.shape[1], b.shape[2], a.shape[2]


def out_shape(size: Size) -> tuple[int, ...]:
    """``(batch, m, n)``."""
    return size[:3]


def problem(size: Size, dtype: str, rng: np.random.Generator) -> Inputs:
    """Random matrices of a size ``(batch, m, n, k)``."""
    batch, m, n, k = size
    return tuple(rng.uniform(0.5, 2, shape).astype(dtype) for shape in ((batch, m, k), (batch, k, n)))


def work(size: Size, dtype: str) -> Work:
    """One fma for each of the mnk products of numbers; three matrices moved once."""
    batch, m, n, k = size
    item = item_bytes(dtype)
    return Work({"fma": batch * m * n * k}, batch * (m * k + k * n) * item, batch * m * n * item)


def workspace(schedule: Schedule, size: Size) -> tuple[int, ...]:
    """Elements of what is copied of one product, or of as many as a vector has lanes, filled up to whole tiles."""
    _, m, n, k = size
    mr, nv, lanes = schedule.mr, schedule.nv, schedule.lanes
    if schedule.variant == "blocked":
        return workspace_of_one(schedule.replace(variant="packed"), size[1:])
    if schedule.variant == "whole":
        # a thread may be given fewer rows than a tile has
        return mr * k, -(-n // (nv * lanes)) * nv * lanes * k
    # reading behind the last row and column stays inside, and so does a square that is stored whole
    return (-(-m // mr) * mr * k + lanes) * lanes, (k * n + nv + lanes) * lanes, (m * n + lanes) * lanes


def tolerance(size: Size, dtype: str) -> float:
    """Of a sum of k positive products in any order, as in ``matmul``."""
    return tolerance_of_one(size[1:], dtype)


def numpy_matmul() -> Rival:
    """``numpy.matmul``: one BLAS call after the other."""
    return np.matmul


def openblas_avx512() -> Rival:
    """NumPy's OpenBLAS made to use AVX-512 (see ``openblas``): one call after the other, from compiled code."""
    numba = installed("numba")

    def looped(gemm: Any, one: Any, zero: Any) -> Any:
        def loop(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
            batch, m, k = a.shape
            n = b.shape[2]
            for e in range(batch):
                at_a, at_b, at_out = a[e].ctypes, b[e].ctypes, out[e].ctypes
                gemm(ROW_MAJOR, AS_IT_IS, AS_IT_IS, m, n, k, one, at_a, k, at_b, n, zero, at_out, n)

        return numba.njit(loop, error_model="numpy")

    loop_by_item_bytes = {
        np.dtype(dtype).itemsize: looped(gemm, dtype(1), dtype(0)) for dtype, gemm in avx512_gemms().items()
    }
    return lambda a, b, out: loop_by_item_bytes[a.itemsize](a, b, out)


def torch_bmm() -> Rival:
    """``torch.bmm``: oneDNN or MKL."""
    torch = installed("torch")
    return lambda a, b, out: torch.bmm(torch.from_numpy(a), torch.from_numpy(b), out=torch.from_numpy(out))


def variant(schedule: Schedule) -> Template:
    """The entry template of a schedule."""
    return {"whole": whole, "blocked": blocked, "interleaved": interleaved}[schedule.variant]


KERNEL = Kernel(
    name="matmul_batched",
    doc=__doc__,
    dims=("batch", "m", "n", "k"),
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
    rivals={"numpy": numpy_matmul, "openblas_avx512": openblas_avx512, "torch": torch_bmm},
    default_size=(256, 64, 64, 64),
    verify_sizes=((1, 1, 1, 1), (3, 7, 5, 3), (2, 33, 65, 17), (1, 40, 17, 130), (19, 4, 3, 5)),
    tolerance=tolerance,
    split=("rows/second", "rows/whole", "rows/second"),
    left=(
        "float32 is at 95 % of the bound. In float64 the batch, 25 MB, is as large as L3: 64 products ran at 113 "
        "GFLOP/s, all 256 at 111 by themselves and at 99 when published; how much of L3 neighbours leave decides."
    ),
)
