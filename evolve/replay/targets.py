"""Evaluations to a target: how many a search takes for what another one finds.

A search that holds its target after n evaluations took n; one that never does took its whole budget, and is begun anew.
The *expected running time* is all that searches with many seeds took over the number of those that arrived (Auger and
Hansen, Performance Evaluation of an Advanced Local Search Evolutionary Algorithm, CEC 2005; Hansen et al., COCO:
Performance Assessment, arXiv 1605.03560). It is 1 at least: nobody finds anything with no evaluation at all. So the
ratio of two of them is a speedup of the search itself, and has a ceiling that is known beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.inference import Estimate
from evolve.replay.score import SAME, best_so_far, over_spaces

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evolve.replay.landscape import Landscape
    from evolve.replay.score import Times

    Array = NDArray[np.float64]

Reached = Sequence[int | None]
"""After how many evaluations each seed's search held the target; None where it never did."""

_LEAST_ARRIVED = 0.5
"""Searches that are said to have arrived where none did: the rate lies below one of so many, nobody knows how far."""


def half_find_s(landscape: Landscape, searches: Sequence[Times], budget: int) -> float:
    """The target of lap 0: seconds a call that half of its searches come down to within the budget.

    Args:
        landscape: that was searched.
        searches: times of the schedules that each tried, in order; None where one failed.
        budget: evaluations that count.
    """
    ends = [best_so_far(times_s, landscape.worst_s, budget)[-1] for times_s in searches]
    return float(np.median(ends)) * (1 + SAME)


def reached(times_s: Times, target_s: float, budget: int) -> int | None:
    """After how many evaluations a search held the target; None where the budget was used up before."""
    holding = (n for n, time_s in enumerate(times_s[:budget], 1) if time_s is not None and time_s <= target_s)
    return next(holding, None)


def running_time(found: Reached, budget: int) -> float:
    """Expected evaluations to the target, 1 at least."""
    return float(_running_times(found, budget, np.arange(len(found))[None])[0])


def fewer(frozen: Sequence[Reached], present: Sequence[Reached], budget: int) -> Estimate:
    """How many times fewer evaluations one search takes than another, as ln: the mean over spaces.

    Args:
        frozen: of each space and each seed.
        present: the same of the other search, with the same seeds.
        budget: of every search.

    Returns:
        The estimate with a bootstrap interval: other seeds, the same spaces; open where there is one seed only.
    """

    def ratios(at: int, drawn: NDArray[np.int64]) -> Array:
        before, now = (_running_times(found[at], budget, drawn) for found in (frozen, present))
        logs: Array = np.log(before) - np.log(now)
        return logs

    return over_spaces([*map(len, frozen)], ratios)


def most(frozen: Sequence[Reached], budget: int) -> Estimate:
    """How many times fewer it can be at all, as ln: a search that has the target with its first evaluation."""
    return fewer(frozen, [[1] * len(one) for one in frozen], budget)


def _running_times(found: Reached, budget: int, drawn: NDArray[np.int64]) -> Array:
    """``(n,)`` expected running times of rows of seeds."""
    spent = np.array([budget if n is None else n for n in found], dtype=np.float64)
    has_arrived = np.array([n is not None for n in found], dtype=np.float64)
    times: Array = spent[drawn].sum(axis=1) / np.maximum(has_arrived[drawn].sum(axis=1), _LEAST_ARRIVED)
    return times
