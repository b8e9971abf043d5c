"""nbody: accelerations of targets by the gravity of sources, all pairs, softened.

targets: (m, 3), sources: (n, 3), masses: (n,), softening: a scalar, out: (m, 3); float32 or float64, positions as x, y,
z. out[i] = sum over j of masses[j] * d / (d.d + softening^2)^1.5 with d = sources[j] - targets[i]. A body that is both
source and target pulls itself by 0, as long as softening is not 0; squared distances must not overflow.
Values lie in [0.5, 2), where pulls from all sides cancel: errors are relative to the greatest component of them all.
Bytes: inputs are read and out is written, once. Bound: arithmetic, of some 20 FLOP a pair.
Sources: Nyland, Harris and Prins, Fast N-Body Simulation with CUDA, GPU Gems 3, 2007 (blocks of targets); Tanikawa,
Yoshikawa, Nitadori and Okamoto, Phantom-GRAPE, New Astronomy 19, 2013 (estimates of the root, refined once).

The power -1.5 of a squared distance s costs a root and a division, which take 7 cycles for 16 float32 on a Zen 5; or y,
an estimate of 1/sqrt(s) by one instruction, and y^3 times a polynomial in 1 - s*y^2, which is small. Its leading
coefficient is multiplied into the masses beforehand, so that a polynomial of degree 1 is a single fma.

Genes, and what they do to the machine:
- ``variant``: lanes hold *targets*, and a source is broadcast to them; or lanes hold *sources*, a target has as many
  partial sums, and they are added in the end.
- ``lanes vectors``: the register tile, so many targets or pairs at once. A tile needs 6 registers a vector all along.
- ``roots``: how consecutive sources are treated: e by estimate, d by root and division. Both in turn keep more units
  of the core busy than either. As many sources share a turn of the loop.
- ``degree``: of the polynomial in float32, of which float64 takes 2 more. On AVX-512 1 leaves 3e-8, 2 nothing.
- ``squares``: the three squares are added in a chain of fused operations, or in pairs: one more, but sooner there.
- ``product``: mass, powers of y and polynomial are multiplied in a chain or in pairs.
- ``chunk``: sources in a partial sum, added to the total then: long sums of small terms lose digits.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from kernels.contract import Inputs, Kernel, Rival, Size, Work, has_rival_threads, installed, item_bytes
from kernels.language import Schedule, Space, choice, integer, power_of_two, static, template
from kernels.language.simd import (
    row_reduce_add,
    store,
    tile_add,
    tile_div,
    tile_fma,
    tile_load,
    tile_mul,
    tile_rsqrt_estimate,
    tile_sqrt,
    tile_store,
    tile_sub,
    tile_zeros,
)

if TYPE_CHECKING:
    from kernels.language import Template

SPACE = Space(
    [
        choice("variant", ("targets", "sources"), "what lanes hold"),
        power_of_two("lanes", 2, 32, "numbers in a vector", default=16),
        integer("vectors", (1, 2, 3, 4, 5, 6), "vectors of the register tile", default=2),
        choice("roots", ("e", "ee", "d", "ed", "eed", "edd"), "by estimate or by division, source by source"),
        integer("degree", (1, 2, 3), "of the polynomial behind an estimate, in float32"),
        choice("squares", ("chain", "pairs"), "how squares are added"),
        choice("product", ("chain", "pairs"), "how a pull's factors are multiplied"),
        power_of_two("chunk", 64, 16384, "sources in a partial sum", default=1024),
    ],
    [(lambda lanes, vectors: lanes * vectors <= 96, "the tile exceeds any register file")],
)


def degree(dtype: str, in_float32: int) -> int:
    """Of the polynomial behind an estimate."""
    return in_float32 + 2 if dtype == "float64" else in_float32


def coefficient(dtype: str, in_float32: int, k: int) -> float:
    """Of (y*y*s - 1)^k in the polynomial by which y^3 becomes s^-1.5, the leading one made 1: the binomial series."""
    highest = degree(dtype, in_float32)
    return binomial(k) / binomial(highest)


def binomial(k: int) -> float:
    """Of -1.5 over k."""
    return math.prod((-1.5 - i) / (i + 1) for i in range(k))


def factor(dtype: str, in_float32: int, root: str) -> float:
    """What masses are multiplied by; distances are taken from the target to the source, hence the sign."""
    return -binomial(degree(dtype, in_float32)) if root == "e" else -1.0


def group(variant: str, lanes: int) -> int:
    """Sources whose positions and masses are packed side by side."""
    return lanes if variant == "sources" else 1


@template("void(T[:, ::1], T[:, ::1], T[::1], T, T[:, ::1])")
def baseline(p, targets, sources, masses, softening, out):
    """The loops that everybody writes."""
    for i in range(targets.shape[0]):
        x = y = z = p.dtype(0)
        for j in range(sources.shape[0]):
            dx = sources[j, 0] - targets[i, 0]
            dy = sources[j, 1] - targets[i, 1]
            dz = sources[j, 2] - targets[i, 2]
            square = dx * dx + dy * dy + dz * dz + softening * softening
            pull = masses[j] / (square * np.sqrt(square))
            x += pull * dx
            y += pull * dy
            z += pull * dz
        out[i, 0] = x
        out[i, 1] = y
        out[i, 2] = z


@template("void(T[:, ::1], T[:, ::1], T[::1], T, T[:, ::1], T[::1], T[::1])", runtime=("chunk",))
def tiled(p, targets, sources, masses, softening, out, packed, tile):  # noqa: PLR0915 - one loop, see below
    """A register tile of targets at a time: partial sums of ``chunk`` sources, each tile of pairs in a few statements.

    Longer than most: what one pair costs is this loop, and a function in between would pass tiles through memory.
    """
    rows, vectors = (p.vectors, 1) if p.variant == "sources" else (1, p.vectors)
    size = p.vectors * p.lanes
    width = group(p.variant, p.lanes)
    turn = 4 * width * len(p.roots)
    step = max(1, p.chunk // (width * len(p.roots))) * turn
    end = (4 * sources.shape[0] + turn - 1) // turn * turn
    zero = tile_zeros(p.dtype, rows, vectors, p.lanes)
    softened = softening * softening
    pack(p, sources, masses, packed[:end])
    for first in range(0, targets.shape[0], size // width):
        spread(p, targets, first, tile)
        tx = tile_load(tile, 0, p.lanes, rows, vectors, p.lanes)
        ty = tile_load(tile, size, p.lanes, rows, vectors, p.lanes)
        tz = tile_load(tile, 2 * size, p.lanes, rows, vectors, p.lanes)
        total_x = total_y = total_z = zero
        for start in range(0, end, step):
            x = y = z = zero
            for at in range(start, min(end, start + step), turn):
                for k in static(len(p.roots)):
                    if p.variant == "sources":
                        dx = tile_sub(tx, tile_load(packed, at + (4 * k) * p.lanes, 0, 1, 1, p.lanes))
                        dy = tile_sub(ty, tile_load(packed, at + (4 * k + 1) * p.lanes, 0, 1, 1, p.lanes))
                        dz = tile_sub(tz, tile_load(packed, at + (4 * k + 2) * p.lanes, 0, 1, 1, p.lanes))
                        mass = tile_load(packed, at + (4 * k + 3) * p.lanes, 0, 1, 1, p.lanes)
                    else:
                        dx = tile_sub(tx, packed[np.uint64(at + 4 * k)])
                        dy = tile_sub(ty, packed[np.uint64(at + 4 * k + 1)])
                        dz = tile_sub(tz, packed[np.uint64(at + 4 * k + 2)])
                        mass = packed[np.uint64(at + 4 * k + 3)]
                    if p.squares == "chain":
                        square = tile_fma(dx, dx, tile_fma(dy, dy, tile_fma(dz, dz, softened)))
                    else:
                        square = tile_add(tile_fma(dx, dx, tile_mul(dy, dy)), tile_fma(dz, dz, softened))
                    if p.roots[k] == "d":
                        pull = tile_div(tile_add(zero, mass), tile_mul(square, tile_sqrt(square)))
                    else:
                        root = tile_rsqrt_estimate(square)
                        inverse = tile_mul(root, root)
                        if degree(p.dtype, p.degree) == 1:
                            series = tile_fma(square, inverse, p.dtype(coefficient(p.dtype, p.degree, 0) - 1))
                        else:
                            small = tile_fma(square, inverse, p.dtype(-1))
                            series = tile_add(
                                small, p.dtype(coefficient(p.dtype, p.degree, degree(p.dtype, p.degree) - 1))
                            )
                            for power in static(degree(p.dtype, p.degree) - 2, -1, -1):
                                series = tile_fma(series, small, p.dtype(coefficient(p.dtype, p.degree, power)))
                        if p.product == "chain":
                            pull = tile_mul(tile_mul(tile_mul(root, mass), inverse), series)
                        else:
                            pull = tile_mul(tile_mul(root, mass), tile_mul(inverse, series))
                    x, y, z = tile_fma(dx, pull, x), tile_fma(dy, pull, y), tile_fma(dz, pull, z)
            total_x, total_y, total_z = tile_add(total_x, x), tile_add(total_y, y), tile_add(total_z, z)
        if p.variant == "sources":
            store(tile, 0, row_reduce_add(total_x))
            store(tile, size, row_reduce_add(total_y))
            store(tile, 2 * size, row_reduce_add(total_z))
        else:
            tile_store(total_x, tile, 0, p.lanes)
            tile_store(total_y, tile, size, p.lanes)
            tile_store(total_z, tile, 2 * size, p.lanes)
        for i in range(min(size // width, targets.shape[0] - first)):
            for axis in range(3):
                out[first + i, axis] = tile[axis * size + i]


@template()
def pack(p, sources, masses, packed):
    """Positions and masses by groups of sources, filled up with massless copies of the last."""
    width = group(p.variant, p.lanes)
    for j in range(packed.size // 4):
        i = min(j, sources.shape[0] - 1)
        at = j // width * 4 * width + j % width
        for axis in range(3):
            packed[at + axis * width] = sources[i, axis]
        packed[at + 3 * width] = masses[i] if i == j else p.dtype(0)
    for at in range(3 * width, packed.size, 4 * width * len(p.roots)):
        for k in static(len(p.roots)):
            for i in range(at + 4 * k * width, at + 4 * k * width + width):
                packed[i] *= p.dtype(factor(p.dtype, p.degree, p.roots[k]))


@template()
def spread(p, targets, first, tile):
    """Positions of the targets of a tile, its elements or its rows; the last one again where there are no more."""
    size = p.vectors * p.lanes
    for i in range(size):
        target = min(targets.shape[0] - 1, first + i // group(p.variant, p.lanes))
        for axis in range(3):
            tile[axis * size + i] = targets[target, axis]


def problem(size: Size, dtype: str, rng: np.random.Generator) -> Inputs:
    """Bodies at random places in one cube."""
    m, n = size
    targets, sources, masses = (rng.uniform(0.5, 2, shape).astype(dtype) for shape in ((m, 3), (n, 3), n))
    return targets, sources, masses, np.dtype(dtype).type(rng.uniform(0.5, 2))


def reference(targets: np.ndarray, sources: np.ndarray, masses: np.ndarray, softening: float) -> np.ndarray:
    """The truth in float64, some targets at a time."""
    out = np.empty(targets.shape)
    for first in range(0, len(out), 64):
        d = np.asarray(sources, np.float64) - np.asarray(targets[first : first + 64, np.newaxis], np.float64)
        square = (d * d).sum(axis=2) + float(softening) ** 2
        out[first : first + 64] = ((masses / (square * np.sqrt(square)))[:, np.newaxis] @ d)[:, 0]
    return out


def size_of(targets: np.ndarray, sources: np.ndarray, masses: np.ndarray, _softening: float) -> Size:
    """Numbers of targets and sources.

    Raises:
        ValueError: positions are not rows of three, or there are not as many masses as sources.
    """
    if targets.shape[1:] != (3,) or sources.shape[1:] != (3,) or masses.shape != sources.shape[:1]:
        shapes = f"{targets.shape}, {sources.shape} and {masses.shape}"
        raise ValueError(f"nbody takes positions (m, 3) and (n, 3) and n masses, not shapes {shapes}")
    return targets.shape[0], sources.shape[0]


def out_shape(size: Size) -> tuple[int, ...]:
    """One row for each target."""
    return size[0], 3


def work(size: Size, dtype: str) -> Work:
    """Of a pair by the estimate at the least degree that is precise enough, which no ceiling is measured for by itself.

    Three differences, three squares, powers and polynomial, mass, and three sums.
    """
    m, n = size
    least = degree(dtype, 1)
    operations = {"add": 3 + (least > 1), "fma": 6 + least, "mul": 4}
    item = item_bytes(dtype)
    counts = {name: count * m * n for name, count in operations.items()}
    return Work(counts, (3 * m + 4 * n + 1) * item, 3 * m * item)


def workspace(schedule: Schedule, size: Size) -> tuple[int, ...]:
    """The packed sources, and a register tile of targets, or of sums, for each axis."""
    turn = group(schedule.variant, schedule.lanes) * len(schedule.roots)
    return -(-size[1] // turn) * turn * 4, 3 * schedule.vectors * schedule.lanes


def tolerance(size: Size, dtype: str) -> float:
    """A pull is rounded a dozen times; a sum's error grows with its length, as a random walk.

    The greatest pull on a body is some third of what it were if all came from one side.
    """
    return (24 + 3 * size[1] ** 0.5) * float(np.finfo(dtype).eps)


def strongest(truth: np.ndarray) -> np.ndarray:
    """The greatest component of all accelerations: those in the middle of a cloud cancel."""
    return np.full(truth.shape, abs(truth).max())


def numpy_rows() -> Rival:
    """One target at a time, all sources at once."""

    def call(targets: np.ndarray, sources: np.ndarray, masses: np.ndarray, softening: float, out: np.ndarray) -> None:
        for i, target in enumerate(targets):
            d = sources - target
            square = np.einsum("ij,ij->i", d, d) + softening * softening
            out[i] = (masses / (square * np.sqrt(square))) @ d

    return call


def numba_fast() -> Rival:
    """The plain loops under ``fastmath``; LLVM does not vectorise them."""
    numba = installed("numba")

    @numba.njit(fastmath=True, parallel=has_rival_threads())
    def call(targets, sources, masses, softening, out):  # noqa: ANN202
        for i in numba.prange(targets.shape[0]):
            x = y = z = out.dtype.type(0)
            for j in range(sources.shape[0]):
                dx = sources[j, 0] - targets[i, 0]
                dy = sources[j, 1] - targets[i, 1]
                dz = sources[j, 2] - targets[i, 2]
                square = dx * dx + dy * dy + dz * dz + softening * softening
                pull = masses[j] / (square * np.sqrt(square))
                x += pull * dx
                y += pull * dy
                z += pull * dz
            out[i, 0], out[i, 1], out[i, 2] = x, y, z

    return call


def numba_columns() -> Rival:
    """The same by somebody who knows LLVM: columns side by side, no check for a division by 0, 1 / sqrt on purpose.

    It vectorises that, and makes an estimate and a Newton step of it: 16 times as fast in float32.
    """
    numba = installed("numba")

    @numba.njit(fastmath=True, error_model="numpy", parallel=has_rival_threads())
    def call(targets, sources, masses, softening, out):  # noqa: ANN202
        xs, ys, zs = sources[:, 0].copy(), sources[:, 1].copy(), sources[:, 2].copy()
        for i in numba.prange(targets.shape[0]):
            x = y = z = out.dtype.type(0)
            for j in range(xs.size):
                dx, dy, dz = xs[j] - targets[i, 0], ys[j] - targets[i, 1], zs[j] - targets[i, 2]
                inverse = out.dtype.type(1) / np.sqrt(dx * dx + dy * dy + dz * dz + softening * softening)
                pull = masses[j] * inverse * inverse * inverse
                x += pull * dx
                y += pull * dy
                z += pull * dz
            out[i, 0], out[i, 1], out[i, 2] = x, y, z

    return call


def variant(_schedule: Schedule) -> Template:
    """The entry template of a schedule."""
    return tiled


KERNEL = Kernel(
    name="nbody",
    doc=__doc__,
    dims=("targets", "sources"),
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
    rivals={"numpy": numpy_rows, "numba_fast": numba_fast, "numba_columns": numba_columns},
    default_size=(4096, 4096),
    verify_sizes=((1, 1), (7, 3), (5, 67), (33, 130), (131, 17), (9, 1009)),
    tolerance=tolerance,
    split=("rows", "whole", "whole", "whole", "rows"),
    scale=strongest,
    left=(
        "a multiplication fewer: 11 of 15 instructions need the two units that multiply, 5.5 cycles for 16 pairs, of "
        "which 88 % are reached."
    ),
)
