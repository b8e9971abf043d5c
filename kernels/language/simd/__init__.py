"""Vectors and register tiles for Numba.

A *vector* is ``lanes`` numbers side by side that the CPU works on at once. A *tile* is a block of a matrix, ``rows``
rows of ``vectors`` vectors each, that stays in registers while a loop works on it: ``rank1(t, a, ao, b, bo)`` is one
statement and ``rows * vectors`` fused multiply-adds. Both are ordinary values inside ``@njit`` functions, to be
assigned, passed and returned; they do not exist outside. Every operation makes a new value.

Shapes (``lanes``, ``rows``, ``vectors``, ``degree``, ``order``, ``steps``, ``locality``) must be literals. Lanes are a
power of two; LLVM splits what exceeds the CPU's registers. Arrays are C-contiguous and of any number of dimensions,
offsets count elements from the first, nothing checks bounds. No instruction carries fast-math flags: sums are added in
the order written, and products and sums fuse only in ``fma``, ``rank1`` and the like. There they always do where the
CPU has fused multiply-add; elsewhere they are rounded twice, for the exact result is a library call a lane: a hundredth
of the speed.

The files, from what others stand on up: ``types`` (Numba types and LLVM models), ``emit`` (LLVM instructions),
``memory``, ``arithmetic``, ``polynomials``, ``transcendental``, ``rearrange``, ``tile``, ``tile_products``,
``tile_maps``.
"""

from kernels.language.simd.arithmetic import (
    add,
    broadcast,
    div,
    fma,
    maximum,
    minimum,
    mul,
    reduce_add,
    reduce_max,
    reduce_min,
    sqrt,
    sub,
)
from kernels.language.simd.memory import (
    fence,
    gather,
    load,
    load_broadcast,
    masked_load,
    masked_store,
    prefetch,
    store,
    stream,
)
from kernels.language.simd.pointer import address_of, function_at
from kernels.language.simd.rearrange import extract, shuffle, tile_transpose
from kernels.language.simd.tile import (
    add_to,
    tile_add_to_part,
    tile_load,
    tile_load_part,
    tile_prefetch,
    tile_replace,
    tile_store,
    tile_store_part,
    tile_stream,
    tile_vector,
    tile_zeros,
)
from kernels.language.simd.tile_maps import (
    column_reduce_add,
    column_reduce_max,
    column_reduce_min,
    row_reduce_add,
    row_reduce_max,
    row_reduce_min,
    scale,
    tile_add,
    tile_div,
    tile_exp,
    tile_fma,
    tile_log,
    tile_max,
    tile_min,
    tile_mul,
    tile_reduce_add,
    tile_reduce_max,
    tile_reduce_min,
    tile_sqrt,
    tile_sub,
    tile_tanh,
)
from kernels.language.simd.tile_products import rank1, rank1_strided
from kernels.language.simd.transcendental import exp, log, tanh
from kernels.language.simd.types import Tile, Vector

__all__ = [
    "Tile",
    "Vector",
    "add",
    "add_to",
    "address_of",
    "broadcast",
    "column_reduce_add",
    "column_reduce_max",
    "column_reduce_min",
    "div",
    "exp",
    "extract",
    "fence",
    "fma",
    "function_at",
    "gather",
    "load",
    "load_broadcast",
    "log",
    "masked_load",
    "masked_store",
    "maximum",
    "minimum",
    "mul",
    "prefetch",
    "rank1",
    "rank1_strided",
    "reduce_add",
    "reduce_max",
    "reduce_min",
    "row_reduce_add",
    "row_reduce_max",
    "row_reduce_min",
    "scale",
    "shuffle",
    "sqrt",
    "store",
    "stream",
    "sub",
    "tanh",
    "tile_add",
    "tile_add_to_part",
    "tile_div",
    "tile_exp",
    "tile_fma",
    "tile_load",
    "tile_load_part",
    "tile_log",
    "tile_max",
    "tile_min",
    "tile_mul",
    "tile_prefetch",
    "tile_reduce_add",
    "tile_reduce_max",
    "tile_reduce_min",
    "tile_replace",
    "tile_sqrt",
    "tile_store",
    "tile_store_part",
    "tile_stream",
    "tile_sub",
    "tile_tanh",
    "tile_transpose",
    "tile_vector",
    "tile_zeros",
]
