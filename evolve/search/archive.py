"""What was told, as arrays that grow: the newest outcome of every genome. A genome is known by its place in them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from evolve.search.protocol import Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from evolve.search.alphabet import Alphabet, Rows
    from kernels.language.space import Schedule

    Places = NDArray[np.int64]

_FIRST_ROOM = 64


class Archive:
    """All results of a search; a newer one of a schedule replaces the older."""

    def __init__(self, alphabet: Alphabet) -> None:
        self._alphabet = alphabet
        self._places: dict[int, int] = {}
        self._rows = np.zeros((_FIRST_ROOM, len(alphabet.counts)), dtype=np.int64)
        self._fitness, self._errors = np.zeros(_FIRST_ROOM), np.zeros(_FIRST_ROOM)

    def __len__(self) -> int:
        return len(self._places)

    @property
    def rows(self) -> Rows:
        """``(n, genes)`` in the order in which they were first told."""
        return self._rows[: len(self)]

    @property
    def fitness(self) -> NDArray[np.float64]:
        """``(n,)``; NaN where it failed."""
        return self._fitness[: len(self)]

    @property
    def errors(self) -> NDArray[np.float64]:
        """``(n,)`` as shares of what is tolerated."""
        return self._errors[: len(self)]

    def add(self, results: Sequence[Result]) -> Places:
        """Keep results; ``(n,)`` their places."""
        rows = self._alphabet.rows(result.schedule for result in results)
        keys = self._alphabet.keys(rows).tolist()
        places = np.array([self._places.setdefault(key, len(self)) for key in keys], dtype=np.int64)
        while len(self) > len(self._rows):
            self._rows, self._fitness, self._errors = map(_doubled, (self._rows, self._fitness, self._errors))
        self._rows[places] = rows
        self._fitness[places] = [math.nan if result.fitness is None else result.fitness for result in results]
        self._errors[places] = [result.error for result in results]
        return places

    def known(self, keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Which genomes were told."""
        return np.fromiter(map(self._places.__contains__, keys.tolist()), dtype=bool, count=len(keys))

    def schedule(self, place: int) -> Schedule:
        """The schedule of a place."""
        return self._alphabet.schedule(self._rows[place])

    def result(self, place: int) -> Result:
        """What was told of a place."""
        fitness = float(self._fitness[place])
        return Result(self.schedule(place), None if math.isnan(fitness) else fitness, float(self._errors[place]))


def _doubled(array: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([array, np.zeros_like(array)])
