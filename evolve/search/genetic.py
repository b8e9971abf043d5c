"""A (mu + lambda) genetic algorithm that measures few of its children, and learns which. The only user of DEAP."""

from __future__ import annotations

import itertools
import math
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np
from deap import base, tools
from threadpoolctl import threadpool_limits

from evolve.search.alphabet import Alphabet
from evolve.search.archive import Archive
from evolve.search.breeding import NOBODY, OPERATORS, Breeder, Brood, joined
from evolve.search.embedding import Embedding
from evolve.search.protocol import Novel, Proposal, Result
from evolve.search.screening import scores_of_ranks, screened
from evolve.search.settings import Settings
from evolve.search.surrogate import Surrogate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from evolve.search.alphabet import Rows
    from kernels.language.space import Schedule, Space

    Array = NDArray[np.float64]

_LEAST_LESSONS = 6
_NEWS = 4, 1 / 12
"""Length scales are learned anew once so many outcomes, or this share of all, have come."""
_DEFAULTS = Settings()


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
    """Survival of the best of all that was told, tournament selection, typed variation, and a screen before measuring.

    It begins with the default schedule and random ones. Then each ask breeds some thousand children by mutation and
    crossover, adds the neighbours of the best few and random genomes, and proposes those of which a Gaussian process,
    fitted to all that was told, expects the greatest improvement. Where nothing better has come for long, part of each
    ask climbs from the best few, gene by gene.

    Args:
        space: the legal schedules.
        rng: seeds everything.
        settings: how it goes about it.
    """

    def __init__(self, space: Space, rng: np.random.Generator, settings: Settings = _DEFAULTS) -> None:
        super().__init__(space, rng)
        self.settings = settings
        self.population: list[Result] = []
        self.logbook = tools.Logbook()
        self._alphabet = Alphabet(space)
        self._archive = Archive(self._alphabet)
        self._breeder = Breeder(self._alphabet, rng)
        self._surrogate = Surrogate(Embedding(space))
        self._learned = 0
        self._best, self._rose_at = -math.inf, 0
        self._pending: dict[Schedule, None] = {}
        self._statistics = tools.Statistics(attrgetter("fitness"))
        self._statistics.register("best", np.max)
        self._statistics.register("median", np.median)

    def ask(self, n: int) -> list[Proposal]:
        """Up to ``n`` new proposals: founders, then chosen children of one generation, then what is left."""
        proposals = [self._noted(founder) for founder in itertools.islice(self._founding(), n)]
        if self._is_stuck:
            proposals += [self._noted(child) for child in self._climbing(round(n * self.settings.climbing))]
        proposals += [self._noted(child) for child in self._bred(n - len(proposals))]
        others = itertools.islice(iter(self.following, None), n - len(proposals))
        return proposals + [self._noted(proposal) for proposal in others]

    def following(self) -> Proposal | None:
        """What there is where breeding brought nothing new: a neighbour of the best, else a random schedule."""
        for result in self.population[: self.settings.near]:
            if untried := self.untried_neighbours(result.schedule):
                return Proposal(untried[int(self.rng.integers(len(untried)))], "neighbour", (result.schedule,))
        return self.random_proposal()

    def tell(self, results: Sequence[Result]) -> None:
        """The best of the old population and ``results`` survive; a newer result of a schedule replaces the older."""
        super().tell(results)
        self._archive.add(results)
        for result in results:
            self._pending.pop(result.schedule, None)
        newest = {result.schedule: result for result in (*self.population, *results)}
        self.population = self.surviving([r for r in newest.values() if r.fitness is not None])
        if self.population:
            self._note_rise(self.population[0].fitness)
            self.logbook.record(seen=len(self.seen), **self._statistics.compile(self.population))

    def surviving(self, results: Sequence[Result]) -> list[Result]:
        """The fittest; the population is in this order."""
        survivors: list[Result] = tools.selBest(results, self.settings.population)
        return survivors

    def _noted(self, proposal: Proposal) -> Proposal:
        self.seen.add(proposal.schedule)
        self._pending[proposal.schedule] = None
        return proposal

    def _founding(self) -> Iterator[Proposal]:
        """The default and random schedules, until there are founders that work."""
        if self.space.default not in self.seen:
            yield Proposal(self.space.default, "default")
        while not self.population or len(self.seen) < self.settings.founders:
            if (stranger := self.random_proposal()) is None:
                return
            yield stranger

    def _note_rise(self, fitness: float | None) -> None:
        if fitness is not None and fitness > self._best:
            self._best, self._rose_at = fitness, len(self._archive)

    @property
    def _is_stuck(self) -> bool:
        return bool(self.population) and len(self._archive) - self._rose_at >= self.settings.patience

    # ---- breeding

    def _climbing(self, n: int) -> list[Proposal]:
        """Untried variants of the best few by one gene, in any order."""
        best = self.population[: self.settings.near]
        rows = self._alphabet.rows(result.schedule for result in best)
        brood = self._untried(self._breeder.variants(rows, range(len(best))))
        return [self._proposal(brood, int(place)) for place in self.rng.permutation(len(brood))[:n]]

    def _bred(self, n: int) -> list[Proposal]:
        if n <= 0 or not self.population:
            return []
        brood = self._untried(self._brood())
        learns = self.settings.screened and len(self._archive) >= _LEAST_LESSONS
        # one thread: matrices are small, a sum must not depend on the count of cores, and others may be building
        with threadpool_limits(1, user_api="blas"):
            chosen = self._screened(brood, n) if learns else self._drawn(brood, n)
        return [self._proposal(brood, place) for place in chosen]

    def _brood(self) -> Brood:
        """Neighbours of the best, children of all, and strangers; some of them are known or twins."""
        settings, count = self.settings, self.settings.children
        population = self._alphabet.rows(result.schedule for result in self.population)
        mutants, crosses = round(count * settings.mutants), round(count * settings.crosses)
        return joined(
            [
                self._breeder.neighbours(population, range(min(settings.near, len(population)))),
                self._breeder.mutants(population, self._winners(mutants)),
                self._breeder.crosses(population, self._winners(crosses), self._winners(crosses)),
                self._breeder.strangers(count - mutants - crosses),
            ]
        )

    def _winners(self, count: int) -> NDArray[np.int64]:
        """Places of winners of tournaments: the population stands in order, so the least of those drawn wins."""
        drawn = self.rng.integers(len(self.population), size=(count, self.settings.tournament))
        winners: NDArray[np.int64] = drawn.min(axis=1)
        return winners

    def _untried(self, brood: Brood) -> Brood:
        keys = self._alphabet.keys(brood.rows)
        pending = self._alphabet.keys(self._alphabet.rows(self._pending))
        is_known = self._archive.known(keys) | np.isin(keys, pending)
        is_known[np.setdiff1d(np.arange(len(keys)), np.unique(keys, return_index=True)[1])] = True
        return brood.taken(~is_known)

    def _proposal(self, brood: Brood, place: int) -> Proposal:
        parents = (self.population[k].schedule for k in brood.parents[place].tolist() if k != NOBODY)
        operator = OPERATORS[int(brood.operators[place])]
        return Proposal(self._alphabet.schedule(brood.rows[place]), operator, tuple(dict.fromkeys(parents)))

    # ---- choosing

    def _drawn(self, brood: Brood, n: int) -> list[int]:
        """By chance: a share next to the best, the others of the children."""
        order = self.rng.permutation(len(brood))
        near = [int(k) for k in order if brood.operators[k] == OPERATORS.index("neighbour")]
        others = [int(k) for k in order if brood.operators[k] != OPERATORS.index("neighbour")]
        chosen: list[int] = []
        while len(chosen) < n and (near or others):
            looks_near = self.rng.random() < self.settings.exploit
            chosen.append(((looks_near and near) or others or near).pop())
        return chosen

    def _screened(self, brood: Brood, n: int) -> list[int]:
        """By the greatest improvement that is expected."""
        known = len(self._archive)
        is_due = known - self._learned >= max(_NEWS[0], _NEWS[1] * self._learned)
        self._learned = known if is_due else self._learned
        rows, targets = self._lessons()
        self._surrogate.fit(rows, targets, learning=is_due and self.settings.learning)
        return screened(self._surrogate, brood.rows, n, float(targets.max()), self._alphabet.rows(self._pending))

    def _lessons(self) -> tuple[Rows, Array]:
        """What the surrogate learns: ranks, whatever the outliers, and what failed is worst.

        Of too much it learns the best half of what fits, and of the others some of every age.
        """
        rows, values = self._archive.rows, self._archive.fitness
        if not self.settings.shunning:
            rows, values = rows[~np.isnan(values)], values[~np.isnan(values)]
        values = np.where(np.isnan(values), np.nanmin(values) - 1, values)
        if len(rows) > (most := self.settings.lessons):
            order = np.argsort(-values, kind="stable")
            others = np.sort(order[most // 2 :])
            kept = [*order[: most // 2], *others[np.linspace(0, len(others) - 1, most - most // 2).astype(np.int64)]]
            rows, values = rows[kept], values[kept]
        return rows, scores_of_ranks(values)
