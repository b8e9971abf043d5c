"""How large the noise is at each level of the hierarchy, and which gain it leaves to be found in so many rounds."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.inference import log_ratios, sign_test_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from benchmarks.outcome import Samples

COUNTS = (8, 15, 30, 60)
POWER = 0.80
POWERS = {0.02: 0.80, 0.05: 0.95, 1.0: 1.0}
"""The share of races that must find a gain."""

SIMULATED = 2000
MOST_ROUNDS = 200

_MAD_TO_SD = 1.4826  # of a normal distribution


@dataclass(frozen=True)
class Noise:
    """Robust standard deviations of ln(t_b / t_a) where a and b are equal.

    Attributes:
        round: of single rounds about their race's median.
        build: of whole races of two builds of one source, in one process.
        launch: of whole races of one function in two processes.
    """

    round: float
    build: float
    launch: float

    @classmethod
    def of(cls, same: Sequence[Samples], rebuilt: Sequence[Samples], relaunched: Sequence[Samples]) -> Noise:
        """The noise that races of equals show, at the three levels of ``benchmarks.aa``."""
        rounds = [ratios - np.median(ratios) for ratios in map(_ratios, same)]
        builds, launches = (np.array([np.median(_ratios(race)) for race in races]) for races in (rebuilt, relaunched))
        return cls(robust_sd(np.concatenate(rounds)), robust_sd(builds), robust_sd(launches))


def _ratios(race: Samples) -> NDArray[np.float64]:
    return log_ratios(race.candidate_s, race.incumbent_s)


def robust_sd(values: NDArray[np.float64]) -> float:
    """The standard deviation of a normal distribution with the same median absolute value: equals differ by 0."""
    return float(_MAD_TO_SD * np.median(np.abs(values)))


# ---- what can be found


@dataclass(frozen=True)
class Detection:
    """The sign test's own verdicts on rounds drawn from a machine's races of equals.

    Attributes:
        ratios: ``(n,)`` values of ln(t_b / t_a), a and b equal.
        rng: what the rounds are drawn with.
    """

    ratios: NDArray[np.float64]
    rng: np.random.Generator

    @classmethod
    def of(cls, races: Sequence[Samples], rng: np.random.Generator) -> Detection:
        """From races of a function against itself."""
        return cls(np.concatenate([_ratios(race) for race in races]), rng)

    def _needed(self, rounds: int) -> NDArray[np.float64]:
        """``(SIMULATED,)`` ln gains, each just enough to lift the interval of one race of equals above 0."""
        drawn = self.rng.choice(self.ratios, (SIMULATED, rounds))
        return np.array([-sign_test_interval(race)[0] for race in drawn])

    def smallest_gain(self, rounds: int, power: float = POWER) -> float:
        """The gain that is found in this share of races: 0.02 is 2 %; inf where so few rounds find nothing."""
        return float(np.expm1(max(0.0, float(np.quantile(self._needed(rounds), power, method="higher")))))

    def power(self, gain: float, rounds: int) -> float:
        """The share of races that find a gain."""
        return float(np.mean(self._needed(rounds) < math.log1p(gain)))

    def rounds_for(self, gain: float) -> int | None:
        """The fewest rounds, in whole blocks, that find a gain as often as it must be; None beyond ``MOST_ROUNDS``.

        They are named for half the misses: who names rounds that just suffice is wrong every other time.
        """
        power = (1 + POWERS[gain]) / 2
        counts = [*range(6, 30, 2), *range(30, MOST_ROUNDS + 1, 10)]
        return next((rounds for rounds in counts if self.power(gain, rounds) >= power), None)

    def smallest_gains(self, counts: Iterable[int] = COUNTS) -> dict[int, float]:
        """By rounds."""
        return {rounds: self.smallest_gain(rounds) for rounds in counts}


# ---- what was seen meanwhile


def witnessed(races: Sequence[Samples]) -> dict[str, Any]:
    """What the conditions of races say, taken together; plain values for JSON.

    Returns:
        Counts of contended rounds, retakes by reason, and flags; the mean share of steal; and the range of what the
        sentinels for core clock and memory read.
    """
    seen = [race.conditions for race in races]
    return {
        "races": len(races),
        "contended_rounds": sum(one.contended for one in seen),
        "retakes": _counted(retake.reason for one in seen for retake in one.retakes),
        "flags": _counted(flag for one in seen for flag in one.flags),
        "steal_share": float(np.mean([one.steal_share for one in seen])) if seen else 0.0,
        "clock_hz": _range([value for one in seen for value in one.clock_hz]),
        "memory_bytes_per_s": _range([value for one in seen for value in one.memory_bytes_per_s]),
    }


def _counted(words: Iterable[str]) -> Mapping[str, int]:
    return dict(Counter(words).most_common())


def _range(values: Sequence[float]) -> Mapping[str, float] | None:
    if not values:
        return None
    low, median, high = np.percentile(values, [2.5, 50, 97.5])
    return {"low": float(low), "median": float(median), "high": float(high)}
