"""Moving numbers between lanes: shuffles, single lanes, and the transposition of a tile in registers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba.core.errors import TypingError

from kernels.language.simd.emit import Lowering, lowered, operation
from kernels.language.simd.memory import offset_type
from kernels.language.simd.types import Tile, Vector, literal, tile_of, vector_of

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
def extract(_context: Any, v: Any, lane: Any) -> Lowering:
    """Lane ``lane`` of ``v`` as a scalar."""

    def emit(e: Emitter, value: Any, number: Any) -> Any:
        return e.builder.extract_element(value, number)

    return lowered(vector_of(v).dtype, [v, offset_type(lane)], emit)


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
