"""How good a search is on a landscape: between exact random search and knowing the optimum from the start.

After n evaluations a search holds the time b(n), random search is expected to hold r(n), and the optimum is o. A score
is the mean of (r(n) - b(n)) / (r(n) - o) over the evaluations of a budget: 0 is random search, 1 the optimum at once,
below 0 worse than random search (Willemsen et al., A Methodology for Comparing Optimization Algorithms for Auto-Tuning,
Future Generation Computer Systems 159, 2024). Counting ends where random search is within 0.1 % of the optimum, as no
measurement tells such times apart. They end it where random search has come 95 % of the way from the median to the
optimum; but there are spaces whose median is 32 times the optimum, and that would be after 11 evaluations.

r(n) is calculated, not tried: 20 seeds of random search put its median at 1.020 of an optimum where 1.149 is exact. Of
N schedules none of the best i is among n draws without replacement with probability C(N-i, n) / C(N, n). A schedule
that failed is a draw too, and as bad as the worst that did not.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.inference import Estimate
from evolve.errors import EvolveError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from evolve.replay.landscape import Landscape

    Times = Sequence[float | None]

COUNTS = (25, 50, 100, 200)
"""Evaluations after which the best is told."""
EARLY = 50
NEAR = 1.05
"""What counts as found: within 5 % of the optimum."""
SAME = 1e-3
"""Times within so much of each other are the same."""
_RESAMPLES = 2000
_LEVEL = 0.95


@dataclass(frozen=True)
class Chance:
    """What random search without repeats finds, exactly.

    Attributes:
        expected_s: ``(n,)`` mean time of the best of 1, 2, ... draws.
        median_s: ``(n,)`` the median of the same.
        near: ``(n,)`` the chance that it is within 5 % of the optimum.
        counted: after so many draws counting ends.
    """

    expected_s: NDArray[np.float64]
    median_s: NDArray[np.float64]
    near: NDArray[np.float64]
    counted: int


@functools.lru_cache(maxsize=64)
def chance(landscape: Landscape, budget: int) -> Chance:
    """What the best of 1 to ``budget`` draws is, or of as many as there are schedules.

    Raises:
        EvolveError: all schedules take the same time, so that there is nothing to search for.
    """
    times_s = np.concatenate([landscape.valid_s, np.full(landscape.failed, landscape.worst_s)])
    if times_s[0] == times_s[-1]:
        raise EvolveError(f"{landscape.name} is flat: all its schedules take the same time")
    near = int(np.searchsorted(times_s, NEAR * times_s[0], side="right"))
    missed = [*_missed(len(times_s), min(budget, len(times_s)))]
    expected_s = np.array([times_s[0] + float(np.diff(times_s) @ chances[1:]) for chances in missed])
    median_s = times_s[[int(np.count_nonzero(chances[1:] > 0.5)) for chances in missed]]
    found = np.array([1 - chances[near] if near < len(times_s) else 1.0 for chances in missed])
    counted = int(np.count_nonzero(expected_s > (1 + SAME) * times_s[0]))
    return Chance(expected_s, median_s, found, max(1, counted))


def _missed(count: int, draws: int) -> Iterator[NDArray[np.float64]]:
    """For 1, 2, ... draws the chances that none of the best 0, 1, ... ``count - 1`` is among them."""
    best = np.arange(count)
    missed = np.ones(count)
    for drawn in range(draws):
        missed = missed * np.maximum(0.0, (count - best - drawn) / (count - drawn))
        yield missed


@dataclass(frozen=True)
class Score:
    """How good a strategy is on a landscape.

    Attributes:
        scores: of each seed.
        early: the same of the first 50 evaluations; empty where the budget is no more.
        median_ratio: median over seeds of best / optimum, by evaluations.
        within_5_percent: share of seeds that have come so near to the optimum.
        evaluations: mean over seeds.
    """

    scores: tuple[float, ...]
    early: tuple[float, ...]
    median_ratio: Mapping[int, float]
    within_5_percent: float
    evaluations: float

    @property
    def score(self) -> Estimate:
        """The mean over seeds."""
        return mean_score([self.scores])

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "score": self.score.as_dict(),
            "early_score": mean_score([self.early]).as_dict() if self.early else None,
            "median_ratio": {str(count): ratio for count, ratio in self.median_ratio.items()},
            "within_5_percent": self.within_5_percent,
            "evaluations": self.evaluations,
            "seeds": len(self.scores),
        }


def score(landscape: Landscape, searches: Sequence[Times], budget: int) -> Score:
    """The score of several searches of a landscape, one a seed.

    Args:
        landscape: that was searched.
        searches: times of the schedules that each tried, in order, None where one failed; one that is shorter than
            the budget goes on with what it had.
        budget: evaluations that count; what was tried beyond them is left out.

    Raises:
        EvolveError: the landscape is flat.
    """
    known = chance(landscape, budget)
    curves = np.array([best_so_far(times_s, landscape.worst_s, len(known.expected_s)) for times_s in searches])
    ratios = curves / landscape.best_s
    return Score(
        scores=tuple(_scores(curves, known, landscape.best_s)),
        early=tuple(_scores(curves[:, :EARLY], known, landscape.best_s)) if curves.shape[1] > EARLY else (),
        median_ratio={n: float(np.median(ratios[:, n - 1])) for n in COUNTS if n <= curves.shape[1]},
        within_5_percent=float(np.mean(ratios[:, -1] <= NEAR)),
        evaluations=float(np.mean([min(len(times_s), budget) for times_s in searches])),
    )


def best_so_far(times_s: Times, worst_s: float, budget: int) -> NDArray[np.float64]:
    """The shortest time after each evaluation.

    Args:
        times_s: of the schedules tried; None where one failed.
        worst_s: stands for failures.
        budget: evaluations; a search that ended before them goes on with what it had.

    Returns:
        ``(budget,)`` times.
    """
    tried = [worst_s if time_s is None else min(time_s, worst_s) for time_s in times_s[:budget]]
    best = np.minimum.accumulate(np.array(tried or [worst_s], dtype=np.float64))
    return np.pad(best, (0, budget - len(best)), mode="edge")


def _scores(curves: NDArray[np.float64], known: Chance, best_s: float) -> list[float]:
    counted = min(known.counted, curves.shape[1])
    expected_s = known.expected_s[:counted]
    found: list[float] = ((expected_s - curves[:, :counted]) / (expected_s - best_s)).mean(axis=1).tolist()
    return found


def mean_score(groups: Sequence[ArrayLike]) -> Estimate:
    """The mean over spaces of the mean over seeds, with a bootstrap interval: other seeds, the same spaces.

    Args:
        groups: of each space one score a seed.

    Returns:
        The estimate, with an open interval where a space has a single seed.
    """
    rng = np.random.default_rng(0)
    return _estimate(*zip(*(_resampled(group, rng) for group in groups), strict=True))


def over_spaces(seeds: Sequence[int], statistic: Callable[[int, NDArray[np.int64]], NDArray[np.float64]]) -> Estimate:
    """The mean over spaces of what their seeds give together, with a bootstrap interval: other seeds, the same spaces.

    Args:
        seeds: of each space so many.
        statistic: of a space, by its place, and ``(n, seeds)`` draws of seeds: ``(n,)`` values.

    Returns:
        The estimate, with an open interval where a space has a single seed.
    """
    rng = np.random.default_rng(0)
    draws = [np.vstack([np.arange(count), rng.integers(count, size=(_RESAMPLES, count))]) for count in seeds]
    found = np.mean([statistic(at, drawn) for at, drawn in enumerate(draws)], axis=0)
    centre = float(found[0])
    if min(seeds) == 1:
        return Estimate(centre, -np.inf, np.inf, _LEVEL)
    low, high = np.quantile(found[1:], [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Estimate(centre, min(float(low), centre), max(float(high), centre), _LEVEL)


def lead(ours: Sequence[ArrayLike], theirs: Sequence[ArrayLike]) -> Estimate:
    """By how much one mean score is above another on the same spaces, with a bootstrap interval.

    Args:
        ours: of each space one score a seed.
        theirs: the same; seeds of two strategies have nothing in common.
    """
    rng = np.random.default_rng(0)
    pairs = [(_resampled(one, rng), _resampled(other, rng)) for one, other in zip(ours, theirs, strict=True)]
    gaps = [(one[0] - other[0], one[1] - other[1]) for one, other in pairs]
    return _estimate(*zip(*gaps, strict=True))


def _resampled(group: ArrayLike, rng: np.random.Generator) -> tuple[float, NDArray[np.float64]]:
    """A mean, and the means of as many seeds drawn anew; NaN where one seed says nothing of others."""
    scores = np.asarray(group, dtype=np.float64)
    if len(scores) < 2:
        return float(scores.mean()), np.full(_RESAMPLES, np.nan)
    drawn = rng.integers(len(scores), size=(_RESAMPLES, len(scores)))
    return float(scores.mean()), scores[drawn].mean(axis=1)


def _estimate(means: Sequence[float], resampled: Sequence[NDArray[np.float64]]) -> Estimate:
    drawn = np.mean(resampled, axis=0)
    if np.isnan(drawn).any():
        return Estimate(float(np.mean(means)), -np.inf, np.inf, _LEVEL)
    low, high = np.quantile(drawn, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Estimate(float(np.mean(means)), float(low), float(high), _LEVEL)
