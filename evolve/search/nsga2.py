"""NSGA-II: time against error, where neither is given up for the other (Deb et al., IEEE Trans. Evol. Comp. 6, 2002).

Who survives, and who is a parent, is decided by the rank of non-domination and then by the crowding distance (their
sections III-A and III-B): the population spreads along the front of what is fastest at each error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evolve.accuracy import LEAST_ERROR
from evolve.engine import USUAL
from evolve.search.genetic import Genetic, nondominated_first
from evolve.search.settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evolve.engine import Numerics
    from kernels.language.space import Space

UNSCREENED = Settings(screened=False, tournament=2, children=200, crosses=0.5)
"""The surrogate knows of times alone; a parent is the better placed of two."""


class Nsga2(Genetic):
    """The genetic search with two objectives: a high fitness, and a small error."""

    def __init__(
        self, space: Space, rng: np.random.Generator, settings: Settings = UNSCREENED, engine: Numerics = USUAL
    ) -> None:
        super().__init__(space, rng, settings, engine)

    def surviving(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """The first of the fronts, and of the last one those that stand alone."""
        precision = -np.log(np.maximum(self.archive.errors[places], LEAST_ERROR))
        objectives = np.stack([self.archive.fitness[places], precision], axis=1)
        return places[nondominated_first(objectives, self.settings.population, self.engine)]
