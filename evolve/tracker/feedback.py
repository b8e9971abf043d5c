"""Does progress return as more progress? Two elasticities, and their product.

xi = d ln S / d ln N, the returns to research input; eta = d ln G / d ln S, how much of a gain returns as a faster
engine. With dN/dt = v S^eta and S = N^xi growth does not slow down if, and only if, eta xi >= 1: it is the r of
semi-endogenous growth, S'/S ~ S^(beta (r - 1)) (Jones, Journal of Political Economy 103, 1995; for search Kortum,
Econometrica 65, 1997: S ~ N^xi is a Pareto tail of index xi). Both are slopes over a stretch of laps, by least squares
with effective variances (Orear, American Journal of Physics 50, 1982), since both of their axes are measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.inference import Estimate
from evolve.tracker.ratio import LEVEL, standard_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from evolve.tracker.laps import Point

UNCHANGED = Estimate(0.0, 0.0, 0.0, LEVEL)
"""The elasticity of an engine that a loop leaves as it is: by construction, not by measurement."""
_REFINED = 5
_SEEN = 4.0
"""Standard errors that an axis must span before a slope over it says anything."""


@dataclass(frozen=True)
class Feedback:
    """The dials of a loop; None where its laps do not tell.

    Attributes:
        eta: d ln G / d ln S.
        xi: d ln S / d ln N.
        product: eta xi; growth does not slow down from 1 on.
    """

    eta: Estimate | None
    xi: Estimate | None
    product: Estimate | None


def feedback(points: Sequence[Point]) -> Feedback:
    """The elasticities over a stretch of laps."""
    eta, xi = _eta(points), _xi(points)
    return Feedback(eta, xi, _product(eta, xi))


def _xi(points: Sequence[Point]) -> Estimate | None:
    inputs = np.log([point.inputs for point in points])
    gains = [point.gain for point in points]
    values = np.array([gain.estimate for gain in gains])
    return slope(inputs, values, np.zeros(len(points)), standard_errors(gains))


def _eta(points: Sequence[Point]) -> Estimate | None:
    engines = [point.engine for point in points if point.engine is not None]
    if len(engines) < len(points):
        return UNCHANGED if not engines else None
    gains = [point.gain for point in points]
    x, y = (np.array([one.estimate for one in axis]) for axis in (gains, engines))
    return slope(x, y, standard_errors(gains), standard_errors(engines))


def slope(
    x: NDArray[np.float64], y: NDArray[np.float64], x_sigmas: NDArray[np.float64], y_sigmas: NDArray[np.float64]
) -> Estimate | None:
    """The slope of a line through points that are measured in both directions.

    Args:
        x: ``(n,)`` values.
        y: ``(n,)`` values.
        x_sigmas: ``(n,)`` standard errors of x; 0 where it is known.
        y_sigmas: ``(n,)`` standard errors of y.

    Returns:
        With a t interval; None with fewer than 3 points, or where x hardly moves.
    """
    from scipy.special import stdtrit  # noqa: PLC0415 - costs a quarter of a second, needed only here

    if len(x) < 3 or np.ptp(x) <= _SEEN * np.median(x_sigmas):
        return None
    found = 0.0
    for _ in range(_REFINED):
        found, error, chi2 = _line(x, y, np.hypot(y_sigmas, found * x_sigmas))
    spare = len(x) - 2
    half = float(stdtrit(spare, (1 + LEVEL) / 2)) * error * math.sqrt(max(1.0, chi2 / spare))
    return Estimate(found, found - half, found + half, LEVEL)


def _line(x: NDArray[np.float64], y: NDArray[np.float64], sigmas: NDArray[np.float64]) -> tuple[float, float, float]:
    """Slope, its standard error, and the sum of squared errors in units of ``sigmas``."""
    weights = sigmas**-2.0
    from_middle = x - weights @ x / weights.sum()
    spread = float(weights @ from_middle**2)
    found = float(weights @ (from_middle * y)) / spread
    left = y - weights @ y / weights.sum() - found * from_middle
    return found, spread**-0.5, float(weights @ left**2)


def _product(eta: Estimate | None, xi: Estimate | None) -> Estimate | None:
    """By the delta method; 0 where the engine is left as it is, however little is known of xi."""
    if eta == UNCHANGED:
        return UNCHANGED
    if eta is None or xi is None:
        return None
    middle = eta.estimate * xi.estimate
    half = math.hypot(xi.estimate * (eta.high - eta.low) / 2, eta.estimate * (xi.high - xi.low) / 2)
    return Estimate(middle, middle - half, middle + half, LEVEL)
