"""Complex tiles: what a Fourier transform does with registers.

A *complex tile* of ``rows`` complex rows is a tile of twice as many: first the rows' real parts, then their imaginary
parts. In memory a complex number is a pair, or its parts lie ``apart``: a vector of real parts, a vector of imaginary
parts ``apart`` elements further on, and the next vectors of the row ``step`` elements further on.
"""

from __future__ import annotations

import cmath
import math
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError

from kernels.language.simd.arithmetic import emit_add, emit_fma, emit_mul, emit_sub
from kernels.language.simd.emit import Lowering, integer, lowered, operation
from kernels.language.simd.memory import offset_type, stored_type
from kernels.language.simd.rearrange import emit_transposition
from kernels.language.simd.tile import shaped
from kernels.language.simd.types import Tile, Vector, array_type, literal, tile_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernels.language.simd.emit import Emitter

    Complex = tuple[Any, Any]
    """LLVM vectors of real and of imaginary parts."""

    Complexes = dict[tuple[int, int], Complex]
    """The vectors of a complex tile by complex row and position in the row."""


@operation
def tile_load_pairs(_context: Any, a: Any, i: Any, ld: Any, rows: Any, vectors: Any, lanes: Any) -> Lowering:
    """The complex tile of ``rows`` rows of pairs, ``ld`` elements apart, from element ``i`` of ``a`` on."""
    tile = complex_type(a, rows, vectors, lanes)
    number = Vector(tile.dtype, tile.lanes)

    def emit(e: Emitter, array: Any, index: Any, stride: Any, *_shape: Any) -> Any:
        def read(row: int, j: int) -> Complex:
            at = [place(e, tile, e.address(a, array, index), stride, row, (2 * j + k) * tile.lanes) for k in (0, 1)]
            first, second = (e.load(address, number) for address in at)
            return e.shuffle(first, second, range(0, 2 * tile.lanes, 2)), e.shuffle(first, second, odd(tile.lanes))

        return pack_complex(e, tile, {at: read(*at) for at in positions(tile)})

    return lowered(tile, [a, offset_type(i), offset_type(ld), rows, vectors, lanes], emit)


@operation
def tile_store_pairs(_context: Any, t: Any, a: Any, i: Any, ld: Any) -> Lowering:
    """Writes a complex tile as rows of pairs, ``ld`` elements apart, from element ``i`` of ``a`` on."""
    stored_type(a, complex_of(t))

    def emit(e: Emitter, value: Any, array: Any, index: Any, stride: Any) -> None:
        start = e.address(a, array, index)
        for (row, j), (re, im) in unpack_complex(e, t, value).items():
            for k, mixed in enumerate(emit_mixed(e, re, im)):
                e.store(mixed, place(e, t, start, stride, row, (2 * j + k) * t.lanes), Vector(t.dtype, t.lanes))

    return lowered(types.void, [t, a, offset_type(i), offset_type(ld)], emit)


@operation
def tile_load_parts(
    _context: Any, a: Any, i: Any, ld: Any, step: Any, apart: Any, rows: Any, vectors: Any, lanes: Any
) -> Lowering:
    """The complex tile of ``rows`` complex rows ``ld`` elements apart from element ``i`` of ``a``; see above."""
    tile = complex_type(a, rows, vectors, lanes)

    def emit(e: Emitter, array: Any, index: Any, *extents: Any) -> Any:
        parts = Parts(e, tile, e.address(a, array, index), extents[:3])
        return pack_complex(e, tile, {at: parts.load(*at) for at in positions(tile)})

    return lowered(tile, [a, *map(offset_type, (i, ld, step, apart)), rows, vectors, lanes], emit)


@operation
def tile_store_parts(_context: Any, t: Any, a: Any, i: Any, ld: Any, step: Any, apart: Any) -> Lowering:
    """Writes a complex tile where ``tile_load_parts`` would read it."""
    stored_type(a, complex_of(t))

    def emit(e: Emitter, value: Any, array: Any, index: Any, *extents: Any) -> None:
        parts = Parts(e, t, e.address(a, array, index), extents)
        for at, number in unpack_complex(e, t, value).items():
            parts.store(number, *at)

    return lowered(types.void, [t, a, *map(offset_type, (i, ld, step, apart))], emit)


@operation
def tile_interleave(_context: Any, t: Any) -> Lowering:
    """The columns of a complex tile one behind the other, as one complex row; its rows must be a power of two."""
    rows = power_of_two_rows(t)
    result = Tile(t.dtype, 2, t.vectors * rows, t.lanes)

    def emit(e: Emitter, value: Any) -> Any:
        numbers = unpack_complex(e, t, value)
        columns = [[numbers[row, j] for row in range(rows)] for j in range(t.vectors)]
        parts = [[v for column in columns for v in emit_columns(e, [x[k] for x in column])] for k in (0, 1)]
        return pack_complex(e, result, {(0, j): pair for j, pair in enumerate(zip(*parts, strict=True))})

    return lowered(result, [t], emit)


@operation
def tile_dft(_context: Any, t: Any) -> Lowering:
    """The discrete Fourier transform of every column, exp(-2 pi i / rows) to powers; rows must be a power of two."""
    rows = power_of_two_rows(t)

    def emit(e: Emitter, value: Any) -> Any:
        numbers, made = unpack_complex(e, t, value), {}
        for j in range(t.vectors):
            for row, number in enumerate(emit_dft(e, [numbers[row, j] for row in range(rows)])):
                made[row, j] = number
        return pack_complex(e, t, made)

    return lowered(t, [t], emit)


@operation
def tile_twiddle(_context: Any, t: Any, w: Any) -> Lowering:
    """The complex tile ``t`` with every row but the first multiplied by a root.

    Args:
        t: complex tile of R complex rows, a power of two.
        w: complex tile of R - 1 complex rows, the factors; or of fewer, the factors of rows 1, 2, 4 ...: those left
            out are squares of the last, and the other rows are multiplied by several of these.
    """
    rows = power_of_two_rows(t)
    if (complex_of(w).vectors, w.lanes, w.dtype) != (t.vectors, t.lanes, t.dtype) or w.rows > 2 * rows - 2:
        raise TypingError(f"{w} is no tile of factors for {t}")

    def emit(e: Emitter, value: Any, factors: Any) -> Any:
        numbers, given = unpack_complex(e, t, value), unpack_complex(e, w, factors)
        for j in range(t.vectors):
            for row, roots in enumerate(emit_factors(e, [given[row, j] for row in range(w.rows // 2)], rows)):
                for root in roots:
                    numbers[row, j] = emit_product(e, numbers[row, j], root)
        return pack_complex(e, t, numbers)

    return lowered(t, [t, w], emit)


class Parts:
    """Where the vectors of a complex tile lie whose parts are kept apart.

    Args:
        extents: ``ld``, ``step`` and ``apart``.
    """

    def __init__(self, e: Emitter, tile: Tile, start: Any, extents: tuple[Any, ...]) -> None:
        self._emitter, self._tile, self._start = e, tile, start
        self._ld, self._step, self._apart = extents
        self._vector = Vector(tile.dtype, tile.lanes)

    def addresses(self, row: int, j: int) -> tuple[Any, Any]:
        """Of real and imaginary parts."""
        e = self._emitter
        offset = e.builder.add(e.builder.mul(self._ld, integer(row)), e.builder.mul(self._step, integer(j)))
        real = e.offset(self._start, self._tile.dtype, offset)
        return real, e.offset(real, self._tile.dtype, self._apart)

    def load(self, row: int, j: int) -> Complex:
        """Vector ``j`` of a complex row."""
        re, im = (self._emitter.load(address, self._vector) for address in self.addresses(row, j))
        return re, im

    def store(self, number: Complex, row: int, j: int) -> None:
        """Writes vector ``j`` of a complex row."""
        for part, address in zip(number, self.addresses(row, j), strict=True):
            self._emitter.store(part, address, self._vector)


def complex_type(array: Any, rows: Any, vectors: Any, lanes: Any) -> Tile:
    """The type of a complex tile of literal extents."""
    return shaped(array_type(array), 2 * literal(rows, "rows"), vectors, lanes)


def complex_of(value: Any) -> Tile:
    """The same type, checked.

    Raises:
        TypingError: it is no tile of floats with an even number of rows.
    """
    tile = tile_of(value)
    if tile.rows % 2 or not isinstance(tile.dtype, types.Float):
        raise TypingError(f"{tile} is no complex tile: that has floats, and as many imaginary rows as real ones")
    return tile


def power_of_two_rows(value: Any) -> int:
    """The number of complex rows, checked.

    Raises:
        TypingError: it is no power of two from 2 up.
    """
    rows = complex_of(value).rows // 2
    if rows < 2 or rows & (rows - 1):
        raise TypingError(f"the complex rows must be a power of two from 2 up, not {rows}")
    return rows


def positions(tile: Tile) -> list[tuple[int, int]]:
    """Complex row and vector of every vector."""
    return [(row, j) for row in range(tile.rows // 2) for j in range(tile.vectors)]


def unpack_complex(e: Emitter, tile: Tile, value: Any) -> Complexes:
    """The vectors of a complex tile."""
    vectors, rows = e.unpack(tile, value), tile.rows // 2
    return {(row, j): (vectors[row, j], vectors[rows + row, j]) for row, j in positions(tile)}


def pack_complex(e: Emitter, tile: Tile, numbers: Complexes) -> Any:
    """The complex tile of the given vectors."""
    rows = tile.rows // 2
    parts = {(row, j): re for (row, j), (re, _) in numbers.items()}
    return e.pack(tile, parts | {(rows + row, j): im for (row, j), (_, im) in numbers.items()})


def place(e: Emitter, tile: Tile, start: Any, stride: Any, row: int, column: int) -> Any:
    """The address of an element, its row ``stride`` elements behind the one before."""
    return e.offset(start, tile.dtype, e.builder.add(e.builder.mul(stride, integer(row)), integer(column)))


def odd(lanes: int) -> range:
    """The odd lanes of two vectors."""
    return range(1, 2 * lanes, 2)


def emit_mixed(e: Emitter, a: Any, b: Any) -> tuple[Any, Any]:
    """The lanes of two vectors, one of each by turns."""
    lanes = a.type.count
    mixed = [k // 2 + lanes * (k % 2) for k in range(2 * lanes)]
    return e.shuffle(a, b, mixed[:lanes]), e.shuffle(a, b, mixed[lanes:])


def emit_columns(e: Emitter, rows: list[Any]) -> list[Any]:
    """The columns of some rows, one behind the other, in as many vectors.

    Whole squares by transposition, which needs the cheaper shuffles; other shapes by mixing even rows with odd ones.
    """
    lanes = rows[0].type.count
    if len(rows) >= lanes:
        bits = {"float": 32, "double": 64}[str(rows[0].type.element)]
        squares = [emit_transposition(e, rows[k : k + lanes], bits) for k in range(0, len(rows), lanes)]
        return [vector for column in zip(*squares, strict=True) for vector in column]
    if len(rows) == 1:
        return rows
    halves = [emit_columns(e, rows[first::2]) for first in (0, 1)]
    return [vector for pair in zip(*halves, strict=True) for vector in emit_mixed(e, *pair)]


def emit_dft(e: Emitter, numbers: list[Complex]) -> list[Complex]:
    """The transform of the transforms of even and odd numbers (Cooley and Tukey, 1965)."""
    size = len(numbers)
    if size == 1:
        return numbers
    even, other = emit_dft(e, numbers[::2]), emit_dft(e, numbers[1::2])
    pairs = [emit_butterfly(e, a, b, k, size) for k, (a, b) in enumerate(zip(even, other, strict=True))]
    return [first for first, _ in pairs] + [second for _, second in pairs]


def emit_butterfly(e: Emitter, a: Complex, b: Complex, k: int, size: int) -> tuple[Complex, Complex]:
    """``a + w b`` and ``a - w b``, w = exp(-2 pi i k / size), in as few operations as w allows."""
    if 8 * k in (size, 3 * size):
        return emit_diagonal_butterfly(e, a, b, is_first=8 * k == size)
    if k == 0:
        c = b
    elif 4 * k == size:
        c = b[1], e.builder.fneg(b[0])
    else:
        root = cmath.exp(-2j * math.pi * k / size)
        c = emit_product(e, b, (ir.Constant(b[0].type, root.real), ir.Constant(b[0].type, root.imag)))
    return combined(e, emit_add, a, c), combined(e, emit_sub, a, c)


def emit_diagonal_butterfly(e: Emitter, a: Complex, b: Complex, *, is_first: bool) -> tuple[Complex, Complex]:
    """The butterfly with w = (1 - i) / sqrt(2), or with w = (-1 - i) / sqrt(2): the product's factor is fused in."""
    total, difference = emit_add(e, b[0], b[1]), emit_sub(e, b[1], b[0])
    c = (total, difference) if is_first else (difference, e.builder.fneg(total))
    roots = [ir.Constant(b[0].type, sign * math.sqrt(0.5)) for sign in (1, -1)]
    first, second = ((emit_fma(e, c[0], root, a[0]), emit_fma(e, c[1], root, a[1])) for root in roots)
    return first, second


def combined(e: Emitter, instruction: Callable[..., Any], a: Complex, b: Complex) -> Complex:
    """An instruction on real parts, and on imaginary parts."""
    return instruction(e, a[0], b[0]), instruction(e, a[1], b[1])


def emit_product(e: Emitter, a: Complex, b: Complex) -> Complex:
    """``a * b`` in two products and two fused multiply-adds."""
    re = emit_fma(e, a[0], b[0], e.builder.fneg(emit_mul(e, a[1], b[1])))
    return re, emit_fma(e, a[0], b[1], emit_mul(e, a[1], b[0]))


def emit_factors(e: Emitter, given: list[Complex], rows: int) -> list[list[Complex]]:
    """By what each row is multiplied, one after the other, given the factors of ``tile_twiddle``.

    Their products, made beforehand, would be a multiplication less and fill the registers: 4.8 us for an FFT of 4096
    numbers in float64 that takes 3.9 so.
    """
    if len(given) == rows - 1:
        return [[], *([root] for root in given)]
    powers = list(given)
    while 1 << len(powers) < rows:
        powers.append(emit_product(e, powers[-1], powers[-1]))
    return [[power for k, power in enumerate(powers) if row >> k & 1] for row in range(rows)]
