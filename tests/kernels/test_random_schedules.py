"""Thousands of random schedules over all kernels, each built, called and checked as the contract's few are."""

import pytest

import kernels
from kernels.testing import KernelTestCase

MANY = {"random_schedules": 50, "seed": 2}  # the contract's own have seed 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "dtype"), [(name, dtype) for name in kernels.names() for dtype in kernels.get(name).dtypes]
)
def test_random_schedules_are_right(name, dtype, tmp_path):
    case = type("Case", (KernelTestCase,), {"kernel": kernels.get(name), **MANY})
    case().test_schedules_are_right(dtype, tmp_path)
