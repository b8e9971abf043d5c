"""Whatever is passed in at the door is right, or refused in words."""

import numpy as np
import pytest

import kernels
from kernels.door import Tuned, aligned, inputs_of, is_sized_by_shapes, scratch
from kernels.language import SourceFolder, parallel_of, specialise


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return SourceFolder(tmp_path_factory.mktemp("sources"))


def tuned(folder, name, dtype="float64"):
    kernel = kernels.get(name)
    schedule = kernel.space.default
    source = parallel_of(specialise(kernel.template(schedule), schedule, dtype), kernel.split or (), 1)
    return Tuned(kernel, schedule, dtype, folder.load(folder.write(source)), source.runtime)


@pytest.fixture(scope="module")
def softmax(folder):
    return tuned(folder, "softmax")


@pytest.fixture(scope="module")
def triad(folder):
    return tuned(folder, "triad", "float32")


def rows(*shape):
    return np.random.default_rng(0).uniform(0.5, 2, shape)


def is_right(function, x):
    return np.allclose(function(x), function.kernel.reference(x), rtol=1e-12)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (7, 67)])
def test_any_matrix_is_right(softmax, shape):
    assert is_right(softmax, rows(*shape))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_an_empty_problem_has_an_empty_answer(triad, softmax, shape):
    assert softmax(np.empty(shape)).shape == shape if shape[1] else True
    assert triad(np.empty(0, np.float32), np.empty(0, np.float32), 2.0).size == 0


def test_arrays_that_lie_otherwise_are_copied(softmax):
    x = rows(8, 10)
    fixed = x.copy()
    fixed.flags.writeable = False
    others = [np.asfortranarray(x), x[:, ::2], x[::-1], fixed, np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:]]
    for other in others[:-1]:
        assert is_right(softmax, other)
    assert is_right(softmax, others[-1].view(np.float64).reshape(x.shape))


def test_the_output_may_be_the_input(softmax):
    x = rows(6, 9)
    expected = softmax.kernel.reference(x)
    assert softmax(x, out=x) is x
    np.testing.assert_allclose(x, expected, rtol=1e-12)


def test_special_values_spread_as_the_reference_spreads_them(softmax):
    x = rows(4, 20)
    x[1, 3], x[2, 5] = np.nan, -np.inf
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(softmax(x)[[0, 2, 3]], softmax.kernel.reference(x)[[0, 2, 3]], rtol=1e-12)
        assert np.isnan(softmax(x)[1]).any()


@pytest.mark.parametrize(
    ("inputs", "error", "words"),
    [
        ((), TypeError, r"softmax takes 1 inputs \(x\), not 0"),
        (([[1.0]],), TypeError, "x must be a 2-dimensional float64 array, not list"),
        ((np.ones((2, 2), np.float32),), TypeError, r"not a float32 array of shape \(2, 2\)"),
        ((np.ones((2, 2), ">f8"),), TypeError, "float64"),
        ((np.ones(2),), TypeError, r"not a float64 array of shape \(2,\)"),
    ],
)
def test_what_is_no_input_is_refused(softmax, inputs, error, words):
    with pytest.raises(error, match=words):
        softmax(*inputs)


@pytest.mark.parametrize(
    "out",
    [np.ones((2, 3)), np.ones((2, 2), np.float32), np.ones((4, 4))[::2, ::2], np.asfortranarray(rows(2, 2)), [[1.0]]],
)
def test_what_takes_no_output_is_refused(softmax, out):
    with pytest.raises(ValueError, match=r"out must be a writable C-contiguous float64 array of shape \(2, 2\)"):
        softmax(rows(2, 2), out=out)


def test_a_number_is_a_number(triad):
    b = np.ones(3, np.float32)
    np.testing.assert_array_equal(triad(b, b, 2), np.full(3, 3, np.float32))
    with pytest.raises(TypeError, match="s must be a real number, not"):
        triad(b, b, np.ones(3))


def test_numbers_of_any_real_kind_are_taken_alike(triad):
    b = np.ones(3, np.float32)
    for two in (2.0, 2, np.float32(2), np.float64(2), np.int64(2), True + True):
        np.testing.assert_array_equal(triad(b, b, two), np.full(3, 3, np.float32))
    third = np.float32(1) + np.float32(1 / 3)
    np.testing.assert_array_equal(triad(b, b, 1 / 3), np.full(3, third))
    for none in ("2", None, 2j, [2.0]):
        with pytest.raises(TypeError, match="s must be a real number"):
            triad(b, b, none)


@pytest.fixture(scope="module")
def jacobi2d(folder):
    return tuned(folder, "jacobi2d")


def test_a_whole_number_is_whole(jacobi2d):
    u = rows(5, 6)
    for two in (2, np.int64(2), np.int32(2)):
        np.testing.assert_allclose(jacobi2d(u, two), jacobi2d.kernel.reference(u, 2), rtol=1e-14)
    with pytest.raises(OverflowError):
        jacobi2d(u, 2**70)
    with pytest.raises(ValueError, match="0 sweeps or more"):
        jacobi2d(u, -1)


@pytest.mark.parametrize("kind", ["read-only", "of another byte order", "a list"])
def test_an_output_of_any_other_kind_is_refused(softmax, kind):
    out = {"read-only": np.ones((2, 2)), "of another byte order": np.ones((2, 2), ">f8"), "a list": [[1.0]]}[kind]
    if kind == "read-only":
        out.flags.writeable = False
    with pytest.raises(ValueError, match="out must be a writable C-contiguous float64 array"):
        softmax(rows(2, 2), out=out)


def test_an_output_that_overlaps_an_input_in_any_way_is_right(softmax):
    raw = np.zeros(200)
    for start in (0, 1, 17, 59, 60):
        x, out = raw[:60].reshape(6, 10), raw[start : start + 60].reshape(6, 10)
        x[...] = rows(6, 10)
        expected = softmax.kernel.reference(x)
        np.testing.assert_allclose(softmax(x, out=out), expected, rtol=1e-12)
    x = rows(6, 10)
    out = np.frombuffer(memoryview(x)).reshape(6, 10)
    expected = softmax.kernel.reference(x)
    np.testing.assert_allclose(softmax(x, out=out), expected, rtol=1e-12)


def test_shapes_that_do_not_fit_each_other_are_refused(triad):
    with pytest.raises(ValueError, match="shape"):
        triad(np.ones(3, np.float32), np.ones(4, np.float32), 2.0)


def test_inputs_are_named_as_the_reference_names_them():
    found = [(one.name, one.dtype.name, one.ndim) for one in inputs_of(kernels.get("triad"), "float32")]
    assert found == [("b", "float32", 1), ("c", "float32", 1), ("s", "float32", 0)]


def test_scratch_is_kept_and_grows():
    float64 = np.dtype("float64")
    first = scratch((10,), float64)[0]
    assert scratch((5,), float64)[0].base is first.base
    assert scratch((20,), float64)[0].size == 20
    assert aligned((3, 5), float64).ctypes.data % 64 == 0


def test_a_size_is_known_by_shapes_unless_it_is_read_from_the_arrays():
    by_shapes = {name for name in kernels.names() if is_sized_by_shapes(kernels.get(name), kernels.get(name).dtypes[0])}
    assert {name for name in kernels.names() if name not in by_shapes} == {"spmv", "spmv_mesh", "spmv_powerlaw"}


def test_a_size_that_was_met_does_not_stand_for_another(triad, softmax):
    """Called in turns, with arrays of other shapes and dimensions in between."""
    for shape in ((3, 5), (5, 3), (3, 5), (15, 1), (5, 3), (3, 5)):
        assert is_right(softmax, rows(*shape))
        with pytest.raises(TypeError, match="2-dimensional"):
            softmax(rows(15))
    whole, short = (np.ones(count, np.float32) for count in (8, 7))
    for _ in range(3):
        assert (triad(whole, whole, 2.0) == 3).all()
        with pytest.raises(ValueError, match="shape"):
            triad(whole, short, 2.0)


def test_a_whole_number_is_part_of_a_size(jacobi2d):
    grid = rows(9, 11)
    for sweeps in (1, 2, 1, 3, 2):
        np.testing.assert_allclose(jacobi2d(grid, sweeps), jacobi2d.kernel.reference(grid, sweeps), rtol=1e-12)


def test_more_sizes_than_a_door_remembers_are_all_right(softmax):
    for columns in (*range(1, 150), 1, 149):
        assert is_right(softmax, rows(1, columns))
