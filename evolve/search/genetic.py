"""A (mu + lambda) genetic algorithm that measures few of its children, and learns which. The only user of DEAP."""

from __future__ import annotations

import functools
import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
from deap import base, tools

from evolve.engine import USUAL
from evolve.search.alphabet import Alphabet, firsts
from evolve.search.archive import Archive
from evolve.search.blas import one_thread
from evolve.search.breeding import NOBODY, OPERATORS, Breeder, Brood, joined
from evolve.search.embedding import Embedding
from evolve.search.lessons import greatest, most_novel, of_every_age, to_weigh
from evolve.search.protocol import Novel, Proposal
from evolve.search.screening import promising, scores_of_ranks, screened
from evolve.search.settings import Settings
from evolve.search.surrogate import Surrogate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from evolve.engine import Numerics
    from evolve.search.alphabet import Rows
    from evolve.search.archive import Places
    from evolve.search.protocol import Result
    from kernels.language.space import Schedule, Space

    Array = NDArray[np.float64]

_LEAST_LESSONS = 6
_NEWS = 4, 1 / 12
"""Length scales are learned anew once so many outcomes, or this share of all, have come."""
_CLUTCH = 1 << 13
"""Children that are bred at a time: what is worked out of them stays in the caches."""
_LITTER = 1 << 19
"""Children that are thinned before the next ones are bred: a million at once would take over 1 GB."""
_DEFAULTS = Settings()


class _Objectives(base.Fitness):  # type: ignore[misc] # DEAP has no types
    weights = (1.0, 1.0)


class _Placed:
    """What DEAP sorts: an object with a ``fitness``."""

    def __init__(self, place: int, objectives: tuple[float, ...]) -> None:
        self.place = place
        self.fitness = _Objectives(objectives)


def nondominated_first(objectives: Array, count: int, engine: Numerics = USUAL) -> list[int]:
    """Places of the best by rank of non-domination, and within a front by crowding distance, the least crowded first.

    Args:
        objectives: ``(n, 2)`` of each individual, both to be as large as can be.
        count: how many; of the last front that has room those that stand alone.
        engine: whose kernel ranks them.
    """
    first: list[int] = []
    ranks = engine.dominance(-objectives) if len(objectives) else np.zeros(0)
    for rank in np.unique(ranks).tolist():
        if len(first) >= count:
            break
        first += _least_crowded_first(np.flatnonzero(ranks == rank).tolist(), objectives)
    return first[:count]


def _least_crowded_first(places: Sequence[int], objectives: Array) -> list[int]:
    front = [_Placed(place, tuple(objectives[place].tolist())) for place in places]
    tools.emo.assignCrowdingDist(front)
    front.sort(key=lambda one: one.fitness.crowding_dist, reverse=True)
    return [one.place for one in front]


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
        engine: whose kernels it runs on.

    Attributes:
        archive: all that was told.
        survivors: ``(n,)`` places of the population in it, the best first.
        looked_at: children among which the last ask chose: legal, new, and of very many each once a litter.
        logbook: seen, best and median after every tell.
    """

    def __init__(
        self, space: Space, rng: np.random.Generator, settings: Settings = _DEFAULTS, engine: Numerics = USUAL
    ) -> None:
        super().__init__(space, rng)
        self.settings, self.engine = settings, engine
        self.logbook = tools.Logbook()
        self._alphabet = Alphabet(space)
        self.archive = Archive(self._alphabet)
        self.survivors: Places = np.zeros(0, dtype=np.int64)
        self.looked_at = 0
        self._breeder = Breeder(self._alphabet, rng, settings)
        self._surrogate = Surrogate(Embedding(space), engine, settings.prior)
        self._learned = 0
        self._best, self._rose_at = -math.inf, 0
        self._pending: dict[Schedule, None] = {}

    @property
    def population(self) -> list[Result]:
        """The survivors, the best first."""
        return [self.archive.result(place) for place in self.survivors.tolist()]

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
        for place in self._best_few.tolist():
            here = self.archive.schedule(place)
            if untried := self.untried_neighbours(here):
                return Proposal(untried[int(self.rng.integers(len(untried)))], "neighbour", (here,))
        return self.random_proposal()

    def tell(self, results: Sequence[Result]) -> None:
        """The best of the old population and ``results`` survive; a newer result of a schedule replaces the older."""
        super().tell(results)
        told = self.archive.add(results)
        for result in results:
            self._pending.pop(result.schedule, None)
        self.survivors = self.surviving(self._working(np.concatenate([self.survivors, told])))
        if len(self.survivors):
            fitness = self.archive.fitness[self.survivors]
            self._note_rise(float(fitness[0]))
            self.logbook.record(seen=len(self.seen), best=float(fitness.max()), median=float(np.median(fitness)))

    def surviving(self, places: Places) -> Places:
        """Of some places the fittest, in this order."""
        order = np.argsort(-self.archive.fitness[places], kind="stable")
        return places[order[: self.settings.population]]

    def _working(self, places: Places) -> Places:
        """Those that did not fail, each where it stands first."""
        distinct = places[np.sort(np.unique(places, return_index=True)[1])]
        return distinct[~np.isnan(self.archive.fitness[distinct])]

    def _noted(self, proposal: Proposal) -> Proposal:
        self.seen.add(proposal.schedule)
        self._pending[proposal.schedule] = None
        return proposal

    def _founding(self) -> Iterator[Proposal]:
        """The default and random schedules, until there are founders that work."""
        while (known := self.beginning()) is not None:
            yield known
        while not len(self.survivors) or len(self.seen) < self.settings.founders:
            if (stranger := self.random_proposal()) is None:
                return
            yield stranger

    def _note_rise(self, fitness: float) -> None:
        if fitness > self._best:
            self._best, self._rose_at = fitness, len(self.archive)

    @property
    def _is_stuck(self) -> bool:
        return len(self.survivors) > 0 and len(self.archive) - self._rose_at >= self.settings.patience

    @property
    def _best_few(self) -> Places:
        return self.survivors[: self.settings.near]

    # ---- breeding

    def _climbing(self, n: int) -> list[Proposal]:
        """Untried variants of the best few by one gene, in any order."""
        rows = self.archive.rows[self._best_few]
        brood = self._untried(self._breeder.variants(rows, range(len(rows))))
        return [self._proposal(brood, int(place)) for place in self.rng.permutation(len(brood))[:n]]

    def _bred(self, n: int) -> list[Proposal]:
        if n <= 0 or not len(self.survivors):
            return []
        learns = self.settings.screened and len(self.archive) >= _LEAST_LESSONS
        # one thread: matrices are small, a sum must not depend on the count of cores, and others may be building
        with one_thread():
            brood, chosen = self._screened(n) if learns else self._drawn(n)
        return [self._proposal(brood, place) for place in chosen]

    def _brood(self, count: int) -> Brood:
        """Neighbours of the best, children of all, and strangers; some of them are known or twins."""
        population = self.archive.rows[self.survivors]
        near = self._breeder.neighbours(population, range(min(self.settings.near, len(population))))
        clutches = (self._clutch(population, size) for size in _shares(count, _CLUTCH))
        return joined([near, *itertools.chain.from_iterable(clutches)])

    def _clutch(self, population: Rows, count: int) -> Iterator[Brood]:
        """Mutants, crosses and strangers."""
        mutants, crosses = round(count * self.settings.mutants), round(count * self.settings.crosses)
        yield self._breeder.mutants(population, self._winners(mutants))
        yield self._breeder.crosses(population, self._winners(crosses), self._winners(crosses))
        yield self._breeder.strangers(count - mutants - crosses)

    def _winners(self, count: int) -> NDArray[np.int64]:
        """Places of winners of tournaments: the population stands in order, so the least of those drawn wins."""
        drawn = self.rng.integers(len(self.survivors), size=(count, self.settings.tournament))
        return functools.reduce(np.minimum, drawn.T)

    def _untried(self, brood: Brood) -> Brood:
        keys = self._alphabet.keys(brood.rows)
        distinct = firsts(keys)
        pending = self._alphabet.keys(self._alphabet.rows(self._pending))
        is_new = ~self.archive.known(keys[distinct]) & ~np.isin(keys[distinct], pending)
        return brood.taken(np.sort(distinct[is_new]))

    def _proposal(self, brood: Brood, place: int) -> Proposal:
        places = (int(self.survivors[k]) for k in brood.parents[place].tolist() if k != NOBODY)
        parents = map(self.archive.schedule, places)
        operator = OPERATORS[int(brood.operators[place])]
        return Proposal(self._alphabet.schedule(brood.rows[place]), operator, tuple(dict.fromkeys(parents)))

    # ---- choosing

    def _drawn(self, n: int) -> tuple[Brood, list[int]]:
        """By chance: a share next to the best, the others of the children."""
        brood = self._untried(self._brood(self.settings.children))
        self.looked_at = len(brood)
        order = self.rng.permutation(len(brood))
        is_near = brood.operators[order] == OPERATORS.index("neighbour")
        near, others = order[is_near].tolist(), order[~is_near].tolist()
        chosen: list[int] = []
        while len(chosen) < n and (near or others):
            looks_near = self.rng.random() < self.settings.exploit
            chosen.append(((looks_near and near) or others or near).pop())
        return brood, chosen

    def _screened(self, n: int) -> tuple[Brood, list[int]]:
        """By the greatest improvement that is expected."""
        known = len(self.archive)
        is_due = known - self._learned >= max(_NEWS[0], _NEWS[1] * self._learned)
        self._learned = known if is_due else self._learned
        rows, targets = self._lessons()
        self._surrogate.fit(rows, targets, learning=is_due and self.settings.learning)
        brood, pending = self._promising(), self._alphabet.rows(self._pending)
        return brood, screened(self._surrogate, brood.rows, n, float(targets.max()), pending)

    def _promising(self) -> Brood:
        """Untried children, of very many those of whom most is expected; a litter is forgotten before the next one."""
        children, self.looked_at = self.settings.children, 0
        litters: list[Brood] = []
        for size in _shares(children, _LITTER):
            litter = self._untried(self._brood(size))
            litters.append(litter.taken(promising(self._surrogate, litter.rows)))
            self.looked_at += len(litter)
        return litters[0] if len(litters) == 1 else self._untried(joined(litters))

    def _lessons(self) -> tuple[Rows, Array]:
        """What the surrogate learns: ranks, whatever the outliers, and what failed is worst."""
        rows, values = self.archive.rows, self.archive.fitness
        if not self.settings.shunning:
            rows, values = rows[~np.isnan(values)], values[~np.isnan(values)]
        values = np.where(np.isnan(values), np.nanmin(values) - 1, values)
        if len(rows) > self.settings.lessons:
            kept = self._kept(rows, values)
            rows, values = rows[kept], values[kept]
        return rows, scores_of_ranks(values)

    def _kept(self, rows: Rows, values: Array) -> Places:
        """Of too much the best half of what fits, and of the others those that are far from all that is kept."""
        count = self.settings.lessons - self.settings.lessons // 2
        is_best = greatest(values, self.settings.lessons // 2)
        best, others = np.flatnonzero(is_best), np.flatnonzero(~is_best)
        if self.settings.novel:
            others, near = others[to_weigh(len(others), count)], self._surrogate.near
            chosen = most_novel(near(rows[best]), near(rows[others]), count, self.engine)
        else:
            chosen = of_every_age(len(others), count)
        return np.concatenate([best, others[chosen]])


def _shares(count: int, most: int) -> list[int]:
    """Sizes of as few even parts as keep within ``most``."""
    return [len(part) for part in np.array_split(np.arange(count), max(1, math.ceil(count / most)))]
