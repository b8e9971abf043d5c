"""What the contract's random matrices do not show of sparse products, and what the three structures are."""

import numpy as np
import pytest
from scipy.sparse import csr_array

import kernels
from kernels.language import SourceFolder, specialise

SPMV = kernels.get("spmv")
GENES = [
    {"variant": "scalar", "accumulators": 4},
    {"variant": "sorted", "window": 64},
    {"variant": "stream", "block": 64, "lanes": 4},
    *({"tail": tail, "lanes": 4, "short": short} for tail in ("beyond", "masked", "single") for short in (0, 3)),
    {"numbers": "gathered", "sums": "each"},
]
EACH = pytest.mark.parametrize("genes", GENES, ids=str)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return SourceFolder(tmp_path_factory.mktemp("sources"))


def product(folder, matrix, x, **genes):
    schedule = SPMV.space.schedule(**genes)
    source = specialise(SPMV.template(schedule), schedule, "float64")
    compiled = folder.load(folder.write(source))
    out = np.full(matrix.shape[0], np.nan)
    size = SPMV.size_of(matrix.data, matrix.indices, matrix.indptr, x)
    scratch = (np.full(count, np.nan) for count in SPMV.workspace(schedule, size))
    extra = (*(int(schedule[name]) for name in source.runtime), *compiled.pointers)
    compiled.function(matrix.data, matrix.indices, matrix.indptr, x, out, *scratch, *extra)
    return out


def with_rows_of(lengths, columns=300, seed=0):
    """Small whole numbers, so that sums are exact in any order."""
    rng = np.random.default_rng(seed)
    indptr = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    data = rng.integers(1, 9, indptr[-1]).astype(float)
    indices = rng.integers(0, columns, indptr[-1]).astype(np.int32)
    return csr_array((data, indices, indptr), shape=(len(lengths), columns)), rng.integers(1, 9, columns).astype(float)


@EACH
@pytest.mark.parametrize(
    "lengths",
    [
        (0, 0, 3, 0, 1, 0, 0),
        (1000, 0, 0, 1, 129),
        tuple(range(40)),
        (7,) * 33,
        (0,) * 5 + (64,) + (0,) * 5,
        (0, 0, 0),
    ],
    ids=["empty rows", "long rows", "all lengths", "equal rows", "one row", "nothing"],
)
def test_rows_of_any_length_are_right(folder, genes, lengths):
    matrix, x = with_rows_of(lengths)
    np.testing.assert_array_equal(product(folder, matrix, x, **genes), matrix @ x)


@EACH
def test_what_is_not_a_number_stays_in_its_row(folder, genes):
    matrix, x = with_rows_of((3, 5, 2, 9, 1))
    matrix.data[4], x[0] = np.nan, np.inf
    matrix.indices[matrix.indices == 0] = 1  # nobody asks for x[0], which a masked lane must not touch
    expected = matrix @ x
    assert np.isnan(expected).tolist() == [False, True, False, False, False]
    np.testing.assert_array_equal(product(folder, matrix, x, **genes), expected)


@EACH
def test_some_of_the_rows_are_right(folder, genes):
    # as a thread gets them: offsets that do not begin at 0, of data that are whole
    matrix, x = with_rows_of((4, 11, 0, 2, 30, 7))
    schedule = SPMV.space.schedule(**genes)
    source = specialise(SPMV.template(schedule), schedule, "float64")
    compiled = folder.load(folder.write(source))
    out = np.full(3, np.nan)
    scratch = (np.full(count, np.nan) for count in SPMV.workspace(schedule, (3, 9)))
    extra = (*(int(schedule[name]) for name in source.runtime), *compiled.pointers)
    compiled.function(matrix.data, matrix.indices, matrix.indptr[1:5].copy(), x, out, *scratch, *extra)
    np.testing.assert_array_equal(out, (matrix @ x)[1:4])


@pytest.mark.parametrize("name", ["spmv", "spmv_powerlaw", "spmv_mesh"])
def test_a_structure_has_the_size_that_was_asked_for(name):
    kernel = kernels.get(name)
    for size in ((300, 8), (9, 4), (1, 3), (50, 120)):
        data, indices, indptr, x = kernel.problem(size, "float64", np.random.default_rng(0))
        assert data.size == size[0] * size[1]
        assert indices.min() >= 0
        assert indices.max() < x.size
        assert (np.diff(indptr) >= 0).all()


def test_a_band_is_narrow_a_mesh_local_and_a_power_law_is_neither():
    rows, spans, longest = 2500, {}, {}
    for name in ("spmv", "spmv_mesh", "spmv_powerlaw"):
        _, indices, indptr, _ = kernels.get(name).problem((rows, 8), "float64", np.random.default_rng(0))
        away = abs(indices - np.repeat(np.arange(rows), np.diff(indptr)))
        spans[name], longest[name] = np.median(np.minimum(away, rows - away)), np.diff(indptr).max()
    assert spans["spmv"] <= 4 < spans["spmv_mesh"] <= 50 < spans["spmv_powerlaw"]
    assert longest["spmv"] == 8 < longest["spmv_mesh"] <= 11
    assert longest["spmv_powerlaw"] > 100


@pytest.mark.parametrize(
    ("shapes", "indptr"),
    [((4, 5, 3), (0, 4)), ((4, 4, 3), (1, 4)), ((4, 4, 3), (0, 3)), ((4, 4, 0), (0, 4)), ((4, 4, 3), ())],
)
def test_arrays_that_make_no_matrix_are_refused(shapes, indptr):
    data, indices, x = map(np.ones, shapes)
    with pytest.raises(ValueError, match=r"indptr|an x"):
        SPMV.size_of(data, indices, np.array(indptr, np.int32), x)
