"""What the contract's random inputs do not show of bootstrap."""

import numpy as np
import pytest

import kernels
from kernels.language import SourceFolder, specialise

BOOTSTRAP = kernels.get("bootstrap")
GENES = [
    {},
    {"ranking": "sorting", "shifts": True, "words": 4, "rows": 2, "groups": 1},
    {"variant": "bisection"},
    {"variant": "histogram"},
]


@pytest.fixture(scope="module", params=GENES, ids=str)
def medians(request, tmp_path_factory):
    """A schedule's function of values and draws."""
    folder = SourceFolder(tmp_path_factory.mktemp("sources"))
    schedule = BOOTSTRAP.space.schedule(**request.param)
    source = specialise(BOOTSTRAP.template(schedule), schedule, "float64")
    function = folder.load(folder.write(source)).function

    def call(values, draws):
        out = np.full(len(draws), -7.0)
        function(values, draws, out, *(int(schedule[name]) for name in source.runtime))
        return out

    return call


def drawn(n, resamples=70):
    return np.random.default_rng(n).integers(n, size=(resamples, n), dtype=np.int32)


@pytest.mark.parametrize("n", [1, 2, 15, 64, 65, 128, 129, 256, 300])
def test_ties_signs_and_infinities_are_ranked_as_in_numpy(medians, n):
    values = np.random.default_rng(n).integers(-2, 3, n).astype(float)
    values[n // 2 :: 7] = np.inf
    values[n // 3 :: 9] = -0.0
    np.testing.assert_array_equal(medians(values, drawn(n)), BOOTSTRAP.reference(values, drawn(n)))


@pytest.mark.parametrize("n", [6, 101])
def test_a_nan_spoils_the_resamples_that_hold_it(medians, n):
    values = np.random.default_rng(n).normal(size=n)
    values[[1, n - 2]] = np.nan
    found, truth = medians(values, drawn(n)), BOOTSTRAP.reference(values, drawn(n))
    assert np.isnan(truth).any()
    np.testing.assert_array_equal(found, truth)


def test_an_odd_resample_of_the_largest_numbers_does_not_overflow(medians):
    values = np.full(5, np.finfo(float).max)
    np.testing.assert_array_equal(medians(values, drawn(5)), values[0])


def test_one_draw_repeated_is_its_value(medians):
    values, draws = np.arange(100.0), np.repeat(np.arange(100, dtype=np.int32)[:, np.newaxis], 100, axis=1)
    np.testing.assert_array_equal(medians(values, draws), values)


def test_inputs_that_do_not_fit_are_refused():
    for values, draws in ((np.ones(3), np.ones((2, 4), np.int32)), (np.ones((2, 2)), np.ones((2, 2), np.int32))):
        with pytest.raises(ValueError, match="shapes"):
            BOOTSTRAP.size_of(values, draws)
