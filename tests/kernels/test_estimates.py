"""Estimates are as near as they say, and neighbours of a tile's columns are found, for any lanes."""

import numpy as np
import pytest
from numba import njit

from kernels.language import simd

COMBINATIONS = pytest.mark.parametrize(
    ("dtype", "lanes"), [(dtype, lanes) for dtype in ("float32", "float64") for lanes in (2, 4, 8, 16, 32)]
)
ROWS, VECTORS = 2, 2


def compiled(body, lanes):
    namespace = {"simd": simd}
    exec(f"def f(a, out):\n    ld = a.shape[1]\n    {body.replace('LANES', str(lanes))}\n", namespace)
    return njit(namespace["f"])


@COMBINATIONS
def test_the_estimate_of_a_reciprocal_root_is_near(dtype, lanes):
    body = "simd.tile_store(simd.tile_rsqrt_estimate(simd.tile_load(a, 0, ld, 2, 2, LANES)), out, 0, ld)"
    given = np.random.default_rng(0).uniform(0.01, 100, (ROWS, VECTORS * lanes)).astype(dtype)
    out = np.empty_like(given)
    compiled(body, lanes)(given, out)
    np.testing.assert_allclose(out * np.sqrt(given.astype("f8")), 1, rtol=1.5 * 2.0**-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_estimate_of_special_values(dtype):
    given = np.array([[0, np.inf, -1, np.nan], [1, 4, 0.25, 16]], dtype)
    out = np.empty_like(given)
    compiled("simd.tile_store(simd.tile_rsqrt_estimate(simd.tile_load(a, 0, ld, 2, 1, 4)), out, 0, ld)", 4)(given, out)
    np.testing.assert_array_equal(out[0], [np.inf, 0, np.nan, np.nan])
    np.testing.assert_allclose(out[1], [1, 0.5, 2, 0.25], rtol=2.0**-11)


@COMBINATIONS
@pytest.mark.parametrize(("name", "edge", "step"), [("tile_left", 0, -1), ("tile_right", 3, 1)])
def test_neighbouring_columns(dtype, lanes, name, edge, step):
    tile, beside = "simd.tile_load(a, LANES, ld, 2, 2, LANES)", f"simd.tile_load(a, {edge} * LANES, ld, 2, 1, LANES)"
    given = np.random.default_rng(1).uniform(0, 1, (ROWS, (VECTORS + 2) * lanes)).astype(dtype)
    out = np.empty((ROWS, VECTORS * lanes), dtype)
    compiled(f"simd.tile_store(simd.{name}({tile}, {beside}), out, 0, 2 * LANES)", lanes)(given, out)
    np.testing.assert_array_equal(out, given[:, lanes + step : 3 * lanes + step])


def test_an_edge_of_another_shape_is_refused():
    tile = "simd.tile_load(a, 0, ld, 2, 2, LANES)"
    with pytest.raises(Exception, match="does not lie beside"):
        compiled(f"simd.tile_left({tile}, {tile})", 4)(np.ones((2, 8)), np.ones((2, 8)))
