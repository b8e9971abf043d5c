"""When a search may stop: it has gone flat, and as much again is not expected to bring anything worth having.

Patience alone says little. Of independent draws as many again bring a new best with probability 1/2, however long
nothing has come (Renyi 1962), and on five spaces (four recorded, one synthetic) "no 2 % for three quarters of the run"
stopped falsely in one run of nine while it saved a seventh. What tells a search that has converged from luck that
pauses is *where* it has looked: once half of all schedules one gene away from its best three have been tried, the
climb is over. Random draws never come near that. So a search is flat where all of these hold:

1. it has explored: half of the one-gene variants of its best three schedules were tried;
2. the last third of its evaluations brought no 2 %;
3. as many evaluations again would bring 2 % with probability 1/2 at most, were they draws like those so far (``gain``).

A variant that a constraint forbids can never be tried, so a space full of constraints is stopped late or never.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evolve.tracker.curve import best_so_far, paid
from evolve.tracker.gain import WORTH, expected_gain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from evolve.store import Individual

EXPLORED = 0.5
QUIET = 1 / 3
CHANCE = 0.5
LEAST_EVALUATIONS = 60
_BEST = 3


@dataclass(frozen=True)
class Flat:
    """Whether a search has gone flat, and why.

    Attributes:
        is_flat: it may stop.
        evaluations: that it took so far.
        explored: share of the one-gene variants of its best three that were tried.
        recent: ln units that the last third of its evaluations brought; inf where they brought the first figure.
        chance: that as many evaluations again bring over 2 %, were they draws like those so far.
    """

    is_flat: bool
    evaluations: int
    explored: float
    recent: float
    chance: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        recent = self.recent if np.isfinite(self.recent) else None
        return {**asdict(self), "recent": recent, "says": self.says}

    @property
    def says(self) -> str:
        """The state of the search in one sentence."""
        found = (
            f"{self.explored:.0%} of the neighbours of its best {_BEST} tried, "
            f"{np.expm1(self.recent):.1%} gained in the last third of {self.evaluations} evaluations, "
            f"a chance of {self.chance:.2f} for over {WORTH:.0%} in as many again"
        )
        return ("the search has gone flat: " if self.is_flat else "the search has not gone flat: ") + found


def is_flat(individuals: Sequence[Individual]) -> Flat:
    """Whether a search has gone flat.

    Args:
        individuals: all that the run asked for; the answer follows from them alone, on whatever machine.
    """
    known = paid(individuals)
    gain = expected_gain(individuals, max(1, len(known)))
    if gain is None or len(known) < LEAST_EVALUATIONS:
        return Flat(is_flat=False, evaluations=len(known), explored=0.0, recent=float("inf"), chance=1.0)
    share, recent = explored(individuals), _recent(best_so_far(individuals))
    verdict = share >= EXPLORED and recent <= WORTH and gain.chance <= CHANCE
    return Flat(bool(verdict), len(known), share, recent, gain.chance)


def explored(individuals: Sequence[Individual], best: int = _BEST) -> float:
    """The share of the one-gene variants of the best schedules that were tried, 0 to 1.

    A gene's values are those that occur in the run; a repetition and a failed schedule count as tried.

    Args:
        individuals: all that the run asked for.
        best: how many of the best measured schedules are looked at.
    """
    tried = [i for i in individuals if i.record is not None]
    measured = [(fitness, at) for at, i in enumerate(tried) if (fitness := i.fitness) is not None and i.is_paid]
    codes = np.unique(_codes(tried), axis=0, return_inverse=True)
    genes, where = codes[0], codes[1].ravel()
    variants = int((genes.max(axis=0)).sum()) if len(genes) else 0
    if not variants or not measured:
        return 0.0
    top = [where[at] for _, at in sorted(measured, key=lambda pair: (-pair[0], pair[1]))[:best]]
    return float(np.mean([((genes != genes[one]).sum(axis=1) == 1).sum() / variants for one in top]))


def _codes(tried: Sequence[Individual]) -> NDArray[np.int64]:
    """``(n, genes)`` each gene's value as a number, 0 for the first that occurred."""
    names = list(tried[0].evaluation.schedule) if tried else []
    columns = []
    for name in names:
        numbers: dict[Any, int] = {}
        columns.append([numbers.setdefault(i.evaluation.schedule[name], len(numbers)) for i in tried])
    return np.array(columns, dtype=np.int64).T.reshape(len(tried), len(names))


def _recent(curve: NDArray[np.float64]) -> float:
    """What the last third of the champion curve brought."""
    before = curve[len(curve) - max(1, round(len(curve) * QUIET)) - 1]
    return float("inf") if np.isnan(before) else float(curve[-1] - before)
