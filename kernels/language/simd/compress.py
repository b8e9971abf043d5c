"""Few out of many: the lanes that a comparison lets through, written one behind the other without a branch."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types

from kernels.language.simd.arithmetic import emit_less, operand_type, widened
from kernels.language.simd.emit import Emitter, Lowering, element_bytes, has, lowered, operation, suffix
from kernels.language.simd.memory import offset_type, stored_type
from kernels.language.simd.types import Vector, vector_of

_REGISTER_BYTES = 64


@operation
def store_less(_context: Any, a: Any, i: Any, v: Any, limit: Any) -> Lowering:
    """Writes the lanes of ``v`` that are less than ``limit``, in order, over the elements of ``a`` from ``i`` on.

    What lies behind them may be overwritten too, up to as many elements as ``v`` has lanes. A NaN is not less.

    Args:
        a: array.
        i: element.
        v: vector of the array's dtype.
        limit: number or vector.

    Returns:
        How many they are.
    """
    stored_type(a, vector_of(v))

    def emit(e: Emitter, array: Any, index: Any, value: Any, bound: Any) -> Any:
        mask = emit_less(e, value, widened(e, bound, v.lanes))
        return emit_compressed(e, v, value, mask, e.address(a, array, index))

    return lowered(types.intp, [a, offset_type(i), v, operand_type(limit, v)], emit)


def emit_compressed(e: Emitter, vector: Vector, value: Any, mask: Any, address: Any) -> Any:
    """Stores the lanes in ``mask``, register by register where AVX-512 can, else one by one; returns their number."""
    lanes = min(vector.lanes, _REGISTER_BYTES // element_bytes(vector))
    is_native = has(e, "avx512f") and lanes * element_bytes(vector) == _REGISTER_BYTES
    write = emit_register if is_native and element_bytes(vector) >= 4 else emit_lanes
    total = ir.IntType(64)(0)
    for first in range(0, vector.lanes, lanes):
        numbers = range(first, first + lanes)
        part, chosen = e.pick(value, numbers), e.pick(mask, numbers)
        total = e.builder.add(total, write(e, vector, part, chosen, e.offset(address, vector.dtype, total)))
    return total


def emit_register(e: Emitter, vector: Vector, value: Any, mask: Any, address: Any) -> Any:
    """Compresses within the register: to memory, a Zen 4 runs the same instruction as a long microprogram."""
    nothing = ir.Constant(value.type, None)
    compressed = e.call(f"llvm.x86.avx512.mask.compress.{suffix(value.type)}", value.type, [value, nothing, mask])
    e.store(compressed, address, Vector(vector.dtype, value.type.count))
    word = ir.IntType(value.type.count)
    count = e.call(f"llvm.ctpop.i{value.type.count}", word, [e.builder.bitcast(mask, word)])
    return e.builder.zext(count, ir.IntType(64))


def emit_lanes(e: Emitter, vector: Vector, value: Any, mask: Any, address: Any) -> Any:
    """Writes lane after lane; the next one overwrites what is not to stay."""
    count = ir.IntType(64)(0)
    for lane in map(ir.IntType(32), range(value.type.count)):
        e.store(e.builder.extract_element(value, lane), e.offset(address, vector.dtype, count), vector.dtype)
        count = e.builder.add(count, e.builder.zext(e.builder.extract_element(mask, lane), count.type))
    return count
