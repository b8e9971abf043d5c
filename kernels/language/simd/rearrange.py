"""Moving numbers between lanes: shuffles, single lanes, and the transposition of a tile in registers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core.errors import TypingError

from kernels.language.simd.arithmetic import emit_maximum, emit_minimum
from kernels.language.simd.emit import Lowering, lowered, operation
from kernels.language.simd.memory import offset_type
from kernels.language.simd.types import Tile, Vector, float_info, literal, tile_of, vector_of

if TYPE_CHECKING:
    from kernels.language.simd.emit import Emitter


@operation
def shuffle(_context: Any, a: Any, b: Any, lanes: Any) -> Lowering:
    """The vector of the numbered lanes: 0 is the first of ``a``, and ``b`` goes on where ``a`` ends.

    Args:
        a: vector.
        b: vector of the same type.
        lanes: literal tuple of lane numbers, as many as the result has lanes.
    """
    numbers = literal_tuple(lanes, 2 * vector_of(a).lanes)
    if a != b:
        raise TypingError(f"cannot shuffle {a} with {b}: the types differ")

    def emit(e: Emitter, first: Any, second: Any, _lanes: Any) -> Any:
        return e.shuffle(first, second, numbers)

    return lowered(Vector(a.dtype, len(numbers)), [a, b, lanes], emit)


@operation
def insert_sorted(_context: Any, v: Any, x: Any) -> Lowering:
    """The lanes of ``v``, in ascending order, with ``x`` among them and the greatest dropped; NaN is above them all.

    Lane k becomes the middle one of lane k - 1, lane k and ``x``: no lane waits for another.
    """
    vector = vector_of(v)
    float_info(vector.dtype)

    def emit(e: Emitter, value: Any, number: Any) -> Any:
        lowest = ir.Constant(value.type, [-math.inf] * vector.lanes)
        before = e.shuffle(lowest, value, [0, *range(vector.lanes, 2 * vector.lanes - 1)])
        return emit_maximum(e, before, emit_minimum(e, e.splat(number, vector.lanes), value))

    return lowered(v, [v, vector.dtype], emit)


@operation
def extract(_context: Any, v: Any, lane: Any) -> Lowering:
    """Lane ``lane`` of ``v`` as a scalar."""

    def emit(e: Emitter, value: Any, number: Any) -> Any:
        return e.builder.extract_element(value, number)

    return lowered(vector_of(v).dtype, [v, offset_type(lane)], emit)


@operation
def tile_left(_context: Any, t: Any, x: Any) -> Lowering:
    """The tile of left neighbours: every row moved one column up, with the last number of ``x`` in front.

    Args:
        t: tile.
        x: tile of one vector a row, what lies before ``t``.
    """
    lanes = beside(t, x).lanes

    def emit(e: Emitter, value: Any, edge: Any) -> Any:
        rows = row_vectors(e, (x, edge), (t, value))
        return shifted(e, t, rows, range(lanes - 1, 2 * lanes - 1))

    return lowered(t, [t, x], emit)


@operation
def tile_right(_context: Any, t: Any, x: Any) -> Lowering:
    """The tile of right neighbours: every row moved one column down, with the first number of ``x`` at the end.

    Args:
        t: tile.
        x: tile of one vector a row, what lies behind ``t``.
    """
    lanes = beside(t, x).lanes

    def emit(e: Emitter, value: Any, edge: Any) -> Any:
        return shifted(e, t, row_vectors(e, (t, value), (x, edge)), range(1, lanes + 1))

    return lowered(t, [t, x], emit)


@operation
def tile_transpose(_context: Any, t: Any) -> Lowering:
    """The transposed tile, by shuffles: the rows must be a multiple of the lanes, since they become vectors."""
    if tile_of(t).rows % t.lanes:
        raise TypingError(f"cannot transpose {t}: its rows are no multiple of its lanes")
    result = Tile(t.dtype, t.columns, t.rows // t.lanes, t.lanes)

    def emit(e: Emitter, value: Any) -> Any:
        vectors, transposed = e.unpack(t, value), {}
        for i, j in ((i, j) for i in range(result.vectors) for j in range(t.vectors)):
            square = [vectors[i * t.lanes + k, j] for k in range(t.lanes)]
            for k, column in enumerate(emit_transposition(e, square, t.dtype.bitwidth)):
                transposed[j * t.lanes + k, i] = column
        return e.pack(result, transposed)

    return lowered(result, [t], emit)


def beside(tile: Any, edge: Any) -> Tile:
    """The tile's type.

    Raises:
        TypingError: the edge is no tile of one such vector a row.
    """
    if edge != Tile(tile_of(tile).dtype, tile.rows, 1, tile.lanes):
        raise TypingError(f"{edge} does not lie beside {tile}: it must be one vector a row")
    return tile_of(tile)


def row_vectors(e: Emitter, *tiles: tuple[Tile, Any]) -> list[list[Any]]:
    """The vectors of every row of tiles that lie side by side, given as type and value."""
    parts = [(kind, e.unpack(kind, value)) for kind, value in tiles]
    return [[part[i, j] for kind, part in parts for j in range(kind.vectors)] for i in range(tiles[0][0].rows)]


def shifted(e: Emitter, tile: Tile, rows: list[list[Any]], lanes: range) -> Any:
    """A tile of lanes picked from every two neighbours among the vectors of each row."""
    return e.pack(tile, {(i, j): e.shuffle(rows[i][j], rows[i][j + 1], lanes) for i, j in tile.positions})


def literal_tuple(numbers: Any, end: int) -> list[int]:
    """The numbers of a literal tuple.

    Raises:
        TypingError: it is no tuple of literals, or a number is not in range(end).
    """
    kinds = getattr(numbers, "types", None)
    if kinds is None:
        raise TypingError(f"lane numbers must be a literal tuple, not {numbers}")
    values = [literal(kind, "a lane number") for kind in kinds]
    if any(not 0 <= value < end for value in values):
        raise TypingError(f"lane numbers must lie in range({end}), not {values}")
    return values


def emit_transposition(e: Emitter, rows: list[Any], bitwidth: int) -> list[Any]:
    """The columns of a square matrix of vectors, in log2(lanes) stages of one two-vector shuffle a vector.

    First the squares within 128 bits, by interleaving, one cheap instruction on every CPU; then the matrix of 128-bit
    blocks, by picking the even and the odd ones of two rows.
    """
    block = min(len(rows), 128 // bitwidth)
    strips = [emit_interleaved(e, rows[k : k + block], block) for k in range(0, len(rows), block)]
    columns = [emit_deinterleaved(e, list(group), block) for group in zip(*strips, strict=True)]
    return [columns[k % block][k // block] for k in range(len(rows))]


def emit_interleaved(e: Emitter, rows: list[Any], block: int, unit: int = 1) -> list[Any]:
    """Transposes within blocks of lanes: vector k has, in every block, column k of the square that ``rows`` has there.

    The lower units of the blocks of two rows, alternating, are part of the first half of the columns, the upper units
    of the second half; both halves go on with units of twice the size.
    """
    if len(rows) == 1:
        return rows
    lanes = rows[0].type.count
    alternating = [k + part + w for k in range(0, lanes, unit) for part in (0, lanes) for w in range(unit)]
    is_low = [k % (2 * block) < block for k in range(2 * lanes)]
    low = [k for k, keep in zip(alternating, is_low, strict=True) if keep]
    high = [k for k, keep in zip(alternating, is_low, strict=True) if not keep]
    return [column for half in (low, high) for column in emit_interleaved(e, paired(e, rows, half), block, 2 * unit)]


def emit_deinterleaved(e: Emitter, rows: list[Any], block: int) -> list[Any]:
    """Transposes the matrix of blocks of lanes: the even blocks of two rows are part of the even columns."""
    if len(rows) == 1:
        return rows
    blocks = range(0, 2 * rows[0].type.count, block)
    halves = [[k + w for k in blocks[first::2] for w in range(block)] for first in (0, 1)]
    even, odd = (emit_deinterleaved(e, paired(e, rows, half), block) for half in halves)
    return [column for pair in zip(even, odd, strict=True) for column in pair]


def paired(e: Emitter, rows: list[Any], lanes: list[int]) -> list[Any]:
    """The same shuffle of every two rows."""
    return [e.shuffle(rows[k], rows[k + 1], lanes) for k in range(0, len(rows), 2)]
