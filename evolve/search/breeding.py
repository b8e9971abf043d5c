"""Broods: thousands of children at once, each gene changed or inherited in the way of its kind.

The operators are those of ``evolve.operators``, a column at a time: a surrogate is to choose among so many children
that one after the other would cost more than measuring them. What breaks a constraint is not repaired but left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evolve.search.embedding import positions
from evolve.search.settings import Settings
from kernels.language.space import near_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from evolve.search.alphabet import Alphabet, Rows
    from kernels.language.space import Parameter

OPERATORS = ("mutate", "crossover", "neighbour", "random")
NOBODY = -1

_STEP = 0.1  # of a gene's whole scale: how far a typical change goes, where the next value is not further
_USUAL = Settings()


@dataclass(frozen=True)
class Brood:
    """Legal canonical genomes, and where they come from.

    Attributes:
        rows: ``(n, genes)``.
        operators: ``(n,)`` places in ``OPERATORS``.
        parents: ``(n, 2)`` places in the population; the second is ``NOBODY`` unless two were crossed, the first is
            for random ones.
    """

    rows: Rows
    operators: NDArray[np.int64]
    parents: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def taken(self, which: NDArray[np.int64] | NDArray[np.bool_]) -> Brood:
        """Some of them."""
        return Brood(self.rows[which], self.operators[which], self.parents[which])


def joined(broods: Sequence[Brood]) -> Brood:
    """All of several broods."""
    return Brood(
        np.concatenate([brood.rows for brood in broods]),
        np.concatenate([brood.operators for brood in broods]),
        np.concatenate([brood.parents for brood in broods]),
    )


class Breeder:
    """Makes broods of a space.

    Args:
        alphabet: of the space.
        rng: for all draws.
        settings: how far a mutant lies from its mother.
    """

    def __init__(self, alphabet: Alphabet, rng: np.random.Generator, settings: Settings = _USUAL) -> None:
        self._alphabet = alphabet
        self._rng = rng
        self._mutations = settings.mutations
        self._steps = [_cumulative(parameter, settings.leaps) for parameter in alphabet.space.parameters]

    def mutants(self, population: Rows, mothers: NDArray[np.int64]) -> Brood:
        """Some active genes of each mother changed, at least one."""
        rows = self._mutated(population[mothers])
        return self._legal(rows, "mutate", mothers, np.full_like(mothers, NOBODY))

    def crosses(self, population: Rows, mothers: NDArray[np.int64], fathers: NDArray[np.int64]) -> Brood:
        """Each gene from either parent by a coin, or a stretch of the father's; half of the children mutated too."""
        mother, father = population[mothers], population[fathers]
        is_stretch = self._rng.random(len(mother)) < 0.5
        coins = self._rng.random(mother.shape) < 0.5
        from_father = np.where(is_stretch[:, None], self._stretches(*mother.shape), coins)
        active = self._alphabet.active(father)
        rows = np.where(from_father & active, father, mother)
        mutated = self._rng.random(len(rows)) < 0.5
        rows[mutated] = self._mutated(rows[mutated])
        return self._legal(rows, "crossover", mothers, fathers)

    def neighbours(self, population: Rows, places: Sequence[int]) -> Brood:
        """All that lies one small step away from some of the population."""
        near = [self._alphabet.neighbours(population[place]) for place in places]
        parents = np.repeat(np.array(places, dtype=np.int64), [len(rows) for rows in near])
        return _brood(np.concatenate([population[:0], *near]), "neighbour", parents, np.full_like(parents, NOBODY))

    def variants(self, population: Rows, places: Sequence[int]) -> Brood:
        """All that differs from some of the population in one gene."""
        made = [self._alphabet.variants(population[place]) for place in places]
        parents = np.repeat(np.array(places, dtype=np.int64), [len(rows) for rows in made])
        return _brood(np.concatenate([population[:0], *made]), "mutate", parents, np.full_like(parents, NOBODY))

    def strangers(self, count: int) -> Brood:
        """Random genomes, those of ``count`` that are legal."""
        rows = self._alphabet.random(self._rng, count)
        nobody = np.full(len(rows), NOBODY)
        return _brood(rows, "random", nobody, nobody)

    def _mutated(self, rows: Rows) -> Rows:
        changes = self._changes(self._alphabet.active(rows) & (self._alphabet.counts > 1))
        mutated, drawn = rows.copy(), np.asarray(self._rng.random(rows.shape))
        for gene, steps in enumerate(self._steps):
            at = np.flatnonzero(changes[:, gene])
            reached = steps[rows[at, gene]] >= drawn[at, gene][:, None]
            mutated[at, gene] = reached.argmax(axis=1)
        return mutated

    def _changes(self, may: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which genes change: each that may with equal chance, and one at least."""
        coins = np.where(may, self._rng.random(may.shape), 2.0)
        share = self._mutations / np.maximum(may.sum(axis=1), 1)
        changes: NDArray[np.bool_] = may & ((coins < share[:, None]) | (coins == coins.min(axis=1)[:, None]))
        return changes

    def _stretches(self, count: int, genes: int) -> NDArray[np.bool_]:
        ends = np.sort(self._rng.integers(0, genes + 1, size=(count, 2)), axis=1)
        places = np.arange(genes)
        return (places >= ends[:, :1]) & (places < ends[:, 1:])

    def _legal(self, rows: Rows, operator: str, mothers: NDArray[np.int64], fathers: NDArray[np.int64]) -> Brood:
        rows = self._alphabet.canonical(rows)
        legal = self._alphabet.legal(rows)
        return _brood(rows[legal], operator, mothers[legal], fathers[legal])


def _brood(rows: Rows, operator: str, mothers: NDArray[np.int64], fathers: NDArray[np.int64]) -> Brood:
    operators = np.full(len(rows), OPERATORS.index(operator))
    return Brood(rows, operators, np.stack([mothers, fathers], axis=1))


def _cumulative(parameter: Parameter, leaps: float) -> NDArray[np.float64]:
    """``(values, values)``: from each value, the cumulative probability of the values that a change leads to."""
    count = len(parameter.values)
    if count == 1:
        return np.ones((1, 1))
    anywhere = (1 - np.eye(count)) / (count - 1)
    sums = np.cumsum((1 - leaps) * _small_steps(parameter) + leaps * anywhere, axis=1)
    sums[:, -1] = 1.0  # rounded it may be less, and a draw between the two would reach no value
    return sums


def _small_steps(parameter: Parameter) -> NDArray[np.float64]:
    """``(values, values)``: rarer the further on the scale if ordered, one swap in a permutation, else any other."""
    if parameter.is_ordered:
        place = positions(parameter)
        apart = np.abs(place[:, None] - place)
        nearest = np.diff(place).min()
        chances = np.exp(-apart / max(_STEP, nearest))
    elif parameter.kind == "permutation":
        chances = np.zeros((len(parameter.values),) * 2)
        for k, value in enumerate(parameter.values):
            chances[k, [parameter.values.index(near) for near in near_values(parameter, value)]] = 1.0
    else:
        chances = np.ones((len(parameter.values),) * 2)
    np.fill_diagonal(chances, 0.0)
    shares: NDArray[np.float64] = chances / chances.sum(axis=1, keepdims=True)
    return shares
