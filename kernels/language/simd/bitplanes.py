"""Bytes and bit planes: many small whole numbers ranked at once, for order statistics by counting.

Integers below 256 become bytes, 64 a vector; bytes are looked up in a table; and the k-th bits of the 64 bytes of a
vector become one 64-bit number, the k-th *bit plane*. A tile of bytes with a sequence in every row becomes a tile of
planes in which every lane is a sequence: the order statistic of each is then found bit by bit, by counting bits, with
no branch. The order of the bytes within a vector is not kept, since nothing here depends on it.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError

from kernels.language.simd.emit import Emitter, Lowering, has, lowered, operation, suffix
from kernels.language.simd.memory import emit_masked_load, lanes_below, offset_type
from kernels.language.simd.rearrange import emit_deinterleaved
from kernels.language.simd.tile import Block, shaped
from kernels.language.simd.types import Tile, Vector, array_type, literal, tile_of

BYTES = 64
"""Bytes of a vector: as many as a plane has bits."""
_PLANES = 8
_INTEGERS = BYTES // 4
"""32-bit integers in as many bits as a vector has."""


@operation
def tile_load_bytes(
    _context: Any, a: Any, i: Any, ld: Any, rows: Any, columns: Any, fill: Any, shifts: Any
) -> Lowering:
    """A tile of bytes, 64 a row, of the block of ``a`` at ``i`` with rows ``ld`` apart.

    Args:
        a: array of int32 in [0, 256).
        i: element.
        ld: elements from one row to the next.
        rows: literal rows of the tile.
        columns: numbers of a row; what a tile holds beyond is ``fill``.
        fill: literal, 63, 127 or 255: no number of a row is greater.
        shifts: literal; 1 shifts numbers to their places, 0 loads them from addresses that lie bytes before: no
            instruction, but more lines. What comes along are upper bytes of other numbers, and these are 0.

    All 64 numbers of a row must lie in memory, those beyond ``columns`` too.
    """
    return bytes_loaded((a, i, ld, rows, columns, fill, shifts), is_part=False)


@operation
def tile_load_bytes_part(
    _context: Any, a: Any, i: Any, ld: Any, rows: Any, columns: Any, fill: Any, shifts: Any
) -> Lowering:
    """Like ``tile_load_bytes``; memory beyond ``columns`` is not touched."""
    return bytes_loaded((a, i, ld, rows, columns, fill, shifts), is_part=True)


@operation
def tile_lookup(_context: Any, t: Any, table: Any, entries: Any) -> Lowering:
    """The tile of ``table[byte]`` for every byte of ``t``.

    Args:
        t: tile of bytes, each below ``entries``.
        table: array of int8.
        entries: literal, 64, 128 or 256.
    """
    count = literal(entries, "entries")
    if tile_of(t).dtype != types.int8 or array_type(table).dtype != types.int8 or count not in (64, 128, 256):
        raise TypingError(f"cannot look {t} up in {count} entries of {table}")

    def emit(e: Emitter, value: Any, array: Any, _entries: Any) -> Any:
        address = e.address(table, array, ir.IntType(64)(0))
        is_native = has(e, "avx512bw", "avx512vbmi") and t.lanes == BYTES
        look_up = emit_permuted if is_native else emit_looked_up
        return e.pack(t, {at: look_up(e, vector, address, count) for at, vector in e.unpack(t, value).items()})

    return lowered(t, [t, table, entries], emit)


@operation
def bit_planes(_context: Any, t: Any, bits: Any) -> Lowering:
    """The planes of the lowest ``bits`` bits of a tile of bytes.

    Args:
        t: tile of bytes, 64 a vector, of 2, 4, 8 ... rows.
        bits: literal, 1 to 8.

    Returns:
        A tile of int64 with a row for every bit, the lowest first; the lane ``r`` of its vector ``j`` holds the bits of
        vector ``j`` of row ``r`` of ``t``, in an order that is the same for all bits.
    """
    count = literal(bits, "bits")
    if tile_of(t).dtype != types.int8 or t.lanes != BYTES or not 1 <= count <= _PLANES:
        raise TypingError(f"cannot make {count} bit planes of {t}")
    planes = shaped(types.int64, count, t.vectors, t.rows)

    def emit(e: Emitter, value: Any, _bits: Any) -> Any:
        vectors = e.unpack(t, value)
        made: dict[tuple[int, int], Any] = {}
        split = emit_transposed_bits if has(e, "gfni", "avx512bw", "avx512vbmi") else emit_tested_bits
        for j in range(t.vectors):
            column = split(e, [vectors[row, j] for row in range(t.rows)], count)
            made |= {(bit, j): plane for bit, plane in enumerate(column)}
        return e.pack(planes, made)

    return lowered(planes, [t, bits], emit)


@operation
def kth_of_planes(_context: Any, a: Any, i: Any, bits: Any, words: Any, lanes: Any, k: Any, count: Any) -> Lowering:
    """Order statistics of the numbers whose bit planes lie in memory, one sequence a lane.

    Args:
        a: array of int64; the plane of bit ``b`` of word ``w`` of lane ``r`` is element
            ``i + (b * words + w) * lanes + r``.
        i: element.
        bits: literal number of bits.
        words: literal number of planes of 64 numbers for each bit.
        lanes: literal number of sequences.
        k: which number, counted from 0 for the least.
        count: literal; so many of them, with k, k + 1 ... below the numbers of a lane.

    Returns:
        A tile of int64 with a row for each of them.
    """
    if array_type(a).dtype != types.int64:
        raise TypingError(f"bit planes are int64, not {a}")
    depth, width = literal(bits, "bits"), literal(words, "words")
    result = shaped(types.int64, count, types.literal(1), lanes)  # type: ignore[no-untyped-call]
    vector = Vector(types.int64, result.lanes)

    def emit(e: Emitter, array: Any, index: Any, _bits: Any, _words: Any, _lanes: Any, first: Any, _count: Any) -> Any:
        address = e.address(a, array, index)
        ranks = [e.builder.add(first, ir.IntType(64)(number)) for number in range(result.rows)]
        searches = [Search(e, e.splat(rank, result.lanes), width) for rank in ranks]
        for bit in reversed(range(depth)):  # loaded where they are needed: they would not all fit into registers
            places = [(bit * width + word) * result.lanes for word in range(width)]
            planes = [e.load(e.offset(address, types.int64, place), vector) for place in places]
            for search in searches:
                search.step(planes, bit)
        return e.pack(result, {(row, 0): search.found for row, search in enumerate(searches)})

    return lowered(result, [a, offset_type(i), bits, words, lanes, offset_type(k), count], emit)


class Search:
    """The search for the k-th number of each lane, from the highest bit down.

    Attributes:
        found: the bits that are known.
    """

    def __init__(self, e: Emitter, k: Any, words: int) -> None:
        self._emitter = e
        self._kind = k.type
        self._left = k
        self._candidates = [ir.Constant(k.type, [-1] * k.type.count)] * words
        self.found: Any = ir.Constant(k.type, None)

    def step(self, planes: list[Any], bit: int) -> None:
        """Decides a bit: 0 where more candidates than the k-th have it so, else 1 and k less by so many."""
        b, kind, pairs = self._emitter.builder, self._kind, list(zip(self._candidates, planes, strict=True))
        rest = b.sub(self._left, emit_counted(self._emitter, [b.and_(old, b.not_(plane)) for old, plane in pairs]))
        is_zero = b.ashr(rest, ir.Constant(kind, [63] * kind.count))  # -1 or 0
        self._left = self._emitter.call(f"llvm.umin.{suffix(kind)}", kind, [rest, self._left])
        self.found = b.or_(self.found, b.and_(b.not_(is_zero), ir.Constant(kind, [1 << bit] * kind.count)))
        self._candidates = [b.and_(old, b.xor(is_zero, plane)) for old, plane in pairs]


def bytes_loaded(arguments: tuple[Any, ...], *, is_part: bool) -> Lowering:
    """The lowering of ``tile_load_bytes`` and of ``tile_load_bytes_part``."""
    a, i, ld, rows, columns, fill, shifts = arguments
    if array_type(a).dtype != types.int32:
        raise TypingError(f"bytes are made of int32, not of {a}")
    tile = shaped(types.int8, rows, types.literal(1), BYTES)  # type: ignore[no-untyped-call]
    integers, is_shifted, outside = Vector(types.int32, _INTEGERS), literal(shifts, "shifts"), literal(fill, "fill")

    def emit(e: Emitter, array: Any, index: Any, stride: Any, _rows: Any, number: Any, *_literals: Any) -> Any:
        block = Block(e, Tile(types.int32, tile.rows, 4, _INTEGERS), e.address(a, array, index), stride)
        kind = e.llvm_type(integers)
        nothing = beyond = ir.Constant(kind, None)
        sums = [nothing] * tile.rows
        for part in range(4):  # a mask serves all rows before the next is made: there are few mask registers
            mask = lanes_below(e, number, _INTEGERS, part * _INTEGERS)
            place = ir.Constant(kind, [8 * part] * _INTEGERS)
            filled = ir.Constant(kind, [signed(outside << 8 * part, 32)] * _INTEGERS)
            beyond = e.builder.or_(beyond, e.builder.select(mask, nothing, filled))
            for row in range(tile.rows):
                address = (
                    block.address(row, part) if is_shifted else e.offset(block.address(row, part), types.int8, -part)
                )
                if is_part:
                    loaded = emit_masked_load(e, integers, address, mask, nothing, aligned=bool(is_shifted))
                else:
                    loaded = e.builder.load(address, align=4 if is_shifted else 1, typ=kind)
                sums[row] = e.builder.or_(sums[row], e.builder.shl(loaded, place) if is_shifted else loaded)
        narrow = e.llvm_type(tile).element
        totals = [e.builder.bitcast(e.builder.or_(total, beyond), narrow) for total in sums]
        return e.pack(tile, {(row, 0): total for row, total in enumerate(totals)})

    return lowered(tile, [a, offset_type(i), offset_type(ld), rows, offset_type(columns), fill, shifts], emit)


def emit_permuted(e: Emitter, vector: Any, address: Any, entries: int) -> Any:
    """Entries by AVX-512's permutation of bytes, of 128 entries at a time."""
    places = [e.offset(address, types.int8, first) for first in range(0, entries, BYTES)]
    tables = [e.load(place, Vector(types.int8, BYTES)) for place in places]
    pairs = zip(tables[::2], tables[1::2] or tables, strict=True)
    name = "llvm.x86.avx512.vpermi2var.qi.512"
    found = [e.call(name, vector.type, [low, vector, high]) for low, high in pairs]
    if len(found) == 1:
        return found[0]
    is_upper = e.builder.icmp_signed("<", vector, ir.Constant(vector.type, None))
    return e.builder.select(is_upper, found[1], found[0])


def emit_looked_up(e: Emitter, vector: Any, address: Any, _entries: int) -> Any:
    """Entries one by one."""
    made = vector
    for lane in map(ir.IntType(32), range(vector.type.count)):
        byte = e.builder.zext(e.builder.extract_element(vector, lane), ir.IntType(64))
        made = e.builder.insert_element(made, e.load(e.offset(address, types.int8, byte), types.int8), lane)
    return made


def emit_transposed_bits(e: Emitter, rows: list[Any], bits: int) -> list[Any]:
    """Planes by GFNI: a product of bit matrices transposes 8 by 8 bits, shuffles collect them row by row."""
    unit = ir.Constant(rows[0].type, [signed(1 << k % 8, 8) for k in range(BYTES)])
    name = "llvm.x86.vgf2p8affineqb.512"
    turned = [e.call(name, row.type, [unit, row, ir.IntType(8)(0)]) for row in rows]
    pairs = [emit_collected(e, *turned[k : k + 2]) for k in range(0, len(turned), 2)]
    pairs += pairs[:1] * (-len(pairs) % (_PLANES // 2))
    squares = [emit_planes(e, pairs[k : k + _PLANES // 2]) for k in range(0, len(pairs), _PLANES // 2)]
    return [emit_joined(e, [square[bit] for square in squares], len(rows)) for bit in range(bits)]


def emit_collected(e: Emitter, first: Any, second: Any) -> list[Any]:
    """Two vectors, of even bits and of odd ones: of each bit 8 bytes of the first row, then 8 of the second."""
    words = ir.VectorType(ir.IntType(64), _PLANES)
    rows = (0, BYTES)
    parities = (range(first, _PLANES, 2) for first in (0, 1))
    lanes = ([row + bit + byte for bit in bits for row in rows for byte in range(0, BYTES, 8)] for bits in parities)
    return [e.builder.bitcast(e.shuffle(first, second, some), words) for some in lanes]


def emit_planes(e: Emitter, pairs: list[list[Any]]) -> list[Any]:
    """The planes of 8 rows, of which each pair was collected."""
    even, odd = (emit_deinterleaved(e, list(rows), 2) for rows in zip(*pairs, strict=True))
    return [plane for both in zip(even, odd, strict=True) for plane in both]


def emit_joined(e: Emitter, vectors: list[Any], lanes: int) -> Any:
    """The first lanes of vectors one behind the other."""
    while len(vectors) > 1:
        count = 2 * vectors[0].type.count
        vectors = [e.shuffle(vectors[k], vectors[k + 1], range(count)) for k in range(0, len(vectors), 2)]
    return vectors[0] if vectors[0].type.count == lanes else e.pick(vectors[0], range(lanes))


def emit_tested_bits(e: Emitter, rows: list[Any], bits: int) -> list[Any]:
    """Planes by one test of 64 bytes for each bit."""
    planes = []
    for bit in range(bits):
        plane = ir.Constant(ir.VectorType(ir.IntType(64), len(rows)), ir.Undefined)
        for lane, row in enumerate(rows):
            tested = e.builder.and_(row, ir.Constant(row.type, [signed(1 << bit, 8)] * BYTES))
            mask = e.builder.icmp_signed("!=", tested, ir.Constant(row.type, None))
            word = e.builder.bitcast(mask, ir.IntType(64))
            plane = e.builder.insert_element(plane, word, ir.IntType(32)(lane))
        planes.append(plane)
    return planes


def emit_counted(e: Emitter, words: list[Any]) -> Any:
    """How many bits are set in each lane of vectors together."""
    kind = words[0].type
    total, *more = [e.call(f"llvm.ctpop.{suffix(kind)}", kind, [word]) for word in words]
    for count in more:
        total = e.builder.add(total, count)
    return total


def signed(number: int, width: int) -> int:
    """The signed integer of the same bits."""
    return number - (1 << width) if number >> (width - 1) else number
