"""NSGA-II: time against error, where neither is given up for the other (Deb et al., IEEE Trans. Evol. Comp. 6, 2002).

Who survives, and who is a parent, is decided by the rank of non-domination and then by the crowding distance (their
sections III-A and III-B): the population spreads along the front of what is fastest at each error.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from evolve.accuracy import LEAST_ERROR
from evolve.search.genetic import Genetic, nondominated_first

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evolve.search.protocol import Result


class Nsga2(Genetic):
    """The genetic search with two objectives: a high fitness, and a small error."""

    def surviving(self, results: Sequence[Result]) -> list[Result]:
        """The first of the fronts, and of the last one those that stand alone."""
        objectives = [(result.fitness or 0.0, -math.log(max(result.error, LEAST_ERROR))) for result in results]
        return [results[k] for k in nondominated_first(objectives, self.size)]

    def parents(self) -> tuple[Result, Result]:
        """Each the better placed of two: the population stands in the order of rank and crowding."""
        first, second = (min(self.rng.integers(len(self.population), size=2)) for _ in range(2))
        return self.population[int(first)], self.population[int(second)]
