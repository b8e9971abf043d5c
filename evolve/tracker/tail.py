"""How the best of many draws goes on: the tail index of the speedups of a control arm, and where they end.

Above a high threshold u the excesses y of almost any distribution follow a generalised Pareto law with an index xi
(Pickands, Annals of Statistics 3, 1975): the best of N draws grows as N^xi where xi > 0, and ends at u + 1/theta,
theta = -xi / sigma, where xi < 0 (growth.md 2.3). Which of the two is the question, so no estimator is used that is
right for large samples only. Both intervals invert exact tests:

- **Endpoint.** Given theta, z = -ln(1 - theta y) is exponential of mean -xi (Grimshaw, Technometrics 35, 1993), so the
  mean of z is sufficient for xi, and given that mean the z are a uniform division of their sum. The score of the
  likelihood in theta is then, but for a constant, the mean of e^z. A theta is kept unless that is among the 2.5 % most
  extreme of what such divisions give, at either end: a similar test for every k and xi, be the likelihood regular or
  not (for xi <= -1/2 intervals from its profile lose their level: Smith, Biometrika 72, 1985).
- **Index.** Zhang and Stephens' estimator (Technometrics 51, 2009) does not depend on the scale, so its distribution at
  each xi can be simulated; the interval are all xi under which the value found is none of the extremes. Of what was
  tried it is the sharpest: the L-moment ratio (Hosking and Wallis 1987) is 1.8 times as wide at xi = -1/2 and k = 100.

Found, where the speedups are generalised Pareto draws, xi from -1.5 to 1, 60 and 300 of them, 300 to 400 worlds each:
the index is held in 93 to 97 %, the endpoint in 93 to 97 % (in 97 to 100 % where there is none, xi >= 0), and 1 to 3 %
of worlds with xi = 0 are called bounded, 22 and 37 % of those with xi = -1/2.

Where that does not hold:

- A space is finite, and its best schedule lies below the end of the law that it follows. Draws from four recorded
  spaces of 4,362 to 17,956 schedules, 60 to 1000 of them: the best of the space lies above the interval in 0 to 8 %
  (12 to 18 % with 60 draws of the matrix product), but below it in 0 to 23 % with up to 200 draws and in 12 to 60 %
  with more, then by 2 % in the median. A test of fit, with fewer draws in the tail where it fails, helped nothing.
- Noise smears a sharp end out. With xi = -1 and errors of 1 and 3 % of each draw the interval lies above the end in
  78 to 100 %, by one to two standard errors of a draw. With xi = -0.4 it is the end's lower side that misses too
  often, in 3 to 20 %.
- Where ln S, not S, ends like a Pareto law (3 Beta(2, 3), uniform), the low end misses in 3 to 11 %, the high one in
  0 to 4 %; a normal ln S, which has no end, gets one in 0 to 1 %.

So the high end can be relied on rather than the low one. Neither lies below the best draw, unless the cap does.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.inference import Estimate

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

LEAST_DRAWS = 40
"""Draws below which no tail is given."""

_SHARE = 10
_SIZES = (15, 20, 25, 32, 40, 50, 64, 80, 100)
_TAILS = (0.025, 0.5, 0.975)
_LEVEL = 0.95
_DIVISIONS = 1000
_GRID = np.arange(-4.0, 3.01, 0.5)


@dataclass(frozen=True)
class Tail:
    """The upper tail of a control arm.

    Attributes:
        index: tail index xi of the speedups: S of the best of N grows as N^xi; below 0 they have an end.
        endpoint: ln of the greatest speedup of the space; inf where the tail does not show an end and no cap is known.
        draws: how many there were.
        in_tail: how many of the best the figures rest on.
    """

    index: Estimate
    endpoint: Estimate
    draws: int
    in_tail: int

    @property
    def is_bounded(self) -> bool:
        """Whether the draws by themselves show that there is an end, whatever the machine allows."""
        return self.index.high < 0

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "index": self.index.as_dict(), "endpoint": self.endpoint.as_dict()}


def tail(fitnesses: ArrayLike, cap: float = math.inf) -> Tail | None:
    """The tail of independent draws.

    Args:
        fitnesses: ``(n,)`` ln speedups; a draw that failed is NaN or -inf, and counts as worse than any other.
        cap: ln of the greatest speedup that the machine allows; inf where it is not known.

    Returns:
        None with fewer than 40 draws, or where the best of them are the same few over and over.
    """
    drawn = np.sort(np.nan_to_num(np.asarray(fitnesses, dtype=np.float64), nan=-math.inf, neginf=-math.inf))
    in_tail = _in_tail(len(drawn))
    if in_tail is None or drawn[-in_tail - 1] == -math.inf:
        return None
    excesses = np.exp(drawn[-in_tail:] - drawn[-1]) - math.exp(drawn[-in_tail - 1] - drawn[-1])
    if len(np.unique(excesses[excesses > 0])) < _SIZES[0]:
        return None
    excesses = excesses[excesses > 0]
    return Tail(_index(excesses), _endpoint(excesses, float(drawn[-1]), cap), len(drawn), len(excesses))


def _in_tail(draws: int) -> int | None:
    """The best tenth, in steps, so that what is simulated for one count serves for others."""
    if draws < LEAST_DRAWS:
        return None
    return max((size for size in _SIZES if size <= draws / _SHARE), default=_SIZES[0])


def _endpoint(excesses: NDArray[np.float64], best: float, cap: float) -> Estimate:
    """In ln units: the threshold lies at 1 - max(excesses) of the best."""
    threshold = 1 - excesses[-1]
    ends = [threshold + 1 / theta if theta else math.inf for theta in (_theta(excesses, p) for p in _TAILS)]
    low, centre, high = (min(cap, best + math.log(end)) for end in ends)
    return Estimate(centre, low, high, _LEVEL)


def _theta(excesses: NDArray[np.float64], probability: float) -> float:
    """The theta at which what was found, or more, has that probability; 0 where it is not positive.

    Searched as (1 - e^v) / max y: the endpoint then lies e^v of the excess beyond the best draw.
    """
    greatest = excesses[-1]
    if _exceedance(excesses, 0.0) < probability:
        return 0.0
    near, far = -20.0, 0.0
    for _ in range(18):
        middle = (near + far) / 2
        if _exceedance(excesses, -math.expm1(middle) / greatest) < probability:
            near = middle
        else:
            far = middle
    return float(-math.expm1(far) / greatest)


def _exceedance(excesses: NDArray[np.float64], theta: float) -> float:
    """Probability of at least the score found, given theta; at theta = 0 its limit, the mean square of the shares."""
    divisions = _divisions(len(excesses))
    if theta * excesses.mean() < 1e-6:
        found = np.mean((excesses / excesses.mean()) ** 2)
        return float(np.mean(np.mean(divisions**2, axis=1) >= found))
    z = -np.log1p(-theta * excesses)
    return float(np.mean(_log_score(z.mean(), divisions) >= _log_score(z.mean(), z / z.mean())))


def _log_score(mean: float, shares: NDArray[np.float64]) -> NDArray[np.float64]:
    exponents = mean * shares
    greatest = exponents.max(axis=-1, keepdims=True)
    score: NDArray[np.float64] = greatest[..., 0] + np.log(np.mean(np.exp(exponents - greatest), axis=-1))
    return score


@lru_cache(maxsize=128)
def _divisions(size: int) -> NDArray[np.float64]:
    """``(1000, size)`` exponential draws, each row divided by its mean."""
    drawn = np.random.default_rng(size).exponential(size=(_DIVISIONS, size))
    shares: NDArray[np.float64] = drawn / drawn.mean(axis=1, keepdims=True)
    return shares


def _index(excesses: NDArray[np.float64]) -> Estimate:
    """Every xi under which the estimate is none of the 2.5 % most extreme; the median of those as the estimate."""
    found = float(zhang_stephens(excesses[None, :])[0])
    high, centre, low = (
        float(np.interp(found, quantiles, _GRID, left=-math.inf, right=math.inf))
        for quantiles in _index_quantiles(len(excesses))
    )
    return Estimate(centre, low, high, _LEVEL)


@lru_cache(maxsize=128)
def _index_quantiles(size: int) -> NDArray[np.float64]:
    """``(3, n_grid)`` quantiles of the estimator at each xi of the grid."""
    uniform = np.sort(np.random.default_rng(size).random((_DIVISIONS, size)), axis=1)[:, ::-1]
    drawn = [-np.log(uniform) if xi == 0 else np.expm1(-xi * np.log(uniform)) / xi for xi in _GRID]
    quantiles = np.quantile([zhang_stephens(y) for y in drawn], _TAILS, axis=1)
    return np.maximum.accumulate(quantiles, axis=1)


def zhang_stephens(excesses: NDArray[np.float64]) -> NDArray[np.float64]:
    """The index of generalised Pareto draws, after Zhang and Stephens (Technometrics 51, 2009, 316-325).

    theta is the mean of a grid weighted with the profile likelihood k (ln(-theta / xi) - xi - 1),
    xi = mean ln(1 - theta y): no iteration, and defined for every sample.

    Args:
        excesses: ``(n_samples, k)`` above their threshold, each row rising.

    Returns:
        ``(n_samples,)`` xi, positive for a heavy tail.
    """
    size = excesses.shape[1]
    count = 20 + int(math.sqrt(size))
    steps = (1 - np.sqrt(count / (np.arange(count) + 0.5))) / 3
    quartile = excesses[:, int(size / 4 + 0.5) - 1]
    thetas = 1 / excesses[:, -1:] + steps / quartile[:, None]
    xi = np.stack([np.log1p(-theta[:, None] * excesses).mean(axis=1) for theta in thetas.T], axis=1)
    likelihood = size * (np.log(-thetas / xi) - xi - 1)
    weights = np.exp(likelihood - likelihood.max(axis=1, keepdims=True))
    theta = (thetas * weights).sum(axis=1) / weights.sum(axis=1)
    found: NDArray[np.float64] = np.log1p(-theta[:, None] * excesses).mean(axis=1)
    return found
