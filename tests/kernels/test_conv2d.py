"""What the contract's awkward sizes do not show of conv2d."""

import numpy as np
import pytest

import kernels
from kernels.language import SourceFolder, specialise

CONV2D = kernels.get("conv2d")
VARIANTS = CONV2D.space.by_name["variant"].values
SMALL_BLOCKS = {"rows": 3, "vectors": 1, "lanes": 4, "cb": 4, "hb": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return SourceFolder(tmp_path_factory.mktemp("sources"))


def conv2d(folder, x, weights, **genes):
    schedule = CONV2D.space.schedule(**genes)
    source = specialise(CONV2D.template(schedule), schedule, x.dtype.name)
    compiled = folder.load(folder.write(source))
    size = CONV2D.size_of(x, weights)
    out = np.full(CONV2D.out_shape(size), np.nan, x.dtype)
    scratch = (np.full(count, np.nan, x.dtype) for count in CONV2D.workspace(schedule, size))
    compiled.function(x, weights, out, *scratch, *(int(schedule[name]) for name in source.runtime), *compiled.pointers)
    return out


def arrays(size):
    return CONV2D.problem(size, "float64", np.random.default_rng(0))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("size", [(1, 1, 1, 1, 1, 1), (1, 2, 3, 1, 5, 4), (2, 1, 4, 3, 2, 9)], ids=str)
def test_a_kernel_may_be_larger_than_its_image(folder, variant, size):
    x, weights = arrays(size)
    out = conv2d(folder, x, weights, variant=variant, **SMALL_BLOCKS)
    np.testing.assert_allclose(out, CONV2D.reference(x, weights), rtol=1e-14)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    "genes", [{"channels_inside": False}, {"filters_inside": False}, {"rows_outer": True}], ids=str
)
def test_any_order_of_blocks_adds_up(folder, variant, genes):
    """Three blocks of channels, four bands, two images: what one block leaves behind is not what the next expects."""
    x, weights = arrays((2, 10, 7, 7, 11, 3))
    inactive = variant == "im2col" and "rows_outer" in genes
    out = conv2d(folder, x, weights, variant=variant, **SMALL_BLOCKS, **({} if inactive else genes))
    np.testing.assert_allclose(out, CONV2D.reference(x, weights), rtol=1e-13)


@pytest.mark.parametrize("variant", VARIANTS)
def test_padding_is_of_zeros_on_all_four_sides(folder, variant):
    x, weights = np.ones((1, 1, 3, 4)), np.ones((1, 1, 4, 4))
    out = conv2d(folder, x, weights, variant=variant, **SMALL_BLOCKS)
    # a kernel of 4 looks one place back and two ahead
    np.testing.assert_array_equal(out[0, 0], np.outer([3, 3, 2], [3, 4, 3, 2]))


@pytest.mark.parametrize("variant", VARIANTS)
def test_nan_spreads_as_far_as_the_kernel_and_no_further(folder, variant):
    x, weights = np.ones((2, 5, 6, 9)), np.ones((4, 5, 3, 3))
    x[0, 4, 2, 3] = np.nan
    out = conv2d(folder, x, weights, variant=variant, **SMALL_BLOCKS)
    expected = np.zeros((2, 4, 6, 9), bool)
    expected[0, :, 1:4, 2:5] = True
    np.testing.assert_array_equal(np.isnan(out), expected)


@pytest.mark.parametrize("variant", ["pixels", "im2col"])
def test_rows_that_are_not_aligned_are_not_streamed(folder, variant):
    """Streaming to an address that is no multiple of a vector would trap."""
    genes = {**SMALL_BLOCKS, "stores": "streaming"}
    for width in (8, 9):
        x, weights = arrays((1, 3, 2, 4, width, 3))
        out = conv2d(folder, x, weights, variant=variant, **genes)
        np.testing.assert_allclose(out, CONV2D.reference(x, weights), rtol=1e-14)


def test_work_leaves_out_the_padding():
    """Of 3x3 taps on 2x5 pixels: 2 * 2 rows of taps, and 3 * 3 + 2 * 2 in a row."""
    assert CONV2D.work((1, 1, 1, 2, 5, 3), "float32").operations == {"fma": 4 * 13}


@pytest.mark.parametrize(
    "shapes",
    [((3, 8, 8), (2, 3, 3, 3)), ((1, 3, 8, 8), (2, 4, 3, 3)), ((1, 3, 8, 8), (2, 3, 3, 5))],
    ids=["no images", "other channels", "not square"],
)
def test_inputs_that_do_not_fit_are_refused(shapes):
    with pytest.raises(ValueError, match="shapes"):
        CONV2D.size_of(*map(np.ones, shapes))
