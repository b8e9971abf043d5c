"""The contract test's own guard: what it must catch, it catches."""

import numpy as np
import pytest

import kernels
from kernels.testing import Guarded, Trial


def right(b, c, s, out):
    out[:] = b + s * c


def wrong_in_one_place(b, c, s, out):
    right(b, c, s, out)
    out[-1] *= 1.001


def unfinished(b, c, s, out):
    out[:-1] = b[:-1] + s * c[:-1]


def changes_an_input(b, c, s, out):
    right(b, c, s, out)
    c[0] = 0


def writes_behind_the_output(b, c, s, out):
    right(b, c, s, out)
    np.ndarray(out.size + 1, out.dtype, buffer=out.base, offset=out.ctypes.data - out.base.ctypes.data)[-1] = 0


def writes_before_the_output(b, c, s, out):
    right(b, c, s, out)
    np.ndarray(1, out.dtype, buffer=out.base, offset=out.ctypes.data - out.base.ctypes.data - out.itemsize)[0] = 0


def trusts_its_scratch_memory_to_be_zero(b, c, s, out, scratch):
    out[:] = b + s * c + scratch[0]


@pytest.fixture(params=[0, 1], ids=["aligned", "shifted"])
def trial(request):
    return Trial(kernels.get("triad"), (37,), "float32", request.param)


def test_a_right_kernel_passes(trial):
    trial.run(right, "right")


@pytest.mark.parametrize(
    "kernel",
    [wrong_in_one_place, unfinished, changes_an_input, writes_behind_the_output, writes_before_the_output],
    ids=lambda function: function.__name__,
)
def test_a_wrong_kernel_is_caught_and_named(trial, kernel):
    with pytest.raises(AssertionError, match="the culprit at size 37 in float32"):
        trial.run(kernel, "the culprit")


def test_scratch_memory_is_poisoned(trial):
    with pytest.raises(AssertionError):
        trial.run(trusts_its_scratch_memory_to_be_zero, "the culprit", (8,))


@pytest.mark.parametrize("shift", [0, 1, 3])
def test_a_shift_is_counted_from_a_cache_line(shift):
    assert Guarded((5, 3), "float64", shift).array.ctypes.data % 64 == 8 * shift
