"""The CPU's own estimates of functions: one instruction and a dozen bits, to be refined by whoever needs more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llvmlite import ir

from kernels.language.simd.arithmetic import emit_div, emit_sqrt
from kernels.language.simd.emit import Lowering, lowered, operation
from kernels.language.simd.types import float_info, tile_of

if TYPE_CHECKING:
    from kernels.language.simd.emit import Emitter


@dataclass(frozen=True)
class Instruction:
    """One that estimates: where it is, what LLVM calls it, and what it takes beside the vector.

    Attributes:
        feature: of the CPU.
        lanes: of its vector.
        name: of the intrinsic function.
        mask_bits: of the mask of lanes, behind a vector for the others; 0 where it takes none.
    """

    feature: str
    lanes: int
    name: str
    mask_bits: int = 0


RSQRT = {
    32: (
        Instruction("avx512f", 16, "llvm.x86.avx512.rsqrt14.ps.512", 16),
        Instruction("avx512vl", 8, "llvm.x86.avx512.rsqrt14.ps.256", 8),
        Instruction("avx512vl", 4, "llvm.x86.avx512.rsqrt14.ps.128", 8),
        Instruction("avx", 8, "llvm.x86.avx.rsqrt.ps.256"),
        Instruction("sse", 4, "llvm.x86.sse.rsqrt.ps"),
    ),
    64: (
        Instruction("avx512f", 8, "llvm.x86.avx512.rsqrt14.pd.512", 8),
        Instruction("avx512vl", 4, "llvm.x86.avx512.rsqrt14.pd.256", 8),
        Instruction("avx512vl", 2, "llvm.x86.avx512.rsqrt14.pd.128", 8),
    ),
}
"""Estimates of 1/sqrt by the bits of an element, the best first: the widest, and those of AVX-512 with 2 bits more."""


@operation
def tile_rsqrt_estimate(_context: Any, t: Any) -> Lowering:
    """About ``1 / sqrt(t)``: to 2**-14 with AVX-512, float32 to 1.5 * 2**-12 on other x86, elsewhere by division.

    Which numbers come out differs between makers of CPUs. Of 0 it is inf, of inf 0, of negative numbers NaN.
    """
    float_info(tile_of(t).dtype)

    def emit(e: Emitter, value: Any) -> Any:
        return e.pack(t, {at: emit_rsqrt_estimate(e, vector) for at, vector in e.unpack(t, value).items()})

    return lowered(t, [t], emit)


def emit_rsqrt_estimate(e: Emitter, v: Any) -> Any:
    """The estimate, in as many pieces as the widest fitting instruction leaves."""
    features = e.context.codegen().magic_tuple()[2].split(",")
    lanes = v.type.count
    known = [one for one in RSQRT[element_bits(v)] if f"+{one.feature}" in features]
    if not known:
        return emit_div(e, e.splat(v.type.element(1.0), lanes), emit_sqrt(e, v))
    chosen = next((one for one in known if one.lanes <= lanes), min(known, key=lambda one: one.lanes))
    if chosen.lanes > lanes:
        widened = e.pick(v, [k % lanes for k in range(chosen.lanes)])
        return e.pick(emit_instruction(e, chosen, widened), range(lanes))
    pieces = [e.pick(v, range(k, k + chosen.lanes)) for k in range(0, lanes, chosen.lanes)]
    return joined(e, [emit_instruction(e, chosen, piece) for piece in pieces])


def emit_instruction(e: Emitter, instruction: Instruction, v: Any) -> Any:
    """One instruction, of all lanes."""
    if not instruction.mask_bits:
        return e.call(instruction.name, v.type, [v])
    every_lane = ir.Constant(ir.IntType(instruction.mask_bits), -1)
    return e.call(instruction.name, v.type, [v, ir.Constant(v.type, None), every_lane])


def joined(e: Emitter, pieces: list[Any]) -> Any:
    """One vector of several, a power of two of them."""
    while len(pieces) > 1:
        lanes = range(2 * pieces[0].type.count)
        pieces = [e.shuffle(pieces[k], pieces[k + 1], lanes) for k in range(0, len(pieces), 2)]
    return pieces[0]


def element_bits(v: Any) -> int:
    """Of an LLVM vector of floats."""
    return 32 if isinstance(v.type.element, ir.FloatType) else 64
