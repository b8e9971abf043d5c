"""transpose: out[j, i] <- a[i, j], row-major matrices of any shape.

a: (rows, columns), out: (columns, rows); float32 or float64, C-contiguous. No FLOP. Bytes: a is read and out written,
each once. Bound: memory bandwidth, where cache and TLB allow: a column touches one line of every row, each in another
page, and rows whose length is a power of two put these lines into a few sets of the cache.
Source: Gatlin and Carter, Memory Hierarchy Considerations for Fast Transpose and Bit-Reversals, 1999 (buffers, sets).

Genes, and what they do to the machine:
- ``variant``: *scalar* moves single numbers, tile by tile; *direct* transposes register tiles on the way from a to out;
  *packed* first copies a block of a into a buffer without gaps, so that its lines cannot evict each other; *buffered*
  assembles a block of out in a buffer, so that out is written in long runs.
- ``lanes height width``: the register tile is ``height`` * lanes rows by ``width`` * lanes columns. It reads ``width``
  vectors a row and writes ``height`` vectors a row: whole cache lines, where these fill one.
- ``mb nb``: rows and columns of a block, to stay in L1 or L2 and within the TLB's reach.
- ``panels panel``: blocks are walked down a panel of ``panel`` block columns, or along one of ``panel`` block rows.
- ``walk``: tiles of a block are walked down, writing out row by row, or along, reading a row by row.
- ``pad``: elements between the rows of the buffer, against power-of-two strides.
- ``fetch``: tiles ahead of which a is prefetched.
- ``stores``: *streaming* goes past the caches, where rows of out are aligned: spares reading what is overwritten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kernels.contract import Inputs, Kernel, Rival, Size, Work, installed, item_bytes
from kernels.language import Schedule, Space, choice, integer, power_of_two, template
from kernels.language.simd import fence, tile_load, tile_prefetch, tile_store, tile_stream, tile_transpose

if TYPE_CHECKING:
    from kernels.language import Template

_TILED = {"variant": ("direct", "packed", "buffered")}
_COPIED = {"variant": ("packed", "buffered")}
_FETCHED = {"variant": ("direct", "buffered")}

SPACE = Space(
    [
        choice("variant", ("direct", "scalar", "packed", "buffered"), "algorithm"),
        power_of_two("lanes", 2, 16, "elements of a vector", default=8, when=_TILED),
        power_of_two("height", 1, 4, "vectors in a column of the register tile", when=_TILED),
        power_of_two("width", 1, 4, "vectors in a row of the register tile", when=_TILED),
        power_of_two("mb", 16, 1024, "rows of a block", default=64),
        power_of_two("nb", 16, 1024, "columns of a block", default=64),
        choice("panels", ("down", "along"), "direction of panels"),
        power_of_two("panel", 1, 64, "blocks across a panel", when=_TILED),
        choice("walk", ("down", "along"), "order of tiles in a block"),
        integer("pad", (0, 8, 16, 32), "elements between rows of the buffer", when=_COPIED),
        integer("fetch", (0, 1, 2, 4, 8), "tiles to fetch ahead", when=_FETCHED),
        choice("stores", ("ordinary", "streaming"), "through the caches or past them", when=_TILED),
    ],
    [
        (lambda lanes, height, width: lanes * height * width <= 32, "the register tile exceeds any register file"),
        (lambda lanes, height, mb: lanes * height <= mb, "a block has fewer rows than a register tile"),
        (lambda lanes, width, nb: lanes * width <= nb, "a block has fewer columns than a register tile"),
    ],
)


@template("void(T[:, ::1], T[:, ::1], intp, intp)")
def baseline(p, a, out, first, last):
    """The loops that everybody writes."""
    for i in range(a.shape[0]):
        for j in range(first, last):
            out[j, i] = a[i, j]


@template("void(T[:, ::1], T[:, ::1], intp, intp)", runtime=("mb", "nb"))
def scalar(p, a, out, first, last):
    """Single numbers, block by block."""
    rows = a.shape[0]
    is_down = p.panels == "down"
    for x in range(first if is_down else 0, last if is_down else rows, p.nb if is_down else p.mb):
        for y in range(0 if is_down else first, rows if is_down else last, p.mb if is_down else p.nb):
            i0, j0 = (y, x) if is_down else (x, y)
            i1, j1 = min(rows, i0 + p.mb), min(last, j0 + p.nb)
            if p.walk == "down":
                for j in range(j0, j1):
                    for i in range(i0, i1):
                        out[j, i] = a[i, j]
            else:
                for i in range(i0, i1):
                    for j in range(j0, j1):
                        out[j, i] = a[i, j]


@template(
    "void(T[:, ::1], T[:, ::1], T[::1], intp, intp)",
    runtime=("lanes", "height", "width", "mb", "nb", "panel"),
    pointers=("block",),
)
def tiled(p, a, out, buffer, first, last):
    """Whole register tiles, block by block, panel by panel; then what is left, number by number.

    Parts end where tiles do, which is the same for who comes next: what is left is at the matrix' end alone.
    """
    rows, columns = a.shape
    high, wide = p.lanes * p.height, p.lanes * p.width
    start, stop = first // wide * wide, last // wide * wide
    whole_rows, end = rows // high * high, stop if last < columns else columns
    if p.panels == "down":
        for left in range(start, stop, p.panel * p.nb):
            for i in range(0, whole_rows, p.mb):
                for j in range(left, min(stop, left + p.panel * p.nb), p.nb):
                    block(p, a, out, buffer, i, j, stop)
    else:
        for top in range(0, whole_rows, p.panel * p.mb):
            for j in range(start, stop, p.nb):
                for i in range(top, min(whole_rows, top + p.panel * p.mb), p.mb):
                    block(p, a, out, buffer, i, j, stop)
    for i in range(rows):
        for j in range(stop if i < whole_rows else start, end):
            out[j, i] = a[i, j]
    fence()


@template("void(T[:, ::1], T[:, ::1], T[::1], intp, intp, intp)", runtime=("mb", "nb", "pad"))
def block(p, a, out, buffer, i0, j0, stop):
    """The whole register tiles of the block at row ``i0`` and column ``j0``, up to column ``stop``."""
    rows, columns = a.shape
    high, wide = p.lanes * p.height, p.lanes * p.width
    m = min(p.mb, rows - i0) // high * high
    n = min(p.nb, stop - j0) // wide * wide
    source, target = i0 * columns + j0, j0 * rows + i0
    ld = (p.nb if p.variant == "packed" else p.mb) + p.pad
    is_aligned = (out.ctypes.data | rows * item_bytes(p.dtype)) % (p.lanes * item_bytes(p.dtype)) == 0
    if p.variant == "packed":
        for i in range(m):
            for j in range(0, n, wide):
                tile_store(tile_load(a, source + i * columns + j, columns, 1, p.width, p.lanes), buffer, i * ld + j, ld)
    for x in range(0, n if p.walk == "down" else m, wide if p.walk == "down" else high):
        for y in range(0, m if p.walk == "down" else n, high if p.walk == "down" else wide):
            i = y if p.walk == "down" else x
            j = x if p.walk == "down" else y
            if p.variant == "packed":
                t = tile_load(buffer, i * ld + j, ld, high, p.width, p.lanes)
            else:
                t = tile_load(a, source + i * columns + j, columns, high, p.width, p.lanes)
            if p.fetch:
                step = p.fetch * high * columns if p.walk == "down" else p.fetch * wide
                tile_prefetch(t, a, source + i * columns + j + step, columns)
            u = tile_transpose(t)
            if p.variant == "buffered":
                tile_store(u, buffer, j * ld + i, ld)
            elif p.stores == "streaming" and is_aligned:
                tile_stream(u, out, target + j * rows + i, rows)
            else:
                tile_store(u, out, target + j * rows + i, rows)
    if p.variant == "buffered":
        for j in range(n):
            for i in range(0, m, high):
                u = tile_load(buffer, j * ld + i, ld, 1, p.height, p.lanes)
                if p.stores == "streaming" and is_aligned:
                    tile_stream(u, out, target + j * rows + i, rows)
                else:
                    tile_store(u, out, target + j * rows + i, rows)


def problem(size: Size, dtype: str, rng: np.random.Generator) -> Inputs:
    """A random matrix."""
    return (rng.uniform(0.5, 2, size).astype(dtype),)


def reference(a: np.ndarray) -> np.ndarray:
    """The truth."""
    return np.asarray(a, np.float64).T


def size_of(a: np.ndarray) -> Size:
    """Rows and columns of the input.

    Raises:
        ValueError: it is no matrix.
    """
    if a.ndim != 2:
        raise ValueError(f"transpose takes a matrix, not an array of shape {a.shape}")
    return a.shape


def out_shape(size: Size) -> tuple[int, ...]:
    """Columns and rows of the input."""
    return size[::-1]


def work(size: Size, dtype: str) -> Work:
    """No arithmetic; one matrix read and one written."""
    matrix_bytes = size[0] * size[1] * item_bytes(dtype)
    return Work({}, matrix_bytes, matrix_bytes)


def workspace(schedule: Schedule, _size: Size) -> tuple[int, ...]:
    """The buffer: a block of the input, or one of the output."""
    if schedule.variant == "scalar":
        return ()
    if schedule.variant == "packed":
        return (schedule.mb * (schedule.nb + schedule.pad),)
    return (schedule.nb * (schedule.mb + schedule.pad) if schedule.variant == "buffered" else 0,)


def tolerance(_size: Size, _dtype: str) -> float:
    """Numbers are moved, not changed."""
    return 0.0


def numpy_copyto() -> Rival:
    """``numpy.copyto`` of the transposed view."""
    return lambda a, out: np.copyto(out, a.T)


def torch_copy() -> Rival:
    """``torch.Tensor.copy_`` of the transposed view."""
    torch = installed("torch")
    return lambda a, out: torch.from_numpy(out).copy_(torch.from_numpy(a).t())


def variant(schedule: Schedule) -> Template:
    """The entry template of a schedule."""
    return scalar if schedule.variant == "scalar" else tiled


KERNEL = Kernel(
    name="transpose",
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
    rivals={"numpy": numpy_copyto, "torch": torch_copy},
    default_size=(4096, 4096),
    verify_sizes=((1, 1), (3, 17), (61, 7), (64, 80), (97, 131), (1056, 272), (144, 1040)),
    tolerance=tolerance,
    split=("whole", "whole"),
    left=(
        "4160^2 moves 46 GB/s where 4096^2 moves 37, and within L3 1040^2 75 where 1024^2 moves 49: rows a power of "
        "two apart share sets of the caches, and the buffers that spare that have cost more than they spared."
    ),
)
