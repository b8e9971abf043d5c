"""What the check at the door costs: calls of kernels that do nothing, with arrays that are as they should be."""

from __future__ import annotations

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import kernels
from kernels.door import Tuned
from kernels.language import Compiled

ROUNDS, QUICK_ROUNDS, CALLS = 100, 3, 1000


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One benchmark for each kernel that is asked for."""
    names = metafunc.config.getoption("--kernels")
    metafunc.parametrize("kernel", names.split(",") if names else kernels.names())


def bench_door(benchmark: BenchmarkFixture, kernel: str, pytestconfig: pytest.Config) -> None:
    """Seconds from a call to the kernel's own first instruction, and back; the output is the caller's."""
    made = kernels.get(kernel)
    dtype, size = made.dtypes[0], made.verify_sizes[-1]
    tuned = Tuned(made, made.space.default, dtype, Compiled(_nothing, ()), ())
    inputs, out = made.problem(size, dtype, np.random.default_rng(0)), np.empty(made.out_shape(size), dtype)
    benchmark.group = "door"
    benchmark.extra_info["door"] = kernel
    rounds = QUICK_ROUNDS if pytestconfig.getoption("--quick") else ROUNDS
    benchmark.pedantic(  # type: ignore[no-untyped-call]
        tuned, inputs, {"out": out}, rounds=rounds, iterations=CALLS, warmup_rounds=1
    )


def _nothing(*_arguments: object) -> None:
    """Stands for compiled code."""
