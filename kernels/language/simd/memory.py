"""Between arrays and vectors: loads, stores, masked and gathered ones, prefetches and the fence behind streamed stores.

``i`` counts elements from the array's first, whatever its number of dimensions: element (row, column) of an n-column
matrix is ``row * n + column``. No operation checks bounds.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError

from kernels.language.simd.emit import Emitter, Lowering, element_bytes, integer, lowered, operation, suffix
from kernels.language.simd.types import Vector, array_type, literal, literal_type, vector_of, vector_type


@operation
def load(_context: Any, a: Any, i: Any, lanes: Any) -> Lowering:
    """The vector of elements ``i`` to ``i + lanes`` of array ``a``. Only the element needs to be aligned."""
    vector = vector_type(array_type(a).dtype, literal(lanes, "lanes"))

    def emit(e: Emitter, array: Any, index: Any, _lanes: Any) -> Any:
        return e.load(e.address(a, array, index), vector)

    return lowered(vector, [a, offset_type(i), lanes], emit)


@operation
def store(_context: Any, a: Any, i: Any, v: Any) -> Lowering:
    """Writes ``v`` over the elements of ``a`` from ``i`` on."""
    stored_type(a, v)

    def emit(e: Emitter, array: Any, index: Any, value: Any) -> None:
        e.store(value, e.address(a, array, index), v)

    return lowered(types.void, [a, offset_type(i), v], emit)


@operation
def stream(_context: Any, a: Any, i: Any, v: Any) -> Lowering:
    """Writes ``v`` past the caches. The address must be a multiple of the whole vector's bytes: else the CPU traps.

    Other threads may see streamed data late: end with ``fence()`` before telling them of it.
    """
    stored_type(a, v)

    def emit(e: Emitter, array: Any, index: Any, value: Any) -> None:
        e.stream(value, e.address(a, array, index), v)

    return lowered(types.void, [a, offset_type(i), v], emit)


@operation
def load_broadcast(_context: Any, a: Any, i: Any, lanes: Any) -> Lowering:
    """The vector that has element ``i`` of ``a`` in every lane."""
    vector = vector_type(array_type(a).dtype, literal(lanes, "lanes"))

    def emit(e: Emitter, array: Any, index: Any, _lanes: Any) -> Any:
        return e.splat(e.load(e.address(a, array, index), vector.dtype), vector.lanes)

    return lowered(vector, [a, offset_type(i), lanes], emit)


@operation
def masked_load(_context: Any, a: Any, i: Any, lanes: Any, count: Any, fill: Any = 0) -> Lowering:
    """Like ``load``, of the first ``count`` lanes only: the others hold ``fill`` and their memory is not touched."""
    vector = vector_type(array_type(a).dtype, literal(lanes, "lanes"))

    def emit(e: Emitter, array: Any, index: Any, _lanes: Any, number: Any, filler: Any) -> Any:
        mask = lanes_below(e, number, vector.lanes)
        return emit_masked_load(e, vector, e.address(a, array, index), mask, e.splat(filler, vector.lanes))

    return lowered(vector, [a, offset_type(i), lanes, offset_type(count), vector.dtype], emit)


@operation
def masked_store(_context: Any, a: Any, i: Any, v: Any, count: Any) -> Lowering:
    """Like ``store``, of the first ``count`` lanes only: the memory of the others is not touched."""
    stored_type(a, v)

    def emit(e: Emitter, array: Any, index: Any, value: Any, number: Any) -> None:
        emit_masked_store(e, v, value, e.address(a, array, index), lanes_below(e, number, v.lanes))

    return lowered(types.void, [a, offset_type(i), v, offset_type(count)], emit)


@operation
def gather(_context: Any, a: Any, i: Any, step: Any, lanes: Any = 0) -> Lowering:
    """Elements of ``a`` that do not lie side by side.

    Args:
        a: C-contiguous array.
        i: element from which offsets count.
        step: an integer: lane k is element ``i + k * step``; or a vector of integers: element ``i + step[k]``.
        lanes: literal, with an integer step only; a vector's lanes are its own.
    """
    is_strided = isinstance(step, types.Integer)
    count = literal(lanes, "lanes") if is_strided else integers_of(step).lanes
    vector = vector_type(array_type(a).dtype, count)

    def emit(e: Emitter, array: Any, index: Any, steps: Any, _lanes: Any) -> Any:
        offsets = multiples(e, steps, vector.lanes) if is_strided else steps
        return emit_gather(e, vector, e.address(a, array, index), offsets)

    return lowered(vector, [a, offset_type(i), types.intp if is_strided else step, literal_type(lanes)], emit)


@operation
def masked_gather(_context: Any, a: Any, i: Any, steps: Any, count: Any) -> Lowering:
    """Like ``gather`` of elements ``i + steps[k]``, of the first ``count`` lanes only: the others hold 0."""
    vector = vector_type(array_type(a).dtype, integers_of(steps).lanes)

    def emit(e: Emitter, array: Any, index: Any, offsets: Any, number: Any) -> Any:
        mask = lanes_below(e, number, vector.lanes)
        return emit_gather(e, vector, e.address(a, array, index), offsets, mask)

    return lowered(vector, [a, offset_type(i), steps, offset_type(count)], emit)


@operation
def lookup(_context: Any, a: Any, b: Any, i: Any, lanes: Any) -> Lowering:
    """Lane k is ``a[b[i + k]]``, by one load of a number after the other: on some CPUs faster than a gather."""
    vector = vector_type(array_type(a).dtype, literal(lanes, "lanes"))
    if not isinstance(array_type(b).dtype, types.Integer):
        raise TypingError(f"cannot look up elements by {b}: it holds no integers")

    def emit(e: Emitter, array: Any, numbers: Any, index: Any, _lanes: Any) -> Any:
        start, first = e.address(a, array, integer(0)), e.address(b, numbers, index)
        made = ir.Constant(e.llvm_type(vector), ir.Undefined)
        for lane in range(vector.lanes):
            step = e.load(e.offset(first, b.dtype, lane), b.dtype)
            number = e.load(e.offset(start, vector.dtype, step), vector.dtype)
            made = e.builder.insert_element(made, number, ir.IntType(32)(lane))
        return made

    return lowered(vector, [a, b, offset_type(i), lanes], emit)


@operation
def prefetch(_context: Any, a: Any, i: Any, locality: Any = 3, write: Any = 0) -> Lowering:
    """Hints that the cache line of element ``i``, in or out of bounds, is wanted soon.

    Args:
        a: array.
        i: element.
        locality: literal, 3 into all cache levels, 2 and 1 into the outer ones, 0 for data used once.
        write: literal, true where the line will be written.
    """
    hint = (literal(write, "write"), literal(locality, "locality"))

    def emit(e: Emitter, array: Any, index: Any, *_hint: Any) -> None:
        emit_prefetch(e, e.address(a, array, index), *hint)

    return lowered(types.void, [array_type(a), offset_type(i), literal_type(locality), literal_type(write)], emit)


@operation
def fence(_context: Any) -> Lowering:
    """Ends a run of streamed stores: what comes later is seen later, by all threads."""

    # On x86 a release fence is no instruction and does not order streamed stores; this one is mfence or a locked or.
    def emit(e: Emitter) -> None:
        e.builder.fence("seq_cst")

    return lowered(types.void, [], emit)


def offset_type(value: Any) -> Any:
    """The type to which an offset or a count is cast.

    Raises:
        TypingError: it is no integer.
    """
    if not isinstance(value, types.Integer):
        raise TypingError(f"an offset or a count must be an integer, not {value}")
    return types.intp


def stored_type(array: Any, vector: Any) -> None:
    """Checks that ``vector`` may be stored in ``array``.

    Raises:
        TypingError: the dtypes differ, the array is read-only or not contiguous.
    """
    if array_type(array, is_written=True).dtype != vector.dtype:
        raise TypingError(f"cannot store {vector} in {array}: the dtypes differ")


def integers_of(value: Any) -> Vector:
    """The same type, checked.

    Raises:
        TypingError: it is no vector of integers.
    """
    if not isinstance(vector_of(value).dtype, types.Integer):
        raise TypingError(f"expected a vector of integers, not {value}")
    return vector_of(value)


def multiples(e: Emitter, step: Any, lanes: int) -> Any:
    """The vector of 0 to ``lanes - 1`` times ``step``."""
    numbers = ir.Constant(ir.VectorType(step.type, lanes), list(range(lanes)))
    return e.builder.mul(e.splat(step, lanes), numbers)


def lanes_below(e: Emitter, count: Any, lanes: int, first: int = 0) -> Any:
    """The mask of the lanes whose number, counted from ``first``, is less than ``count`` (any 64-bit integer)."""
    low, high = count.type(0), count.type(first + lanes)
    at_least = e.builder.select(e.builder.icmp_signed("<", count, low), low, count)
    clamped = e.builder.select(e.builder.icmp_signed(">", at_least, high), high, at_least)
    narrow = e.splat(e.builder.trunc(clamped, ir.IntType(32)), lanes)
    return e.builder.icmp_signed("<", ir.Constant(narrow.type, list(range(first, first + lanes))), narrow)


def emit_masked_load(e: Emitter, vector: Vector, address: Any, mask: Any, fill: Any, *, aligned: bool = True) -> Any:
    """The lanes in ``mask`` from memory, aligned to its elements or not, the others from ``fill``."""
    name = f"llvm.masked.load.{suffix(fill.type)}.p0"
    return e.call(name, fill.type, [address, ir.IntType(32)(element_bytes(vector) if aligned else 1), mask, fill])


def emit_masked_store(e: Emitter, vector: Vector, value: Any, address: Any, mask: Any) -> None:
    """The lanes in ``mask`` to memory."""
    name = f"llvm.masked.store.{suffix(value.type)}.p0"
    e.call(name, ir.VoidType(), [value, address, ir.IntType(32)(element_bytes(vector)), mask])


def emit_gather(e: Emitter, vector: Vector, address: Any, offsets: Any, mask: Any = None) -> Any:
    """The elements at ``offsets`` from ``address``; of lanes outside the mask 0."""
    addresses = e.offset(address, vector.dtype, offsets)
    kind = e.llvm_type(vector)
    everywhere = ir.Constant(ir.VectorType(ir.IntType(1), vector.lanes), 1)
    filling = ir.Constant(kind, ir.Undefined if mask is None else None)
    values = [addresses, ir.IntType(32)(element_bytes(vector)), everywhere if mask is None else mask, filling]
    return e.call(f"llvm.masked.gather.{suffix(kind)}.v{vector.lanes}p0", kind, values)


def emit_prefetch(e: Emitter, address: Any, write: int, locality: int) -> None:
    """A hint that the data cache line of ``address`` is wanted."""
    e.call("llvm.prefetch.p0", ir.VoidType(), [address, *map(ir.IntType(32), (write, locality, 1))])
