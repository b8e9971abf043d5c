"""NSGA-II: time against error, where neither is given up for the other (Deb et al., IEEE Trans. Evol. Comp. 6, 2002).

Who survives, and who is a parent, is decided by the rank of non-domination and then by the crowding distance (their
sections III-A and III-B): the population spreads along the front of what is fastest at each error.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from evolve.accuracy import LEAST_ERROR
from evolve.search.genetic import Genetic, nondominated_first
from evolve.search.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from evolve.search.protocol import Result
    from kernels.language.space import Space

UNSCREENED = Settings(screened=False, tournament=2, children=200, crosses=0.5)
"""The surrogate knows of times alone; a parent is the better placed of two."""


class Nsga2(Genetic):
    """The genetic search with two objectives: a high fitness, and a small error."""

    def __init__(self, space: Space, rng: np.random.Generator, settings: Settings = UNSCREENED) -> None:
        super().__init__(space, rng, settings)

    def surviving(self, results: Sequence[Result]) -> list[Result]:
        """The first of the fronts, and of the last one those that stand alone."""
        objectives = [(result.fitness or 0.0, -math.log(max(result.error, LEAST_ERROR))) for result in results]
        return [results[k] for k in nondominated_first(objectives, self.settings.population)]
