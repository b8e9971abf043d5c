"""2 to the power of tiles, by a table in a register: accuracy as documented, the ends, and CPUs without the table."""

import re
from pathlib import Path

import numpy as np
import pytest
from numba import njit

from kernels.language import simd
from kernels.language.simd import exp_table
from kernels.language.simd.exp_table import TABLE_DEGREES

CASES = [(dtype, degree) for dtype, degrees in TABLE_DEGREES.items() for degree in degrees]
POINTS = 4096


def powers(x, degree, is_bounded=0, lanes=16):
    space = {"simd": simd}
    exec(
        f"def f(x, out):\n"
        f"    for i in range(0, x.size, {lanes}):\n"
        f"        t = simd.tile_load(x, i, 0, 1, 1, {lanes})\n"
        f"        simd.tile_store(simd.tile_exp2_table(t, {degree}, {is_bounded}), out, i, 0)\n",
        space,
    )
    out = np.empty_like(x)
    njit(space["f"])(x, out)
    return out


def documented(dtype, degree):
    """The error that the docstring states."""
    text = Path(exp_table.__file__).read_text()
    row = re.search(rf"^ +{degree} +(\S+) +(\S+)$", text, re.MULTILINE)
    return float(row[1 if dtype == "float32" else 2])


@pytest.mark.parametrize("is_native", [True, False])
@pytest.mark.parametrize(("dtype", "degree"), CASES)
def test_the_error_is_the_documented_one(monkeypatch, is_native, dtype, degree):
    if not is_native:
        monkeypatch.setattr(exp_table, "has", lambda *_: False)
    x = np.random.default_rng(degree).uniform(-20, 20, POINTS).astype(dtype)
    truth = np.exp2(x.astype(np.longdouble))
    for is_bounded in (0, 1):
        error = float(abs(powers(x, degree, is_bounded) / truth - 1).max())
        assert error <= 1.05 * documented(dtype, degree)


@pytest.mark.parametrize("lanes", [2, 8, 32])
@pytest.mark.parametrize("dtype", TABLE_DEGREES)
def test_whole_numbers_have_whole_powers_in_vectors_of_any_size(dtype, lanes):
    info = np.finfo(dtype)
    x = np.arange(info.minexp + 1, info.maxexp).astype(dtype)
    x = np.resize(x, -(-x.size // 32) * 32)
    np.testing.assert_allclose(powers(x, TABLE_DEGREES[dtype][-1], lanes=lanes), np.exp2(x), rtol=2 * info.eps)


@pytest.mark.parametrize("dtype", TABLE_DEGREES)
def test_the_ends_are_nothing_infinite_and_nan(dtype):
    info = np.finfo(dtype)
    x = np.resize(np.array([-np.inf, 2 * info.minexp, info.minexp, info.maxexp, np.inf, np.nan], dtype), 16)
    out = powers(x, 4)
    np.testing.assert_array_equal(out[:6], [0, 0, 0, np.inf, np.inf, np.nan])


@pytest.mark.parametrize("dtype", TABLE_DEGREES)
def test_what_is_next_to_nothing_stays_there(dtype):
    info = np.finfo(dtype)
    x = np.linspace(info.minexp, info.minexp + 1, 64).astype(dtype)
    out = powers(x, 4)
    assert (out >= 0).all()
    assert (out <= float(info.tiny) * 2 * (1 + 1e-6)).all()
