"""Rank-1 updates of a tile, the inner loop of every matrix product, and of all distances between two sets of rows."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import TYPE_CHECKING, Any

from numba.core.errors import TypingError

from kernels.language.simd.arithmetic import emit_fma, emit_sub
from kernels.language.simd.emit import Lowering, integer, lowered, operation
from kernels.language.simd.memory import offset_type
from kernels.language.simd.types import Vector, array_type, literal, literal_type, tile_of

if TYPE_CHECKING:
    from kernels.language.simd.emit import Emitter
    from kernels.language.simd.types import Tile


@operation
def rank1(_context: Any, t: Any, a: Any, ao: Any, b: Any, bo: Any, order: Any = 0, steps: Any = 1) -> Lowering:
    """``t[i, j] += a[ao + i] * b[bo + j]``, for A and B packed in panels.

    Args:
        t: tile.
        a: array with columns of A, each ``rows`` elements, one behind the other.
        ao: element of ``a`` where the column begins.
        b: array with rows of B, each ``vectors * lanes`` elements, one behind the other.
        bo: element of ``b`` where the row begins.
        order: literal; 0 goes down A's column with B's row in registers, 1 along B's row with A's column in registers.
        steps: literal number of consecutive updates in one statement.
    """
    return packed_update(emit_fma, t, (a, ao, b, bo), order, steps)


@operation
def rank1_strided(
    _context: Any, t: Any, a: Any, ao: Any, lda: Any, b: Any, bo: Any, ldb: Any = 0, order: Any = 0, steps: Any = 1
) -> Lowering:
    """``t[i, j] += a[ao + i * lda] * b[bo + j]``, for A, or A and B, as they lie in their matrices.

    Args:
        t: tile.
        a: array with A, row after row.
        ao: element of ``a`` where the column begins; the next column begins one element further on.
        lda: elements from one row of A to the next.
        b: array with B, row after row.
        bo: element of ``b`` where the row begins.
        ldb: elements from one row of B to the next, for ``steps`` above 1; left out, B is packed as in ``rank1``.
        order: as in ``rank1``.
        steps: as in ``rank1``.
    """
    update = Update(t, (a, b), order, steps)
    is_packed = isinstance(ldb, int)

    def emit(e: Emitter, value: Any, *values: Any) -> Any:
        column, row, stride = e.address(a, *values[:2]), e.address(b, *values[3:5]), values[5]
        if is_packed:
            stride = integer(t.columns)
        starts = [e.offset(column, t.dtype, e.builder.mul(values[2], integer(i))) for i in range(t.rows)]
        rows = [e.offset(row, t.dtype, e.builder.mul(stride, integer(step))) for step in range(update.steps)]
        left = [[(start, step) for start in starts] for step in range(update.steps)]
        right = [[(start, j * t.lanes) for j in range(t.vectors)] for start in rows]
        return update.emit(e, value, left, right)

    offsets = [offset_type(kind) for kind in (ao, lda, bo)]
    literals = [literal_type(order), literal_type(steps)]
    return lowered(t, [t, a, *offsets[:2], b, offsets[2], offset_type(literal_type(ldb)), *literals], emit)


@operation
def square_distances(
    _context: Any, t: Any, a: Any, ao: Any, b: Any, bo: Any, order: Any = 0, steps: Any = 1
) -> Lowering:
    """``t[i, j] += (a[ao + i] - b[bo + j])**2``, for A and B packed in panels; the arguments are those of ``rank1``."""
    return packed_update(emit_square_distance, t, (a, ao, b, bo), order, steps)


def packed_update(combine: Combine, t: Any, panels: tuple[Any, Any, Any, Any], order: Any, steps: Any) -> Lowering:
    """The lowering of updates of tile ``t`` from two packed panels, each an array and where it begins."""
    a, ao, b, bo = panels
    update = Update(t, (a, b), order, steps, combine)

    def emit(e: Emitter, value: Any, *values: Any) -> Any:
        column, row = e.address(a, *values[:2]), e.address(b, *values[2:4])
        left = [[(column, step * t.rows + i) for i in range(t.rows)] for step in range(update.steps)]
        right = [[(row, step * t.columns + j * t.lanes) for j in range(t.vectors)] for step in range(update.steps)]
        return update.emit(e, value, left, right)

    return lowered(t, [t, a, offset_type(ao), b, offset_type(bo), literal_type(order), literal_type(steps)], emit)


def emit_square_distance(e: Emitter, a: Any, b: Any, total: Any) -> Any:
    """``total + (a - b)**2``, as ``b - a``: x86 spreads a number that it subtracts over all lanes as it reads it."""
    difference = emit_sub(e, b, a)
    return emit_fma(e, difference, difference, total)


Places = list[list[tuple[Any, int]]]
"""For every step, the addresses of numbers or vectors, as base and constant offset."""

Combine = Callable[..., Any]
"""``combine(emitter, number of A in every lane, vector of B, sum)`` makes the new sum."""


class Update:
    """Consecutive rank-1 updates of a tile.

    Attributes:
        tile: the tile's type.
        steps: how many updates.
        combine: what an update does with a number of A and a vector of B.
        positions: the tile's vectors in the order of their updates.

    Raises:
        TypingError: the dtypes differ, or a literal is out of range.
    """

    def __init__(self, tile: Any, arrays: tuple[Any, Any], order: Any, steps: Any, combine: Combine = emit_fma) -> None:
        self.tile: Tile = tile_of(tile)
        self.combine = combine
        self.steps = literal(steps, "steps")
        by_column = literal(order, "order")
        if any(array_type(array).dtype != tile.dtype for array in arrays):
            raise TypingError(f"cannot update {tile} from {arrays[0]} and {arrays[1]}: the dtypes differ")
        if self.steps < 1 or by_column not in (0, 1):
            raise TypingError(f"order must be 0 or 1 and steps at least 1, not {by_column} and {self.steps}")
        self.positions = sorted(tile.positions, key=lambda at: at[::-1]) if by_column else tile.positions

    def emit(self, e: Emitter, value: Any, left: Places, right: Places) -> Any:
        """The updated tile; every number and vector is loaded where it is first needed."""
        sums = e.unpack(self.tile, value)
        loaded: dict[Any, Any] = {}
        for step, (i, j) in product(range(self.steps), self.positions):
            if (step, "a", i) not in loaded:
                loaded[step, "a", i] = self.number(e, *left[step][i])
            if (step, "b", j) not in loaded:
                loaded[step, "b", j] = self.vector(e, *right[step][j])
            sums[i, j] = self.combine(e, loaded[step, "a", i], loaded[step, "b", j], sums[i, j])
        return e.pack(self.tile, sums)

    def number(self, e: Emitter, base: Any, offset: int) -> Any:
        """An element of A in every lane."""
        return e.splat(e.load(e.offset(base, self.tile.dtype, offset), self.tile.dtype), self.tile.lanes)

    def vector(self, e: Emitter, base: Any, offset: int) -> Any:
        """A vector of B."""
        return e.load(e.offset(base, self.tile.dtype, offset), Vector(self.tile.dtype, self.tile.lanes))
