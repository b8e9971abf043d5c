"""jacobi2d: out <- u after some sweeps, each of which makes every inner point the mean of its four neighbours.

u, out: (rows, columns), float32 or float64, C-contiguous; sweeps: an integer; the points of the edge keep their values.
A point costs 2 additions and a product a sweep: its upper plus its left neighbour is another point's right plus lower
one. Bytes: u is read and out is written, once, however many the sweeps.

Two bounds beyond cache. Sweep by sweep, every sweep moves the grid in and out: one sweep's bound is the bandwidth, and
s sweeps take s times as long. Temporal blocking carries a part of the grid through several sweeps while it is in cache,
and is above that bound: its own is bandwidth for moving the grid once, or the additions of all sweeps, whichever takes
longer: bandwidth up to some 9 sweeps, as a Zen 5 adds twice a cycle and moves 8 float64 in 9. This kernel's bound is
the second: of compulsory bytes and all operations.
Sources: Lamport, The Parallel Execution of DO Loops, 1974 (the skewed order); Wellein, Hager, Zeiser, Wittmann and
Fehske, Efficient Temporal Blocking for Stencil Computations by Multicore-Aware Wavefront Parallelization, 2009.

A *wave* goes down a strip of columns. As soon as it has some new rows of u it makes those rows of sweep 1 that they
allow, one row behind; from these those of sweep 2, and so on. Of each sweep but the last a ring of a few rows is kept,
in cache; the last is written to the grid. Strips overlap by a halo, in which each sweep is right on a point less. So do
threads' rows: each thread makes what its own need of every sweep, with the grids between waves to itself.

Genes, and what they do to the machine:
- ``variant``: *wave*; or *loop*, scalar statements over the whole grid, sweep by sweep, vectorised as LLVM likes.
- ``depth``: sweeps of a wave: so many times less traffic to memory, so many rings in cache.
- ``strip``: most columns of a strip, of which all are equally wide: rings in L1 or L2, against more halo.
- ``height``: new rows a step; two rows are read beside them, and the rings hold two more.
- ``lanes vectors``: the register tile, one row that goes down through the new rows.
- ``sides``: left and right neighbours are *shuffled* together from registers, or *loaded*, across cache lines; or right
  ones are loaded: *mixed*.
- ``sums fused``: opposite neighbours are added first, or corners; and so many of the three additions are fused with the
  product, which other units do. A product by 1/4 is exact: no digit changes.
- ``streaming``: the last sweep goes past the caches where rows are aligned: spares reading what is overwritten.
- ``ahead``: rows of u to prefetch ahead of the wave, a share of them during each sweep: memory must not be idle.
- ``pad``: vectors between the rows of a ring, against rows that share the sets of a cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kernels.contract import Inputs, Kernel, Rival, Size, Work, has_rival_threads, installed, item_bytes
from kernels.language import Schedule, Space, choice, flag, integer, power_of_two, template
from kernels.language.simd import (
    fence,
    scale,
    tile_add,
    tile_fma,
    tile_left,
    tile_load,
    tile_load_part,
    tile_prefetch,
    tile_right,
    tile_store,
    tile_store_part,
    tile_stream,
    tile_zeros,
)

if TYPE_CHECKING:
    from kernels.language import Template

_WAVE = {"variant": ("wave",)}
_STRIPS = (64, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 4096, 8192)

SPACE = Space(
    [
        choice("variant", ("wave", "loop"), "algorithm"),
        integer("depth", (1, 2, 3, 4, 5, 6, 8, 10, 12, 16), "sweeps of a wave", default=4, when=_WAVE),
        integer("strip", _STRIPS, "most columns of a strip", default=256, when=_WAVE),
        integer("height", (2, 6, 14, 30, 62), "new rows a step; two more are a power of two", default=6, when=_WAVE),
        power_of_two("lanes", 2, 16, "numbers in a vector", default=8, when=_WAVE),
        integer("vectors", (1, 2, 3, 4, 5, 6, 8), "vectors of the register tile", default=3, when=_WAVE),
        choice("sides", ("shuffled", "loaded", "mixed"), "where left and right neighbours come from", when=_WAVE),
        choice("sums", ("opposite", "corners"), "order of the additions"),
        integer("fused", (0, 1, 2), "additions fused with the product", default=1, when=_WAVE),
        flag("streaming", "write the last sweep past the caches", default=True, when=_WAVE),
        integer("ahead", (0, 1, 2, 4, 8, 16, 32), "rows to fetch ahead", default=16, when=_WAVE),
        integer("pad", (0, 1, 2, 3, 5, 9), "vectors between rows of a ring", when=_WAVE),
    ],
    [(lambda lanes, vectors: lanes * vectors <= 64, "the tile's rows exceed any register file")],
)


@template("void(T[:, ::1], intp, T[:, ::1], intp, intp)")
def baseline(p, u, sweeps, out, first, last):
    """The loops that everybody writes, over a thread's rows and those around that have a say in them."""
    rows, columns = u.shape
    top, bottom = max(0, first - sweeps), min(rows, last + sweeps)
    is_alone = last - first == rows
    old = u[top:bottom].copy()
    new = out if is_alone else np.empty_like(old)
    new[:] = old
    for _ in range(sweeps):
        for i in range(1, bottom - top - 1):
            for j in range(1, columns - 1):
                new[i, j] = p.dtype(0.25) * (old[i - 1, j] + old[i + 1, j] + old[i, j - 1] + old[i, j + 1])
        old, new = new, old
    if sweeps % 2 == 0 or not is_alone:
        out[first:last] = old[first - top : last - top]


@template("void(T[:, ::1], intp, T[:, ::1], T[::1], intp, intp)")
def loop(p, u, sweeps, out, spare, first, last):
    """Sweep by sweep, to and fro between grids, so that the last one ends in the output.

    A thread that is alone keeps other sweeps there too; else rows of the others would be written over.
    """
    rows, old = u.shape[0], u
    odd = spare[: u.size].reshape(u.shape)
    even = out if last - first == rows else spare[spare.size - u.size :].reshape(u.shape)
    for k in range(sweeps):
        left = sweeps - 1 - k
        new = out if left == 0 else even if left % 2 == 0 else odd
        top, bottom = max(0, first - left - 1), min(rows, last + left + 1)
        sweep(p, old[top:bottom], new[top:bottom], first <= left, last + left >= rows)
        old = new


@template()
def sweep(p, old, new, has_first, has_last):
    """One sweep over the rows between others, and over the grid's first or last one where they are among these."""
    rows, columns = old.shape
    if has_first:
        for j in range(columns):
            new[0, j] = old[0, j]
    if has_last:
        for j in range(columns):
            new[rows - 1, j] = old[rows - 1, j]
    for i in range(1, rows - 1):
        new[i, 0], new[i, columns - 1] = old[i, 0], old[i, columns - 1]
        for j in range(1, columns - 1):
            above, below, left, right = old[i - 1, j], old[i + 1, j], old[i, j - 1], old[i, j + 1]
            total = (above + below) + (left + right) if p.sums == "opposite" else (above + left) + (below + right)
            new[i, j] = p.dtype(0.25) * total


@template(
    "void(T[:, ::1], intp, T[:, ::1], T[::1], T[::1], intp, intp)",
    runtime=("depth", "strip", "height", "lanes", "vectors", "streaming", "ahead", "pad"),
    pointers=("lines", "edges"),
)
def wave(p, u, sweeps, out, spare, ring, first, last):
    """Strip by strip as many sweeps as a wave has, to and fro like single sweeps."""
    rows, columns = u.shape
    turn = p.lanes * p.vectors
    widest = max(1, p.strip // turn) * turn
    strips = (columns + widest - 1) // widest
    step = (columns + strips * turn - 1) // (strips * turn) * turn
    waves = (sweeps + p.depth - 1) // p.depth
    flat_out, old = out.reshape(out.size), u.reshape(u.size)
    even = flat_out if last - first == rows else spare[u.size :]
    for k in range(waves):
        done = min(sweeps, (k + 1) * p.depth)
        low, high = max(0, first - sweeps + done), min(rows, last + sweeps - done)
        new = flat_out if done == sweeps else even if (waves - k) % 2 == 1 else spare
        for left in range(0, columns, step):
            descend(p, old, new, ring, u.shape, low, high, left, min(columns, left + step), done - k * p.depth)
        old = new
    if p.streaming:
        fence()


@template(
    runtime=("height", "lanes", "vectors", "streaming", "ahead", "pad"),
    pointers=("lines", "edges"),
)
def descend(p, old, new, ring, shape, low, high, first, last, depth):
    """One wave, down the columns from ``first`` to ``last``, for the rows from ``low`` to ``high`` of its last sweep.

    Places in an array are those of row 0; row i lies ``i & mask`` rows further on.
    """
    rows, n = shape
    turn = p.lanes * p.vectors
    halo = (depth + p.lanes - 1) // p.lanes * p.lanes
    start, stop = max(0, first - halo), min(n, last + halo)
    width = (stop - start + turn - 1) // turn * turn
    ld, mask = width + (2 + p.pad) * p.lanes, p.height + 1
    size = (p.height + 2) * ld
    place = new.ctypes.data | n * new.itemsize
    is_aligned = int(p.streaming and place % (p.lanes * new.itemsize) == 0)
    share = (p.height + depth - 1) // depth if p.ahead else 0
    for front in range(max(0, low - depth + 1), high + depth - 1, p.height):
        for t in range(depth):
            rest = depth - 1 - t
            top, bottom = max(0, low - rest, front - t), min(rows, high + rest, front + p.height - t)
            i0, i1 = max(1, top), min(rows - 1, bottom)
            at = p.lanes + (t - 1) * size
            far = (front + p.ahead + t * share) * n + first
            if depth == 1:
                wide = last - first
                lines(p, old, first, n, -1, new, first, n, -1, i0, i1, wide, old, n, far, share, is_aligned)
            elif t == 0:
                wide = min(width, n - start)
                lines(p, old, start, n, -1, ring, at + size, ld, mask, i0, i1, wide, old, n, far, share, 0)
            elif t < depth - 1:
                lines(p, ring, at, ld, mask, ring, at + size, ld, mask, i0, i1, width, old, n, far, share, 0)
            else:
                at, wide = at + first - start, last - first
                lines(p, ring, at, ld, mask, new, first, n, -1, i0, i1, wide, old, n, far, share, is_aligned)
            if t < depth - 1:
                edges(p, old, rows, n, ring, at + size, ld, mask, start, stop, top, bottom)
            else:
                edges(p, old, rows, n, new, first, n, -1, first, last, top, bottom)


@template("void(T[::1], intp, intp, T[::1], intp, intp, intp, intp, intp, intp, intp)")
def edges(p, old, rows, n, b, b_at, b_ld, b_mask, first, last, top, bottom):
    """Copies what lies on the grid's edge of the columns from ``first`` to ``last`` of rows ``top`` to ``bottom``."""
    for i in range(top, bottom):
        at, place = i * n, b_at + (i & b_mask) * b_ld
        if i == 0 or i == rows - 1:
            for j in range(last - first):
                b[place + j] = old[at + first + j]
        if first == 0:
            b[place] = old[at]
        if last == n:
            b[place + last - first - 1] = old[at + n - 1]


@template("void(T[::1], intp, intp, intp, T[::1], intp, intp, intp, intp, intp, intp, T[::1], intp, intp, intp, intp)")
def lines(p, a, a_at, a_ld, a_mask, b, b_at, b_ld, b_mask, first, last, width, grid, n, ahead, share, is_streamed):
    """Rows ``first`` to ``last`` of one sweep from a to b, a register tile of columns after the other.

    Meanwhile ``share`` rows of the grid are prefetched, from element ``ahead`` on: each sweep does its part, or memory
    would be idle during the others. Points of the left and right edge become something else here.
    """
    zero = tile_zeros(p.dtype, 1, p.vectors, p.lanes)
    turn = p.vectors * p.lanes
    quarter = p.dtype(0.25)
    for j in range(0, width if first < last else 0, turn):
        left = width - j
        if left >= turn:
            above = tile_load(a, a_at + ((first - 1) & a_mask) * a_ld + j, 0, 1, p.vectors, p.lanes)
            here = tile_load(a, a_at + (first & a_mask) * a_ld + j, 0, 1, p.vectors, p.lanes)
            for i in range(first, last):
                at = a_at + (i & a_mask) * a_ld + j
                down = a_at + ((i + 1) & a_mask) * a_ld + j
                below = tile_load(a, down, 0, 1, p.vectors, p.lanes)
                if i - first < share:
                    tile_prefetch(zero, grid, ahead + (i - first) * n + j, 0)
                if p.sides == "loaded":
                    before = tile_load(a, at - 1, 0, 1, p.vectors, p.lanes)
                else:
                    before = tile_left(here, tile_load(a, at - p.lanes, 0, 1, 1, p.lanes))
                if p.sides == "shuffled":
                    behind = tile_right(here, tile_load(a, at + turn, 0, 1, 1, p.lanes))
                else:
                    behind = tile_load(a, at + 1, 0, 1, p.vectors, p.lanes)
                w, x, y, z = above, below, before, behind
                if p.sums == "corners":
                    x, y = before, below
                if p.fused == 0:
                    t = scale(tile_add(tile_add(w, x), tile_add(y, z)), quarter)
                elif p.fused == 1:
                    t = tile_fma(tile_add(y, z), quarter, scale(tile_add(w, x), quarter))
                else:
                    t = tile_fma(tile_add(y, z), quarter, tile_fma(w, quarter, scale(x, quarter)))
                if is_streamed:
                    tile_stream(t, b, b_at + (i & b_mask) * b_ld + j, 0)
                else:
                    tile_store(t, b, b_at + (i & b_mask) * b_ld + j, 0)
                above, here = here, below
        else:
            for i in range(first, last):
                at = a_at + (i & a_mask) * a_ld + j
                above = tile_load_part(zero, a, a_at + ((i - 1) & a_mask) * a_ld + j, 0, 1, left)
                below = tile_load_part(zero, a, a_at + ((i + 1) & a_mask) * a_ld + j, 0, 1, left)
                before = tile_load_part(zero, a, at - 1, 0, 1, left)
                behind = tile_load_part(zero, a, at + 1, 0, 1, left)
                t = tile_add(tile_add(above, below), tile_add(before, behind))
                tile_store_part(scale(t, quarter), b, b_at + (i & b_mask) * b_ld + j, 0, 1, left)


def problem(size: Size, dtype: str, rng: np.random.Generator) -> Inputs:
    """A random grid."""
    rows, columns, sweeps = size
    return rng.uniform(0.5, 2, (rows, columns)).astype(dtype), sweeps


def reference(u: np.ndarray, sweeps: int) -> np.ndarray:
    """The truth in float64."""
    wide = np.array(u, np.float64)
    for _ in range(sweeps):
        sides, ends = wide[1:-1, :-2] + wide[1:-1, 2:], wide[:-2, 1:-1] + wide[2:, 1:-1]
        wide[1:-1, 1:-1] = (sides + ends) / 4
    return wide


def size_of(u: np.ndarray, sweeps: int) -> Size:
    """Rows and columns of u, and the sweeps.

    Raises:
        ValueError: u is no matrix, or the sweeps are less than none.
    """
    if u.ndim != 2 or sweeps < 0:
        raise ValueError(f"jacobi2d takes a matrix and 0 sweeps or more, not shape {u.shape} and {sweeps}")
    return u.shape[0], u.shape[1], int(sweeps)


def out_shape(size: Size) -> tuple[int, ...]:
    """The shape of u."""
    return size[:2]


def work(size: Size, dtype: str) -> Work:
    """Two additions and a product for each inner point and sweep; the grid moved in and out once."""
    rows, columns, sweeps = size
    points = max(0, rows - 2) * max(0, columns - 2) * sweeps
    array_bytes = rows * columns * item_bytes(dtype)
    return Work({"add": 2 * points, "mul": points}, array_bytes, array_bytes)


def workspace(schedule: Schedule, size: Size) -> tuple[int, ...]:
    """Two grids for what is made before the output, or as many as are needed; the rings of one strip."""
    rows, columns, sweeps = size
    if schedule.variant == "loop":
        return (rows * columns * (2 if sweeps > 2 else 1),)
    turn, depth = schedule.lanes * schedule.vectors, min(schedule.depth, sweeps)
    halo = -(-depth // schedule.lanes) * schedule.lanes
    strip = max(1, schedule.strip // turn) * turn
    width = -(-min(columns, strip + 2 * halo) // turn) * turn
    ld = width + (2 + schedule.pad) * schedule.lanes
    rings = (depth - 1) * (schedule.height + 2) * ld + 2 * schedule.lanes
    return rows * columns * min(2, (sweeps - 1) // depth), rings


def tolerance(size: Size, dtype: str) -> float:
    """Three sums of positive numbers a sweep; a mean of four is no more wrong than the worst of them."""
    return (3 * size[2] + 1) * float(np.finfo(dtype).eps)


def numba_parallel() -> Rival:
    """The plain loops under ``fastmath`` and ``parallel``, with a spare grid that is kept from call to call."""
    numba = installed("numba")
    spares: dict[tuple[tuple[int, ...], np.dtype], np.ndarray] = {}

    @numba.njit(fastmath=True, parallel=has_rival_threads())
    def sweep(old, new):  # noqa: ANN202
        for i in numba.prange(1, old.shape[0] - 1):
            for j in range(1, old.shape[1] - 1):
                new[i, j] = new.dtype.type(0.25) * (old[i - 1, j] + old[i + 1, j] + old[i, j - 1] + old[i, j + 1])

    def call(u: np.ndarray, sweeps: int, out: np.ndarray) -> None:
        spare = spares.setdefault((u.shape, u.dtype), np.empty_like(u))
        for grid in (out, spare):
            grid[[0, -1]], grid[:, [0, -1]] = u[[0, -1]], u[:, [0, -1]]
        old, new = u, out if sweeps % 2 else spare
        for _ in range(sweeps):
            sweep(old, new)
            old, new = new, spare if new is out else out

    return call


def variant(schedule: Schedule) -> Template:
    """The entry template of a schedule."""
    return wave if schedule.variant == "wave" else loop


KERNEL = Kernel(
    name="jacobi2d",
    doc=__doc__,
    dims=("rows", "columns", "sweeps"),
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
    rivals={"numba_parallel": numba_parallel},
    default_size=(4096, 4096, 4),
    verify_sizes=((1, 1, 1), (2, 9, 3), (7, 3, 2), (33, 70, 3), (5, 300, 9), (70, 131, 5)),
    tolerance=tolerance,
    split=("whole", "whole", "whole"),
    left=(
        "memory idles while the later sweeps run from cache; rings of two sweeps in registers would halve "
        "their loads and stores. On a Zen 4, four single sweeps at the rate of memory would take 19.2 ms for the "
        "4096^2 that this sweeps four times in 18.7."
    ),
)
