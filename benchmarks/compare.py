"""Comparison of results, compiled: one pass over the data, no temporaries."""

from __future__ import annotations

import math
from typing import Any

from numba import njit


@njit(cache=True, error_model="numpy")
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


@njit(cache=True, error_model="numpy")
def is_same(left: Any, right: Any) -> bool:
    """True where two flat arrays hold the same numbers."""
    for i in range(left.size):  # noqa: SIM110 - a generator would not compile
        if left[i] != right[i]:
            return False
    return True
