"""Masks: what comparisons of tiles yield, one bit for every number, to be combined, counted and chosen by.

The second operand of a comparison may be whatever an element-wise operation takes (see ``tile_maps``). A comparison
with NaN is false; integers count as signed.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import models, register_model

from kernels.language.simd.arithmetic import is_float
from kernels.language.simd.emit import Emitter, Lowering, lowered, operation
from kernels.language.simd.tile_maps import spread, spread_type
from kernels.language.simd.types import tile_of


class TileMask(types.Type):
    """A bit for every number of a tile of this shape: ``[rows * vectors x <lanes x i1>]``."""

    def __init__(self, rows: int, vectors: int, lanes: int) -> None:
        self.rows = rows
        self.vectors = vectors
        self.lanes = lanes
        super().__init__(name=f"TileMask({rows}, {vectors}, {lanes})")


@register_model(TileMask)
class TileMaskModel(models.PrimitiveModel):
    """A mask is one LLVM array of vectors of bits, which LLVM's SROA pass takes apart into mask registers."""

    def __init__(self, manager: Any, mask: TileMask) -> None:
        bits = ir.VectorType(ir.IntType(1), mask.lanes)
        super().__init__(manager, mask, ir.ArrayType(bits, mask.rows * mask.vectors))  # type: ignore[no-untyped-call]


@operation
def tile_less(_context: Any, t: Any, u: Any) -> Lowering:
    """The mask of numbers with ``t < u``."""
    return compared("<", t, u)


@operation
def tile_at_most(_context: Any, t: Any, u: Any) -> Lowering:
    """The mask of numbers with ``t <= u``."""
    return compared("<=", t, u)


@operation
def tile_at_least(_context: Any, t: Any, u: Any) -> Lowering:
    """The mask of numbers with ``t >= u``."""
    return compared(">=", t, u)


@operation
def mask_and(_context: Any, m: Any, n: Any) -> Lowering:
    """The mask of what is in both."""
    if mask_of(m) != n:
        raise TypingError(f"cannot combine {m} with {n}: the shapes differ")

    def emit(e: Emitter, first: Any, second: Any) -> Any:
        return packed(e, m, [e.builder.and_(*pair) for pair in zip(bits(e, m, first), bits(e, m, second), strict=True)])

    return lowered(m, [m, n], emit)


@operation
def mask_count(_context: Any, m: Any) -> Lowering:
    """How many bits of a mask are set."""

    def emit(e: Emitter, value: Any) -> Any:
        number = ir.IntType(mask_of(m).lanes)
        words = [e.builder.bitcast(vector, number) for vector in bits(e, m, value)]
        counts = [e.call(f"llvm.ctpop.i{m.lanes}", number, [word]) for word in words]
        total = ir.IntType(64)(0)
        for count in counts:
            total = e.builder.add(total, e.builder.zext(count, total.type) if m.lanes < total.type.width else count)
        return total

    return lowered(types.intp, [m], emit)


@operation
def mask_any(_context: Any, m: Any) -> Lowering:
    """True where a bit of a mask is set."""

    def emit(e: Emitter, value: Any) -> Any:
        first, *others = bits(e, mask_of(m), value)
        for other in others:
            first = e.builder.or_(first, other)
        word = ir.IntType(m.lanes)
        return e.builder.icmp_unsigned("!=", e.builder.bitcast(first, word), word(0))

    return lowered(types.boolean, [m], emit)


@operation
def tile_choose(_context: Any, m: Any, t: Any, u: Any) -> Lowering:
    """``t`` where the mask's bit is set, else ``u``; both are tiles of the mask's shape."""
    shape = (mask_of(m).rows, m.vectors, m.lanes)
    if (tile_of(t).rows, t.vectors, t.lanes) != shape or t != u:
        raise TypingError(f"cannot choose between {t} and {u} by {m}: the shapes or dtypes differ")

    def emit(e: Emitter, mask: Any, yes: Any, no: Any) -> Any:
        chosen, other = e.unpack(t, yes), e.unpack(t, no)
        by = dict(zip(t.positions, bits(e, m, mask), strict=True))
        return e.pack(t, {at: e.builder.select(by[at], chosen[at], other[at]) for at in t.positions})

    return lowered(t, [m, t, u], emit)


def mask_of(value: Any) -> TileMask:
    """The same type, checked.

    Raises:
        TypingError: it is no mask.
    """
    if not isinstance(value, TileMask):
        raise TypingError(f"expected a mask, not {value}")
    return value


def compared(sign: str, t: Any, u: Any) -> Lowering:
    """The lowering of a comparison of a tile with what is spread over it."""
    mask, kind = TileMask(tile_of(t).rows, t.vectors, t.lanes), spread_type(u, t)

    def emit(e: Emitter, value: Any, other: Any) -> Any:
        left, right = e.unpack(t, value), spread(e, t, kind, other)
        return packed(e, mask, [emit_compared(e, sign, left[at], right[at]) for at in t.positions])

    return lowered(mask, [t, kind], emit)


def emit_compared(e: Emitter, sign: str, a: Any, b: Any) -> Any:
    """The bits of a comparison of two vectors."""
    return (e.builder.fcmp_ordered if is_float(a) else e.builder.icmp_signed)(sign, a, b)


def bits(e: Emitter, mask: TileMask, value: Any) -> list[Any]:
    """The vectors of bits of a mask, in storage order."""
    return [e.builder.extract_value(value, k) for k in range(mask.rows * mask.vectors)]


def packed(e: Emitter, mask: TileMask, vectors: list[Any]) -> Any:
    """The mask of the given vectors of bits."""
    value = ir.Constant(e.llvm_type(mask), ir.Undefined)
    for k, vector in enumerate(vectors):
        value = e.builder.insert_value(value, vector, k)
    return value
