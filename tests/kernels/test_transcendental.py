"""exp, exp2, log and tanh of vectors: accuracy by degree as their docstrings say, and the ends of their ranges."""

import re
from decimal import Decimal, localcontext
from functools import cache

import numpy as np
import pytest
from numba import njit

from kernels.language import simd
from kernels.language.simd.polynomials import interpolated
from kernels.language.simd.transcendental import EXP_DEGREES, LOG_DEGREES

LANES = {"float32": 16, "float64": 8}
POINTS = 3072
FUNCTIONS = {"exp": EXP_DEGREES, "exp2": EXP_DEGREES, "tanh": EXP_DEGREES, "log": LOG_DEGREES}
CASES = [(name, dtype, degree) for name, all_ in FUNCTIONS.items() for dtype, some in all_.items() for degree in some]


@cache
def mapped(name, dtype):
    """The function over an array at every degree: ``f(x, out)`` with ``out`` of shape (degrees, points)."""
    degrees, lanes = FUNCTIONS[name][dtype], LANES[dtype]
    stores = [f"simd.store(out, {k} * n + i, simd.{name}(v, {degree}))" for k, degree in enumerate(degrees)]
    lines = [
        "def f(x, out):",
        "    n = x.size",
        f"    for i in range(0, n, {lanes}):",
        f"        v = simd.load(x, i, {lanes})",
    ]
    names = {"simd": simd}
    exec("\n        ".join(["\n".join(lines), *stores]), names)
    return njit(names["f"], error_model="numpy")


def applied(name, x):
    out = np.zeros((len(FUNCTIONS[name][x.dtype.name]), x.size), x.dtype)
    mapped(name, x.dtype.name)(x, out)
    return out


def arguments(name, dtype):
    rng, info = np.random.default_rng(0), np.finfo(dtype)
    low, high = (info.minexp + 0.51) * np.log(2), np.log(float(info.max)) * (1 - info.eps)
    third = POINTS // 3
    ranges = {
        "exp": [rng.uniform(low, high, 2 * third), rng.uniform(-1, 1, third)],
        "exp2": [rng.uniform(low, high, 2 * third) / np.log(2), rng.uniform(-1, 1, third)],
        "tanh": [rng.uniform(-9, 9, third), rng.uniform(-1, 1, third), np.exp(rng.uniform(-20, 0, third))],
        "log": [np.exp(rng.uniform(low, high, third)), rng.uniform(0.5, 2, third), 1 + rng.uniform(0, 1e-3, third)],
    }
    return np.concatenate(ranges[name]).astype(dtype)


def exact(name, x):
    """The function's value to 40 digits: NumPy's own long doubles are no longer than doubles on many CPUs."""
    d = Decimal(float(x))
    if name == "tanh":
        return 1 - 2 / ((2 * d).exp() + 1)
    return {"exp": d.exp, "exp2": lambda: 2**d, "log": d.ln}[name]()


@cache
def errors(name, dtype):
    """The greatest relative error of every degree."""
    x = arguments(name, dtype)
    with localcontext() as context:
        context.prec = 40
        truth = [exact(name, value) for value in x]
        head = np.array([float(value) for value in truth])
        rest = np.array([float(value - Decimal(float(h))) for value, h in zip(truth, head, strict=True)])
    return np.abs(((applied(name, x).astype(float) - head) - rest) / head).max(axis=1)


def stated(name, dtype, degree):
    """The figure in the docstring's table."""
    (row,) = re.findall(rf"^\s+{degree}\s+(\S+)\s+(\S+)$", getattr(simd, name).__doc__, re.MULTILINE)
    return float(row[dtype == "float64"])


@pytest.mark.parametrize(("name", "dtype", "degree"), CASES)
def test_error_is_the_documented_one(name, dtype, degree):
    measured = errors(name, dtype)[FUNCTIONS[name][dtype].index(degree)]
    assert 0.5 * stated(name, dtype, degree) < measured <= stated(name, dtype, degree)


def test_docstrings_list_no_other_degree():
    for name, degrees in FUNCTIONS.items():
        listed = {int(d) for d in re.findall(r"^\s+(\d+)\s+\S+\s+\S+$", getattr(simd, name).__doc__, re.MULTILINE)}
        assert listed == set(degrees["float32"]) | set(degrees["float64"])


def ends(dtype, values):
    return np.resize(np.array(values, dtype), 16)


@pytest.mark.parametrize("dtype", LANES)
def test_exp_at_the_ends_of_its_range(dtype):
    info = np.finfo(dtype)
    top, bottom = np.log(float(info.max)), info.minexp * np.log(2)
    inf = np.inf
    x = ends(dtype, [-inf, inf, np.nan, 1e30, -1e30, top * 1.001, bottom * 1.001, bottom * 1.2, 2 * top, 0, -0.0])
    for row in applied("exp", x):
        np.testing.assert_array_equal(row[:9], [0, inf, np.nan, inf, 0, inf, 0, 0, inf])
        np.testing.assert_allclose(row[9:11], 1, rtol=2e-4)
    almost = ends(dtype, [top * (1 - 4 * info.eps), bottom + 0.36])
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(applied("exp", almost)[-1], np.exp(almost.astype("g")).astype(dtype), rtol=1e-5)


@pytest.mark.parametrize("dtype", LANES)
def test_exp_never_leaves_its_range_between_the_ends(dtype):
    info = np.finfo(dtype)
    x = np.linspace(2 * info.minexp, 2 * info.maxexp, 4096).astype(dtype)
    out = applied("exp", x)
    assert (out[:, 1:] >= out[:, :-1]).all()
    assert (out >= 0).all()


@pytest.mark.parametrize("dtype", LANES)
def test_exp2_at_the_ends_of_its_range(dtype):
    info, inf = np.finfo(dtype), np.inf
    least, most = float(info.minexp), float(info.maxexp)
    x = ends(dtype, [-inf, inf, np.nan, 1e30, -1e30, most + 0.1, 2 * most, least, 2 * least, 0, -0.0, 1, 7])
    for row in applied("exp2", x):
        np.testing.assert_array_equal(row[:9], [0, inf, np.nan, inf, 0, inf, inf, 0, 0])
        np.testing.assert_allclose(row[9:13], [1, 1, 2, 128], rtol=2e-4)
    almost = ends(dtype, [most * (1 - info.eps), least + 1])
    np.testing.assert_allclose(applied("exp2", almost)[-1], 2 ** almost.astype("g"), rtol=1e-5)


@pytest.mark.parametrize("dtype", LANES)
def test_log_at_the_ends_of_its_range(dtype):
    info, inf, nan = np.finfo(dtype), np.inf, np.nan
    x = ends(dtype, [0, -0.0, inf, -inf, nan, -1, -info.tiny, info.smallest_subnormal, 1])
    for row in applied("log", x):
        np.testing.assert_array_equal(row[:9], [-inf, -inf, inf, nan, nan, nan, nan, -inf, 0])
    x = ends(dtype, [info.tiny, info.max, 1 + info.eps, 1 - info.epsneg])
    np.testing.assert_allclose(applied("log", x)[-1], np.log(x), rtol=4 * info.eps)


@pytest.mark.parametrize("dtype", LANES)
def test_tanh_at_the_ends_of_its_range(dtype):
    tiny = np.finfo(dtype).tiny
    x = ends(dtype, [np.inf, -np.inf, np.nan, 30, -30, 1e30, 0, -0.0])
    for row in applied("tanh", x):
        np.testing.assert_array_equal(row[:8], [1, -1, np.nan, 1, -1, 1, 0, 0])
        assert (np.abs(row[:2]) <= 1).all()
    x = ends(dtype, [1e-5, -1e-5, 8 * tiny])
    np.testing.assert_allclose(applied("tanh", x)[-1], np.tanh(x), rtol=4 * np.finfo(dtype).eps)


def test_interpolation_reproduces_a_polynomial():
    def cubic(x):
        return 3 * x**3 - x + Decimal("0.5")

    np.testing.assert_allclose(interpolated(cubic, 5, -2.0, 3.0), [0.5, -1, 0, 3, 0, 0], atol=1e-40, rtol=1e-15)


@pytest.mark.parametrize("degree", [2, 5, 8])
def test_interpolation_is_near_the_best_polynomial(degree):
    # An error that changes sign degree + 2 times, of at least ``least`` in between, bounds the best polynomial's from
    # below (de la Vallee Poussin); interpolation at Chebyshev nodes alternates as often.
    x = np.linspace(-0.35, 0.35, 20001)
    error = np.polynomial.polynomial.polyval(x, interpolated(Decimal.exp, degree, -0.35, 0.35)) - np.exp(x)
    pieces = np.split(np.abs(error), np.flatnonzero(np.diff(np.sign(error))) + 1)
    peaks = [piece.max() for piece in pieces if piece.max() > 0]
    assert len(peaks) >= degree + 2
    assert max(peaks) < 2 * min(peaks)
