"""What the contract's random inputs do not show of root-mean-square normalisation."""

import numpy as np
import pytest

import kernels
from kernels.language import SourceFolder, specialise

RMSNORM = kernels.get("rmsnorm")
SCHEDULES = [
    {"rows": 3, "vectors": 1, "lanes": 4, "stores": "streaming", "fetch": "last"},
    {"scaling": "division", "claim": True, "fetch": "first"},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return SourceFolder(tmp_path_factory.mktemp("sources"))


def rmsnorm(folder, x, gain, **genes):
    schedule = RMSNORM.space.schedule(**genes)
    source = specialise(RMSNORM.template(schedule), schedule, x.dtype.name)
    compiled = folder.load(folder.write(source))
    out = np.full_like(x, np.nan)
    compiled.function(x, gain, out, *(int(schedule[name]) for name in source.runtime), *compiled.pointers)
    return out


@pytest.mark.parametrize("genes", SCHEDULES, ids=str)
def test_signs_and_gains_go_where_they_belong(folder, genes):
    x = np.array([[3.0, -3.0] * 20, [0.0] * 40, [-1e3, 1e3] * 20, [0.5] * 40])
    found = rmsnorm(folder, x, np.arange(40.0), **genes)
    np.testing.assert_allclose(found, np.sign(x) * np.arange(40.0), rtol=1e-5)  # epsilon is seen in the last row


@pytest.mark.parametrize("genes", SCHEDULES, ids=str)
def test_epsilon_keeps_small_rows_finite(folder, genes):
    x = np.full((2, 9), 1e-3, np.float32)
    np.testing.assert_allclose(rmsnorm(folder, x, np.ones(9, np.float32), **genes), 0.5**0.5, rtol=1e-6)


@pytest.mark.parametrize("genes", SCHEDULES, ids=str)
def test_nan_stays_in_its_row(folder, genes):
    x = np.ones((4, 21), np.float32)
    x[1, 20] = np.nan
    found = rmsnorm(folder, x, np.ones(21, np.float32), **genes)
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[[0, 2, 3]], 1, rtol=1e-6)


@pytest.mark.parametrize("shapes", [((4,), (4,)), ((2, 3), (2,))], ids=str)
def test_inputs_that_do_not_fit_are_refused(shapes):
    with pytest.raises(ValueError, match="shapes"):
        RMSNORM.size_of(*map(np.ones, shapes))
