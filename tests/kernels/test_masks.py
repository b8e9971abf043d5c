"""Comparisons of tiles, and what is done with masks, against NumPy."""

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from kernels.language import simd

ROWS, VECTORS = 2, 2
SIGNS = {"tile_less": np.less, "tile_at_most": np.less_equal, "tile_at_least": np.greater_equal}


def numbers(dtype, lanes, seed):
    drawn = np.random.default_rng(seed).integers(-3, 4, (ROWS, VECTORS * lanes)).astype(dtype)
    if drawn.dtype.kind == "f":
        drawn[0, 1], drawn[1, 0] = np.nan, np.inf
    return drawn


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
@pytest.mark.parametrize("lanes", [2, 16])
def test_a_comparison_chooses_and_is_counted_as_in_numpy(dtype, lanes):
    a, b = numbers(dtype, lanes, 0), numbers(dtype, lanes, 1)
    shape = f"{ROWS}, {VECTORS}, {lanes}"
    for name, truth in SIGNS.items():
        space = {"simd": simd}
        exec(  # the extents must be literals
            f"def chosen(a, b, out):\n"
            f"    t = simd.tile_load(a, 0, {VECTORS * lanes}, {shape})\n"
            f"    u = simd.tile_load(b, 0, {VECTORS * lanes}, {shape})\n"
            f"    mask = simd.mask_and(simd.{name}(t, u), simd.tile_at_most(t, 2))\n"
            f"    simd.tile_store(simd.tile_choose(mask, t, u), out, 0, {VECTORS * lanes})\n"
            f"    return simd.mask_count(mask), simd.mask_any(mask), simd.mask_any(simd.tile_less(t, -9))\n",
            space,
        )
        out = np.empty_like(a)
        held = truth(a, b) & (a <= 2)
        assert njit(space["chosen"])(a, b, out) == (held.sum(), held.any(), False)
        np.testing.assert_array_equal(out, np.where(held, a, b))


def test_what_does_not_fit_together_is_refused():
    @njit
    def shapes(a):
        t, u = simd.tile_load(a, 0, 0, 1, 1, 4), simd.tile_load(a, 0, 0, 1, 2, 4)
        return simd.mask_count(simd.mask_and(simd.tile_less(t, t), simd.tile_less(u, u)))

    @njit
    def choice(a):
        t, u = simd.tile_load(a, 0, 0, 1, 1, 4), simd.tile_load(a, 0, 0, 1, 2, 4)
        simd.tile_store(simd.tile_choose(simd.tile_less(t, t), u, u), a, 0, 0)

    @njit
    def count(a):
        return simd.mask_count(simd.tile_load(a, 0, 0, 1, 1, 4))

    for function, why in ((shapes, "the shapes differ"), (choice, "cannot choose"), (count, "expected a mask")):
        with pytest.raises(TypingError, match=why):
            function(np.zeros(8))
