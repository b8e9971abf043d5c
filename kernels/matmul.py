"""matmul: out <- a @ b, row-major matrices of any shape.

a: (m, k), b: (k, n), out: (m, n); float32 or float64, C-contiguous. 2mnk FLOP; every matrix is moved once at least.
Bound: arithmetic from about 64^3 on.

Three algorithms. *naive*: three scalar loops, in any order. *tiled*: the same loops over tiles that fit a cache.
*packed*: blocks of a and b are copied into panels, and a micro-kernel keeps a tile of the result in registers while it
walks a pair of panels (Goto and van de Geijn, Anatomy of High-Performance Matrix Multiplication, 2008; names of the
blocks as in BLIS). The loop nest is compiled once for all register tiles: micro-kernel and packing are passed in.
"""

from __future__ import annotations

import numpy as np

from kernels.contract import Inputs, Kernel, Rival, Size, Work, installed, item_bytes
from kernels.language import (
    Schedule,
    Space,
    Template,
    choice,
    flag,
    integer,
    permutation,
    power_of_two,
    static,
    template,
)
from kernels.language.simd import (
    add_to,
    load,
    masked_load,
    prefetch,
    rank1,
    rank1_strided,
    store,
    tile_add_to_part,
    tile_prefetch,
    tile_store,
    tile_store_part,
    tile_zeros,
)
from kernels.openblas import AS_IT_IS, ROW_MAJOR, avx512_gemms

_LOOPS = {"variant": ("naive", "tiled")}
_BLOCKED = {"variant": ("tiled", "packed")}
_PACKED = {"variant": ("packed",)}
_LINE_BYTES = 64
_MC = (24, 48, 72, 96, 120, 144, 192, 240, 288, 384, 512)
_KC = (64, 96, 128, 192, 256, 320, 384, 512, 768, 1024)
_NC = (64, 128, 256, 512, 1024, 2048)
_AHEAD = (0, 2, 4, 8, 16, 32)

SPACE = Space(
    [
        choice("variant", ("packed", "tiled", "naive"), "algorithm"),
        permutation("order", "ikj", "loop order: which matrices are walked along their rows", when=_LOOPS),
        integer("mc", _MC, "rows of a's block, which is to stay in L2", default=96, when=_BLOCKED),
        integer("kc", _KC, "depth of a block: a panel of b is to stay in L1", default=256, when=_BLOCKED),
        integer("nc", _NC, "columns of b's block, which is to stay in L3", default=1024, when=_BLOCKED),
        integer("mr", range(1, 17), "rows of the register tile: more arithmetic a load", default=4, when=_PACKED),
        integer("nv", range(1, 7), "vectors in a row of the register tile", default=2, when=_PACKED),
        power_of_two("lanes", 2, 16, "elements of a vector", default=4, when=_PACKED),
        power_of_two("steps", 1, 8, "updates in one turn of the inner loop", when=_PACKED),
        flag("by_column", "vectors of b outermost within an update, not rows of a", when=_PACKED),
        flag("pack_a", "copy a's block into panels: few pages, no clash of cache sets", default=True, when=_PACKED),
        flag("pack_b", "copy b's block into panels", default=True, when=_PACKED),
        flag("a_columns", "a panel of a holds columns, read in one stream, not rows", when=_PACKED),
        integer("ahead_a", _AHEAD, "updates ahead to fetch a into L1; 0 leaves it to the hardware", when=_PACKED),
        integer("ahead_b", _AHEAD, "updates ahead to fetch b into L1", when=_PACKED),
        flag("fetch_out", "fetch the result's tile into L1 before the panels are walked", when=_PACKED),
        permutation("outer", "jpi", "order of the loops over blocks of columns, depth, rows", when=_PACKED),
        flag("rows_inside", "rows of tiles run innermost: b's panel stays in L1, not a's", default=True, when=_PACKED),
    ],
    [
        # 32 registers of AVX-512, or 16 pairs of narrower ones; b's row needs room beside the tile
        (lambda mr, nv: mr * nv + nv <= 31, "the tile has more vectors than any register file"),
        (lambda mr, mc: mc >= mr, "a block has fewer rows than a tile"),
        (lambda pack_a, pack_b, a_columns: not a_columns or (pack_a and pack_b), "columns need both matrices packed"),
        (lambda a_columns, ahead_a: not ahead_a or a_columns, "rows of a are too many streams to fetch ahead"),
    ],
)


@template("void(T[:, ::1], T[:, ::1], T[:, ::1])")
def naive(p, a, b, out):
    """Three scalar loops, in the order that ``order`` spells."""
    out[:] = p.dtype(0)
    add_tile(p, a, b, out, 0, a.shape[0], 0, b.shape[1], 0, a.shape[1])


@template("void(T[:, ::1], T[:, ::1], T[:, ::1])", runtime=("mc", "kc", "nc"))
def tiled(p, a, b, out):
    """Scalar loops in the order of ``order`` over one tile after the other."""
    m, depth = a.shape
    n = b.shape[1]
    out[:] = p.dtype(0)
    for i0 in range(0, m, p.mc):
        for k0 in range(0, depth, p.kc):
            for j0 in range(0, n, p.nc):
                i1, k1, j1 = min(m, i0 + p.mc), min(depth, k0 + p.kc), min(n, j0 + p.nc)
                add_tile(p, a, b, out, i0, i1, j0, j1, k0, k1)


@template()
def add_tile(p, a, b, out, i0, i1, j0, j1, k0, k1):
    """Add the product of two tiles to a tile of the result."""
    for x in range(i0, i1) if p.order[0] == "i" else range(j0, j1) if p.order[0] == "j" else range(k0, k1):
        for y in range(i0, i1) if p.order[1] == "i" else range(j0, j1) if p.order[1] == "j" else range(k0, k1):
            for z in range(i0, i1) if p.order[2] == "i" else range(j0, j1) if p.order[2] == "j" else range(k0, k1):
                i = x if p.order[0] == "i" else y if p.order[1] == "i" else z
                j = x if p.order[0] == "j" else y if p.order[1] == "j" else z
                k = x if p.order[0] == "k" else y if p.order[1] == "k" else z
                out[i, j] += a[i, k] * b[k, j]


@template("void(intp, T[::1], intp, intp, T[::1], intp, intp, T[:, ::1], intp, intp, intp, intp)")
def micro(p, depth, a, ao, lda, b, bo, ldb, out, at, rows, columns, depth_before):
    """One tile of the result, at element ``at``; ``lda`` and ``ldb`` from one row of a, or b, to the next."""
    n = out.shape[1]
    a_step = p.mr if p.a_columns else 1
    tile = tile_zeros(p.dtype(0), p.mr, p.nv, p.lanes)
    if p.fetch_out:
        tile_prefetch(tile, out, at, n, 3, 1)
    for _ in range(depth // p.steps):
        for s in static(p.steps):
            if p.ahead_b:
                for q in static(0, p.nv * p.lanes, _line_elements(p.dtype)):
                    prefetch(b, bo + (p.ahead_b + s) * ldb + q, 3, 0)
        if p.ahead_a:
            for q in static(0, p.mr * p.steps, _line_elements(p.dtype)):
                prefetch(a, ao + p.ahead_a * p.mr + q, 3, 0)
        if p.a_columns:
            tile = rank1(tile, a, ao, b, bo, int(p.by_column), p.steps)
        else:
            tile = rank1_strided(tile, a, ao, lda, b, bo, ldb, int(p.by_column), p.steps)
        ao += a_step * p.steps
        bo += ldb * p.steps
    if p.steps > 1:
        for _ in range(depth % p.steps):
            if p.a_columns:
                tile = rank1(tile, a, ao, b, bo, int(p.by_column), 1)
            else:
                tile = rank1_strided(tile, a, ao, lda, b, bo, ldb, int(p.by_column), 1)
            ao += a_step
            bo += ldb
    if rows >= p.mr and columns >= p.nv * p.lanes:
        if depth_before:
            add_to(tile, out, at, n)
        else:
            tile_store(tile, out, at, n)
    elif depth_before:
        tile_add_to_part(tile, out, at, n, rows, columns)
    else:
        tile_store_part(tile, out, at, n, rows, columns)


@template("void(T[::1], intp, intp, intp, intp, T[::1])", runtime=("mr",))
def copy_a(p, a, at, lda, rows, depth, panel):
    """Panels of ``mr`` rows, the last filled up with zeros; each a run of rows, or of columns."""
    for r in range((rows + p.mr - 1) // p.mr * p.mr):
        base = r // p.mr * p.mr * depth + (r % p.mr if p.a_columns else r % p.mr * depth)
        step = p.mr if p.a_columns else 1
        if r >= rows:
            for k in range(depth):
                panel[base + k * step] = p.dtype(0)
        elif p.a_columns:
            for k in range(depth):
                panel[base + k * step] = a[at + r * lda + k]
        else:
            for k in range(0, depth - p.lanes + 1, p.lanes):
                store(panel, base + k, load(a, at + r * lda + k, p.lanes))
            for k in range(depth // p.lanes * p.lanes, depth):
                panel[base + k] = a[at + r * lda + k]


@template("void(T[::1], intp, intp, intp, intp, T[::1])", runtime=("nv",))
def copy_b(p, b, at, ldb, depth, columns, panel):
    """Panels of ``nv * lanes`` columns, row after row, the last filled up with zeros."""
    width = p.nv * p.lanes
    for j in range(0, columns, width):
        for k in range(depth):
            source, target = at + k * ldb + j, j * depth + k * width
            for v in range(0, width, p.lanes):
                if columns - j - v >= p.lanes:
                    store(panel, target + v, load(b, source + v, p.lanes))
                else:
                    store(panel, target + v, masked_load(b, source + v, p.lanes, columns - j - v))


@template(
    "void(intp, T[::1], intp, intp, intp, intp, T[::1], intp, intp, intp, intp, T[:, ::1], intp, intp)",
    runtime=("mr", "nv", "lanes", "rows_inside"),
    pointers=("micro",),
)
def block(p, depth, a, ao, a_panel, lda, rows, b, bo, b_panel, ldb, columns, out, at, depth_before):
    """All tiles of one block; ``a_panel`` and ``b_panel`` are elements from one panel to the next."""
    n = out.shape[1]
    width = p.nv * p.lanes
    along_i, along_j = range(0, rows, p.mr), range(0, columns, width)
    for x in along_j if p.rows_inside else along_i:
        for y in along_i if p.rows_inside else along_j:
            i, j = (y, x) if p.rows_inside else (x, y)
            left, right = ao + i // p.mr * a_panel, bo + j // width * b_panel
            micro(p, depth, a, left, lda, b, right, ldb, out, at + i * n + j, rows - i, columns - j, depth_before)


@template(runtime=("mr", "nv", "lanes", "rows_inside"), pointers=("micro",))
def strip(p, depth, a, ao, a_panel, lda, rows, b_parts, out, at, depth_before):
    """All tiles of a block's rows: of the columns of b that are read in place, then of those that were copied."""
    flat, flat_at, n, here, panel, copied = b_parts
    width = p.nv * p.lanes
    if here:
        block(p, depth, a, ao, a_panel, lda, rows, flat, flat_at, width, n, here, out, at, depth_before)
    block(p, depth, a, ao, a_panel, lda, rows, panel, 0, width * depth, width, copied, out, at + here, depth_before)


@template(
    "void(T[:, ::1], T[:, ::1], T[:, ::1], T[::1], T[::1])",
    runtime=("mr", "nv", "lanes", "mc", "kc", "nc", "pack_a", "pack_b", "rows_inside"),
    pointers=("micro", "copy_a", "copy_b"),
)
def packed(p, a, b, out, panel_a, panel_b):
    """Blocks of the matrices, in the order that ``outer`` spells; what is not copied is read where it lies."""
    m, depth = a.shape
    n = b.shape[1]
    width = p.nv * p.lanes
    flat_a, flat_b = a.reshape(a.size), b.reshape(b.size)
    along_i, along_j, along_p = range(0, m, p.mc), range(0, n, p.nc), range(0, depth, p.kc)
    for x in along_i if p.outer[0] == "i" else along_j if p.outer[0] == "j" else along_p:
        for y in along_i if p.outer[1] == "i" else along_j if p.outer[1] == "j" else along_p:
            for z in along_i if p.outer[2] == "i" else along_j if p.outer[2] == "j" else along_p:
                i = x if p.outer[0] == "i" else y if p.outer[1] == "i" else z
                j = x if p.outer[0] == "j" else y if p.outer[1] == "j" else z
                k = x if p.outer[0] == "p" else y if p.outer[1] == "p" else z
                rows, columns, deep = min(p.mc, m - i), min(p.nc, n - j), min(p.kc, depth - k)
                # read in place are whole tiles only: the matrix' edge is copied, and filled up, in any case
                a_rows = 0 if p.pack_a else rows // p.mr * p.mr
                b_columns = 0 if p.pack_b else columns // width * width
                if p.outer[2] != "i" or i == 0:
                    copy_b(p, flat_b, k * n + j + b_columns, n, deep, columns - b_columns, panel_b)
                if p.outer[2] != "j" or j == 0:
                    copy_a(p, flat_a, (i + a_rows) * depth + k, depth, rows - a_rows, deep, panel_a)
                at_a, at_b, at = i * depth + k, k * n + j, i * n + j
                b_parts = (flat_b, at_b, n, b_columns, panel_b, columns - b_columns)
                if a_rows:
                    strip(p, deep, flat_a, at_a, p.mr * depth, depth, a_rows, b_parts, out, at, k)
                strip(p, deep, panel_a, 0, p.mr * deep, deep, rows - a_rows, b_parts, out, at + a_rows * n, k)


@template("void(T[:, ::1], T[:, ::1], T[:, ::1])")
def baseline(_p, a, b, out):
    """The three loops of the definition, as anybody would write them."""
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            total = a[i, 0] * b[0, j]
            for k in range(1, a.shape[1]):
                total += a[i, k] * b[k, j]
            out[i, j] = total


def _line_elements(dtype: str) -> int:
    return _LINE_BYTES // (4 if dtype == "float32" else 8)


def reference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The product in float64; ``(m, k)`` and ``(k, n)`` to ``(m, n)``."""
    return np.matmul(a.astype(np.float64), b.astype(np.float64))


def size_of(a: np.ndarray, b: np.ndarray) -> Size:
    """``(m, n, k)`` of two matrices.

    Raises:
        ValueError: the columns of a are not as many as the rows of b.
    """
    (m, columns), (rows, n) = a.shape, b.shape
    if columns != rows:
        raise ValueError(f"a has {columns} columns and b {rows} rows; a @ b needs as many")
    return m, n, columns


def out_shape(size: Size) -> tuple[int, ...]:
    """``(m, n)``."""
    return size[:2]


def problem(size: Size, dtype: str, rng: np.random.Generator) -> Inputs:
    """Random matrices of a size ``(m, n, k)``."""
    m, n, k = size
    return rng.uniform(0.5, 2, (m, k)).astype(dtype), rng.uniform(0.5, 2, (k, n)).astype(dtype)


def work(size: Size, dtype: str) -> Work:
    """One fma for each of the mnk products; three matrices moved once."""
    m, n, k = size
    item = item_bytes(dtype)
    return Work({"fma": m * n * k}, (m * k + k * n) * item, m * n * item)


def workspace(schedule: Schedule, size: Size) -> tuple[int, ...]:
    """Elements of the copied block of a, and of b, filled up to whole tiles."""
    if schedule.variant != "packed":
        return ()
    m, n, k = size
    depth, width = min(schedule.kc, k), schedule.nv * schedule.lanes
    rows = -(-min(schedule.mc, m) // schedule.mr) * schedule.mr
    columns = -(-min(schedule.nc, n) // width) * width
    return rows * depth, columns * depth


def tolerance(size: Size, dtype: str) -> float:
    """Of a sum of k positive products in any order: k eps at worst (Higham, Accuracy and Stability, 3.1)."""
    return max(4, size[2]) * float(np.finfo(dtype).eps)


def numpy_matmul() -> Rival:
    """``numpy.dot``: OpenBLAS, unless NumPy was built otherwise."""
    return np.dot


def openblas_avx512() -> Rival:
    """NumPy's OpenBLAS made to use AVX-512."""
    gemms = avx512_gemms()

    def gemm(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
        m, n, k = size_of(a, b)
        at_a, at_b, at_out = (matrix.ctypes.data for matrix in (a, b, out))
        gemms[a.dtype.type](ROW_MAJOR, AS_IT_IS, AS_IT_IS, m, n, k, 1, at_a, k, at_b, n, 0, at_out, n)

    return gemm


def torch_mm() -> Rival:
    """``torch.mm``: oneDNN or MKL."""
    torch = installed("torch")
    return lambda a, b, out: torch.mm(torch.from_numpy(a), torch.from_numpy(b), out=torch.from_numpy(out))


def variant(schedule: Schedule) -> Template:
    """The entry template of a schedule."""
    return {"naive": naive, "tiled": tiled, "packed": packed}[schedule.variant]


KERNEL = Kernel(
    name="matmul",
    doc=__doc__,
    dims=("m", "n", "k"),
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
    rivals={"numpy": numpy_matmul, "openblas_avx512": openblas_avx512, "torch": torch_mm},
    default_size=(1024, 1024, 1024),
    verify_sizes=((1, 1, 1), (7, 5, 3), (33, 65, 17), (70, 129, 301)),
    tolerance=tolerance,
    split=("rows", "whole", "rows"),
    small={
        "variant": ("packed", "tiled"),
        "order": ("ikj", "ijk"),
        "mc": (48, 96, 192),
        "kc": (128, 256, 512),
        "nc": (256, 1024),
        "mr": (4, 6, 8, 12),
        "nv": (1, 2, 3),
        "lanes": (4, 8),
        "steps": (1, 4),
        "pack_a": (True,),
        "ahead_a": (0,),
        "ahead_b": (0,),
        "fetch_out": (False,),
        "outer": ("jpi",),
        "rows_inside": (True,),
    },
    left=(
        "the register tile's loop runs at 112 to 115 GFLOP/s in float64, two products a cycle at the clock of races; "
        "of those 5 % at 512^3 and 9 % at 1024^3 are lost to copying b, to rows of a that come from L3, and to the "
        "result. float32, with half the bytes, is at 90 to 93 % of the bound."
    ),
)
