"""Records: how often a new best turns up, against what draws without any learning would give.

Of independent draws, whatever their distribution, the i-th is the best so far with probability 1/i, independently of
all others (Renyi 1962): ln 2 records in each doubling of the draws. A search that learns beats itself more often. As
its model serves P(record at i) = c / (c + i - 1): 1/i at c = 1, c ln 2 records a doubling. The number of records in n
is then Ewens' number of alleles (Theoretical Population Biology 3, 1972, 87-112), with the generating function
E[s^K] = (c s)_n / (c)_n, (a)_n = Gamma(a + n) / Gamma(a): one free number, and an exact interval for it.

A search that learns fast soon has no more to find: over 600 evaluations of three recorded spaces the default search had
1.22, 1.35 and 0.64 records a doubling on average, random draws 0.68, 0.69 and 0.71, and was seen to learn in 30, 33 and
0 % of runs. Luck is not refuted by this alone, nor proven.

A discrete score makes ties, and ties hide records, so equals are told apart by a draw, which restores 1/i exactly.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.inference import Estimate

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

_LEVEL = 0.95
_LEAST, _MOST, _STEPS = 1e-4, 1e6, 32


@dataclass(frozen=True)
class Records:
    """The records of a sequence of evaluations.

    Attributes:
        per_doubling: records in each doubling of the evaluations.
        doublings: how often the evaluations doubled, from the first on.
        count: records, the first evaluation among them.
        expected: what luck alone gives a doubling.
    """

    per_doubling: Estimate
    doublings: float
    count: int
    expected: float = math.log(2)

    @property
    def is_learning(self) -> bool:
        """Whether there are more records than luck explains."""
        return self.per_doubling.low > self.expected

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "per_doubling": self.per_doubling.as_dict(), "is_learning": self.is_learning}


def records(fitnesses: ArrayLike, rng: np.random.Generator) -> Records | None:
    """The records of evaluations in the order in which they were made.

    Args:
        fitnesses: ``(n,)``, higher is better; NaN is a failure, worse than all else.
        rng: tells equals apart.

    Returns:
        None with fewer than two.
    """
    ordered = np.nan_to_num(np.asarray(fitnesses, dtype=np.float64).ravel(), nan=-math.inf, neginf=-math.inf)
    draws = len(ordered)
    if draws < 2:
        return None
    count = int(is_record(ordered, rng).sum())
    rates = (_likeliest(count, draws), *_interval(count, draws))
    centre, low, high = (rate * math.log(2) for rate in rates)
    return Records(Estimate(centre, low, high, _LEVEL), math.log2(draws), count)


def is_record(fitnesses: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """``(n,)`` whether each is better than all before it; equals are ranked by a draw."""
    ranks = np.empty(len(fitnesses), dtype=np.int64)
    ranks[np.lexsort((rng.random(len(fitnesses)), fitnesses))] = np.arange(len(fitnesses))
    return np.concatenate([[True], ranks[1:] > np.maximum.accumulate(ranks)[:-1]])


def _likeliest(count: int, draws: int) -> float:
    """The rate under which that many are expected (Ewens 1972: the maximum of the likelihood)."""
    if count in {1, draws}:
        return 0.0 if count == 1 else math.inf
    return _rate(lambda rate: float(np.sum(rate / (rate + np.arange(draws)))), count)


@lru_cache(maxsize=1024)
def _interval(count: int, draws: int) -> tuple[float, float]:
    """Each end is where so many records, or more extreme, have 2.5 %."""
    miss = (1 - _LEVEL) / 2
    low = 0.0 if count == 1 else _rate(lambda rate: float(_chances(draws, rate)[count - 1 :].sum()), miss)
    high = math.inf if count == draws else _rate(lambda rate: -float(_chances(draws, rate)[:count].sum()), -miss)
    return low, high


def _rate(rising: Callable[[float], float], wanted: float) -> float:
    """The rate c at which a rising function of it has that value."""
    low, high = _LEAST, _MOST
    for _ in range(_STEPS):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if rising(middle) < wanted else (low, middle)
    return math.sqrt(low * high)


def _chances(draws: int, rate: float) -> NDArray[np.float64]:
    """``(n,)`` probability of 1, 2, ... n records, from the generating function on the unit circle."""
    from scipy.special import loggamma  # noqa: PLC0415  costs a quarter of a second, needed only here

    # the k-th power of the j-th point is exp(2 pi i j k / n): n points for the n values 1..n of k
    points = np.exp(2j * np.pi * np.arange(draws) / draws)
    logs = loggamma(rate * points + draws) - loggamma(rate * points) - loggamma(rate + draws) + loggamma(rate)
    chances: NDArray[np.float64] = np.roll(np.fft.fft(np.exp(logs)).real / draws, -1)
    return chances
