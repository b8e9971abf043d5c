"""Proposals that were measured: how many were hits, how far that was foreseen, and what is left to hit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.aa import binomial_estimate
from benchmarks.inference import Estimate
from evolve.replay.score import over_spaces

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from evolve.loops.model.listing import Listing, Places
    from evolve.loops.model.proposing import Belief

    Array = NDArray[np.float64]

RANDOM = 0.1
"""The rate of random draws: what they are held against is the quantile that a tenth of them exceeds."""
_LEVEL = 0.95
_BINS = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
"""Of foreseen probabilities: random draws lie in the first ones, proposals in the last."""


def quantile(fitness: Array) -> float:
    """What a tenth of further draws exceed: by Weibull's plotting position.

    The k-th of n draws in order is exceeded by a share of 1 - k / (n + 1), in the mean (Makkonen, Journal of Applied
    Meteorology and Climatology 45, 2006), whatever the distribution: so of 9, 19, 29, ... draws a tenth exceed the
    bar exactly, and of other counts nearly. It is NaN or -inf where fewer than a tenth could be measured.

    Args:
        fitness: ``(n,)``, -inf where a draw failed; nine at least.
    """
    with np.errstate(invalid="ignore"):
        return float(np.quantile(fitness, 1 - RANDOM, method="weibull"))


@dataclass(frozen=True)
class Attempt:
    """What one seed tries on one space in a lap.

    Attributes:
        listing: the space.
        known: ``(m,)`` places of what was measured before.
        fixed: the fitness that lap 0's draws had with probability 0.1.
        moving: the same of what the lap before proposed.
        proposed: what the model proposes.
        drawn: ``(n,)`` places of random draws beside it.
        strangers: what is believed of those that were not known.
    """

    listing: Listing
    known: Places
    fixed: float
    moving: float
    proposed: Belief
    drawn: Places
    strangers: Belief

    @property
    def found(self) -> Array:
        """``(n,)`` fitness of what was proposed."""
        return self.listing.fitness[self.proposed.places]

    @property
    def hits(self) -> float:
        """Share of the proposals above the fixed fitness."""
        return float(np.mean(self.found > self.fixed))

    @property
    def most(self) -> float:
        """The largest share that there could have been, by what was left above it."""
        left = np.count_nonzero(self.listing.fitness[self.listing.untried(self.known)] > self.fixed)
        return min(1.0, left / len(self.proposed.places))

    @property
    def left(self) -> dict[str, float]:
        """Of what nobody has tried after the lap the shares above the fixed fitness, the moving one, and the best."""
        tried = np.concatenate([self.known, self.proposed.places, self.drawn])
        others, best = self.listing.fitness[self.listing.untried(tried)], self.listing.fitness[tried].max()
        bars = {"fixed": self.fixed, "moving": self.moving, "best": best}
        return {name: float(np.mean(others > bar)) if len(others) else 0.0 for name, bar in bars.items()}


def measured(spaces: Sequence[Sequence[Attempt]]) -> dict[str, Any]:
    """All that is shown of a lap, in plain values for JSON.

    Args:
        spaces: of each space one attempt a seed.
    """
    all_of = [attempt for attempts in spaces for attempt in attempts]
    lefts = [one.left for one in all_of]
    return {
        "hits": _share([one.found > one.fixed for one in all_of]),
        "hits_moving": _share([one.found > one.moving for one in all_of]),
        "random": _share([one.listing.fitness[one.drawn] > one.fixed for one in all_of]),
        "random_moving": _share([one.listing.fitness[one.drawn] > one.moving for one in all_of]),
        "foreseen": float(np.mean(np.concatenate([one.proposed.hits(one.fixed) for one in all_of]))),
        "inside": _share([one.proposed.inside(one.found) for one in all_of]),
        "inside_random": _share([one.strangers.inside(_found(one.strangers, one)) for one in all_of]),
        "reliability": [*_reliability(all_of)],
        "mass": {name: float(np.mean([left[name] for left in lefts])) for name in ("fixed", "moving", "best")},
        "by_space": {one[0].listing.name: float(np.mean([attempt.hits for attempt in one])) for one in spaces},
    }


def _found(belief: Belief, attempt: Attempt) -> Array:
    return attempt.listing.fitness[belief.places]


def _share(groups: Sequence[NDArray[np.bool_]]) -> dict[str, Any]:
    """Of all together, with its exact binomial interval; None where there is nothing."""
    which = np.concatenate(groups)
    if not len(which):
        return {"estimate": None, "low": None, "high": None, "level": _LEVEL}
    return binomial_estimate(int(np.count_nonzero(which)), len(which)).as_dict()


def _reliability(attempts: Sequence[Attempt]) -> Iterator[list[float]]:
    """For probabilities that are alike: the mean foreseen, the share that came, and how many there were."""
    beliefs = [(belief, one) for one in attempts for belief in (one.proposed, one.strangers)]
    foreseen = np.concatenate([belief.hits(one.fixed) for belief, one in beliefs])
    came = np.concatenate([_found(belief, one) > one.fixed for belief, one in beliefs])
    for low, high in pairwise(_BINS):
        within = (foreseen >= low) & ((foreseen < high) | (high == 1.0))
        if within.any():
            yield [float(foreseen[within].mean()), float(came[within].mean()), float(np.count_nonzero(within))]


def log_ratio(ours: Sequence[ArrayLike], theirs: Sequence[ArrayLike], least: float) -> Estimate:
    """The ln of one rate over another: the mean over spaces, with a bootstrap interval (other seeds, the same spaces).

    Args:
        ours: of each space one rate a seed.
        theirs: the same of the others, with the same seeds.
        least: rate that is said of a space where there was no hit at all.

    Returns:
        The estimate; its interval is open where there is one seed only.
    """

    def ratios(at: int, drawn: NDArray[np.int64]) -> Array:
        one, other = (np.maximum(np.asarray(rates[at], float)[drawn].mean(axis=1), least) for rates in (ours, theirs))
        logs: Array = np.log(one) - np.log(other)
        return logs

    return over_spaces([np.size(rates) for rates in ours], ratios)
