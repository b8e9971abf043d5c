"""The champion curve: the best search estimate so far, evaluation by evaluation.

All of it are search-time estimates, each against the fixed baseline. Gains of successive champions are never
multiplied: 20 generations of selection noise among *identical* kernels multiply to 8.6x.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from evolve.store import Individual


@dataclass(frozen=True)
class Improvement:
    """A new champion.

    Attributes:
        evaluations: how many outcomes were known with it.
        individual: the champion.
        fitness: ln(t_baseline / t_champion), a search estimate.
    """

    evaluations: int
    individual: Individual
    fitness: float


def paid(individuals: Sequence[Individual]) -> list[Individual]:
    """Those that took an evaluation of their own: outcome known, no duplicate."""
    return [individual for individual in individuals if individual.is_paid]


def champion(individuals: Sequence[Individual]) -> Individual | None:
    """The best search estimate, the earliest of equals; None while nothing is measured."""
    found = improvements(individuals)
    return found[-1].individual if found else None


def improvements(individuals: Sequence[Individual]) -> list[Improvement]:
    """Every champion in turn."""
    found: list[Improvement] = []
    best = -math.inf
    for count, individual in enumerate(paid(individuals), start=1):
        if individual.fitness is not None and individual.fitness > best:
            best = individual.fitness
            found.append(Improvement(count, individual, best))
    return found


def best_so_far(individuals: Sequence[Individual]) -> NDArray[np.float64]:
    """The champion's fitness after each evaluation.

    Returns:
        ``(n,)`` ln(t_baseline / t_champion), NaN before the first that is measured.
    """
    fitnesses = [math.nan if i.fitness is None else i.fitness for i in paid(individuals)]
    return np.fmax.accumulate(np.array(fitnesses, dtype=np.float64))


def evaluations_since_improvement(individuals: Sequence[Individual]) -> int | None:
    """How many evaluations the champion has outlived; None while there is none."""
    found = improvements(individuals)
    return len(paid(individuals)) - found[-1].evaluations if found else None
