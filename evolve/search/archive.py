"""What was told, as arrays that grow: the newest fitness of every genome."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from evolve.search.alphabet import Alphabet, Rows
    from evolve.search.protocol import Result


class Archive:
    """All results of a search; a newer one of a schedule replaces the older."""

    def __init__(self, alphabet: Alphabet) -> None:
        self._alphabet = alphabet
        self._places: dict[int, int] = {}
        self._rows = np.zeros((64, len(alphabet.counts)), dtype=np.int64)
        self._fitness = np.zeros(64)

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

    def add(self, results: Sequence[Result]) -> None:
        """Keep results."""
        rows = self._alphabet.rows(result.schedule for result in results)
        for key, row, result in zip(self._alphabet.keys(rows).tolist(), rows, results, strict=True):
            place = self._places.setdefault(key, len(self._places))
            if place == len(self._rows):
                self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
                self._fitness = np.concatenate([self._fitness, np.zeros_like(self._fitness)])
            self._rows[place] = row
            self._fitness[place] = np.nan if result.fitness is None else result.fitness

    def known(self, keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Which genomes were told."""
        return np.array([key in self._places for key in keys.tolist()], dtype=bool)
