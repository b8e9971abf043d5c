"""A (mu + lambda) genetic algorithm whose children are screened by what it learned. The only module that imports DEAP."""

from __future__ import annotations

import math
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np
from deap import base, tools

from evolve.search.alphabet import Alphabet
from evolve.search.archive import Archive
from evolve.search.breeding import NOBODY, OPERATORS, Breeder, Brood, joined
from evolve.search.embedding import Embedding
from evolve.search.protocol import Novel, Proposal, Result
from evolve.search.settings import Settings
from evolve.search.surrogate import Prior, Surrogate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kernels.language.space import Schedule, Space

_FEW = 3
_LEAST_KNOWN = 6


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
    """Survival of the best of all that was told, tournament selection, typed variation, and a screen of children."""

    def __init__(self, space: Space, rng: np.random.Generator, settings: Settings | None = None) -> None:
        super().__init__(space, rng)
        self.settings = settings or Settings()
        self.population: list[Result] = []
        self.logbook = tools.Logbook()
        self._alphabet = Alphabet(space)
        self._archive = Archive(self._alphabet)
        self._breeder = Breeder(self._alphabet, rng, linked=self.settings.linked)
        s = self.settings
        self._surrogate = Surrogate(Embedding(space), Prior(s.reach, s.spread, s.alone, s.pairs, matern=s.matern))
        self._fitted = 0
        self._pending: dict[Schedule, None] = {}
        self._statistics = tools.Statistics(attrgetter("fitness"))
        self._statistics.register("best", np.max)
        self._statistics.register("median", np.median)

    # ---- protocol

    def ask(self, n: int) -> list[Proposal]:
        """Up to ``n`` new proposals, all bred from the present population."""
        proposals: list[Proposal] = []
        while len(proposals) < n and (founder := self._founder()):
            proposals.append(self._noted(founder))
        if len(proposals) < n and self.population:
            proposals += [self._noted(p) for p in self._bred(n - len(proposals))]
        while len(proposals) < n and (other := self.following()):
            proposals.append(self._noted(other))
        return proposals

    def _noted(self, proposal: Proposal) -> Proposal:
        self.seen.add(proposal.schedule)
        self._pending[proposal.schedule] = None
        return proposal

    def following(self) -> Proposal | None:
        """What is proposed where breeding brought nothing new: a neighbour of the best, else a random schedule."""
        for result in self.population[:_FEW]:
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
            self.logbook.record(seen=len(self.seen), **self._statistics.compile(self.population))

    def surviving(self, results: Sequence[Result]) -> list[Result]:
        """The fittest; the population is in this order."""
        survivors: list[Result] = tools.selBest(results, self.settings.population)
        return survivors

    # ---- founding

    def _founder(self) -> Proposal | None:
        if self.space.default not in self.seen:
            return Proposal(self.space.default, "default")
        return self.random_proposal() if len(self.seen) < self.settings.founders or not self.population else None

    # ---- breeding

    def _bred(self, n: int) -> list[Proposal]:
        brood = self._untried(self._brood())
        if not len(brood):
            return []
        known = np.isfinite(self._archive.fitness).sum()
        can = self.settings.surrogate and known >= _LEAST_KNOWN
        chosen = self._screened(brood, n) if can else self.rng.permutation(len(brood))[:n].tolist()
        return [self._proposal(brood, k) for k in chosen]

    def _brood(self) -> Brood:
        population = self._alphabet.rows(result.schedule for result in self.population)
        count = self.settings.children
        pairs = self._parents(count)
        half = count // 2
        quarter = count // 4
        parts = (
            [
                self._breeder.neighbours(population, range(min(_FEW, len(population)))),
                self._breeder.mutants(population, pairs[0, :half]),
                self._breeder.crosses(population, pairs[0, half : half + quarter], pairs[1, half : half + quarter]),
                self._breeder.strangers(quarter),
            ]
        )
        keep = [part for part, name in zip(parts, ("neighbour", "mutate", "crossover", "random")) if name != self.settings.without]
        return joined(keep)

    def _parents(self, count: int) -> NDArray[np.int64]:
        """``(2, count)`` winners of tournaments: the population stands in order."""
        drawn = self.rng.integers(len(self.population), size=(2, count, self.settings.tournament))
        winners: NDArray[np.int64] = drawn.min(axis=2)
        return winners

    def _untried(self, brood: Brood) -> Brood:
        keys = self._alphabet.keys(brood.rows)
        _, first = np.unique(keys, return_index=True)
        fresh = brood.taken(np.sort(first))
        keys = self._alphabet.keys(fresh.rows)
        known = self._archive.known(keys)
        pending = set(self._alphabet.keys(self._alphabet.rows(self._pending)).tolist())
        known |= np.array([key in pending for key in keys.tolist()], dtype=bool)
        return fresh.taken(~known)

    def _proposal(self, brood: Brood, k: int) -> Proposal:
        parents = tuple(dict.fromkeys(self.population[p].schedule for p in brood.parents[k].tolist() if p != NOBODY))
        return Proposal(self._alphabet.schedule(brood.rows[k]), OPERATORS[int(brood.operators[k])], parents)

    # ---- screening

    def _screened(self, brood: Brood, n: int) -> list[int]:
        rows, targets = self._lessons()
        grown = len(self._archive) - self._fitted >= self.settings.refit
        self._surrogate.fit(rows, targets, self.settings.steps if grown else 0)
        if grown:
            self._fitted = len(self._archive)
        pending = self._alphabet.rows(self._pending)
        posterior = self._surrogate.posterior(np.concatenate([pending, brood.rows]))
        for k in range(len(pending)):
            posterior.believe(k)
        second = None
        if self.settings.sceptic:
            other = Surrogate(self._surrogate._embed, self._surrogate.prior)
            other.fit(rows, targets, 0)
            second = other.posterior(np.concatenate([pending, brood.rows]))
            for k in range(len(pending)):
                second.believe(k)
        feasible = np.log(self._feasible(brood)) if self.settings.feasibility else 0.0
        mean = posterior.mean[len(pending) :]
        best = targets.max()
        near = (brood.operators == OPERATORS.index("neighbour")) & (brood.parents[:, 0] == 0)
        free = np.ones(len(brood), dtype=bool)
        chosen: list[int] = []
        while len(chosen) < min(n, len(brood)):
            if self.rng.random() < self.settings.exploit and (near & free).any():
                score = np.where(near, mean, -np.inf) + feasible
            elif self.rng.random() < self.settings.wander:
                score = np.where(brood.operators == 3, self.rng.random(len(brood)), -np.inf) + feasible
            elif second is not None and self.rng.random() < self.settings.sceptic:
                score = log_improvement(second.mean[len(pending):], second.deviation[len(pending) :], best) + feasible
            else:
                score = log_improvement(mean, posterior.deviation[len(pending) :], best) + feasible
            k = int(np.argmax(np.where(free, np.round(score, 6), -np.inf)))
            chosen.append(k)
            free[k] = False
            posterior.believe(len(pending) + k)
            if second is not None:
                second.believe(len(pending) + k)
        return chosen

    def _lessons(self):
        fitness = self._archive.fitness
        rows = self._archive.rows
        ok = np.isfinite(fitness)
        if self.settings.worst:
            fitness = np.where(ok, fitness, fitness[ok].min() - 1e-3)
        else:
            rows, fitness = rows[ok], fitness[ok]
        if len(rows) > self.settings.limit:
            order = np.argsort(-fitness, kind="stable")
            half = self.settings.limit // 2
            rest = np.sort(order[half:])
            keep = np.sort(np.concatenate([order[:half], rest[np.linspace(0, len(rest) - 1, self.settings.limit - half).astype(int)]]))
            rows, fitness = rows[keep], fitness[keep]
        return rows, transformed(fitness, self.settings.target)

    def _feasible(self, brood: Brood) -> NDArray[np.float64]:
        fitness = self._archive.fitness
        ok = np.isfinite(fitness).astype(float)
        self.fails = 1 - ok.mean()
        if ok.all():
            return np.ones(len(brood))
        embed = self._surrogate._embed
        from evolve.search.surrogate import _matern, _squares

        s = self._surrogate
        k = _matern(_squares(embed(brood.rows) * s._column_weights, embed(self._archive.rows[-500:]) * s._column_weights))[0] ** 2
        ok = ok[-500:]
        share = ok.mean()
        return (k @ ok + share) / (k.sum(axis=1) + 1.0)


def transformed(fitness, kind):
    if kind == "plain":
        return fitness
    if kind == "ranks":
        order = np.argsort(np.argsort(fitness, kind="stable"), kind="stable")
        u = (order + 0.5) / len(order)
        return _quantile(u)
    median, top = np.median(fitness), fitness.max()
    return np.maximum(fitness, median - 1.0 * (top - median))


def _quantile(u):
    # logistic quantile
    return np.log(u / (1 - u)) / 1.7


_erf = np.vectorize(math.erf, otypes=[float])


def log_improvement(mean, deviation, best):
    """The logarithm of the expected improvement (Jones, Schonlau and Welch 1998)."""
    z = (mean - best) / deviation
    density = np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    near = np.maximum(density + z * 0.5 * (1 + _erf(z / math.sqrt(2))), 1e-300)
    far = -0.5 * z * z - np.log(np.maximum(z * z, 1e-300)) - 0.919
    return np.log(deviation) + np.where(z > -5, np.log(near), far)
