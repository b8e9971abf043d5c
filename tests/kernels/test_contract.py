"""Every registered kernel keeps the contract, and ours offer a space worth searching."""

import numpy as np
import pytest

import kernels
from kernels.testing import KernelTestCase


def _case(name):
    # a build takes 1 s on average, 3 s in the worst kernel; test_random_schedules.py has thousands
    return type(f"Test_{name}", (KernelTestCase,), {"kernel": kernels.get(name), "random_schedules": 2})


globals().update({f"Test_{name}": _case(name) for name in kernels.names()})


@pytest.mark.parametrize(
    "name",
    [
        "attention",
        "black_scholes",
        "conv2d",
        "layernorm",
        "matmul",
        "matvec",
        "novelty",
        "rmsnorm",
        "softmax",
        "surrogate_predict",
        "transpose",
        "triad",
    ],
)
def test_a_space_is_worth_searching(name):
    size = kernels.get(name).space.size
    assert size is None or size >= 10_000


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("black_scholes", [(4,), (4,), (5,), (), ()]),
        ("novelty", [(4, 3), (4, 2)]),
        ("softmax", [(4,)]),
        ("surrogate_predict", [(4, 3), (5, 3), (4,)]),
        ("transpose", [(2, 3, 4)]),
        ("triad", [(4,), (5,), ()]),
        ("triad", [(2, 2), (2, 2), ()]),
    ],
    ids=str,
)
def test_inputs_that_do_not_fit_are_refused(name, shapes):
    with pytest.raises(ValueError, match="shape"):
        kernels.get(name).size_of(*map(np.ones, shapes))
