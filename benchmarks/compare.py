"""Comparison of results, compiled: one pass over the data, no temporaries."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function, and keep it on disk where Numba finds a folder that it can write."""
    try:
        return njit(cache=True, error_model="numpy")(function)
    except RuntimeError:
        return njit(error_model="numpy")(function)


@compiled
def worst_error(got: Any, expected: Any, scale: Any) -> float:
    """The largest error of flat ``got`` against flat ``expected``, relative to ``scale``, number by number.

    It is inf where NaN stands on one side only.
    """
    worst = 0.0
    for i in range(expected.size):
        g, e = float(got[i]), float(expected[i])
        if g == e or (math.isnan(g) and math.isnan(e)):
            continue
        error = abs(g - e) / scale[i]
        if not error <= worst:
            worst = math.inf if math.isnan(error) else error
    return worst
