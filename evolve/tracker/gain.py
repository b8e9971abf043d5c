"""What more evaluations are still worth: how far the best of the next n would lie above the best so far.

The next n evaluations are taken for as many draws like those so far, of which the best k exceed the (k+1)-th by
exponential excesses of mean s (Pickands 1975: the right law for a tail of index 0, and too generous, hence on the safe
side, for the bounded tail that a kernel's speedup has; as in ``null``). The number of draws above that threshold u is
Poisson with mean n k / m, so that the best of them stays within g of the best so far, B, with probability
exp(-(n k / m) exp(-(B + g - u) / s)): a Gumbel law (Coles, An Introduction to Statistical Modeling of Extreme Values,
2001, section 4). What k draws leave open is drawn too: s as k s / Gamma(k), the rate as Gamma(k) / m.

Measured on 1000 forecasts each, of half or as many evaluations again after 50 to 800, on five spaces (four recorded,
one synthetic): the genetic search ended above the interval in 3.6 %, never below it, and gained 4.2 % where 5.0 % was
expected, over 2 % in 32 % where 28 % was said; the hill climber 4.4 %, 3.2 for 4.0 %, 26 for 29 %. Independent draws,
50 to 600 and as many again, 150 trials each: held in 96 to 99 % (exponential, Gumbel, normal), 100 % (uniform), with
means too high by a fifth (exponential) to a factor of two (normal). A search that still learns does better than its
past, and one that has converged does worse: that is no part of the interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.inference import Estimate
from evolve.tracker.curve import paid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from evolve.store import Individual

WORTH = 0.02
"""A gain of over 2 %, in ln units, is worth waiting for; sessions on one machine differ by 1 %."""

LEAST_MEASURED = 20
"""Measured evaluations below which nothing is said."""

_TAIL = 5
_DRAWS = 400
_LEVEL = 0.95
_STEPS = 200
_HALVINGS = 30


@dataclass(frozen=True)
class Gain:
    """What some more evaluations are expected to bring.

    Attributes:
        evaluations: how many more.
        seconds: that they take at the rate so far; None where no rate is known.
        gain: ln units above the best so far: the mean, and the interval that the gain of one run falls into.
        chance: that it exceeds 2 %.
    """

    evaluations: int
    seconds: float | None
    gain: Estimate
    chance: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the gain as a ratio of speedups."""
        ends = (math.exp(end) for end in (self.gain.estimate, self.gain.low, self.gain.high))
        ratio = dict(zip(("estimate", "low", "high"), ends, strict=True))
        plain = {"evaluations": self.evaluations, "seconds": self.seconds, "chance": self.chance, "says": self.says}
        return {**plain, "gain": {**ratio, "level": self.gain.level}}

    @property
    def says(self) -> str:
        """What to expect, in one sentence."""
        mean, low, high = (_percent(end) for end in (self.gain.estimate, self.gain.low, self.gain.high))
        return (
            f"{self.evaluations} evaluations more are expected to bring {mean} ({low} to {high}), "
            f"and over {_percent(WORTH)} with probability {self.chance:.2f}"
        )


def expected_gain(
    individuals: Sequence[Individual],
    evaluations: int,
    seconds_per_evaluation: float | None = None,
    cap: float = math.inf,
) -> Gain | None:
    """What so many more evaluations are expected to bring.

    Args:
        individuals: all that the run asked for.
        evaluations: how many more.
        seconds_per_evaluation: of the run so far.
        cap: ln of the greatest speedup that the machine allows.

    Returns:
        None with fewer than 20 evaluations measured.
    """
    known = np.array([math.nan if i.fitness is None else i.fitness for i in paid(individuals)], dtype=np.float64)
    seconds = None if seconds_per_evaluation is None else evaluations * seconds_per_evaluation
    return gain_of(known, evaluations, seconds, cap)


def gain_of(fitnesses: ArrayLike, evaluations: int, seconds: float | None = None, cap: float = math.inf) -> Gain | None:
    """The same from the fitnesses alone.

    Args:
        fitnesses: ``(m,)`` ln speedups of all evaluations; one that failed is NaN.
        evaluations: how many more.
        seconds: that they take.
        cap: ln of the greatest speedup that the machine allows.
    """
    known = np.asarray(fitnesses, dtype=np.float64)
    ordered = np.sort(known[~np.isnan(known)])[::-1]
    if len(ordered) < LEAST_MEASURED or evaluations < 1:
        return None
    room = max(0.0, cap - float(ordered[0]))
    exceeded = _Exceeded.of(ordered, len(known), evaluations)
    grid = np.linspace(0.0, exceeded.farthest(), _STEPS)
    mean = float(np.trapezoid(exceeded(grid) * (grid < room), grid))
    low, high = (min(room, exceeded.quantile(end)) for end in ((1 - _LEVEL) / 2, (1 + _LEVEL) / 2))
    chance = float(exceeded(np.array([WORTH]))[0]) if room > WORTH else 0.0
    return Gain(evaluations, seconds, Estimate(min(mean, room), low, high, _LEVEL), chance)


@dataclass(frozen=True)
class _Exceeded:
    """The probability that the best so far is exceeded by more than g.

    Attributes:
        scale: ``(draws,)`` plausible mean excesses, ln units.
        rate: ``(draws,)`` plausible numbers of draws above the threshold.
        above: the best so far over the threshold, ln units.
    """

    scale: NDArray[np.float64]
    rate: NDArray[np.float64]
    above: float

    @classmethod
    def of(cls, ordered: NDArray[np.float64], m: int, evaluations: int) -> _Exceeded:
        """From the measured fitnesses, the best first, of m evaluations."""
        threshold = float(ordered[_TAIL])
        scale = max(1e-9, float(ordered[:_TAIL].mean()) - threshold)
        rng = np.random.default_rng(m)  # the same run says the same
        spread = _TAIL * scale / rng.gamma(_TAIL, size=_DRAWS)
        return cls(spread, rng.gamma(_TAIL, size=_DRAWS) * evaluations / m, float(ordered[0]) - threshold)

    def __call__(self, gain: NDArray[np.float64]) -> NDArray[np.float64]:
        beyond = np.exp(-(self.above + gain[:, None]) / self.scale)
        chances: NDArray[np.float64] = -np.expm1(-self.rate * beyond)
        return np.asarray(chances.mean(axis=1))

    def farthest(self) -> float:
        """Where hardly anything is left."""
        return float(np.quantile(self.scale, 0.99) * (np.log1p(self.rate.max()) + 10))

    def quantile(self, level: float) -> float:
        """The gain that is not exceeded with that probability, 0 where no gain at all is likelier."""
        low, high = 0.0, self.farthest()
        if self(np.zeros(1))[0] <= 1 - level:
            return 0.0
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (low, middle) if self(np.array([middle]))[0] <= 1 - level else (middle, high)
        return high


def _percent(gain: float) -> str:
    return f"{100 * math.expm1(gain):.2g} %"
