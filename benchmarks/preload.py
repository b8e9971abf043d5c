"""What the fork server holds ready, so that a new child costs some 20 ms and not most of a second."""

import contextlib

import numpy as np

import benchmarks.worker  # noqa: F401 - imported to be there
import kernels
from benchmarks import syscalls
from benchmarks.clock import core_clock_hz
from benchmarks.compare import worst_error

for _dtype in (np.float32, np.float64):
    # the first call in a process sets Numba up, and compiles or loads what every child calls
    worst_error(np.ones(1, _dtype), np.ones(1), np.ones(1))

core_clock_hz(1)

# imports what it needs, by starting a program, which no child may
syscalls.why_not()

for _name in kernels.names():
    # of what is wrong with a kernel file, whoever asks for that kernel is told
    with contextlib.suppress(Exception):
        kernels.get(_name)
