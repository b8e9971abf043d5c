"""The lap ratio: how much of a lap's gain the next lap gains again, and where that ends.

The model of geometric laps, ln S_j = a + g (1 - rho^j) / (1 - rho), says that each lap gains rho times what the one
before gained: below 1 the gains end at a + g / (1 - rho), at 1 they grow exponentially, above 1 faster than that. For a
fixed rho it is linear in a and g, so both intervals are profile likelihoods (Venzon and Moolgavkar, Applied Statistics
37, 1988): all values that some fit comes within chi2(1) of the best with. Where laps scatter more than their own
intervals say, the scale of all of them is what the fit leaves (McCullagh and Nelder, Generalized Linear Models, 4.5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.inference import Estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LEAST_LAPS = 4
"""Laps that a ratio takes: three parameters, and two points to spare that say how well they describe the laps."""
LEVEL = 0.95
_CHI2 = 3.841458820694124
"""The 95 % point of chi2(1)."""
_Z = 1.959963984540054
_RANGE = (-1.0, 3.0)
"""Of ratios; what reaches an end of it is not known."""
_GRID, _ZOOMS = 201, 4
_FITS = 0.01
"""Probability below which one ratio does not describe a stretch of laps."""
_LEAST_ERROR = 1e-4
"""Of the largest of the errors: what is exact by definition, as lap 0, must not rule everything else out."""
_FINEST = 1e-12
"""Ln units: finer than float64 adds up a loop's gains, and the inverse square of less overflows."""


@dataclass(frozen=True)
class Ratio:
    """One ratio for a stretch of laps.

    Attributes:
        ratio: rho; its ends are open where gains are too small to tell.
        asymptote: ln S to which the gains add up; inf where they do not, or may not, end.
        gain: g, the ln gain of the stretch's first lap.
        first: the lap from which the stretch begins.
        fit: probability of laps that lie as far from the model as these, were it true.
    """

    ratio: Estimate
    asymptote: Estimate
    gain: float
    first: int
    fit: float


@dataclass(frozen=True)
class _Profile:
    """Best fits for given ratios: sums of squared errors, both linear parameters, and their covariances."""

    ratios: NDArray[np.float64]
    chi2: NDArray[np.float64]
    start: NDArray[np.float64]
    gain: NDArray[np.float64]
    covariance: NDArray[np.float64]


def recent_ratio(gains: Sequence[Estimate]) -> Ratio | None:
    """The ratio of the longest stretch of laps, up to the last one, that one ratio describes.

    A loop that compounds first and is capped later has no one ratio: what counts is how it goes on now.

    Args:
        gains: ln S of every lap, lap 0 first.

    Returns:
        None with fewer than ``LEAST_LAPS`` laps after lap 0.
    """
    found = None
    for first in range(len(gains) - LEAST_LAPS):
        found = ratio_of(gains[first:], first)
        if found.fit >= _FITS:
            break
    return found


def ratio_of(gains: Sequence[Estimate], first: int = 0) -> Ratio:
    """One ratio for all of these laps.

    Args:
        gains: ln S, one lap after the other, ``LEAST_LAPS + 1`` or more, with finite intervals.
        first: the lap of the first of them.
    """
    from scipy.special import chdtrc  # noqa: PLC0415 - costs a quarter of a second, needed only here

    values, sigmas = np.array([gain.estimate for gain in gains]), standard_errors(gains)
    spare = len(values) - 3
    near = _zoomed(values, sigmas, spare)
    best = int(near.chi2.argmin())
    allowed = _CHI2 * _scale(near.chi2[best], spare)
    return Ratio(
        ratio=_ratio_interval(near, best, allowed),
        asymptote=_asymptote(_profile(values, sigmas, _below_one(near, best, allowed)), best=near, allowed=allowed),
        gain=float(near.gain[best]),
        first=first,
        fit=float(chdtrc(spare, near.chi2[best])),
    )


def standard_error(gain: Estimate) -> float:
    """From its 95 % interval."""
    return (gain.high - gain.low) / (2 * _Z)


def standard_errors(gains: Sequence[Estimate]) -> NDArray[np.float64]:
    """``(n,)`` standard errors from 95 % intervals; all positive."""
    found: NDArray[np.float64] = np.array([*map(standard_error, gains)])
    return np.maximum(found, max(_LEAST_ERROR * found.max(), _FINEST) if found.any() else 1.0)


def _scale(chi2: float, spare: int) -> float:
    return max(1.0, chi2 / spare)


def _zoomed(values: NDArray[np.float64], sigmas: NDArray[np.float64], spare: int) -> _Profile:
    """The profile on a grid that is fine where the likelihood is not negligible."""
    low, high = _RANGE
    for _ in range(_ZOOMS):
        found = _profile(values, sigmas, np.linspace(low, high, _GRID))
        best = found.chi2.min()
        inside = np.flatnonzero(found.chi2 <= best + 2 * _CHI2 * _scale(best, spare))
        low = float(found.ratios[max(inside[0] - 1, 0)])
        high = float(found.ratios[min(inside[-1] + 1, _GRID - 1)])
    return found


def _profile(values: NDArray[np.float64], sigmas: NDArray[np.float64], ratios: NDArray[np.float64]) -> _Profile:
    """Weighted least squares of the laps on 1 and (1 - rho^j) / (1 - rho), for every ratio at once."""
    basis, weights = _sums(ratios, len(values)), sigmas**-2.0
    s1, sb, sbb = weights.sum(), basis @ weights, basis**2 @ weights
    sy, sby = weights @ values, basis @ (weights * values)
    determinant = s1 * sbb - sb**2
    gain = (s1 * sby - sb * sy) / determinant
    start = (sy - gain * sb) / s1
    chi2 = ((values - start[:, None] - gain[:, None] * basis) ** 2) @ weights
    covariance = np.array([sbb, -sb, np.full_like(sb, s1)]) / determinant
    return _Profile(ratios, chi2, start, gain, covariance)


def _sums(ratios: NDArray[np.float64], laps: int) -> NDArray[np.float64]:
    """``(n_ratios, laps)``: 1 + rho + ... + rho^(j-1)."""
    powers = ratios[:, None] ** np.arange(laps - 1)
    return np.concatenate([np.zeros((len(ratios), 1)), np.cumsum(powers, axis=1)], axis=1)


def _ratio_interval(near: _Profile, best: int, allowed: float) -> Estimate:
    inside = np.flatnonzero(near.chi2 <= near.chi2[best] + allowed)
    low, high = (_crossing(near, int(end), int(step), near.chi2[best] + allowed) for end, step in _ends(inside))
    low = -math.inf if low <= _RANGE[0] else low
    high = math.inf if high >= _RANGE[1] else high
    return Estimate(float(near.ratios[best]), low, high, LEVEL)


def _ends(inside: NDArray[np.int64]) -> list[tuple[int, int]]:
    return [(inside[0], -1), (inside[-1], 1)]


def _crossing(near: _Profile, end: int, step: int, limit: float) -> float:
    """Where the likelihood falls below its limit, between the last grid point inside and the first one outside."""
    beyond = end + step
    if not 0 <= beyond < len(near.ratios):
        return float(near.ratios[end])
    inner, outer = near.chi2[end], near.chi2[beyond]
    part = (limit - inner) / (outer - inner)
    return float(near.ratios[end] + part * (near.ratios[beyond] - near.ratios[end]))


def _below_one(near: _Profile, best: int, allowed: float) -> NDArray[np.float64]:
    """Ratios within the interval whose gains end."""
    kept: NDArray[np.float64] = near.ratios[near.chi2 <= near.chi2[best] + allowed]
    return kept[kept < 1]


def _asymptote(finite: _Profile, *, best: _Profile, allowed: float) -> Estimate:
    """The profile interval of a + g / (1 - rho); its high end is open where the ratio may be 1."""
    least, at = best.chi2.min(), int(best.chi2.argmin())
    if not len(finite.ratios):
        return Estimate(math.inf, math.inf, math.inf, LEVEL)
    total = 1 / (1 - finite.ratios)
    ends_at = finite.start + finite.gain * total
    aa, ag, gg = finite.covariance
    # at each ratio what is left of the allowance goes to the linear parameters
    half = np.sqrt(np.maximum(0.0, allowed - (finite.chi2 - least)) * (aa + 2 * total * ag + total**2 * gg))
    inside = best.ratios[best.chi2 <= least + allowed]
    estimate = _total(best, at)
    high = math.inf if inside[-1] >= 1 else float((ends_at + half).max())
    return Estimate(estimate, float((ends_at - half).min()), max(high, estimate), LEVEL)


def _total(best: _Profile, at: int) -> float:
    rho = float(best.ratios[at])
    return float(best.start[at] + best.gain[at] / (1 - rho)) if rho < 1 else math.inf
