"""Every registered kernel keeps the contract, and ours offer a space worth searching."""

import pytest

import kernels
from kernels.testing import KernelTestCase


def _case(name):
    return type(f"Test_{name}", (KernelTestCase,), {"kernel": kernels.get(name)})


globals().update({f"Test_{name}": _case(name) for name in kernels.names()})


@pytest.mark.parametrize("name", ["matmul", "softmax", "transpose", "triad"])
def test_a_space_is_worth_searching(name):
    size = kernels.get(name).space.size
    assert size is None or size >= 10_000
