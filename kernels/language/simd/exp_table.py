"""2 to the power of a tile's elements, by a table that lies in one register: a polynomial of lower degree is left."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from llvmlite import ir

from kernels.language.simd.emit import Lowering, has, lowered, operation
from kernels.language.simd.estimates import joined
from kernels.language.simd.polynomials import interpolated
from kernels.language.simd.transcendental import (
    bits,
    checked_degree,
    constant,
    emit_clamp,
    emit_exp2,
    emit_polynomial,
    power_of_two,
)
from kernels.language.simd.types import float_info, literal, literal_type, tile_of

if TYPE_CHECKING:
    from kernels.language.simd.emit import Emitter

TABLE_DEGREES = {"float32": range(2, 5), "float64": range(4, 9)}
_WITHOUT_TABLE = {"float32": 3, "float64": 4}
"""So many degrees more make a polynomial by itself about as right."""
_REGISTER_BITS = 512


@operation
def tile_exp2_table(_context: Any, t: Any, degree: Any, is_bounded: Any = 0) -> Lowering:
    """Like ``tile_exp2``, with 8 powers of 2 between 1 and 2 in a register (float32: 16), and a smaller remainder.

    Three instructions fewer, and four fewer that multiply; without AVX-512, ``tile_exp2`` of a degree 4 higher (3).
    Results below 2**-1021 (float32: 2**-125) are between 0 and that; all else is as in ``exp2``.

    Greatest relative error, by degree:

        degree  float32  float64
        2       5.6e-7   -
        3       1.6e-7   -
        4       1.6e-7   8.2e-11
        5       -        3.0e-13
        6       -        1.2e-15
        7       -        2.6e-16
        8       -        2.6e-16

    Args:
        t: tile of floats.
        degree: literal degree of the polynomial, 2 to 4 for float32, 4 to 8 for float64.
        is_bounded: literal; 1 where all results are known to be normal numbers: two instructions fewer.
    """
    chosen = checked_degree(tile_of(t).dtype, degree, TABLE_DEGREES)
    is_clamped = not literal(is_bounded, "is_bounded")

    def emit(e: Emitter, value: Any, *_literals: Any) -> Any:
        vectors = e.unpack(t, value)
        return e.pack(t, {at: emit_exp2_table(e, v, t.dtype, chosen, is_clamped) for at, v in vectors.items()})

    return lowered(t, [t, degree, literal_type(is_bounded)], emit)


def emit_exp2_table(e: Emitter, v: Any, dtype: Any, degree: int, is_clamped: bool) -> Any:
    """2**v = 2**n * 2**(j / entries) * 2**r, for v rounded to a multiple of 1 / entries, as in ``emit_exp2``."""
    info = float_info(dtype)
    entries = _REGISTER_BITS // info.bits
    if not has(e, "avx512f") or v.type.count % entries:
        return emit_exp2(e, v, dtype, degree + _WITHOUT_TABLE[dtype.name])
    x = emit_clamp(e, v, info.minexp, info.maxexp + 1) if is_clamped else v
    # the sum's lowest bits are n and j, in that order: a shift takes n to the exponent, j to the leading digits
    magic = constant(v, 1.5 * 2.0**info.nmant / entries + info.maxexp - 2)
    shifted = e.builder.fadd(x, magic)
    numbers = e.builder.bitcast(shifted, ir.VectorType(ir.IntType(info.bits), v.type.count))
    place = info.nmant - entries.bit_length() + 1
    moved = e.builder.shl(numbers, ir.Constant(numbers.type, place))
    scale = e.builder.add(moved, emit_entries(e, numbers, table(dtype, entries, place)))
    doubled = [2 * c for c in interpolated(power_of_two, degree, -0.5 / entries, 0.5 / entries)]
    rest = e.builder.fsub(x, e.builder.fsub(shifted, magic))
    return e.builder.fmul(emit_polynomial(e, rest, doubled), e.builder.bitcast(scale, v.type))


def table(dtype: Any, entries: int, place: int) -> list[int]:
    """What is to be added to the digits j, at their place, to make them those of 2**(j / entries)."""
    powers = [bits(float(power_of_two(Decimal(j) / entries)), dtype) - bits(1.0, dtype) for j in range(entries)]
    return [digits - (j << place) for j, digits in enumerate(powers)]


def emit_entries(e: Emitter, numbers: Any, entries: list[int]) -> Any:
    """The entries that the lowest bits of integers name, a register of them at a time."""
    held = ir.Constant(ir.VectorType(numbers.type.element, len(entries)), entries)
    name = f"llvm.x86.avx512.permvar.{'si' if numbers.type.element.width == 32 else 'di'}.512"
    starts = range(0, numbers.type.count, len(entries))
    pieces = [e.pick(numbers, range(start, start + len(entries))) for start in starts]
    return joined(e, [e.call(name, piece.type, [held, piece]) for piece in pieces])
