"""How an operation becomes LLVM instructions: the decorator, and an emitter that speaks of vectors and tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kernels.language.simd.types import Tile

Lowering = tuple[Any, Any]
"""What typing an operation yields: the Numba signature and the code generator."""


def operation(function: Callable[..., Lowering]) -> Any:
    """Makes a typing function into a call that Numba compiles in line, literal arguments kept as literals."""
    return intrinsic(prefer_literal=True)(function)


def lowered(result: Any, arguments: Sequence[Any], emit: Callable[..., Any]) -> Lowering:
    """The lowering of an operation.

    Args:
        result: Numba type of the result.
        arguments: Numba types to which the arguments are cast, all of them.
        emit: ``emit(emitter, *values)`` makes the instructions and returns the LLVM value, None for no result.
    """

    def generate(context: Any, builder: Any, _signature: Any, values: Sequence[Any]) -> Any:
        made = emit(Emitter(context, builder), *values)
        return context.get_dummy_value() if made is None else made

    return result(*arguments), generate


class Emitter:
    """Makes LLVM instructions at one place of a function. No instruction carries fast-math flags.

    Attributes:
        context: Numba's target context.
        builder: llvmlite's ``IRBuilder``, at the place where the operation stands.
    """

    def __init__(self, context: Any, builder: Any) -> None:
        self.context = context
        self.builder = builder

    def llvm_type(self, numba_type: Any) -> Any:
        """The LLVM type of a value of ``numba_type``."""
        return self.context.get_value_type(numba_type)

    def address(self, array: Any, value: Any, index: Any) -> Any:
        """The address of element ``index``, counted from the first, of the array ``value`` of type ``array``."""
        data = self.builder.extract_value(value, self.context.data_model_manager[array].get_field_position("data"))
        return self.offset(data, array.dtype, index)

    def offset(self, address: Any, dtype: Any, count: Any) -> Any:
        """The address ``count`` elements further on; a vector of counts gives a vector of addresses."""
        number = integer(count) if isinstance(count, int) else count
        made = self.builder.gep(address, [number], source_etype=self.llvm_type(dtype))
        # llvmlite gives it the type of ``address``, here a pointer to an element, which it would not store vectors to.
        is_vector = isinstance(number.type, ir.VectorType)
        made.type = ir.VectorType(ir.PointerType(), number.type.count) if is_vector else ir.PointerType()
        return made

    def load(self, address: Any, numba_type: Any) -> Any:
        """A scalar or vector from an address aligned to its elements."""
        return self.builder.load(address, align=element_bytes(numba_type), typ=self.llvm_type(numba_type))

    def store(self, value: Any, address: Any, numba_type: Any) -> Any:
        """A scalar or vector to an address aligned to its elements."""
        return self.builder.store(value, address, align=element_bytes(numba_type))

    def stream(self, value: Any, address: Any, vector: Any) -> None:
        """A vector past the caches to an address aligned to the whole vector."""
        instruction = self.builder.store(value, address, align=element_bytes(vector) * vector.lanes)
        instruction.set_metadata("nontemporal", self.builder.module.add_metadata([ir.IntType(32)(1)]))

    def splat(self, scalar: Any, lanes: int) -> Any:
        """A vector with ``scalar`` in every lane."""
        undefined = ir.Constant(ir.VectorType(scalar.type, lanes), ir.Undefined)
        first = self.builder.insert_element(undefined, scalar, ir.IntType(32)(0))
        return self.builder.shuffle_vector(first, undefined, lane_numbers([0] * lanes))

    def shuffle(self, a: Any, b: Any, lanes: Sequence[int]) -> Any:
        """The vector of the numbered lanes of ``a`` followed by ``b``."""
        return self.builder.shuffle_vector(a, b, lane_numbers(lanes))

    def pick(self, a: Any, lanes: Sequence[int]) -> Any:
        """The vector of the numbered lanes of ``a``."""
        return self.shuffle(a, ir.Constant(a.type, ir.Undefined), lanes)

    def call(self, name: str, result: Any, values: Sequence[Any]) -> Any:
        """A call of an LLVM intrinsic function of which ``name`` is the full, mangled name."""
        kind = ir.FunctionType(result, [value.type for value in values])
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)  # type: ignore[no-untyped-call]
        return self.builder.call(function, values)

    def unpack(self, tile: Tile, value: Any) -> dict[tuple[int, int], Any]:
        """The vectors of a tile by row and position in the row."""
        return {at: self.builder.extract_value(value, k) for k, at in enumerate(tile.positions)}

    def pack(self, tile: Tile, vectors: dict[tuple[int, int], Any]) -> Any:
        """The tile of the given vectors."""
        value = ir.Constant(self.llvm_type(tile), ir.Undefined)
        for k, at in enumerate(tile.positions):
            value = self.builder.insert_value(value, vectors[at], k)
        return value


def has(e: Emitter, *features: str) -> bool:
    """True where code is made for a CPU that has all these features."""
    known = str(getattr(e.context.codegen(), "_tm_features", "")).split(",")
    return all(f"+{feature}" in known for feature in features)


def element_bytes(numba_type: Any) -> int:
    """Bytes of a number, or of one element of a vector or tile."""
    return int(getattr(numba_type, "dtype", numba_type).bitwidth // 8)


def integer(value: int) -> Any:
    """An LLVM constant of the type of offsets."""
    return ir.IntType(64)(value)


def lane_numbers(lanes: Sequence[int]) -> Any:
    """The mask constant of a shuffle."""
    return ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), list(lanes))


def suffix(llvm_type: Any) -> str:
    """How LLVM mangles a vector type in the name of an intrinsic function, as in ``v8f64``."""
    return f"v{llvm_type.count}{llvm_type.element.intrinsic_name}"
