"""Where one run is heading: the value to which its champions, measured afresh from time to time, seem to grow.

Two laws that end, ln S = A - B t^-p and ln S = A - B e^(-t / tau). For a given p or tau they are linear in A and B, so
the interval of A is a profile likelihood (Venzon and Moolgavkar, Applied Statistics 37, 1988) over both laws together:
which of them is right is part of what is not known, and information criteria do not tell (on a best-so-far curve AICc
called 69 % of unbounded runs saturating: growth.md 3.3). t^-p with p near 0 is a logarithm: where that fits too, no end
is shown and the interval is open. A law whose best fit ends below what has been found already is refused.

Found, for either law at t = 2, 4, ... 2048 with errors of 1 and 3 %: the end is held in 93 to 96 %, a logarithm or a
straight line has an open end in 99 % or more. A real run has steps besides, which its points share: on three recorded
spaces (600 evaluations, 9 points, errors of 1 %, 30 runs each) the default search's interval held the best of the space
wherever there was one; it was open in 23 to 53 % of runs, and refused in 3 to 27 %. Of random draws it lay below the
best in 3 to 20 %, above it in 0 to 3 %. A run that is flat from the start is refused or open in 96 %. So a finite end
from one run's curve is weak evidence: the verdict does not rest on it.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmarks.inference import Estimate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

LEAST_POINTS = 6
"""Three parameters, and three points to spare that say how well they describe the run."""
_LEVEL = 0.95
_CHI2 = 3.841458820694124
_Z = 1.959963984540054
_SHAPES = 2000
_POWERS = (0.05, 5.0)
_SPANS = (0.25, 20.0)
"""Of tau: the first in units of the first point's t, the second of the last one's."""


@dataclass(frozen=True)
class Asymptote:
    """Where a run's champions are heading.

    Attributes:
        gain: ln S in the end; open above where nothing shows an end, None where both laws are refused.
        law: the one that fits better, ``"power"`` or ``"exponential"``; "" where both are refused.
        best: ln S that has been found beyond doubt: the highest lower end of a point, at 97.5 % for all together.
        points: how many it rests on.
        refused: what was refused and why.
    """

    gain: Estimate | None
    law: str
    best: float
    points: int
    refused: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "gain": self.gain.as_dict() if self.gain else None}


class _Fits(NamedTuple):
    """One law's best fits, one a shape: its chi squares, its ends A, and their standard errors."""

    law: str
    chi2: NDArray[np.float64]
    ends: NDArray[np.float64]
    errors: NDArray[np.float64]


def asymptote(points: Sequence[tuple[float, Estimate]]) -> Asymptote | None:
    """The value that a run's champions approach.

    Args:
        points: evaluations (or seconds) spent, positive, and ln S of the champion measured afresh then.

    Returns:
        None with fewer than 6 points of finite intervals, or all at one t.
    """
    usable = [(t, gain) for t, gain in points if t > 0 and -math.inf < gain.low < gain.high < math.inf]
    times = np.array([t for t, _ in usable], dtype=np.float64)
    if len(usable) < LEAST_POINTS or len(np.unique(times)) < LEAST_POINTS:
        return None
    values = np.array([gain.estimate for _, gain in usable])
    sigmas = np.array([gain.high - gain.low for _, gain in usable]) / (2 * _Z)
    best = float((values - _simultaneous(len(usable)) * sigmas).max())
    fits = list(_laws(times, values, sigmas))
    refused = tuple(_refusals(fits, best))
    kept = [fit for fit in fits if fit.ends[fit.chi2.argmin()] >= best]
    if not kept:
        return Asymptote(None, "", best, len(usable), refused)
    likeliest = min(kept, key=lambda fit: fit.chi2.min())
    return Asymptote(_interval(kept, best, len(usable) - 3), likeliest.law, best, len(usable), refused)


def _simultaneous(points: int) -> float:
    """Standard errors below which no point of so many lies by chance: the highest of 11 lower ends misses in 24 %."""
    from scipy.special import ndtri  # noqa: PLC0415  costs a quarter of a second, needed only here

    return float(ndtri(1 - (1 - _LEVEL) / 2 / points))


def _laws(times: NDArray[np.float64], values: NDArray[np.float64], sigmas: NDArray[np.float64]) -> Iterator[_Fits]:
    powers = np.geomspace(*_POWERS, _SHAPES)[:, None]
    yield _fits("power", (times / times.min()) ** -powers, values, sigmas)
    spans = np.geomspace(_SPANS[1] * times.max(), _SPANS[0] * times.min(), _SHAPES)[:, None]
    yield _fits("exponential", np.exp((times.min() - times) / spans), values, sigmas)


def _fits(law: str, basis: NDArray[np.float64], values: NDArray[np.float64], sigmas: NDArray[np.float64]) -> _Fits:
    """Weighted least squares of the points on 1 and the law's decay, for every shape at once."""
    weights = sigmas**-2.0
    s1, sb, sbb = weights.sum(), basis @ weights, basis**2 @ weights
    sy, sby = weights @ values, basis @ (weights * values)
    determinant = s1 * sbb - sb**2
    ends, slopes = (sbb * sy - sb * sby) / determinant, (s1 * sby - sb * sy) / determinant
    chi2 = ((values - ends[:, None] - slopes[:, None] * basis) ** 2) @ weights
    return _Fits(law, chi2, ends, np.sqrt(sbb / determinant))


def _refusals(fits: Sequence[_Fits], best: float) -> Iterator[str]:
    for fit in fits:
        end = fit.ends[fit.chi2.argmin()]
        if end < best:
            yield f"{fit.law} saturation would end at {math.exp(end):.4g}x, and {math.exp(best):.4g}x has been found"


def _interval(kept: Sequence[_Fits], best: float, spare: int) -> Estimate:
    chi2, ends, errors = (np.concatenate(parts) for parts in zip(*(fit[1:] for fit in kept), strict=True))
    least = chi2.min()
    left = _allowed(least, spare) - (chi2 - least)
    inside = left >= 0
    half = np.sqrt(np.maximum(left, 0)) * errors
    centre = float(ends[chi2.argmin()])
    # the first shape of either law is the one that hardly ends
    is_open = any(fit.chi2[0] - least <= _allowed(least, spare) for fit in kept)
    high = math.inf if is_open else float((ends + half)[inside].max())
    return Estimate(centre, max(best, float((ends - half)[inside].min())), high, _LEVEL)


def _allowed(least: float, spare: int) -> float:
    from scipy.special import chdtrc, stdtrit  # noqa: PLC0415  costs a quarter of a second, needed only here

    if chdtrc(spare, least) >= 1 - _LEVEL:
        return _CHI2
    return float(least / spare * stdtrit(spare, (1 + _LEVEL) / 2) ** 2)
