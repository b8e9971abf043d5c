"""What the contract's random inputs do not show of a batch of matrix products."""

import numpy as np
import pytest

import kernels
from kernels.door import Tuned, aligned
from kernels.language import SourceFolder, parallel_of, slices, specialise

BATCHED = kernels.get("matmul_batched")
SMALL_TILE = {"mr": 3, "nv": 2, "lanes": 4}
SCHEDULES = [
    {**SMALL_TILE, "steps": 4, "fetch_out": True, "fetch_next": "near"},
    {**SMALL_TILE, "pack_b": True, "rows_inside": True, "by_column": True, "stores": "streaming"},
    {**SMALL_TILE, "variant": "blocked", "mc": 24, "kc": 64, "nc": 64, "pack_b": True, "a_columns": True},
    {**SMALL_TILE, "variant": "interleaved"},
]
every_schedule = pytest.mark.parametrize("genes", SCHEDULES, ids=lambda genes: genes.get("variant", "whole"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return SourceFolder(tmp_path_factory.mktemp("sources"))


def products(folder, a, b, threads=1, **genes):
    schedule = BATCHED.space.schedule(**genes)
    source = parallel_of(specialise(BATCHED.template(schedule), schedule, a.dtype.name), BATCHED.split, threads)
    compiled = folder.load(folder.write(source))
    size = BATCHED.size_of(a, b)
    out = aligned(BATCHED.out_shape(size), a.dtype)
    out[:] = np.nan
    scratch = (np.full(count, np.nan, a.dtype) for count in slices(BATCHED.workspace(schedule, size), threads))
    compiled.function(a, b, out, *scratch, *(int(schedule[name]) for name in source.runtime), *compiled.pointers)
    return out


def whole_numbers(size):
    """Two batches whose products are exact in any order."""
    rng, (batch, m, n, k) = np.random.default_rng(0), size
    return (rng.integers(-9, 10, shape).astype(float) for shape in ((batch, m, k), (batch, k, n)))


SHAPES = {
    "numbers": (3, 1, 1, 1),
    "less than a tile": (2, 2, 5, 5),
    "too few rows": (5, 2, 20, 9),
    "too few columns": (3, 11, 5, 8),
    "tiles": (4, 6, 16, 7),
    "a row and a column more": (4, 7, 17, 6),
    "a row and a column less": (9, 8, 23, 3),
    "one product of several blocks": (1, 50, 70, 130),
}


@every_schedule
@pytest.mark.parametrize("size", SHAPES.values(), ids=SHAPES)
def test_every_product_of_numbers_counts_once(folder, genes, size):
    a, b = whole_numbers(size)
    np.testing.assert_array_equal(products(folder, a, b, **genes), a @ b)


@every_schedule
def test_what_is_no_number_stays_in_its_row_or_column(folder, genes):
    a, b = np.ones((5, 7, 9)), np.ones((5, 9, 17))
    a[1, 6, 8], b[2, 0, 16], b[4, 3, 4] = np.nan, np.inf, -np.inf
    expected = np.full((5, 7, 17), 9.0)
    expected[1, 6], expected[2, :, 16], expected[4, :, 4] = np.nan, np.inf, -np.inf
    np.testing.assert_array_equal(products(folder, a, b, **genes), expected)


@pytest.mark.parametrize("rows", [1, 4, 40])
def test_threads_share_the_rows_of_a_single_product_be_they_less_than_a_tile(folder, rows):
    a, b = whole_numbers((1, rows, 9, 5))
    np.testing.assert_array_equal(products(folder, a, b, threads=3, **SCHEDULES[0]), a @ b)


@pytest.mark.parametrize("size", [(0, 3, 4, 5), (2, 0, 4, 5), (2, 3, 0, 5), (2, 3, 4, 0)], ids=str)
def test_an_empty_batch_has_no_products_and_an_empty_sum_is_zero(folder, size):
    schedule = BATCHED.space.default
    source = specialise(BATCHED.template(schedule), schedule, "float64")
    tuned = Tuned(BATCHED, schedule, "float64", folder.load(folder.write(source)), source.runtime)
    a, b = whole_numbers(size)
    np.testing.assert_array_equal(tuned(a, b), np.zeros(size[:3]))


def test_the_work_is_that_of_single_products():
    one, many = kernels.get("matmul").work((4, 5, 6), "float32"), BATCHED.work((7, 4, 5, 6), "float32")
    assert (many.flop, many.read_bytes, many.write_bytes) == (7 * one.flop, 7 * one.read_bytes, 7 * one.write_bytes)


@pytest.mark.parametrize(
    "shapes",
    [((4, 5), (5, 6)), ((2, 4, 5), (5, 6)), ((2, 4, 5), (3, 5, 6)), ((2, 4, 5), (2, 6, 5))],
    ids=["no batch", "b alone for all", "not as many", "rows are not columns"],
)
def test_inputs_that_do_not_fit_are_refused(shapes):
    with pytest.raises(ValueError, match="shapes"):
        BATCHED.size_of(*map(np.ones, shapes))
