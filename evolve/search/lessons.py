"""What a surrogate learns from where more was told than it can take in: the best half, and of the others some.

Those others are to show it where not to look. Novelty (Lehman and Stanley, Abandoning Objectives, 2011) takes such as
are far from all that is kept, so that no part of the space is forgotten and none is learned twice; age takes some of
every age.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evolve.engine import Numerics
    from evolve.search.archive import Places

    Singles = np.ndarray[Any, np.dtype[np.float32]]

_MOST_WEIGHED = 1000
"""Others among which the most novel are looked for, of every age: however long an archive is, an ask is as short."""
_TURNS = 8
"""In which they are taken: those of one turn do not see each other, and may be neighbours."""
_DIGITS = 4
"""Of novelty: what differs in less is equal, so that no rounding changes a search."""


def greatest(values: NDArray[Any], count: int) -> NDArray[np.bool_]:
    """Which of some values are the greatest, of equal ones the first: without sorting them all."""
    least = np.partition(values, len(values) - count)[len(values) - count]
    is_greatest: NDArray[np.bool_] = values > least
    ties = np.flatnonzero(values == least)
    is_greatest[ties[: count - np.count_nonzero(is_greatest)]] = True
    return is_greatest


def of_every_age(count: int, most: int) -> Places:
    """Up to so many of ``count`` places, evenly."""
    places: Places = np.linspace(0, count - 1, min(count, most)).astype(np.int64)
    return places


def to_weigh(count: int, wanted: int) -> Places:
    """Of so many places those among which the wanted ones are looked for by novelty."""
    return of_every_age(count, max(wanted, _MOST_WEIGHED))


def most_novel(kept: Singles, pool: Singles, count: int, engine: Numerics) -> Places:
    """Places in a pool of those furthest from what is kept; what is taken counts as kept from then on.

    Args:
        kept: ``(m, columns)`` coordinates, of one genome at least.
        pool: ``(n, columns)``.
        count: how many are taken, at least 1 and at most n.
        engine: whose kernel says how far.
    """
    left = np.arange(len(pool))
    taken: list[Places] = []
    for share in np.array_split(np.arange(count), min(count, _TURNS)):
        is_far = greatest(np.round(engine.novelty(pool[left], kept), _DIGITS), len(share))
        taken.append(left[is_far])
        kept, left = np.concatenate([kept, pool[taken[-1]]]), left[~is_far]
    return np.sort(np.concatenate(taken))
