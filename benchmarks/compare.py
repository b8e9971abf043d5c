"""Comparison of results, compiled: one pass over the data, no temporaries."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function, and keep it on disk where Numba finds a folder that it can write."""
    try:
        return njit(cache=True, error_model="numpy")(function)
    except RuntimeError:
        return njit(error_model="numpy")(function)


@compiled
def worst_error(got: Any, expected: Any) -> float:
    """The largest relative error of flat ``got`` against flat ``expected``; inf where NaN stands on one side only."""
    worst = 0.0
    for i in range(expected.size):
        g, e = float(got[i]), float(expected[i])
        if g == e or (math.isnan(g) and math.isnan(e)):
            continue
        error = abs(g - e) / abs(e)
        if not error <= worst:
            worst = math.inf if math.isnan(error) else error
    return worst


def checksum(array: np.ndarray) -> int:
    """A number that changes with any single element's bits; of a C-contiguous array."""
    return int(_weighted_sum(array.reshape(-1).view(f"u{min(8, array.itemsize)}")))


@compiled
def _weighted_sum(words: Any) -> Any:
    """Odd weights, modulo 2**64: multiplication by an odd number loses no bit."""
    total = np.uint64(0)
    for i in range(words.size):
        total += np.uint64(words[i]) * np.uint64(2 * i + 1)
    return total
