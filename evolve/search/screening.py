"""Which of a brood to measure: those whose expected improvement is greatest, one after the other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from evolve.search.lessons import greatest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evolve.search.alphabet import Rows
    from evolve.search.surrogate import Surrogate

_MOST_EXACT = 3000
"""Children whose uncertainty is worked out; of more, those with the best expectation. It costs as much as 300 means."""
_MOST_PENDING = 64
_DIGITS = 6
"""Of logarithms of improvements: what differs in less is equal, so that a sum in another order changes no search."""


def screened(surrogate: Surrogate, rows: Rows, count: int, best: float, pending: Rows) -> list[int]:
    """Places of the children to measure.

    Args:
        surrogate: that was fitted.
        rows: ``(n, genes)`` the brood.
        count: how many are wanted.
        best: target that is to be improved on.
        pending: genomes that are being measured: believed to turn out as expected, as is each that is chosen here.
    """
    kept, pending = promising(surrogate, rows), pending[-_MOST_PENDING:]
    posterior = surrogate.posterior(np.concatenate([pending, rows[kept]]))
    for place in range(len(pending)):
        posterior.believe(place)
    is_free = np.arange(len(posterior.mean)) >= len(pending)
    chosen: list[int] = []
    for _ in range(min(count, len(kept))):
        improvements = np.round(log_improvement(posterior.mean, posterior.deviation, best), _DIGITS)
        place = int(np.argmax(np.where(is_free, improvements, -np.inf)))
        is_free[place] = False
        posterior.believe(place)
        chosen.append(int(kept[place - len(pending)]))
    return chosen


def promising(surrogate: Surrogate, rows: Rows) -> NDArray[np.int64]:
    """Places of the children whose uncertainty is worth working out: all, or of very many those with the best means."""
    if len(rows) <= _MOST_EXACT:
        return np.arange(len(rows))
    means = np.round(surrogate.mean(rows), 4)
    return np.flatnonzero(greatest(means, _MOST_EXACT))


def log_improvement(mean: NDArray[np.float64], deviation: NDArray[np.float64], best: float) -> NDArray[np.float64]:
    """``(n,)`` logarithms of expected improvements (Jones, Schonlau and Welch 1998).

    Far below the best the improvement itself underflows; there the first terms of its expansion stand for it: from
    z = -5 on they miss less than 1 %.
    """
    from scipy.special import ndtr  # noqa: PLC0415 - costs a quarter of a second, needed only here

    z = (mean - best) / deviation
    density = np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    above = density + z * ndtr(z)
    is_near = z > -5
    squared = np.where(is_near, 25.0, z * z)
    far = -0.5 * squared - 0.5 * math.log(2 * math.pi) - np.log(squared) + np.log1p((15 / squared - 3) / squared)
    return np.log(deviation) + np.where(is_near, np.log(np.where(is_near, above, 1.0)), far)


def scores_of_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(n,)`` what a logistic distribution has at the ranks of values, ties shared: no outlier, whatever its size."""
    _, back, counts = np.unique(values, return_inverse=True, return_counts=True)
    share = (np.cumsum(counts) - 0.5 * counts) / len(values)
    return np.log(share / (1 - share))[back]
