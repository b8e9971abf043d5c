"""A (mu + lambda) genetic algorithm. The only module that imports DEAP, which draws from Python's global ``random``."""

from __future__ import annotations

import random
from contextlib import contextmanager
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np
from deap import base, tools

from evolve.genome import genome_of, schedule_of
from evolve.operators import mutate, two_point_crossover, uniform_crossover
from evolve.search.protocol import Novel, Proposal, Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kernels.language.space import Schedule, Space

_MOST_TRIES = 30  # children in a row that turn out to be known
_CROSSOVER_SHARE = 0.5
_FEW = 3


class _Objectives(base.Fitness):  # type: ignore[misc] # DEAP has no types
    weights = (1.0, 1.0)


class _Placed:
    """What DEAP sorts: an object with a ``fitness``."""

    def __init__(self, place: int, objectives: tuple[float, float]) -> None:
        self.place = place
        self.fitness = _Objectives(objectives)


def nondominated_first(objectives: Sequence[tuple[float, float]], count: int) -> list[int]:
    """Places of the best by rank of non-domination, and within a front by crowding distance, the least crowded first.

    Args:
        objectives: of each individual, both to be as large as can be.
        count: how many; of the last front that has room those that stand alone.
    """
    placed = [_Placed(k, pair) for k, pair in enumerate(objectives)]
    chosen = tools.selNSGA2(placed, min(count, len(placed))) if placed else []
    return [one.place for one in chosen]


class Genetic(Novel):
    """Survival of the best of all that was told, tournament selection, typed variation, and a look next door.

    It begins with the default schedule, some of its neighbours, and random schedules. After that a share of the
    proposals are untried neighbours of the best few; the others are bred from parents chosen by tournament, half by
    crossover and half by mutation. A failed schedule is never a parent.

    Args:
        space: the legal schedules.
        rng: seeds everything, DEAP's draws too.
        population: number of survivors (mu), and of founders.
        exploit: share of proposals next to the best few.
        tournament: contestants for the place of one parent; more of them is a harder selection.
    """

    def __init__(
        self,
        space: Space,
        rng: np.random.Generator,
        *,
        population: int = 32,
        exploit: float = 0.25,
        tournament: int = 3,
    ) -> None:
        super().__init__(space, rng)
        self.population: list[Result] = []
        self.logbook = tools.Logbook()
        self.size = population
        self._exploit = exploit
        self._founders = self._founding()
        self._random_state = random.Random(int(rng.integers(2**63))).getstate()  # noqa: S311 - a search, no secret
        self._toolbox = self._tools(tournament)
        self._statistics = tools.Statistics(attrgetter("fitness"))
        self._statistics.register("best", np.max)
        self._statistics.register("median", np.median)

    def ask(self, n: int) -> list[Proposal]:
        """Up to ``n`` new proposals, all bred from the present population."""
        with self._own_random():
            return super().ask(n)

    def tell(self, results: Sequence[Result]) -> None:
        """The best of the old population and ``results`` survive; a newer result of a schedule replaces the older."""
        super().tell(results)
        newest = {result.schedule: result for result in (*self.population, *results)}
        self.population = self.surviving([r for r in newest.values() if r.fitness is not None])
        if self.population:
            self.logbook.record(seen=len(self.seen), **self._statistics.compile(self.population))

    def surviving(self, results: Sequence[Result]) -> list[Result]:
        """The fittest; the population is in this order."""
        survivors: list[Result] = self._toolbox.survive(results)
        return survivors

    def parents(self) -> tuple[Result, Result]:
        """Two winners of tournaments, who may be the same."""
        mother, father = self._toolbox.select(self.population, 2)
        return mother, father

    def following(self) -> Proposal | None:
        """A founder, a neighbour of the best, a child; failing these a random schedule."""
        while self._founders:
            if (founder := self._founders.pop()).schedule not in self.seen:
                return founder
        if len(self.seen) < self.size or not self.population:
            return self.random_proposal()
        looks_near = self.rng.random() < self._exploit
        return (looks_near and self._neighbour()) or self._child() or self._neighbour() or self.random_proposal()

    def _founding(self) -> list[Proposal]:
        default = self.space.default
        near = self.space.neighbours(default)
        picked = self.rng.permutation(len(near))[: self.size // 4]
        neighbours = [Proposal(near[int(k)], "neighbour", (default,)) for k in picked]
        return [*neighbours, Proposal(default, "default")]

    def _tools(self, tournament: int) -> base.Toolbox:
        toolbox = base.Toolbox()
        toolbox.register("survive", tools.selBest, k=self.size)
        toolbox.register("select", tools.selTournament, tournsize=tournament)
        return toolbox

    @contextmanager
    def _own_random(self) -> Iterator[None]:
        """Python's global ``random`` continues this search's own stream inside, the caller's afterwards."""
        theirs = random.getstate()
        random.setstate(self._random_state)
        try:
            yield
        finally:
            self._random_state = random.getstate()
            random.setstate(theirs)

    def _neighbour(self) -> Proposal | None:
        for k in self.rng.permutation(len(self.population[:_FEW])):
            here = self.population[int(k)].schedule
            if untried := self.untried_neighbours(here):
                return Proposal(untried[int(self.rng.integers(len(untried)))], "neighbour", (here,))
        return None

    def _child(self) -> Proposal | None:
        for _ in range(_MOST_TRIES):
            mother, father = (parent.schedule for parent in self.parents())
            is_pair = mother != father and self.rng.random() < _CROSSOVER_SHARE
            child = self._crossed(mother, father) if is_pair else self._mutated(mother)
            if child.schedule not in self.seen:
                return child
        return None

    def _mutated(self, parent: Schedule) -> Proposal:
        child = mutate(self.space, genome_of(self.space, parent), self.rng)
        return Proposal(schedule_of(self.space, child), "mutate", (parent,))

    def _crossed(self, mother: Schedule, father: Schedule) -> Proposal:
        """A child of two, half the time mutated too: a population that has converged has nothing else to mix."""
        cross = uniform_crossover if self.rng.random() < 0.5 else two_point_crossover
        child = cross(self.space, genome_of(self.space, mother), genome_of(self.space, father), self.rng)
        if self.rng.random() < 0.5:
            child = mutate(self.space, child, self.rng)
        return Proposal(schedule_of(self.space, child), "crossover", (mother, father))
