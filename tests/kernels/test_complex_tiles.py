"""Every operation on complex tiles against NumPy, for both float types and 2 to 16 lanes."""

from functools import cache

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from kernels.language import simd

DTYPES = ("float32", "float64")
ROWS = (2, 4, 8, 16)
LANES = (2, 4, 8, 16)
SHAPES = pytest.mark.parametrize(
    ("rows", "vectors", "lanes"), [(2, 1, 8), (4, 2, 2), (8, 1, 4), (4, 1, 16), (16, 1, 4)]
)
COMPLEX = {"float32": np.complex64, "float64": np.complex128}


def numbers(dtype, rows, columns, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.uniform(-1, 1, (rows, columns)) + 1j * rng.uniform(-1, 1, (rows, columns))).astype(COMPLEX[dtype])


def as_pairs(z):
    return np.ascontiguousarray(z).view(z.real.dtype)


@cache
def program(code, rows, vectors, lanes, factors=0):
    """``code`` makes a tile of t, which is loaded from pairs, and of w, which has as many rows as there are factors."""
    lines = [
        "def made(a, b, ld, out, ldo):",
        f"t = simd.tile_load_pairs(a, 0, ld, {rows}, {vectors}, {lanes})",
        f"w = simd.tile_load_pairs(b, 0, ld, {factors}, {vectors}, {lanes})" if factors else "",
        f"simd.tile_store_pairs({code}, out, 0, ldo)",
    ]
    names = {"simd": simd}
    exec("\n    ".join(lines), names)
    return njit(names["made"], error_model="numpy")


def run(code, z, lanes, w=None, out_rows=None):
    rows, columns = z.shape
    out = np.zeros((out_rows or rows, rows * columns // (out_rows or rows)), z.dtype)
    b = z if w is None else w
    function = program(code, rows, columns // lanes, lanes, 0 if w is None else len(w))
    function(as_pairs(z), as_pairs(b), 2 * columns, as_pairs(out), 2 * out.shape[1])
    return out


@SHAPES
@pytest.mark.parametrize("dtype", DTYPES)
def test_pairs_go_in_and_out(dtype, rows, vectors, lanes):
    z = numbers(dtype, rows, vectors * lanes)
    np.testing.assert_array_equal(run("t", z, lanes), z)


@SHAPES
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_columns_are_transformed(dtype, rows, vectors, lanes):
    z = numbers(dtype, rows, vectors * lanes)
    truth = np.fft.fft(z.astype(complex), axis=0)
    np.testing.assert_allclose(run("simd.tile_dft(t)", z, lanes), truth, atol=8 * np.finfo(dtype).eps * rows**0.5)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("lanes", LANES)
def test_columns_are_laid_one_behind_the_other(rows, lanes):
    z = numbers("float64", rows, lanes)
    got = run("simd.tile_interleave(t)", z, lanes, out_rows=1)
    np.testing.assert_array_equal(got.ravel(), z.T.ravel())


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_are_multiplied_by_all_factors(dtype, rows):
    z, w = numbers(dtype, rows, 4), numbers(dtype, rows - 1, 4, seed=1)
    expected = np.concatenate([z[:1], z[1:] * w])
    got = run("simd.tile_twiddle(t, w)", z, 4, w)
    np.testing.assert_allclose(got, expected, atol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("given", [1, 2, 3])
def test_factors_left_out_are_squares_and_products(given):
    z = numbers("float64", 8, 4)
    root = np.exp(2j * np.pi * np.array([0.1, 0.2, 0.3, 0.7]))
    w = np.array([root ** (1 << e) for e in range(given)])
    expected = z * root ** np.arange(8)[:, np.newaxis]
    np.testing.assert_allclose(run("simd.tile_twiddle(t, w)", z, 4, w), expected, atol=1e-14)


@pytest.mark.parametrize(("step", "apart"), [(8, 4), (4, 40), (4, -80)])
def test_parts_lie_where_they_are_said_to(step, apart):
    @njit
    def program(a, out):
        t = simd.tile_load_parts(a, 100, 20, step, apart, 2, 2, 4)
        simd.tile_store_parts(t, out, 100, 20, step, apart)
        simd.tile_store(t, out, 200, 8)

    a, out = np.arange(300.0), np.full(300, -1.0)
    program(a, out)
    real = [100 + 20 * row + step * j + lane for row in range(2) for j in range(2) for lane in range(4)]
    places = [*real, *(k + apart for k in real)]
    np.testing.assert_array_equal(out[200:232], places)
    np.testing.assert_array_equal(out[places], places)
    assert (out[:200] >= 0).sum() == len(places)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("simd.tile_dft(simd.tile_zeros(1.0, 6, 1, 4))", "power of two"),
        ("simd.tile_interleave(simd.tile_zeros(1.0, 3, 1, 4))", "no complex tile"),
        ("simd.tile_twiddle(simd.tile_zeros(1.0, 4, 1, 4), simd.tile_zeros(1.0, 4, 1, 4))", "no tile of factors"),
        ("simd.tile_twiddle(simd.tile_zeros(1.0, 8, 1, 4), simd.tile_zeros(1.0, 4, 1, 8))", "no tile of factors"),
    ],
)
def test_tiles_that_do_not_fit_are_refused(code, message):
    names = {"simd": simd}
    exec(f"def made():\n    {code}", names)
    with pytest.raises(TypingError, match=message):
        njit(names["made"])()
