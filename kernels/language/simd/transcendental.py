"""exp, exp2, log and tanh of vectors, as polynomials whose degree trades time for accuracy.

They differ from libm where that saves instructions: subnormal results of ``exp`` and ``exp2`` are 0, subnormal
arguments of ``log`` count as 0, and ``tanh(-0.0)`` is ``+0.0``. Without fused multiply-add errors were up to 2.3 times
those stated.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir
from numba.core.errors import TypingError

from kernels.language.simd.arithmetic import emit_fma, emit_maximum, emit_minimum
from kernels.language.simd.emit import Lowering, lowered, operation
from kernels.language.simd.polynomials import interpolated
from kernels.language.simd.types import float_info, literal, vector_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kernels.language.simd.emit import Emitter

LN2 = Decimal("0.69314718055994530941723212145817656807550013436026")
EXP_DEGREES = {"float32": range(3, 8), "float64": range(5, 14)}
LOG_DEGREES = {"float32": range(1, 4), "float64": range(2, 8)}
SPLIT_LN2 = {"float32": 5, "float64": 10}
"""From this degree on the polynomial of exp is better than an argument reduced by ln 2 in one number."""


@operation
def exp(_context: Any, v: Any, degree: Any) -> Lowering:
    """The exponential of every lane.

    Results below 2**-1021.5 (float32: 2**-125.5) are 0; -inf gives 0, inf and what overflows give inf, NaN gives NaN.

    Greatest relative error measured, by degree:

        degree  float32  float64
        3       1.0e-4   -
        4       3.8e-6   -
        5       2.3e-7   1.1e-7
        6       9.0e-8   2.6e-9
        7       7.5e-8   5.6e-11
        8       -        1.1e-12
        9       -        4.3e-14
        10      -        4.5e-16
        11      -        1.5e-16
        12      -        1.4e-16
        13      -        1.4e-16

    Args:
        v: vector of floats.
        degree: literal degree of the polynomial, 3 to 7 for float32, 5 to 13 for float64.
    """
    return polynomial_map(emit_exp, EXP_DEGREES, v, degree)


@operation
def exp2(_context: Any, v: Any, degree: Any) -> Lowering:
    """2 to the power of every lane; two instructions fewer than ``exp``, for nothing is lost in reducing the argument.

    Results below 2**-1021.5 (float32: 2**-125.5) are 0; -inf gives 0, inf and what overflows give inf, NaN gives NaN.

    Greatest relative error measured, by degree:

        degree  float32  float64
        3       9.6e-5   -
        4       3.4e-6   -
        5       2.1e-7   9.8e-8
        6       7.5e-8   2.5e-9
        7       6.2e-8   5.4e-11
        8       -        1.1e-12
        9       -        1.9e-14
        10      -        3.7e-16
        11      -        1.3e-16
        12      -        1.3e-16
        13      -        1.3e-16

    Args:
        v: vector of floats.
        degree: literal degree of the polynomial, 3 to 7 for float32, 5 to 13 for float64.
    """
    return polynomial_map(emit_exp2, EXP_DEGREES, v, degree)


@operation
def tanh(_context: Any, v: Any, degree: Any) -> Lowering:
    """The hyperbolic tangent of every lane.

    Greatest relative error measured, by degree:

        degree  float32  float64
        3       5.7e-4   -
        4       2.0e-5   -
        5       7.2e-7   5.8e-7
        6       2.5e-7   1.5e-8
        7       2.5e-7   3.2e-10
        8       -        6.1e-12
        9       -        1.1e-13
        10      -        2.1e-15
        11      -        4.5e-16
        12      -        4.5e-16
        13      -        4.5e-16

    Args:
        v: vector of floats.
        degree: literal degree of the polynomial for exp - 1, 3 to 7 for float32, 5 to 13 for float64.
    """
    return polynomial_map(emit_tanh, EXP_DEGREES, v, degree)


@operation
def log(_context: Any, v: Any, degree: Any) -> Lowering:
    """The natural logarithm of every lane: -inf for 0 and for subnormal numbers, NaN for negative ones.

    Greatest relative error measured, by degree:

        degree  float32  float64
        1       8.9e-5   -
        2       5.4e-7   4.8e-7
        3       8.2e-8   2.8e-9
        4       -        1.7e-11
        5       -        1.1e-13
        6       -        7.8e-16
        7       -        1.9e-16

    Args:
        v: vector of floats.
        degree: literal degree of the polynomial in ((m - 1) / (m + 1))**2, m the mantissa: 1 to 3 for float32, 2 to 7
            for float64.
    """
    return polynomial_map(emit_log, LOG_DEGREES, v, degree)


def polynomial_map(emit_map: Callable[..., Any], degrees: Mapping[str, range], v: Any, degree: Any) -> Lowering:
    """The lowering of ``emit_map(emitter, vector, dtype, degree)``."""
    chosen = checked_degree(vector_of(v).dtype, degree, degrees)

    def emit(e: Emitter, value: Any, _degree: Any) -> Any:
        return emit_map(e, value, v.dtype, chosen)

    return lowered(v, [v, degree], emit)


def checked_degree(dtype: Any, degree: Any, degrees: Mapping[str, range]) -> int:
    """A literal degree.

    Raises:
        TypingError: it is not among those for the dtype.
    """
    float_info(dtype)
    allowed = degrees[dtype.name]
    if literal(degree, "degree") not in allowed:
        raise TypingError(f"degree must be {allowed[0]} to {allowed[-1]} for {dtype}, not {literal(degree, 'degree')}")
    return literal(degree, "degree")


def emit_exp(e: Emitter, v: Any, dtype: Any, degree: int) -> Any:
    """exp(v) = 2**n * exp(r), r = v - n ln 2 (Cody and Waite), with factors 2 * exp(r) and 2**(n - 1) that are finite.

    Clamping to the ends where 2**(n - 1) becomes 0 and inf makes all results beyond right; NaN passes both clamps.
    """
    info = float_info(dtype)
    ln2 = rounded(LN2, dtype)[0]
    x = emit_clamp(e, v, info.minexp * ln2, (info.maxexp + 1) * ln2)
    n, scale = emit_power(e, x, 1 / ln2, info, info.maxexp - 2)
    if degree >= SPLIT_LN2[dtype.name]:
        high = shortened(ln2, info.nmant - info.iexp)
        r = emit_fma(e, n, constant(v, -high), x)
        r = emit_fma(e, n, constant(v, -float(LN2 - Decimal(high))), r)
    else:
        r = emit_fma(e, n, constant(v, -ln2), x)
    doubled = [2 * c for c in interpolated(Decimal.exp, degree, -ln2 / 2, ln2 / 2)]
    return e.builder.fmul(emit_polynomial(e, r, doubled), scale)


def emit_exp2(e: Emitter, v: Any, dtype: Any, degree: int) -> Any:
    """2**v = 2**n * 2**r, r = v - n, which is exact; clamps and factors as in ``emit_exp``."""
    info = float_info(dtype)
    x = emit_clamp(e, v, info.minexp, info.maxexp + 1)
    n, scale = emit_power(e, x, 1.0, info, info.maxexp - 2)
    doubled = [2 * c for c in interpolated(power_of_two, degree, -0.5, 0.5)]
    return e.builder.fmul(emit_polynomial(e, e.builder.fsub(x, n), doubled), scale)


def power_of_two(r: Decimal) -> Decimal:
    """2**r."""
    return (r * LN2).exp()


def emit_tanh(e: Emitter, v: Any, dtype: Any, degree: int) -> Any:
    """tanh(v) = w / (w + 2), w = exp(2v) - 1 = 2**n (exp(2r) - 1) + 2**n - 1, r = v - n ln 2 / 2.

    Beyond the clamps the quotient is 1 or -1 to the last bit.
    """
    info = float_info(dtype)
    half_ln2 = rounded(LN2, dtype)[0] / 2
    end = (info.nmant + 4) * half_ln2
    x = emit_clamp(e, v, -end, end)
    n, scale = emit_power(e, x, 1 / half_ln2, info, info.maxexp - 1)
    r = emit_fma(e, n, constant(v, -half_ln2), x)
    coefficients = interpolated(double_exponential_slope, degree - 1, -half_ln2 / 2, half_ln2 / 2)
    p = e.builder.fmul(r, emit_polynomial(e, r, coefficients))
    w = emit_fma(e, scale, p, e.builder.fsub(scale, constant(v, 1.0)))
    return e.builder.fdiv(w, e.builder.fadd(w, constant(v, 2.0)))


def double_exponential_slope(r: Decimal) -> Decimal:
    """(exp(2r) - 1) / r; no node of an interpolation is exactly 0."""
    return ((2 * r).exp() - 1) / r


def emit_log(e: Emitter, v: Any, dtype: Any, degree: int) -> Any:
    """log(v) = n ln 2 + log(m), m = v / 2**n within a factor sqrt(2) of 1, log(m) by ``emit_log_of_mantissa``."""
    info = float_info(dtype)
    n, m = emit_mantissa(e, v, dtype)
    finite = emit_fma(e, n, constant(v, float(LN2)), emit_log_of_mantissa(e, m, degree))
    number = e.builder.select(e.builder.fcmp_ordered("<", v, constant(v, math.inf)), finite, v)
    is_negative = e.builder.fcmp_ordered("<", v, constant(v, 0.0))
    below = e.builder.select(is_negative, constant(v, math.nan), constant(v, -math.inf))
    return e.builder.select(e.builder.fcmp_ordered("<", v, constant(v, float(info.tiny))), below, number)


def emit_log_of_mantissa(e: Emitter, m: Any, degree: int) -> Any:
    """log(m) = f - s (f - R(s**2)), f = m - 1, s = f / (m + 1), R(s**2) = log(m) / s - 2 (fdlibm, e_log.c)."""
    f = e.builder.fsub(m, constant(m, 1.0))
    s = e.builder.fdiv(f, e.builder.fadd(m, constant(m, 1.0)))
    z = e.builder.fmul(s, s)
    greatest = (3 - 2 * math.sqrt(2)) ** 2
    coefficients = interpolated(log_remainder, degree - 1, 0.0, greatest)
    remainder = e.builder.fmul(z, emit_polynomial(e, z, coefficients))
    return emit_fma(e, s, e.builder.fsub(remainder, f), f)


def log_remainder(z: Decimal) -> Decimal:
    """R(z) / z of ``emit_log_of_mantissa``: 2/3 + 2/5 z + 2/7 z**2 + ..."""
    s = z.sqrt()
    return (((1 + s) / (1 - s)).ln() / s - 2) / z


def emit_mantissa(e: Emitter, v: Any, dtype: Any) -> tuple[Any, Any]:
    """The floats n and m of a positive normal number v = 2**n * m with m from sqrt(0.5) to sqrt(2)."""
    info = float_info(dtype)
    ints = ir.VectorType(ir.IntType(info.bits), v.type.count)
    one, root, whole = (bits(x, dtype) for x in (1.0, math.sqrt(0.5), 2.0**info.nmant))
    moved = e.builder.add(e.builder.bitcast(v, ints), ir.Constant(ints, one - root))
    exponent = e.builder.or_(e.builder.lshr(moved, ir.Constant(ints, info.nmant)), ir.Constant(ints, whole))
    n = e.builder.fsub(e.builder.bitcast(exponent, v.type), constant(v, 2.0**info.nmant + info.maxexp - 1))
    mantissa = e.builder.and_(moved, ir.Constant(ints, (1 << info.nmant) - 1))
    return n, e.builder.bitcast(e.builder.add(mantissa, ir.Constant(ints, root)), v.type)


def emit_power(e: Emitter, x: Any, per_step: float, info: Any, bias: int) -> tuple[Any, Any]:
    """The integers n nearest to ``x * per_step``, as floats, and 2**(n + bias - b) where b is the format's own bias.

    Adding 1.5 * 2**mantissa bits rounds to an integer and leaves it, biased, in the lowest bits of the sum, which a
    shift moves into the exponent. ``n + bias`` must lie within the exponents of the format.
    """
    magic = constant(x, 1.5 * 2.0**info.nmant + bias)
    ints = ir.VectorType(ir.IntType(info.bits), x.type.count)
    shifted = emit_fma(e, x, constant(x, per_step), magic)
    scale = e.builder.shl(e.builder.bitcast(shifted, ints), ir.Constant(ints, info.nmant))
    return e.builder.fsub(shifted, magic), e.builder.bitcast(scale, x.type)


def emit_clamp(e: Emitter, v: Any, low: float, high: float) -> Any:
    """``v`` within [low, high]; NaN stays NaN."""
    return emit_maximum(e, constant(v, low), emit_minimum(e, constant(v, high), v))


def emit_polynomial(e: Emitter, x: Any, coefficients: Sequence[float]) -> Any:
    """The polynomial with the given coefficients, from the constant up, by Horner's rule."""
    total = constant(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = emit_fma(e, total, x, constant(x, coefficient))
    return total


def constant(like: Any, value: float) -> Any:
    """The constant with ``value`` in every lane, of the LLVM type of ``like``."""
    return ir.Constant(like.type, value)


def rounded(value: Decimal, dtype: Any) -> tuple[float, float]:
    """The number of the dtype nearest to ``value``, and what is left."""
    nearest = float(np.dtype(dtype.name).type(float(value)))
    return nearest, float(value - Decimal(nearest))


def shortened(value: float, mantissa_bits: int) -> float:
    """A number's leading bits: their product with a number of few bits is exact without fused multiply-add too."""
    fraction, exponent = math.frexp(value)
    return math.ldexp(math.floor(math.ldexp(fraction, mantissa_bits)), exponent - mantissa_bits)


def bits(value: float, dtype: Any) -> int:
    """The bits of a float as an integer."""
    kind = np.dtype(dtype.name)
    return int(np.array(value, kind).view(f"i{kind.itemsize}"))
