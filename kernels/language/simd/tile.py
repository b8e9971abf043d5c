"""Register tiles: made, filled from arrays and written back, whole or only in part where the matrix ends.

A tile of ``rows`` by ``vectors * lanes`` numbers stands for a block of a matrix whose first element is ``a[i]`` and
whose rows lie ``ld`` elements apart. One statement on a tile costs Numba as much as one on a scalar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError

from kernels.language.simd.arithmetic import emit_add
from kernels.language.simd.emit import Lowering, integer, lowered, operation
from kernels.language.simd.memory import (
    emit_masked_load,
    emit_masked_store,
    emit_prefetch,
    lanes_below,
    offset_type,
    stored_type,
)
from kernels.language.simd.types import Tile, Vector, array_type, dtype_of, literal, literal_type, tile_of, tile_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kernels.language.simd.emit import Emitter


@operation
def tile_zeros(_context: Any, like: Any, rows: Any, vectors: Any, lanes: Any) -> Lowering:
    """A tile of zeros of the dtype of ``like``: an array, number, vector, tile, or dtype such as ``np.float32``."""
    tile = shaped(like, rows, vectors, lanes)

    def emit(e: Emitter, *_shape: Any) -> Any:
        return ir.Constant(e.llvm_type(tile), None)

    return lowered(tile, [like, rows, vectors, lanes], emit)


@operation
def tile_load(_context: Any, a: Any, i: Any, ld: Any, rows: Any, vectors: Any, lanes: Any) -> Lowering:
    """The tile of the block of ``a`` at ``i`` with rows ``ld`` apart."""
    tile = shaped(array_type(a), rows, vectors, lanes)

    def emit(e: Emitter, array: Any, index: Any, stride: Any, *_shape: Any) -> Any:
        block = Block(e, tile, e.address(a, array, index), stride)
        return e.pack(tile, {at: e.load(block.address(*at), block.vector) for at in tile.positions})

    return lowered(tile, [a, offset_type(i), offset_type(ld), rows, vectors, lanes], emit)


@operation
def tile_load_part(_context: Any, t: Any, a: Any, i: Any, ld: Any, rows: Any, columns: Any) -> Lowering:
    """The tile ``t`` with its first ``rows`` rows and ``columns`` columns read from ``a``; no other memory is touched.

    Counts below zero or above the tile's extent mean none and all.
    """
    array_type(a)

    def emit(e: Emitter, value: Any, array: Any, index: Any, stride: Any, row_count: Any, column_count: Any) -> Any:
        block = Block(e, tile_of(t), e.address(a, array, index), stride)
        old = e.unpack(t, value)
        loaded = dict(old)
        for row in range(t.rows):
            is_inside = e.builder.icmp_signed("<", integer(row), row_count)
            width = e.builder.select(is_inside, column_count, integer(0))
            for j, mask in enumerate(column_masks(e, t, width)):
                loaded[row, j] = emit_masked_load(e, block.vector, block.address(row, j), mask, old[row, j])
        return e.pack(t, loaded)

    return lowered(t, [t, a, *map(offset_type, (i, ld, rows, columns))], emit)


@operation
def tile_store(_context: Any, t: Any, a: Any, i: Any, ld: Any) -> Lowering:
    """Writes the tile over the block of ``a``."""

    def write(e: Emitter, block: Block, at: tuple[int, int], vector: Any) -> None:
        e.store(vector, block.address(*at), block.vector)

    return whole_block(write, t, a, i, ld)


@operation
def tile_stream(_context: Any, t: Any, a: Any, i: Any, ld: Any) -> Lowering:
    """Writes the tile past the caches; every vector's address must be a multiple of its bytes. See ``stream``."""

    def write(e: Emitter, block: Block, at: tuple[int, int], vector: Any) -> None:
        e.stream(vector, block.address(*at), block.vector)

    return whole_block(write, t, a, i, ld)


@operation
def add_to(_context: Any, t: Any, a: Any, i: Any, ld: Any) -> Lowering:
    """Adds the tile to the block of ``a``."""

    def write(e: Emitter, block: Block, at: tuple[int, int], vector: Any) -> None:
        address = block.address(*at)
        e.store(emit_add(e, e.load(address, block.vector), vector), address, block.vector)

    return whole_block(write, t, a, i, ld)


@operation
def tile_store_part(_context: Any, t: Any, a: Any, i: Any, ld: Any, rows: Any, columns: Any) -> Lowering:
    """Like ``tile_store``, of the first ``rows`` rows and ``columns`` columns; no other memory is touched."""

    def write(e: Emitter, vector: Vector, address: Any, mask: Any, value: Any) -> None:
        emit_masked_store(e, vector, value, address, mask)

    return part_of_block(write, t, a, (i, ld, rows, columns))


@operation
def tile_add_to_part(_context: Any, t: Any, a: Any, i: Any, ld: Any, rows: Any, columns: Any) -> Lowering:
    """Like ``add_to``, of the first ``rows`` rows and ``columns`` columns; no other memory is touched."""

    def write(e: Emitter, vector: Vector, address: Any, mask: Any, value: Any) -> None:
        old = emit_masked_load(e, vector, address, mask, ir.Constant(value.type, None))
        emit_masked_store(e, vector, emit_add(e, old, value), address, mask)

    return part_of_block(write, t, a, (i, ld, rows, columns))


@operation
def tile_prefetch(_context: Any, t: Any, a: Any, i: Any, ld: Any, locality: Any = 3, write: Any = 0) -> Lowering:
    """Hints that the block of ``a`` that ``t`` would cover is wanted soon; see ``prefetch``."""
    hint = (literal(write, "write"), literal(locality, "locality"))

    def emit(e: Emitter, _tile: Any, array: Any, index: Any, stride: Any, *_hint: Any) -> None:
        block = Block(e, tile_of(t), e.address(a, array, index), stride)
        for row in range(t.rows):
            for column in range(0, t.columns, _LINE_BITS // t.dtype.bitwidth):
                emit_prefetch(e, e.offset(block.row(row), t.dtype, column), *hint)

    arguments = [t, array_type(a), offset_type(i), offset_type(ld), literal_type(locality), literal_type(write)]
    return lowered(types.void, arguments, emit)


@operation
def tile_vector(_context: Any, t: Any, row: Any, j: Any) -> Lowering:
    """Vector ``j`` of row ``row``, both literal."""
    number = literal(row, "row") * tile_of(t).vectors + literal(j, "j")

    def emit(e: Emitter, value: Any, *_position: Any) -> Any:
        return e.builder.extract_value(value, number)

    return lowered(Vector(t.dtype, t.lanes), [t, row, j], emit)


@operation
def tile_replace(_context: Any, t: Any, row: Any, j: Any, v: Any) -> Lowering:
    """The tile ``t`` with ``v`` as vector ``j`` of row ``row``, both literal."""
    number = literal(row, "row") * tile_of(t).vectors + literal(j, "j")

    def emit(e: Emitter, value: Any, _row: Any, _j: Any, vector: Any) -> Any:
        return e.builder.insert_value(value, vector, number)

    if v != Vector(t.dtype, t.lanes):
        raise TypingError(f"cannot put {v} into {t}")
    return lowered(t, [t, row, j, v], emit)


_LINE_BITS = 512  # 64 bytes; where lines are longer, some hints name a line twice


class Block:
    """Where the vectors of a tile lie in memory.

    Attributes:
        vector: the Numba type of one of its vectors.
    """

    def __init__(self, e: Emitter, tile: Tile, address: Any, stride: Any) -> None:
        self.vector = Vector(tile.dtype, tile.lanes)
        self._emitter = e
        offsets = [e.builder.mul(stride, integer(row)) for row in range(tile.rows)]
        self._rows = [e.offset(address, tile.dtype, offset) for offset in offsets]

    def row(self, row: int) -> Any:
        """The address of a row."""
        return self._rows[row]

    def address(self, row: int, j: int) -> Any:
        """The address of vector ``j`` of a row."""
        return self._emitter.offset(self._rows[row], self.vector.dtype, j * self.vector.lanes)


def shaped(like: Any, rows: Any, vectors: Any, lanes: Any) -> Tile:
    """The tile type of literal extents, with the dtype of ``like``."""
    extents = (literal(rows, "rows"), literal(vectors, "vectors"), literal(lanes, "lanes"))
    return tile_type(dtype_of(like), *extents)


def whole_block(write: Callable[..., None], t: Any, a: Any, i: Any, ld: Any) -> Lowering:
    """The lowering of ``write(emitter, block, position, vector)`` for every vector of a tile."""
    stored_type(a, tile_of(t))

    def emit(e: Emitter, value: Any, array: Any, index: Any, stride: Any) -> None:
        block = Block(e, t, e.address(a, array, index), stride)
        for at, vector in e.unpack(t, value).items():
            write(e, block, at, vector)

    return lowered(types.void, [t, a, offset_type(i), offset_type(ld)], emit)


def part_of_block(write: Callable[..., None], t: Any, a: Any, extents: tuple[Any, ...]) -> Lowering:
    """The lowering of ``write(emitter, vector type, address, mask, value)`` for a tile's first rows and columns."""
    stored_type(a, tile_of(t))

    def emit(e: Emitter, value: Any, array: Any, index: Any, stride: Any, rows: Any, columns: Any) -> None:
        block, vectors = Block(e, t, e.address(a, array, index), stride), e.unpack(t, value)
        masks = column_masks(e, t, columns)
        for row in rows_inside(e, t, rows):
            for j, mask in enumerate(masks):
                write(e, block.vector, block.address(row, j), mask, vectors[row, j])

    return lowered(types.void, [t, a, *map(offset_type, extents)], emit)


def column_masks(e: Emitter, tile: Tile, columns: Any) -> list[Any]:
    """For every vector of a row, the mask of the lanes in the first ``columns`` columns."""
    return [lanes_below(e, columns, tile.lanes, j * tile.lanes) for j in range(tile.vectors)]


def rows_inside(e: Emitter, tile: Tile, rows: Any) -> Iterator[int]:
    """The tile's rows in turn; what is emitted in between runs only for the first ``rows`` of them."""
    for row in range(tile.rows):
        with e.builder.if_then(e.builder.icmp_signed("<", integer(row), rows)):
            yield row
