"""What the contract's random inputs do not show of black_scholes."""

from decimal import Decimal, localcontext
from itertools import product
from math import erfc, sqrt

import numpy as np
import pytest

import kernels
from kernels.black_scholes import scaled_tail
from kernels.language import SourceFolder, specialise

BLACK_SCHOLES = kernels.get("black_scholes")
GENES = {name: BLACK_SCHOLES.space.by_name[name].values for name in ("normal", "densities", "divisions", "moneyness")}
VARIANTS = [*(dict(zip(GENES, values, strict=True)) for values in product(*GENES.values())), {"exp": "polynomial"}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return SourceFolder(tmp_path_factory.mktemp("sources"))


def prices(folder, spot, strike, years, rate=0.05, volatility=0.3, **genes):
    arrays = [np.asarray(values, np.float64) for values in np.broadcast_arrays(spot, strike, years)]
    schedule = BLACK_SCHOLES.space.schedule(vectors=1, **genes)
    source = specialise(BLACK_SCHOLES.template(schedule), schedule, "float64")
    out = np.full(arrays[0].shape, np.nan)
    folder.load(folder.write(source)).function(*map(np.ascontiguousarray, arrays), rate, volatility, out)
    return out


def test_a_textbook_price(folder):
    # Hull, Options, Futures and Other Derivatives, example 15.6
    assert prices(folder, [42.0], 40.0, 0.5, rate=0.1, volatility=0.2)[0] == pytest.approx(4.7594, abs=5e-5)


@pytest.mark.parametrize("genes", VARIANTS, ids=str)
def test_ends_of_the_range_are_right(folder, genes):
    spot, years = np.array([1e-6, 1e6, 1, 1, 1, 3, 0.3]), np.array([1, 1, 1e-12, 1e12, 0, 0, 0])
    out = prices(folder, spot, 1.0, years, **genes)
    expected = [0, 1e6 - np.exp(-0.05), 0.3e-6 / sqrt(2 * np.pi), 1, 0, 2, 0]
    np.testing.assert_allclose(out, expected, rtol=1e-6, atol=4e-15)
    truth = BLACK_SCHOLES.reference(spot, np.ones(7), years, 0.05, 0.3)
    assert (abs(out - truth) <= BLACK_SCHOLES.tolerance((7,), "float64") * (1 + spot)).all()


@pytest.mark.parametrize("genes", VARIANTS, ids=str)
def test_nan_stays_with_its_option(folder, genes):
    arrays = np.ones((3, 4))
    arrays[range(3), range(3)] = np.nan
    out = prices(folder, *arrays, **genes)
    assert np.isnan(out[:3]).all()
    assert out[3] == pytest.approx(BLACK_SCHOLES.reference(*np.ones((3, 1)), 0.05, 0.3)[0], rel=1e-14)


@pytest.mark.parametrize("moneyness", GENES["moneyness"])
def test_the_logarithms_error_counts_squared(folder, moneyness):
    rng = np.random.default_rng(0)
    spot, strike, years = (rng.uniform(0.5, 2, 4096) for _ in range(3))
    truth = BLACK_SCHOLES.reference(spot, strike, years, 0.05, 0.1)
    # of degree 1, in float64 3, the logarithm is wrong by 2.8e-9
    genes = {"densities": "own", "log_degree": 1, "exp_degree": 6, "moneyness": moneyness}
    out = prices(folder, spot, strike, years, volatility=0.1, **genes)
    assert (abs(out - truth) < 4e-16 * (1 + truth) * 4).all()


def test_a_shared_density_needs_the_logarithm():
    shared = {**BLACK_SCHOLES.space.default, "densities": "shared", "log_degree": 1}
    assert "exact" in BLACK_SCHOLES.space.is_legal(shared)


@pytest.mark.parametrize("x", [0.0, 0.3, 1.0, 3.0, 6.0, 9.0])
def test_the_scaled_tail_is_that_of_the_normal_distribution(x):
    with localcontext() as context:
        context.prec = 50
        tail = scaled_tail((Decimal(x) - 3) / (Decimal(x) + 3))
    assert float(tail) == pytest.approx(np.exp(x * x / 2) * erfc(x / sqrt(2)) / 2, rel=1e-13)
