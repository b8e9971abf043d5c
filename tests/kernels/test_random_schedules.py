"""Thousands of random schedules over all kernels, each built, called and checked as the contract's few are."""

import subprocess
import sys

import pytest

import kernels

PROGRAM = """
import sys, tempfile
from pathlib import Path
import kernels
from kernels.testing import KernelTestCase

name, dtype = sys.argv[1:]
many = {"kernel": kernels.get(name), "random_schedules": 50, "seed": 2}  # the contract's own have seed 1
with tempfile.TemporaryDirectory() as folder:
    type("Case", (KernelTestCase,), many)().test_schedules_are_right(dtype, Path(folder))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", kernels.names())
def test_random_schedules_are_right(name):
    """In processes of their own: compiled code is never unloaded, some 10 MB a schedule."""
    commands = [[sys.executable, "-c", PROGRAM, name, dtype] for dtype in kernels.get(name).dtypes]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
    said = [process.communicate()[1] for process in running]
    assert [process.returncode for process in running] == [0] * len(running), "\n".join(said)
