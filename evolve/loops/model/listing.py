"""A recorded space as arrays: its schedules are known by their places in the recording."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evolve.search.alphabet import Alphabet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from evolve.replay.landscape import Landscape
    from evolve.search.alphabet import Rows

    Array = NDArray[np.float64]
    Places = NDArray[np.int64]


class Listing:
    """All schedules of a landscape in their order.

    Attributes:
        name: the landscape's.
        alphabet: of its space.
        rows: ``(n, genes)``.
        fitness: ``(n,)`` ln(median time of all / time); -inf where it failed.
    """

    def __init__(self, landscape: Landscape) -> None:
        self.name, self.alphabet = landscape.name, Alphabet(landscape.space)
        self.rows: Rows = self.alphabet.rows(landscape.times_s)
        times_s = [np.inf if time_s is None else time_s for time_s in landscape.times_s.values()]
        self.fitness: Array = -np.log(np.array(times_s) / landscape.median_s)
        keys = self.alphabet.keys(self.rows)
        self._order = np.argsort(keys)
        self._keys = keys[self._order]

    def __len__(self) -> int:
        return len(self.rows)

    def drawn(self, rng: np.random.Generator, count: int) -> Places:
        """``(count,)`` independent draws: all schedules are equally likely, and one may come twice."""
        return rng.integers(len(self), size=count)

    def places(self, rows: Rows) -> Places:
        """The places of legal genomes, ``(m, genes)``; those that were not recorded are left out."""
        keys = self.alphabet.keys(rows)
        at = np.minimum(np.searchsorted(self._keys, keys), len(self) - 1)
        found: Places = self._order[at[self._keys[at] == keys]]
        return found

    def untried(self, tried: Sequence[int] | Places) -> Places:
        """All other places."""
        return np.setdiff1d(np.arange(len(self)), np.asarray(tried, dtype=np.int64))
