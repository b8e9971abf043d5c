"""The A/A test: a function raced against itself many times. What the harness calls a gain there is its own fault."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.inference import Estimate, log_ratios, sign_test_interval
from benchmarks.race import Rules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.harness import Harness
    from benchmarks.outcome import Samples

TRIALS = 40
RULES = Rules(most_rounds=20, least_rounds=20, may_drop=False)

MOST_FALSE_POSITIVES = 0.10  # twice what the 95 % intervals promise
MOST_SPREAD = 0.05  # a gain that a search would take for worth keeping


@dataclass(frozen=True)
class SelfComparison:
    """What came of the trials.

    Attributes:
        trials: races.
        false_positives: races whose interval left out that both sides are equal.
        rate: their share, with its exact binomial interval.
        ratio: median of the races' speedups; low and high are their 2.5th and 97.5th percentile.
    """

    trials: int
    false_positives: int
    rate: Estimate
    ratio: Estimate

    @property
    def spread(self) -> float:
        """How far from 1 the ratio of equals came in 95 % of the races: 0.05 is 5 %."""
        return max(self.ratio.high, 1 / self.ratio.low) - 1

    @property
    def objections(self) -> tuple[str, ...]:
        """Why measurements of this machine cannot be trusted now; empty where they can."""
        found = []
        if self.rate.low > MOST_FALSE_POSITIVES:
            found.append(f"{self.false_positives} of {self.trials} races of a function against itself found a winner")
        if self.spread > MOST_SPREAD:
            found.append(f"a function differs from itself by up to {self.spread:.1%}")
        return tuple(found)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "spread": self.spread, "objections": list(self.objections)}


def same(harness: Harness, trials: int = TRIALS) -> SelfComparison:
    """Race the baseline of the harness' task against itself, in one child.

    Raises:
        ContestantFailedError: the baseline fails.
    """
    harness.first_incumbent()
    return judged([harness.pair(harness.baseline, harness.baseline, RULES) for _ in range(trials)])


def judged(races: Sequence[Samples]) -> SelfComparison:
    """What races of equals show.

    Raises:
        ValueError: there are none.
    """
    if not races:
        raise ValueError("an A/A test needs at least one race")
    ratios = [log_ratios(race.candidate_s, race.incumbent_s) for race in races]
    false_positives = sum(not low <= 0 <= high for low, high in map(sign_test_interval, ratios))
    low, centre, high = np.exp(np.percentile([np.median(rounds) for rounds in ratios], [2.5, 50, 97.5]))
    return SelfComparison(
        trials=len(races),
        false_positives=false_positives,
        rate=binomial_estimate(false_positives, len(races)),
        ratio=Estimate(float(centre), float(low), float(high)),
    )


def binomial_estimate(successes: int, trials: int, level: float = 0.95) -> Estimate:
    """A share with its exact interval (Clopper and Pearson, Biometrika 26, 1934)."""
    from scipy.special import betaincinv  # noqa: PLC0415 - costs a quarter of a second, needed only here

    tail = (1 - level) / 2
    low = betaincinv(successes, trials - successes + 1, tail) if successes else 0.0
    high = betaincinv(successes + 1, trials - successes, 1 - tail) if successes < trials else 1.0
    return Estimate(successes / trials, float(low), float(high), level)
