"""Hill climbing with restarts: go where it is better, start elsewhere once nothing near is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from evolve.search.protocol import Novel, Proposal, Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from kernels.language.space import Schedule, Space


class Local(Novel):
    """Starts at the default schedule, tries its neighbours in random order, and moves to the best told so far.

    At a local optimum it sends out random scouts and goes on from the best of them. An immigrant that is better than
    the place where it stands is taken like a neighbour.
    """

    def __init__(self, space: Space, rng: np.random.Generator) -> None:
        super().__init__(space, rng)
        self._place = Result(space.default, -math.inf)
        self._scouts: set[Schedule] = set()
        self._told: set[Schedule] = set()

    def following(self) -> Proposal | None:
        """The starting point, else a neighbour of the present place, else a scout."""
        here = self._place.schedule
        if here not in self.seen:
            return Proposal(here, "default")
        if untried := self.untried_neighbours(here):
            return Proposal(untried[int(self.rng.integers(len(untried)))], "neighbour", (here,))
        if scout := self.random_proposal():
            self._scouts.add(scout.schedule)
        return scout

    def tell(self, results: Sequence[Result]) -> None:
        """Move up, or away from a local optimum. What was told before moves nothing: a repeat is no news."""
        news = [r for r in results if r.fitness is not None and r.schedule not in self._told]
        super().tell(results)
        self._told.update(result.schedule for result in results)
        best = max(news, key=_height, default=self._place)
        if _height(best) > _height(self._place):
            self._place = best
        elif not self.untried_neighbours(self._place.schedule):
            self._restart([r for r in news if r.schedule in self._scouts])

    def _restart(self, scouts: Sequence[Result]) -> None:
        self._place = max(scouts, key=_height, default=self._place)


def _height(result: Result) -> float:
    return -math.inf if result.fitness is None else result.fitness
