"""Arithmetic on vectors, lane by lane and across lanes. Any operand but one may be a scalar, meant for every lane."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError

from kernels.language.simd.emit import Emitter, Lowering, lowered, operation, suffix
from kernels.language.simd.memory import offset_type
from kernels.language.simd.types import Vector, dtype_of, float_info, literal, vector_of, vector_type

Instruction = Callable[..., Any]
"""``emit(emitter, *vectors)``: the instructions for one vector of a result."""


@operation
def broadcast(_context: Any, x: Any, lanes: Any) -> Lowering:
    """The vector with ``x`` in every lane; its dtype is that of ``x``."""
    vector = vector_type(dtype_of(x), literal(lanes, "lanes"))

    def emit(e: Emitter, scalar: Any, _lanes: Any) -> Any:
        return e.splat(scalar, vector.lanes)

    return lowered(vector, [vector.dtype, lanes], emit)


@operation
def fma(_context: Any, a: Any, b: Any, c: Any) -> Lowering:
    """``a * b + c``, rounded once; on a CPU without fused multiply-add a product and a sum."""
    return lanewise(emit_fma, a, b, c)


@operation
def add(_context: Any, a: Any, b: Any) -> Lowering:
    """``a + b``."""
    return lanewise(emit_add, a, b)


@operation
def sub(_context: Any, a: Any, b: Any) -> Lowering:
    """``a - b``."""
    return lanewise(emit_sub, a, b)


@operation
def mul(_context: Any, a: Any, b: Any) -> Lowering:
    """``a * b``."""
    return lanewise(emit_mul, a, b)


@operation
def div(_context: Any, a: Any, b: Any) -> Lowering:
    """``a / b``, floats only."""
    float_info(dtype_of(a))
    return lanewise(emit_div, a, b)


@operation
def sqrt(_context: Any, v: Any) -> Lowering:
    """The square root, floats only; NaN for negative numbers."""
    float_info(vector_of(v).dtype)
    return lanewise(emit_sqrt, v)


@operation
def minimum(_context: Any, a: Any, b: Any) -> Lowering:
    """``a if a < b else b``, one instruction: where either is NaN, and for equal zeros, that is ``b``."""
    return lanewise(emit_minimum, a, b)


@operation
def maximum(_context: Any, a: Any, b: Any) -> Lowering:
    """``a if a > b else b``, one instruction: where either is NaN, and for equal zeros, that is ``b``."""
    return lanewise(emit_maximum, a, b)


@operation
def any_less(_context: Any, a: Any, b: Any) -> Lowering:
    """True where a lane of ``a`` is less than that of ``b``; a NaN is not."""
    vector = vector_of(a)

    def emit(e: Emitter, value: Any, other: Any) -> Any:
        mask = emit_less(e, value, widened(e, other, vector.lanes))
        bits = ir.IntType(vector.lanes)
        return e.builder.icmp_unsigned("!=", e.builder.bitcast(mask, bits), bits(0))

    return lowered(types.boolean, [a, operand_type(b, vector)], emit)


@operation
def blend(_context: Any, a: Any, b: Any, count: Any) -> Lowering:
    """The first ``count`` lanes of ``a``, and the others of ``b``."""
    vector = vector_of(a)

    # 64 bits a lane, unlike lanes_below: nothing to clamp, four instructions fewer in a loop that blends every vector
    def emit(e: Emitter, first: Any, second: Any, number: Any) -> Any:
        counts = e.splat(number, vector.lanes)
        mask = e.builder.icmp_signed("<", ir.Constant(counts.type, list(range(vector.lanes))), counts)
        return e.builder.select(mask, first, widened(e, second, vector.lanes))

    return lowered(a, [a, operand_type(b, vector), offset_type(count)], emit)


@operation
def reduce_add(_context: Any, v: Any) -> Lowering:
    """The sum of the lanes: upper half onto lower half until one is left, in this order on every CPU."""
    return lanes_reduced(emit_add, v)


@operation
def reduce_min(_context: Any, v: Any) -> Lowering:
    """The least lane; unspecified where a lane is NaN."""
    return lanes_reduced(emit_minimum, v)


@operation
def reduce_max(_context: Any, v: Any) -> Lowering:
    """The greatest lane; unspecified where a lane is NaN."""
    return lanes_reduced(emit_maximum, v)


def lanewise(instruction: Instruction, *operands: Any) -> Lowering:
    """The lowering of an instruction on vectors and scalars.

    Raises:
        TypingError: the operands hold no vector, or vectors of two types.
    """
    vector = next((kind for kind in operands if isinstance(kind, Vector)), None)
    if vector is None or any(isinstance(kind, Vector) and kind != vector for kind in operands):
        raise TypingError(f"expected vectors of one type and scalars, not {', '.join(map(str, operands))}")

    def emit(e: Emitter, *values: Any) -> Any:
        return instruction(e, *(widened(e, value, vector.lanes) for value in values))

    return lowered(vector, [operand_type(kind, vector) for kind in operands], emit)


def operand_type(kind: Any, vector: Vector) -> Any:
    """The type to which an operand is cast: a vector's own, else the dtype of the other operand's elements.

    Raises:
        TypingError: it is neither vector nor number.
    """
    if not isinstance(kind, Vector | types.Number):
        raise TypingError(f"expected a vector or a number, not {kind}")
    return kind if isinstance(kind, Vector) else vector.dtype


def widened(e: Emitter, value: Any, lanes: int) -> Any:
    """A vector as it is, a scalar in every lane."""
    return value if isinstance(value.type, ir.VectorType) else e.splat(value, lanes)


def lanes_reduced(instruction: Instruction, vector: Any) -> Lowering:
    """The lowering of a reduction over the lanes of a vector."""

    def emit(e: Emitter, value: Any) -> Any:
        return emit_reduction(e, instruction, value)

    return lowered(vector_of(vector).dtype, [vector], emit)


def emit_reduction(e: Emitter, instruction: Instruction, value: Any) -> Any:
    """One number from a vector whose lanes are a power of two, by halving."""
    while value.type.count > 1:
        half = value.type.count // 2
        value = instruction(e, e.pick(value, range(half)), e.pick(value, range(half, 2 * half)))
    return e.builder.extract_element(value, ir.IntType(32)(0))


def is_float(value: Any) -> bool:
    """True for an LLVM vector or scalar of floats."""
    return not isinstance(getattr(value.type, "element", value.type), ir.IntType)


def emit_fma(e: Emitter, a: Any, b: Any, c: Any) -> Any:
    """``a * b + c``, rounded once where the CPU can; elsewhere, and of integers, a product and a sum."""
    if not is_float(a):
        return e.builder.add(e.builder.mul(a, b), c)
    return e.call(f"llvm.fmuladd.{suffix(a.type)}", a.type, [a, b, c])


def emit_add(e: Emitter, a: Any, b: Any) -> Any:
    """``a + b``."""
    return e.builder.fadd(a, b) if is_float(a) else e.builder.add(a, b)


def emit_sub(e: Emitter, a: Any, b: Any) -> Any:
    """``a - b``."""
    return e.builder.fsub(a, b) if is_float(a) else e.builder.sub(a, b)


def emit_mul(e: Emitter, a: Any, b: Any) -> Any:
    """``a * b``."""
    return e.builder.fmul(a, b) if is_float(a) else e.builder.mul(a, b)


def emit_div(e: Emitter, a: Any, b: Any) -> Any:
    """``a / b`` of floats."""
    return e.builder.fdiv(a, b)


def emit_sqrt(e: Emitter, a: Any) -> Any:
    """The square root of floats."""
    return e.call(f"llvm.sqrt.{suffix(a.type)}", a.type, [a])


def emit_minimum(e: Emitter, a: Any, b: Any) -> Any:
    """``a if a < b else b``."""
    return e.builder.select(emit_less(e, a, b), a, b)


def emit_maximum(e: Emitter, a: Any, b: Any) -> Any:
    """``a if a > b else b``."""
    return e.builder.select(emit_less(e, b, a), a, b)


def emit_less(e: Emitter, a: Any, b: Any) -> Any:
    """The mask of lanes with ``a < b``, false where either is NaN; integers count as signed."""
    return e.builder.fcmp_ordered("<", a, b) if is_float(a) else e.builder.icmp_signed("<", a, b)
