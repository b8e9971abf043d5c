"""Genomes by the thousand: rows of value indices, made canonical, checked and told apart a column at a time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from evolve.genome import genome_of, schedule_of
from kernels.language.space import near_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from kernels.language.space import Constraint, Schedule, Space

Rows = np.ndarray[Any, np.dtype[np.int64]]
"""``(n, genes)``: a genome a row."""

_MOST_TABLED = 1 << 22
"""Combinations of values of which a constraint keeps a table, a byte each."""
_MOST_REMEMBERED = 200_000
"""Verdicts that it remembers where there are more: some 25 MB."""
_UNASKED = -1
_SALT = 20_130_901


def salts(count: int) -> NDArray[np.uint64]:
    """Odd numbers of 64 bits, always the same ones: a row's sum of products with them is as good as its own name."""
    return np.random.default_rng(_SALT).integers(1 << 63, size=count, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


class Alphabet:
    """What the genomes of a space are made of.

    Attributes:
        space: where the genomes come from.
        counts: ``(genes,)`` values of each parameter.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.counts = np.array([len(p.values) for p in space.parameters])
        self._pinned = np.array([p.values.index(p.default) for p in space.parameters])
        self._conditions = _conditions(space)
        self._rules = [_Rule(space, constraint) for constraint in space.constraints]
        self._salts = salts(len(self.counts))
        self._near: dict[tuple[int, int], list[int]] = {}

    def rows(self, schedules: Iterable[Schedule]) -> Rows:
        """The genomes of canonical schedules."""
        genomes = [genome_of(self.space, schedule) for schedule in schedules]
        return np.array(genomes, dtype=np.int64).reshape(-1, len(self.counts))

    def schedule(self, row: Sequence[int] | Rows) -> Schedule:
        """What a row says."""
        return schedule_of(self.space, tuple(int(index) for index in row))

    def active(self, rows: Rows) -> NDArray[np.bool_]:
        """``(n, genes)``: which genes have a meaning where they stand."""
        active = np.ones(rows.shape, dtype=bool)
        for gene, other, allowed in self._conditions:
            active[:, gene] &= allowed[rows[:, other]]
        return active

    def canonical(self, rows: Rows) -> Rows:
        """The rows with inactive genes at their defaults."""
        return np.where(self.active(rows), rows, self._pinned) if self._conditions else rows

    def legal(self, rows: Rows) -> NDArray[np.bool_]:
        """``(n,)``: which canonical rows keep all constraints."""
        places = np.arange(len(rows))
        for rule in self._rules:
            places = places[rule.holds(rows, places)]
        legal = np.zeros(len(rows), dtype=bool)
        legal[places] = True
        return legal

    def keys(self, rows: Rows) -> NDArray[np.uint64]:
        """``(n,)``: a number for each row, equal for equal rows; two others agree once in 2^64 pairs."""
        return _products(rows, self._salts)

    def random(self, rng: np.random.Generator, count: int) -> Rows:
        """Legal ones among ``count`` rows drawn gene by gene, so up to ``count``."""
        drawn = self.canonical(rng.integers(self.counts, size=(count, len(self.counts))))
        return drawn[self.legal(drawn)]

    def neighbours(self, row: Rows) -> Rows:
        """Legal rows one small step from ``row``, as ``Space.neighbours`` has them."""
        return self._changed(row, [(gene, self._near_indices(gene, int(row[gene]))) for gene in self._active(row)])

    def variants(self, row: Rows) -> Rows:
        """Legal rows in which one gene of ``row`` has any other of its values."""
        others = [[k for k in range(self.counts[gene]) if k != row[gene]] for gene in self._active(row)]
        return self._changed(row, [*zip(self._active(row), others, strict=True)])

    def _active(self, row: Rows) -> list[int]:
        genes: list[int] = np.flatnonzero(self.active(row[None])[0]).tolist()
        return genes

    def _changed(self, row: Rows, values: Sequence[tuple[int, Sequence[int]]]) -> Rows:
        steps = [(gene, value) for gene, others in values for value in others]
        near = np.repeat(row[None], len(steps), axis=0)
        for k, (gene, value) in enumerate(steps):
            near[k, gene] = value
        near = self.canonical(near)
        return near[self.legal(near)]

    def _near_indices(self, gene: int, index: int) -> list[int]:
        if (gene, index) not in self._near:
            parameter = self.space.parameters[gene]
            near = near_values(parameter, parameter.values[index])
            self._near[gene, index] = [parameter.values.index(value) for value in near]
        return self._near[gene, index]


class _Rule:
    """A constraint that remembers what it said: to ask it once costs a microsecond, and most of a brood is alike."""

    def __init__(self, space: Space, constraint: Constraint) -> None:
        self._predicate = constraint.predicate
        self._places = [space.names.index(name) for name in constraint.names]
        self._values = [space.parameters[k].values for k in self._places]
        self._salts = salts(len(self._places))
        self._verdicts: dict[int, bool] = {}
        self._counts = np.array([len(values) for values in self._values], dtype=np.int64)
        self._strides = np.cumprod([1, *self._counts])[:-1]
        combinations = math.prod(map(len, self._values))
        self._table = np.full(combinations, _UNASKED, dtype=np.int8) if combinations <= _MOST_TABLED else None

    def holds(self, rows: Rows, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """``(n,)``: which of the rows at ``places`` keep it."""
        if self._table is None:
            return self._remembered(rows[places[:, None], self._places])
        codes = np.zeros(len(places), dtype=np.int64)
        for k, stride in zip(self._places, self._strides.tolist(), strict=True):
            codes += stride * rows[:, k][places]
        return self._tabled(codes, self._table)

    def _tabled(self, codes: NDArray[np.int64], table: NDArray[np.int8]) -> NDArray[np.bool_]:
        new = np.unique(codes[table[codes] == _UNASKED])
        table[new] = [self._verdict(indices) for indices in new[:, None] // self._strides % self._counts]
        verdicts: NDArray[np.bool_] = table[codes] == 1
        return verdicts

    def _remembered(self, named: Rows) -> NDArray[np.bool_]:
        keys = _products(named, self._salts)
        distinct, first, back = np.unique(keys, return_index=True, return_inverse=True)
        if len(self._verdicts) > _MOST_REMEMBERED:
            self._verdicts.clear()
        for key, at in zip(distinct.tolist(), first.tolist(), strict=True):
            if key not in self._verdicts:
                self._verdicts[key] = self._verdict(named[at])
        return np.array([self._verdicts[key] for key in distinct.tolist()], dtype=bool)[back]

    def _verdict(self, indices: Rows) -> bool:
        values = (values[k] for values, k in zip(self._values, indices.tolist(), strict=True))
        return bool(self._predicate(*values))


def firsts(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """``(n,)`` places where each distinct key stands first, in any order; a fifth of the time that sorting takes."""
    places, bits = np.arange(len(keys)), len(keys).bit_length() + 2
    slots = (keys >> np.uint64(64 - bits)).astype(np.int64)
    holders = np.full(1 << bits, len(keys))
    np.minimum.at(holders, slots, places)
    held_by = holders[slots]
    others = np.flatnonzero(keys[held_by] != keys)  # in a slot that another key holds
    return np.append(np.flatnonzero(held_by == places), others[np.unique(keys[others], return_index=True)[1]])


def _products(rows: Rows, salts: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """``(n,)`` sums of products modulo 2^64."""
    keys: NDArray[np.uint64] = rows.view(np.uint64) @ salts
    return keys


def _conditions(space: Space) -> list[tuple[int, int, NDArray[np.bool_]]]:
    """Gene, the gene that it depends on, and with which values of that it has a meaning."""
    return [
        (gene, space.names.index(name), np.array([value in allowed for value in space.by_name[name].values]))
        for gene, parameter in enumerate(space.parameters)
        for name, allowed in parameter.when.items()
    ]
