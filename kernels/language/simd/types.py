"""The Numba types of vectors and register tiles, their LLVM data models, and checks of what an operation is given."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import models, register_model


class Vector(types.Type):
    """``lanes`` numbers of one dtype, side by side: the LLVM type ``<lanes x dtype>``."""

    def __init__(self, dtype: Any, lanes: int) -> None:
        self.dtype = dtype
        self.lanes = lanes
        super().__init__(name=f"Vector({dtype}, {lanes})")


class Tile(types.Type):
    """``rows`` by ``vectors * lanes`` numbers, row after row of vectors: ``[rows * vectors x <lanes x dtype>]``."""

    def __init__(self, dtype: Any, rows: int, vectors: int, lanes: int) -> None:
        self.dtype = dtype
        self.rows = rows
        self.vectors = vectors
        self.lanes = lanes
        super().__init__(name=f"Tile({dtype}, {rows}, {vectors}, {lanes})")

    @property
    def columns(self) -> int:
        """Numbers in a row."""
        return self.vectors * self.lanes

    @property
    def positions(self) -> list[tuple[int, int]]:
        """Row and vector of every vector, in storage order."""
        return [(i, j) for i in range(self.rows) for j in range(self.vectors)]


@register_model(Vector)
class VectorModel(models.PrimitiveModel):
    """A vector is one LLVM vector everywhere: as value, argument, result and in memory."""

    def __init__(self, manager: Any, vector: Vector) -> None:
        element = manager.lookup(vector.dtype).get_value_type()
        super().__init__(manager, vector, ir.VectorType(element, vector.lanes))  # type: ignore[no-untyped-call]


@register_model(Tile)
class TileModel(models.PrimitiveModel):
    """A tile is one LLVM array of vectors, which LLVM's SROA pass takes apart into registers."""

    def __init__(self, manager: Any, tile: Tile) -> None:
        element = manager.lookup(tile.dtype).get_value_type()
        value = ir.ArrayType(ir.VectorType(element, tile.lanes), tile.rows * tile.vectors)
        super().__init__(manager, tile, value)  # type: ignore[no-untyped-call]


def vector_type(dtype: Any, lanes: int) -> Vector:
    """The type of a vector that programs may ask for.

    Raises:
        TypingError: the dtype is no signed integer or float, or the lanes are no power of two from 2 up.
    """
    if not isinstance(dtype, types.Float) and not getattr(dtype, "signed", False):
        raise TypingError(f"a vector holds signed integers or floats, not {dtype}")
    if lanes < 2 or lanes & (lanes - 1):
        raise TypingError(f"lanes must be a power of two from 2 up, not {lanes}")
    return Vector(dtype, lanes)


def tile_type(dtype: Any, rows: int, vectors: int, lanes: int) -> Tile:
    """The type of a tile that programs may ask for.

    Raises:
        TypingError: the dtype is no signed integer or float, the lanes no power of two from 2 up, or the tile is empty.
    """
    vector_type(dtype, lanes)
    if rows < 1 or vectors < 1:
        raise TypingError(f"a tile needs at least one row and one vector, not {rows} by {vectors}")
    return Tile(dtype, rows, vectors, lanes)


def literal(value: Any, name: str) -> int:
    """The value of an argument that must be known when compiling.

    Raises:
        TypingError: it is known only when running.
    """
    if isinstance(value, int):
        return value
    if isinstance(value, types.Literal):
        return int(value.literal_value)
    raise TypingError(f"{name} must be a literal number, not a value known only when running ({value})")


def literal_type(value: Any) -> Any:
    """The Numba type of a literal argument, also where it was left at its default."""
    return types.literal(value) if isinstance(value, int) else value  # type: ignore[no-untyped-call]


def array_type(array: Any, *, is_written: bool = False) -> Any:
    """The same array type, checked.

    Raises:
        TypingError: it is no C-contiguous array, or is written to and read-only.
    """
    if not isinstance(array, types.Array) or array.layout != "C":
        raise TypingError(f"a vector operation needs a C-contiguous array, not {array}")
    if is_written and not array.mutable:
        raise TypingError(f"{array} is read-only")
    return array


def vector_of(value: Any) -> Vector:
    """The same type, checked.

    Raises:
        TypingError: it is no vector.
    """
    if not isinstance(value, Vector):
        raise TypingError(f"expected a vector, not {value}")
    return value


def tile_of(value: Any) -> Tile:
    """The same type, checked.

    Raises:
        TypingError: it is no tile.
    """
    if not isinstance(value, Tile):
        raise TypingError(f"expected a tile, not {value}")
    return value


def dtype_of(like: Any) -> Any:
    """The element type of an array, a vector, a tile, a number, or of what NumPy calls a dtype.

    Raises:
        TypingError: it has none.
    """
    if isinstance(like, types.Number):
        return types.unliteral(like)  # type: ignore[no-untyped-call]
    if isinstance(like, types.NumberClass):
        return like.instance_type
    if isinstance(like, types.Array | types.DType | Vector | Tile):
        return like.dtype
    raise TypingError(f"{like} has no element type")


def float_info(dtype: Any) -> Any:
    """``numpy.finfo`` of a Numba float type.

    Raises:
        TypingError: it is no float.
    """
    if not isinstance(dtype, types.Float):
        raise TypingError(f"defined for float32 and float64, not {dtype}")
    return np.finfo(dtype.name)
