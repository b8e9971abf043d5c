"""Whole tiles at once: element-wise operations, reductions of rows and columns, transposition.

The second operand of an element-wise operation may be a tile of the same shape; a tile of one row, meant for every row;
a tile of one vector a row, meant for every vector; a vector of as many lanes as the tile has rows, one number a row, as
a row reduction yields it; or a scalar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError

from kernels.language.simd.arithmetic import (
    emit_add,
    emit_div,
    emit_fma,
    emit_less,
    emit_maximum,
    emit_minimum,
    emit_mul,
    emit_reduction,
    emit_sqrt,
    emit_sub,
)
from kernels.language.simd.emit import Lowering, lowered, operation, suffix
from kernels.language.simd.transcendental import (
    EXP_DEGREES,
    LOG_DEGREES,
    checked_degree,
    emit_exp,
    emit_exp2,
    emit_log,
    emit_tanh,
)
from kernels.language.simd.types import Tile, Vector, float_info, tile_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kernels.language.simd.emit import Emitter

    Vectors = dict[tuple[int, int], Any]


@operation
def tile_add(_context: Any, t: Any, u: Any) -> Lowering:
    """``t + u``."""
    return elementwise(emit_add, t, u)


@operation
def tile_sub(_context: Any, t: Any, u: Any) -> Lowering:
    """``t - u``."""
    return elementwise(emit_sub, t, u)


@operation
def tile_mul(_context: Any, t: Any, u: Any) -> Lowering:
    """``t * u``, element by element."""
    return elementwise(emit_mul, t, u)


@operation
def tile_div(_context: Any, t: Any, u: Any) -> Lowering:
    """``t / u``, element by element, floats only."""
    float_info(tile_of(t).dtype)
    return elementwise(emit_div, t, u)


@operation
def tile_min(_context: Any, t: Any, u: Any) -> Lowering:
    """``minimum`` of ``t`` and ``u``: where either is NaN, that is ``u``."""
    return elementwise(emit_minimum, t, u)


@operation
def tile_max(_context: Any, t: Any, u: Any) -> Lowering:
    """``maximum`` of ``t`` and ``u``: where either is NaN, that is ``u``."""
    return elementwise(emit_maximum, t, u)


@operation
def tile_fma(_context: Any, t: Any, u: Any, w: Any) -> Lowering:
    """``t * u + w``, element by element, rounded once; ``w`` may be what ``u`` may be."""
    return elementwise(emit_fma, t, u, w)


@operation
def scale(_context: Any, t: Any, s: Any) -> Lowering:
    """``t * s`` for a scalar ``s``."""
    return elementwise(emit_mul, t, s)


@operation
def tile_sqrt(_context: Any, t: Any) -> Lowering:
    """The square root of every element."""
    float_info(tile_of(t).dtype)
    return elementwise(emit_sqrt, t)


@operation
def tile_minus_abs(_context: Any, t: Any) -> Lowering:
    """``-abs(t)``, element by element, floats only: one instruction that sets signs."""
    float_info(tile_of(t).dtype)
    return elementwise(emit_minus_abs, t)


@operation
def tile_exp(_context: Any, t: Any, degree: Any) -> Lowering:
    """``exp`` of every element."""
    return polynomial_of_tile(emit_exp, EXP_DEGREES, t, degree)


@operation
def tile_exp2(_context: Any, t: Any, degree: Any) -> Lowering:
    """``exp2`` of every element."""
    return polynomial_of_tile(emit_exp2, EXP_DEGREES, t, degree)


@operation
def tile_tanh(_context: Any, t: Any, degree: Any) -> Lowering:
    """``tanh`` of every element."""
    return polynomial_of_tile(emit_tanh, EXP_DEGREES, t, degree)


@operation
def tile_log(_context: Any, t: Any, degree: Any) -> Lowering:
    """``log`` of every element."""
    return polynomial_of_tile(emit_log, LOG_DEGREES, t, degree)


@operation
def tile_polynomial(_context: Any, t: Any, coefficients: Any) -> Lowering:
    """``c0 + t * (c1 + t * (c2 + ...))`` of every element, by Horner's rule; a tuple of floats, the constant first."""
    dtype, kind = tile_of(t).dtype, coefficients_type(coefficients)

    def emit(e: Emitter, value: Any, numbers: Any) -> Any:
        scalars = [e.builder.extract_value(numbers, k) for k in range(kind.count)]
        if dtype.bitwidth < kind.dtype.bitwidth:
            scalars = [e.builder.fptrunc(scalar, e.llvm_type(dtype)) for scalar in scalars]
        spread_out = [e.splat(scalar, t.lanes) for scalar in scalars]
        return e.pack(t, {at: emit_horner(e, vector, spread_out) for at, vector in e.unpack(t, value).items()})

    return lowered(t, [t, kind], emit)


@operation
def tile_select(_context: Any, t: Any, u: Any, a: Any, b: Any) -> Lowering:
    """``a`` where ``t < u``, else ``b``, and so where either is NaN; all but ``t`` may be what ``u`` may be."""
    return elementwise(emit_select, t, u, a, b)


@operation
def row_reduce_add(_context: Any, t: Any) -> Lowering:
    """The sum of every row, as a vector of as many lanes as the tile has rows."""
    return rows_reduced(emit_add, t)


@operation
def row_reduce_min(_context: Any, t: Any) -> Lowering:
    """The least of every row, as a vector of as many lanes as the tile has rows; unspecified where one is NaN."""
    return rows_reduced(emit_minimum, t)


@operation
def row_reduce_max(_context: Any, t: Any) -> Lowering:
    """The greatest of every row, as a vector of as many lanes as the tile has rows; unspecified where one is NaN."""
    return rows_reduced(emit_maximum, t)


@operation
def column_reduce_add(_context: Any, t: Any) -> Lowering:
    """The sum of every column, as a tile of one row."""
    return columns_reduced(emit_add, t)


@operation
def column_reduce_min(_context: Any, t: Any) -> Lowering:
    """The least of every column, as a tile of one row; unspecified where one is NaN."""
    return columns_reduced(emit_minimum, t)


@operation
def column_reduce_max(_context: Any, t: Any) -> Lowering:
    """The greatest of every column, as a tile of one row; unspecified where one is NaN."""
    return columns_reduced(emit_maximum, t)


@operation
def tile_reduce_add(_context: Any, t: Any) -> Lowering:
    """The sum of all elements, as a scalar."""
    return all_reduced(emit_add, t)


@operation
def tile_reduce_min(_context: Any, t: Any) -> Lowering:
    """The least of all elements, as a scalar; unspecified where one is NaN."""
    return all_reduced(emit_minimum, t)


@operation
def tile_reduce_max(_context: Any, t: Any) -> Lowering:
    """The greatest of all elements, as a scalar; unspecified where one is NaN."""
    return all_reduced(emit_maximum, t)


def coefficients_type(kind: Any) -> Any:
    """The type of a tuple of coefficients.

    Raises:
        TypingError: it is no tuple of numbers of 64 bits.
    """
    if isinstance(kind, types.UniTuple) and kind.dtype == types.float64:
        return kind
    raise TypingError(f"coefficients must be a tuple of floats, not {kind}")


def emit_horner(e: Emitter, x: Any, coefficients: list[Any]) -> Any:
    """The polynomial with the given vectors as coefficients, from the constant up."""
    total = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        total = emit_fma(e, total, x, coefficient)
    return total


def emit_minus_abs(e: Emitter, x: Any) -> Any:
    """``-abs(x)``."""
    return e.builder.fneg(e.call(f"llvm.fabs.{suffix(x.type)}", x.type, [x]))


def emit_select(e: Emitter, x: Any, y: Any, a: Any, b: Any) -> Any:
    """``a`` where ``x < y``, else ``b``."""
    return e.builder.select(emit_less(e, x, y), a, b)


def elementwise(instruction: Callable[..., Any], t: Any, *others: Any) -> Lowering:
    """The lowering of an instruction on the vectors of a tile and of operands spread over its shape."""
    kinds = [spread_type(kind, tile_of(t)) for kind in others]

    def emit(e: Emitter, value: Any, *values: Any) -> Any:
        operands = [e.unpack(t, value), *(spread(e, t, kind, x) for kind, x in zip(kinds, values, strict=True))]
        return e.pack(t, {at: instruction(e, *(vectors[at] for vectors in operands)) for at in t.positions})

    return lowered(t, [t, *kinds], emit)


def spread_type(kind: Any, tile: Tile) -> Any:
    """The type to which an operand is cast that is spread over a tile.

    Raises:
        TypingError: its shape or dtype does not fit the tile.
    """
    if isinstance(kind, types.Number):
        return tile.dtype
    fits = isinstance(kind, Tile) and kind.rows in (1, tile.rows) and kind.vectors in (1, tile.vectors)
    if (fits and kind.lanes == tile.lanes and kind.dtype == tile.dtype) or kind == Vector(tile.dtype, tile.rows):
        return kind
    raise TypingError(f"{kind} cannot be spread over {tile}")


def spread(e: Emitter, tile: Tile, kind: Any, value: Any) -> Vectors:
    """The vectors of an operand, repeated to the shape of a tile."""
    if isinstance(kind, Tile):
        vectors = e.unpack(kind, value)
        return {(i, j): vectors[i % kind.rows, j % kind.vectors] for i, j in tile.positions}
    if isinstance(kind, Vector):
        numbers = [e.builder.extract_element(value, ir.IntType(32)(i)) for i in range(tile.rows)]
        rows = [e.splat(number, tile.lanes) for number in numbers]
        return {(i, j): rows[i] for i, j in tile.positions}
    return dict.fromkeys(tile.positions, e.splat(value, tile.lanes))


def polynomial_of_tile(emit_map: Callable[..., Any], degrees: Mapping[str, range], t: Any, degree: Any) -> Lowering:
    """The lowering of ``emit_map(emitter, vector, dtype, degree)`` for every vector of a tile."""
    chosen = checked_degree(tile_of(t).dtype, degree, degrees)

    def emit(e: Emitter, value: Any, _degree: Any) -> Any:
        return e.pack(t, {at: emit_map(e, vector, t.dtype, chosen) for at, vector in e.unpack(t, value).items()})

    return lowered(t, [t, degree], emit)


def rows_reduced(instruction: Callable[..., Any], t: Any) -> Lowering:
    """The lowering of a reduction along rows: vector onto vector, then lanes."""
    result = Vector(tile_of(t).dtype, t.rows)

    def emit(e: Emitter, value: Any) -> Any:
        vectors = e.unpack(t, value)
        numbers = ir.Constant(e.llvm_type(result), ir.Undefined)
        for i in range(t.rows):
            row = emit_fold(e, instruction, [vectors[i, j] for j in range(t.vectors)])
            numbers = e.builder.insert_element(numbers, emit_reduction(e, instruction, row), ir.IntType(32)(i))
        return numbers

    return lowered(result, [t], emit)


def columns_reduced(instruction: Callable[..., Any], t: Any) -> Lowering:
    """The lowering of a reduction along columns."""
    result = Tile(tile_of(t).dtype, 1, t.vectors, t.lanes)

    def emit(e: Emitter, value: Any) -> Any:
        vectors = e.unpack(t, value)
        columns = ([vectors[i, j] for i in range(t.rows)] for j in range(t.vectors))
        return e.pack(result, {(0, j): emit_fold(e, instruction, column) for j, column in enumerate(columns)})

    return lowered(result, [t], emit)


def all_reduced(instruction: Callable[..., Any], t: Any) -> Lowering:
    """The lowering of a reduction of all elements to one number."""

    def emit(e: Emitter, value: Any) -> Any:
        return emit_reduction(e, instruction, emit_fold(e, instruction, list(e.unpack(t, value).values())))

    return lowered(tile_of(t).dtype, [t], emit)


def emit_fold(e: Emitter, instruction: Callable[..., Any], vectors: list[Any]) -> Any:
    """One vector from many: neighbours in pairs, then pairs of pairs, so that few instructions wait for each other."""
    while len(vectors) > 1:
        pairs = [instruction(e, *vectors[k : k + 2]) for k in range(0, len(vectors) - 1, 2)]
        vectors = pairs + vectors[2 * len(pairs) :]
    return vectors[0]
