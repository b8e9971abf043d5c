"""exp, log and tanh of vectors, as polynomials whose degree trades time for accuracy.

They differ from libm in three ways, each of which saves instructions: subnormal results are flushed to zero, subnormal
arguments of ``log`` count as zero, and ``tanh(-0.0)`` is ``+0.0``.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError

from kernels.language.simd.arithmetic import emit_fma, emit_maximum, emit_minimum
from kernels.language.simd.emit import Lowering, lowered, operation
from kernels.language.simd.polynomials import interpolated
from kernels.language.simd.types import float_info, literal, vector_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kernels.language.simd.emit import Emitter
    from kernels.language.simd.types import Vector

LN2 = math.log(2)
LN2_DIGITS = Decimal("0.693147180559945309417232121458176568")


@operation
def exp(_context: Any, v: Any, degree: Any) -> Lowering:
    """e to the power of every lane.

    Results below 2**-1021.5 (float32: 2**-125.5) are 0; -inf gives 0, inf and what overflows gives inf, NaN gives NaN.

    ======  =======  =======
    degree  float32  float64
    ======  =======  =======
    ======  =======  =======

    Args:
        v: vector of floats.
        degree: literal degree of the polynomial, 3 to 7 for float32, 5 to 13 for float64.
    """
    return polynomial_map(emit_exp, EXP_DEGREES, v, degree)
"""
"""
