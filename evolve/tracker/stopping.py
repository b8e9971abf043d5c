"""When a search may stop: it has gone flat, and as much again is not expected to bring anything worth having.

Patience alone says little. Of independent draws as many again bring a new best with probability 1/2, however long
nothing has come (Renyi 1962). Measured on the genetic search of five spaces (four recorded, one synthetic), budget 800:
"no 2 % in three quarters of the run" stopped 26 % of the runs with over 2 % still to gain, "in nine tenths" 11 % while
it saved an eighth. No other figure of the scores did better on a space that it was not fitted to. What tells a search
that has converged from luck that pauses is *where* it has looked: once most of the schedules one gene away from its
best three have been tried, the climb is over. Random draws never come near that. So a search is flat where all of these
hold:

1. it has explored: 55 % of the one-gene variants of its best three schedules were tried;
2. that says something of this space: such a variant beats a random draw of the control arm with probability 0.6 at
   least (Mann and Whitney, Annals of Mathematical Statistics 18, 1947); where neighbours are no better, nothing climbs;
3. the last third of its evaluations brought no 2 %;
4. as many evaluations again would bring 2 % with probability 1/2 at most, were they draws like those so far (``gain``).

A variant that a constraint forbids can never be tried, so a space full of constraints is stopped late or never.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evolve.tracker.curve import best_so_far, paid
from evolve.tracker.gain import WORTH, expected_gain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from evolve.store import Individual

EXPLORED = 0.55
"""Chosen on 160 runs of an earlier genetic search, unscreened, with races 1 % noisy, 20 each on four recorded spaces,
the spaces of triad and softmax with planted scores, and two planted ones. Budget 1000, of which the whole again was
then given: at 0.45 10 % of the runs were stopped with over 2 % still to gain, at 0.5 4 %, at 0.55 1 run (0.6 %, exact
95 % interval 0 to 3.4 %) with 27 % of the evaluations saved, at 0.6 none with 19 %. With the search of today,
screened, and a budget of 1200: none of 32 planted runs and one of 28 recorded ones, with 50 to 84 % saved, and nothing
on one space of eight (convolution_W6600)."""
BETTER = 0.6
QUIET = 1 / 3
CHANCE = 0.5
LEAST_EVALUATIONS = 60
_BEST = 3


@dataclass(frozen=True)
class Neighbourhood:
    """What lies one gene away from the best schedules.

    Attributes:
        explored: share of those variants that were tried, 0 to 1. A gene's values are those that occur in the run.
        better: the probability that a variant beats a random draw; 1/2 where nothing can be compared.
    """

    explored: float
    better: float


@dataclass(frozen=True)
class Flat:
    """Whether a search has gone flat, and why.

    Attributes:
        is_flat: it may stop.
        evaluations: that it took so far.
        near: what it knows of the neighbours of its best.
        recent: ln units that the last third of its evaluations brought; inf where they brought the first figure.
        chance: that as many evaluations again bring over 2 %, were they draws like those so far.
    """

    is_flat: bool
    evaluations: int
    near: Neighbourhood
    recent: float
    chance: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        recent = self.recent if np.isfinite(self.recent) else None
        return {**asdict(self), "recent": recent, "says": self.says}

    @property
    def says(self) -> str:
        """The state of the search in one sentence."""
        if not np.isfinite(self.recent):
            return f"too early to say whether the search has gone flat: {self.evaluations} evaluations"
        found = (
            f"{self.near.explored:.0%} of what lies one gene from its best {_BEST} was tried, "
            f"the last third of {self.evaluations} evaluations brought {np.expm1(self.recent):.1%}, "
            f"and as many again bring over {WORTH:.0%} with probability {self.chance:.2f}"
        )
        return f"the search has {'' if self.is_flat else 'not '}gone flat: {found}"


def is_flat(individuals: Sequence[Individual]) -> Flat:
    """Whether a search has gone flat.

    Args:
        individuals: all that the run asked for; the answer follows from them alone, on whatever machine.
    """
    known = paid(individuals)
    gain = expected_gain(individuals, max(1, len(known)))
    if gain is None or len(known) < LEAST_EVALUATIONS:
        return Flat(is_flat=False, evaluations=len(known), near=Neighbourhood(0.0, 0.5), recent=math.inf, chance=1.0)
    near, recent = neighbourhood(individuals), _recent(best_so_far(individuals))
    has_climbed = near.explored >= EXPLORED and near.better >= BETTER
    flat = has_climbed and recent <= WORTH and gain.chance <= CHANCE
    return Flat(flat, len(known), near, recent, gain.chance)


def neighbourhood(individuals: Sequence[Individual], best: int = _BEST) -> Neighbourhood:
    """What lies one gene away from the best measured schedules.

    Args:
        individuals: all that the run asked for; a schedule that failed or has the same source as another counts as
            tried all the same.
        best: how many of the best are looked at.
    """
    tried = [i for i in individuals if i.record is not None]
    order = sorted((-i.fitness, at) for at, i in enumerate(tried) if i.fitness is not None and i.is_paid)
    genes = _genes(tried)
    variants = int(genes.max(axis=0).sum()) if tried else 0
    if not variants or not order:
        return Neighbourhood(0.0, 0.5)
    steps = [(genes != genes[at]).sum(axis=1) == 1 for _, at in order[:best]]
    share = float(np.mean([len(np.unique(genes[near], axis=0)) / variants for near in steps]))
    return Neighbourhood(share, _better(tried, np.any(steps, axis=0)))


def _genes(tried: Sequence[Individual]) -> NDArray[np.int64]:
    """``(n, genes)`` every gene's value as a number, 0 for the first that occurred."""
    names = tried[0].evaluation.schedule if tried else ()
    columns = []
    for name in names:
        numbers: dict[Any, int] = {}
        columns.append([numbers.setdefault(i.evaluation.schedule[name], len(numbers)) for i in tried])
    return np.array(columns, dtype=np.int64).T.reshape(len(tried), len(names))


def _better(tried: Sequence[Individual], is_variant: NDArray[np.bool_]) -> float:
    """The probability that a variant beats a control draw, half of every tie; what failed is worst."""
    values = np.array([-math.inf if i.fitness is None else i.fitness for i in tried])
    is_control = np.array([i.evaluation.arm == "control" for i in tried])
    variants, draws = values[is_variant & ~is_control], np.sort(values[is_control])
    if not len(variants) or not len(draws):
        return 0.5
    sides = np.searchsorted(draws, variants, "left"), np.searchsorted(draws, variants, "right")
    return float(np.mean(sides) / len(draws))


def _recent(curve: NDArray[np.float64]) -> float:
    """What the last third of the champion curve brought."""
    before = curve[len(curve) - max(1, round(len(curve) * QUIET)) - 1]
    return math.inf if np.isnan(before) else float(curve[-1] - before)
