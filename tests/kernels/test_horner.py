"""What the contract's random inputs do not show of Horner's rule."""

import itertools

import numpy as np
import pytest

import kernels
from kernels.language import SourceFolder, specialise

HORNER = kernels.get("horner")
SCHEDULES = [
    *({"variant": variant, "turn": turn, "vectors": 3} for variant in ("horner", "split") for turn in (1, 4)),
    {"variant": "passes", "block": 64},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return SourceFolder(tmp_path_factory.mktemp("sources"))


def horner(folder, x, c, **genes):
    schedule = HORNER.space.schedule(**genes)
    source = specialise(HORNER.template(schedule), schedule, x.dtype.name)
    compiled = folder.load(folder.write(source))
    out = np.full_like(x, np.nan)
    compiled.function(x, c, out, *(int(schedule[name]) for name in source.runtime), *compiled.pointers)
    return out


@pytest.mark.parametrize("genes", SCHEDULES, ids=str)
def test_every_degree_takes_every_coefficient_once(folder, genes):
    # x = 2 and coefficients 0 or 1: exact, and one bit each
    rng = np.random.default_rng(0)
    for degree in range(1, 20):
        c = rng.integers(0, 2, degree + 1).astype(float)
        expected = sum(2.0**k * value for k, value in enumerate(c))
        np.testing.assert_array_equal(horner(folder, np.full(5, 2.0), c, **genes), expected)


@pytest.mark.parametrize("genes", SCHEDULES, ids=str)
def test_signs_zero_and_what_is_no_number_go_their_ways(folder, genes):
    x = np.array([-3.0, 0.0, 1.0, np.nan, np.inf])
    found = horner(folder, x, np.array([-1.0, 3.0, -3.0, 1.0]), **genes)  # (x - 1)^3
    np.testing.assert_array_equal(found[:3], [-64, -1, 0])
    assert np.isnan(found[3])
    assert not np.isfinite(found[4])


def test_no_degree_that_a_command_takes_overflows():
    for dtype, size in itertools.product(HORNER.dtypes, [(2, 1), (1000, 1000), (3, 100_000)]):
        x, c = HORNER.problem(size, dtype, np.random.default_rng(0))
        assert (x < 1).all()
        assert np.isfinite(HORNER.reference(x, c)).all()


@pytest.mark.parametrize(("x", "c"), [((4,), (1,)), ((2, 2), (3,)), ((4,), (2, 2))], ids=str)
def test_inputs_that_are_no_polynomial_are_refused(x, c):
    with pytest.raises(ValueError, match="shapes"):
        HORNER.size_of(np.ones(x), np.ones(c))
