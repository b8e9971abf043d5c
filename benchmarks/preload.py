"""What the fork server holds ready, so that a new child costs 8 ms and not a second."""

import numpy as np
import threadpoolctl  # noqa: F401 - imported to be there

import benchmarks.worker  # noqa: F401 - imported to be there
import kernels.language.simd  # noqa: F401 - imported to be there
from benchmarks.compare import is_same, worst_error


def _compile_what_every_child_calls() -> None:
    """Numba's first compilation in a process costs half a second of set-up."""
    truth = np.ones(1)
    for dtype in (np.float32, np.float64):
        array = np.ones(1, dtype)
        worst_error(array, truth)
        is_same(array, array)


_compile_what_every_child_calls()
