"""Rank-1 updates of a tile, the inner loop of every matrix product: tile += column of A times row of B."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError

from kernels.language.simd.arithmetic import emit_fma
from kernels.language.simd.emit import Lowering, integer, lowered, operation
from kernels.language.simd.memory import offset_type
from kernels.language.simd.types import Vector, array_type, literal, literal_type, tile_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kernels.language.simd.emit import Emitter
    from kernels.language.simd.types import Tile


@operation
def rank1(_context: Any, t: Any, a: Any, ao: Any, b: Any, bo: Any, order: Any = 0, steps: Any = 1) -> Lowering:  # noqa: PLR0913 - one statement is the point
    """``t[i, j] += a[ao + i] * b[bo + j]``, for A and B packed in panels.

    Args:
        t: tile.
        a: array with columns of A, each ``rows`` elements, one behind the other.
        ao: element of ``a`` where the column begins.
        b: array with rows of B, each ``vectors * lanes`` elements, one behind the other.
        bo: element of ``b`` where the row begins.
        order: literal; 0 goes through A's column with B's row in registers, 1 the other way round.
        steps: literal number of consecutive updates in one statement.
    """
    count, is_by_column = checked(t, (a, b), steps, order)

    def emit(e: Emitter, value: Any, *operands: Any) -> Any:
        a_array, a_index, b_array, b_index = operands[:4]
        left = Operand(e, t.dtype, e.address(a, a_array, a_index), integer(1), integer(t.rows))
        right = Operand(e, t.dtype, e.address(b, b_array, b_index), integer(t.lanes), integer(t.columns))
        return emit_updates(e, t, value, (left, right), range(count), is_by_column)

    arguments = [t, a, offset_type(ao), b, offset_type(bo), literal_type(order), literal_type(steps)]
    return lowered(t, arguments, emit)


@operation
def rank1_strided(  # noqa: PLR0913 - one statement is the point
    _context: Any, t: Any, a: Any, ao: Any, lda: Any, b: Any, bo: Any, ldb: Any, order: Any = 0, steps: Any = 1
) -> Lowering:
    """``t[i, j] += a[ao + i * lda] * b[bo + j]``, for A and B as they lie in their matrices.

    Args:
        t: tile.
        a: array with A, row after row.
        ao: element of ``a`` where the column begins; the next column begins one element further on.
        lda: elements from one row of A to the next.
        b: array with B, row after row.
        bo: element of ``b`` where the row begins.
        ldb: elements from one row of B to the next; matters to ``steps`` only.
        order: as in ``rank1``.
        steps: as in ``rank1``.
    """
    count, is_by_column = checked(t, (a, b), steps, order)

    def emit(e: Emitter, value: Any, *operands: Any) -> Any:
        a_array, a_index, a_stride, b_array, b_index, b_stride = operands[:6]
        left = Operand(e, t.dtype, e.address(a, a_array, a_index), a_stride, integer(1))
        right = Operand(e, t.dtype, e.address(b, b_array, b_index), integer(t.lanes), b_stride)
        return emit_updates(e, t, value, (left, right), range(count), is_by_column)

    offsets = [offset_type(kind) for kind in (ao, lda, bo, ldb)]
    literals = [literal_type(order), literal_type(steps)]
    return lowered(t, [t, a, *offsets[:2], b, *offsets[2:], *literals], emit)


class Operand:
    """Where the numbers or vectors of one operand of a rank-1 update lie: ``address + k * item + step * step_stride``."""
