"""Means over seeds with bootstrap intervals.

The percentile interval of a few values is too narrow, so it is expanded about the mean, see
``benchmarks.inference.hierarchical_speedup``. One seed says nothing of others: its interval is open.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.inference import Estimate, expansion, exponential

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

_RESAMPLES = 2000
_LEVEL = 0.95


def mean(values: ArrayLike) -> Estimate:
    """The mean of one value a seed."""
    return _estimate(*_resampled(values, np.random.default_rng(0)))


def geometric_mean(values: ArrayLike) -> Estimate:
    """The same of what is positive, and differs by factors."""
    return exponential(mean(np.log(values)))


def geometric_ratio(above: ArrayLike, below: ArrayLike) -> Estimate:
    """One geometric mean over another, of seeds that have nothing in common."""
    rng = np.random.default_rng(0)
    centre, drawn = _resampled(np.log(above), rng)
    other, others = _resampled(np.log(below), rng)
    return exponential(_estimate(centre - other, drawn - others))


def _resampled(values: ArrayLike, rng: np.random.Generator) -> tuple[float, Floats]:
    """A mean, and the means of as many seeds drawn anew; NaN where one seed says nothing of others."""
    found = np.asarray(values, dtype=np.float64)
    centre = float(found.mean())
    if len(found) < 2:
        return centre, np.full(_RESAMPLES, np.nan)
    drawn = found[rng.integers(len(found), size=(_RESAMPLES, len(found)))].mean(axis=1)
    return centre, centre + expansion(len(found), _LEVEL) * (drawn - centre)


def _estimate(centre: float, drawn: Floats) -> Estimate:
    if np.isnan(drawn).any():
        return Estimate(centre, -math.inf, math.inf, _LEVEL)
    low, high = np.quantile(drawn, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Estimate(centre, float(low), float(high), _LEVEL)
