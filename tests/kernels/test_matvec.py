"""What the contract's random inputs do not show of a matrix-vector product."""

import numpy as np
import pytest

import kernels
from kernels.language import SourceFolder, specialise

MATVEC = kernels.get("matvec")
SCHEDULES = [
    {"variant": "rows", "rows": 3, "vectors": 1, "lanes": 4, "block": 512},
    {"variant": "apart", "rows": 4, "vectors": 2, "lanes": 4, "block": 512, "into": "outer"},
    {"variant": "parts", "rows": 2, "vectors": 3, "lanes": 4, "into": "once", "distance": 64},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return SourceFolder(tmp_path_factory.mktemp("sources"))


def matvec(folder, a, x, **genes):
    schedule = MATVEC.space.schedule(**genes)
    source = specialise(MATVEC.template(schedule), schedule, a.dtype.name)
    compiled = folder.load(folder.write(source))
    out = np.full(len(a), np.nan, a.dtype)
    compiled.function(a, x, out, *(int(schedule[name]) for name in source.runtime), *compiled.pointers)
    return out


@pytest.mark.parametrize("genes", SCHEDULES, ids=str)
def test_every_element_counts_once(folder, genes):
    # whole numbers are added exactly in any order; 1031 columns are two blocks of 512 and some
    rng = np.random.default_rng(0)
    for shape in [(1, 1), (2, 5), (4, 8), (7, 24), (8, 48), (9, 49), (5, 512), (11, 1031)]:
        a, x = rng.integers(-9, 10, shape).astype(float), rng.integers(-9, 10, shape[1]).astype(float)
        np.testing.assert_array_equal(matvec(folder, a, x, **genes), a @ x, err_msg=str(shape))


@pytest.mark.parametrize("genes", SCHEDULES, ids=str)
def test_what_is_no_number_stays_in_its_row(folder, genes):
    a, x = np.ones((7, 30)), np.ones(30)
    a[2, 29], a[5, 0] = np.nan, np.inf
    np.testing.assert_array_equal(matvec(folder, a, x, **genes), [30, 30, np.nan, 30, 30, np.inf, 30])


@pytest.mark.parametrize("genes", SCHEDULES, ids=str)
def test_infinity_in_the_vector_reaches_every_row(folder, genes):
    x = np.ones(13)
    x[12] = -np.inf
    np.testing.assert_array_equal(matvec(folder, np.ones((5, 13)), x, **genes), np.full(5, -np.inf))


@pytest.mark.parametrize("shapes", [((4,), (4,)), ((2, 3), (2,)), ((2, 3), (3, 1))], ids=str)
def test_inputs_that_do_not_fit_are_refused(shapes):
    with pytest.raises(ValueError, match="shapes"):
        MATVEC.size_of(*map(np.ones, shapes))
