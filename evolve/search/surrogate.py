"""A Gaussian process over genomes: what a schedule's fitness will be, and how sure that is, from what was measured.

Its covariance is a sum of two: Matern-5/2 of the distance (Rasmussen and Williams, Gaussian Processes for Machine
Learning, 2006, equation 4.17) for what genes do together, and a product of coordinates for what each does by itself.
Every trait of a gene has a length scale of its own. Scales, the share of the second part and the noise are where the
marginal likelihood (equation 5.8) times their prior is greatest, found by resilient propagation (Riedmiller and Braun,
1993), which asks for signs of slopes only, and starts where the last fit ended.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evolve.search.alphabet import Rows
    from evolve.search.embedding import Embedding

Array = "NDArray[np.float64]"

_JITTER = 1e-6
_LOWEST, _HIGHEST = -12.0, 4.0  # logarithms of weights


@dataclass(frozen=True)
class Prior:
    """What is believed of the scales before anything was measured: normal distributions of logarithms.

    Attributes:
        reach: squared distance of two random genomes, over all traits.
        spread: standard deviation of each trait's share of that.
        alone: variance of the part that genes have alone, against that of the other.
        noise: variance of the noise, against the same.
        doubt: standard deviation of both.
    """

    reach: float = 1.0
    spread: float = 1.0
    alone: float = 1.0
    pairs: float = 0.1
    noise: float = 0.01
    doubt: float = 1.5
    matern: int = 5


class Surrogate:
    """What was learned of a space.

    Args:
        embedding: where genomes lie.
        prior: of the scales.
    """

    def __init__(self, embedding: Embedding, prior: Prior | None = None) -> None:
        prior = prior or Prior()
        self._embed = embedding
        traits = max(1, embedding.count)
        self.prior = prior
        self._half = traits / 2
        self._centre = np.array(
            [math.log(prior.reach / traits)] * embedding.count
            + [math.log(prior.alone), math.log(prior.pairs), math.log(prior.noise)]
        )
        self._doubt = np.array([prior.spread] * embedding.count + [prior.doubt] * 3)
        self._scales = self._centre.copy()
        self._fitted = 0

    @property
    def weights(self) -> NDArray[np.float64]:
        """``(traits,)``: how much each trait matters."""
        return np.exp(self._scales[:-3])

    def fit(self, rows: Rows, targets: NDArray[np.float64], steps: int) -> None:
        """Learn from genomes and what came of them.

        Args:
            rows: of what was measured.
            targets: ``(n,)``, higher is better, any scale.
            steps: towards better length scales; 0 leaves them as they are.
        """
        self._level, self._unit = float(targets.mean()), float(targets.std()) or 1.0
        known = _Known(self._embed(rows), (targets - self._level) / self._unit, self._embed.traits, self._half, self.prior.matern)
        if steps:
            self._scales = self._ascended(known, steps)
        self._known = known
        self._condition()

    def _ascended(self, known: _Known, steps: int) -> NDArray[np.float64]:
        """Resilient propagation."""
        at, pace = self._scales.copy(), np.full(len(self._scales), 0.3)
        best, height = at, -math.inf
        before = np.zeros(len(at))
        for _ in range(steps):
            value, slope = known.evidence(at)
            value -= 0.5 * float((((at - self._centre) / self._doubt) ** 2).sum())
            slope = slope - (at - self._centre) / self._doubt**2
            if value > height:
                best, height = at, value
            same = before * slope
            pace = np.clip(np.where(same > 0, 1.3 * pace, np.where(same < 0, 0.5 * pace, pace)), 0.01, 1.0)
            before = np.where(same < 0, 0.0, slope)
            at = np.clip(at + np.sign(before) * pace, _LOWEST, _HIGHEST)
        return best

    def _condition(self) -> None:
        covariance, _ = self._known.covariance(self._scales)
        self._root = np.linalg.inv(np.linalg.cholesky(covariance))
        inverse = self._root.T @ self._root
        self._mean = float((inverse @ self._known.targets).sum() / inverse.sum())
        residual = self._known.targets - self._mean
        self._loads = inverse @ residual
        self._variance = max(1e-9, float(residual @ self._loads) / len(residual))
        self._column_weights = np.sqrt(self.weights)[self._embed.traits]
        self._placed = self._known.places * self._column_weights

    def posterior(self, rows: Rows) -> Posterior:
        """What is believed of genomes that were not measured."""
        return Posterior(self, self._embed(rows))

    def covariances(self, places: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
        """``(n, m)`` between embedded genomes."""
        squares = _squares(places * self._column_weights, others * self._column_weights)
        together = _matern(squares, self.prior.matern)[0]
        alone = places @ others.T / self._half
        return together + (math.exp(self._scales[-3]) + math.exp(self._scales[-2]) * alone) * alone


class _Known:
    """What was measured, with distances by trait."""

    def __init__(self, places: NDArray[np.float64], targets: NDArray[np.float64], traits: NDArray[np.int64], half: float, matern: int) -> None:
        self.places, self.targets, self._smooth = places, targets, matern
        self._alone = places @ places.T / half
        columns = (places[:, traits == trait] for trait in range(int(traits.max(initial=-1)) + 1))
        self._apart = np.array([_squares(one, one) for one in columns]).reshape(-1, len(places), len(places))

    def covariance(self, scales: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Between all pairs, its slope by the squared distance, and the weight of what genes have alone."""
        squares = np.tensordot(np.exp(scales[:-3]), self._apart, 1)
        together, slope = _matern(squares, self._smooth)
        covariance = together + (math.exp(scales[-3]) + math.exp(scales[-2]) * self._alone) * self._alone
        covariance[np.diag_indices_from(covariance)] += math.exp(scales[-1]) + _JITTER
        return covariance, slope

    def evidence(self, scales: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """The logarithm of the marginal likelihood, mean and variance at their best; and its slope."""
        covariance, by_square = self.covariance(scales)
        lower = np.linalg.cholesky(covariance)
        root = np.linalg.inv(lower)
        inverse = root.T @ root
        residual = self.targets - float((inverse @ self.targets).sum() / inverse.sum())
        loads = inverse @ residual
        variance = max(1e-12, float(residual @ loads) / len(residual))
        value = -0.5 * len(residual) * math.log(variance) - float(np.log(np.diag(lower)).sum())
        pull = np.outer(loads, loads) / variance - inverse
        together = 0.5 * np.tensordot(self._apart, pull * by_square, 2) * np.exp(scales[:-3])
        alone = 0.5 * math.exp(scales[-3]) * float((pull * self._alone).sum())
        pairs = 0.5 * math.exp(scales[-2]) * float((pull * self._alone**2).sum())
        noise = 0.5 * math.exp(scales[-1]) * float(np.trace(pull))
        return value, np.array([*together, alone, pairs, noise])


class Posterior:
    """What is believed of some genomes.

    Attributes:
        mean: ``(n,)`` expected targets.
    """

    def __init__(self, surrogate: Surrogate, places: NDArray[np.float64]) -> None:
        self._of, self._places = surrogate, places
        cross = surrogate.covariances(places, surrogate._known.places)
        self._scores = surrogate._mean + cross @ surrogate._loads
        self._rows = [surrogate._root @ cross.T]
        norm = (places**2).sum(axis=1) / surrogate._half
        own = 1 + (math.exp(surrogate._scales[-3]) + math.exp(surrogate._scales[-2]) * norm) * norm
        self._left = own - (self._rows[0] ** 2).sum(axis=0)

    @property
    def mean(self) -> NDArray[np.float64]:
        return self._of._level + self._of._unit * self._scores

    @property
    def deviation(self) -> NDArray[np.float64]:
        """``(n,)`` standard deviations."""
        return self._of._unit * np.sqrt(self._of._variance * np.maximum(self._left, 1e-12))

    def believe(self, place: int) -> None:
        """Take the genome at ``place`` as measured, just as expected: what is like it is surer now (Ginsbourger et al. 2010)."""
        column = self._of.covariances(self._places, self._places[place : place + 1])[:, 0]
        for rows in self._rows:
            column = column - rows[:, place] @ rows
        noise = math.exp(self._of._scales[-1]) + _JITTER
        update = column / math.sqrt(max(self._left[place], 0.0) + noise)
        self._rows.append(update[None])
        self._left = self._left - update**2


def _squares(some: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(n, m)`` squared distances; what cancels in them is some eps, to which the covariance is flat."""
    norms = (some**2).sum(axis=1)[:, None] + (others**2).sum(axis=1)
    return np.maximum(norms - 2 * some @ others.T, 0.0)


def _matern(squares, smooth=5):
    """Matern of squared distances, and its slope by them."""
    if smooth == 3:
        a = np.sqrt(3 * squares)
        falling = np.exp(-a)
        return (1 + a) * falling, -1.5 * falling
    a = np.sqrt(5 * squares)
    falling = np.exp(-a)
    return (1 + a + a * a / 3) * falling, -5 / 6 * (1 + a) * falling
