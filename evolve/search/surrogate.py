"""A Gaussian process over genomes: how good a schedule will be, and how sure that is, from what was measured.

Its covariance has three parts: Matern-5/2 of the distance (Rasmussen and Williams, Gaussian Processes for Machine
Learning, 2006, equation 4.17) for what genes do together, a product of coordinates for what each does by itself, and
the square of that for what pairs do. Every trait of a gene has a length scale of its own. Scales, shares and noise are
where the marginal likelihood (equation 5.8) times their prior is greatest, found by resilient propagation (Riedmiller
and Braun 1993), which asks for the signs of slopes only, and starts where the last fit ended.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from evolve.engine import USUAL
from evolve.search.columns import Columns
from evolve.search.expectation import Expectation, Products

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evolve.engine import Numerics
    from evolve.search.alphabet import Rows
    from evolve.search.embedding import Embedding
    from evolve.search.prior import Prior

    Array = NDArray[np.float64]

_JITTER = 1e-6
_LEAST_VARIANCE = 1e-9
_RANGE = -12.0, 4.0  # of logarithms
_STEPS = 12
_FIRST_PACE, _PACES = 0.3, (0.01, 1.0)
_FASTER, _SLOWER = 1.3, 0.5

# Normal priors of logarithms. Before anything is measured the squared distance of two random genomes is 1, which makes
# them half alike, however many genes there are (Hvarfner, Hellsten and Nardi, Vanilla Bayesian Optimization, 2024).
_TRAIT_SPREAD = 1.0
_ALONE, _PAIRS, _NOISE = math.log(1.0), math.log(0.1), math.log(0.01)
_SPREAD = 1.5


class Surrogate:
    """What was learned of a space.

    Args:
        embedding: where genomes lie.
        engine: whose kernel scores very many of them.
        prior: what other spaces taught; by default every trait matters alike.
    """

    def __init__(self, embedding: Embedding, engine: Numerics = USUAL, prior: Prior | None = None) -> None:
        self.embed, self._engine = embedding, engine
        believed = [-math.log(max(1, embedding.count))] * embedding.count
        alike = [*believed, _ALONE, _PAIRS, _NOISE]
        self._believed = np.array(prior.believed(embedding.names) if prior else alike)
        self._spread = np.array([_TRAIT_SPREAD] * embedding.count + [_SPREAD] * 3)
        self._scale(self._believed.copy())

    def fit(self, rows: Rows, targets: Array, *, learning: bool = True) -> None:
        """Learn from genomes and what came of them.

        Args:
            rows: ``(n, genes)`` of what was measured.
            targets: ``(n,)``, higher is better, on any scale.
            learning: move the length scales; else they are left as they are.
        """
        self.level, self.unit = float(targets.mean()), float(targets.std()) or 1.0
        places, scaled = self.embed(rows), (targets - self.level) / self.unit
        if learning:
            self._scale(self._ascended(_Lessons(self.embed, places, scaled)))
        self._condition(places, scaled)
        self._known_rows = rows

    def _scale(self, scales: Array) -> None:
        self.scales = scales
        self.near = Columns(self.embed, np.exp(scales[:-3]))

    def _ascended(self, lessons: _Lessons) -> Array:
        """Resilient propagation: the best scales on the way."""
        at, pace, before = self.scales, np.full(len(self.scales), _FIRST_PACE), np.zeros(len(self.scales))
        best, height = at, -math.inf
        for _ in range(_STEPS):
            evidence, slope = lessons.evidence(at)
            surprise = (at - self._believed) / self._spread
            evidence, slope = evidence - 0.5 * float(surprise @ surprise), slope - surprise / self._spread
            if evidence > height:
                best, height = at, evidence
            turn = np.sign(before * slope)
            pace = np.clip(pace * np.where(turn > 0, _FASTER, np.where(turn < 0, _SLOWER, 1.0)), *_PACES)
            before = np.where(turn < 0, 0.0, slope)
            at = np.clip(at + np.sign(before) * pace, *_RANGE)
        return best

    def _condition(self, places: Array, targets: Array) -> None:
        """Keep what every posterior needs."""
        self.alone, self.pairs, self.noise = np.exp(self.scales[-3:]).tolist()
        self.noise += _JITTER
        self._stretch = np.exp(0.5 * self.scales[:-3])[self.embed.traits]
        self.known = places
        covariance = self.covariances(places, places)
        covariance[np.diag_indices_from(covariance)] += self.noise
        self.root, _ = _rooted(covariance)
        self.centre, self.loads, self.variance = _loads(self.root, targets)

    def posterior(self, rows: Rows) -> Posterior:
        """What is believed of genomes."""
        return Posterior(self, self.embed(rows))

    def mean(self, rows: Rows) -> Array:
        """``(n,)`` expected targets of very many genomes, in single precision and a part at a time."""
        flat = Columns(self.embed, np.ones(self.embed.count))
        products = Products(flat, self.embed.norm, self.alone, self.pairs)
        expected = Expectation(self.near, products, self._known_rows, self.loads, self._engine)
        return self.level + self.unit * (self.centre + expected(rows))

    def covariances(self, places: Array, others: Array) -> Array:
        """``(n, m)`` between embedded genomes."""
        covariances = _matern(*_falling(_squares(places * self._stretch, others * self._stretch)))
        products = places @ others.T * (1 / self.embed.norm)
        covariances += (self.alone + self.pairs * products) * products
        return covariances

    def own_variances(self, places: Array) -> Array:
        """``(n,)`` covariances of genomes with themselves."""
        products = (places**2).sum(axis=1) / self.embed.norm
        variances: Array = 1 + (self.alone + self.pairs * products) * products
        return variances


class Posterior:
    """What is believed of some genomes.

    Attributes:
        mean: ``(n,)`` expected targets.
    """

    def __init__(self, surrogate: Surrogate, places: Array) -> None:
        self._of, self._places = surrogate, places
        cross = surrogate.covariances(surrogate.known, places)
        self.mean = surrogate.level + surrogate.unit * (surrogate.centre + surrogate.loads @ cross)
        self._rows = surrogate.root @ cross
        self._believed: list[Array] = []
        self._left = surrogate.own_variances(places) - (self._rows**2).sum(axis=0)

    @property
    def deviation(self) -> Array:
        """``(n,)`` standard deviations of the targets."""
        deviations: Array = self._of.unit * np.sqrt(self._of.variance * np.maximum(self._left, _LEAST_VARIANCE))
        return deviations

    def believe(self, place: int) -> None:
        """Take one as measured, and as expected: what is like it is surer now (Ginsbourger et al. 2010, "believer")."""
        column = self._of.covariances(self._places, self._places[place : place + 1])[:, 0]
        column -= self._rows[:, place] @ self._rows
        for update in self._believed:
            column -= update[place] * update
        update = column / math.sqrt(max(self._left[place], 0.0) + self._of.noise)
        self._believed.append(update)
        self._left = self._left - update**2


class _Lessons:
    """What was measured, with the distances of all pairs by trait."""

    def __init__(self, embed: Embedding, places: Array, targets: Array) -> None:
        self.targets = targets
        columns = [places[:, embed.traits == trait] for trait in range(embed.count)]
        self._apart = np.array([_squares(one, one) for one in columns]).reshape(-1, len(places), len(places))
        self._products = places @ places.T / embed.norm

    def covariance(self, scales: Array) -> tuple[Array, Array]:
        """``(n, n)`` with noise, and its slope by the squared distance."""
        a, falling = _falling(np.tensordot(np.exp(scales[:-3]), self._apart, 1))
        alone, pairs, noise = np.exp(scales[-3:]).tolist()
        covariance = _matern(a, falling) + (alone + pairs * self._products) * self._products
        covariance[np.diag_indices_from(covariance)] += noise + _JITTER
        return covariance, (a + 1) * falling * (-5 / 6)

    def evidence(self, scales: Array) -> tuple[float, Array]:
        """Logarithm of the marginal likelihood, at the best mean and variance, and its slope."""
        covariance, by_square = self.covariance(scales)
        root, volume = _rooted(covariance)
        _, loads, variance = _loads(root, self.targets)
        pull = 0.5 * (np.outer(loads, loads) / variance - root.T @ root)
        parts = (self._products, self._products**2, np.eye(len(loads)))
        slope = [*np.tensordot(self._apart, pull * by_square, 2), *(float((pull * part).sum()) for part in parts)]
        return -0.5 * len(loads) * math.log(variance) - volume, np.array(slope) * np.exp(scales)


def _rooted(covariance: Array) -> tuple[Array, float]:
    """The inverse of the Cholesky factor, a root of the inverse, and half the logarithm of the determinant."""
    from scipy.linalg.lapack import dtrtri  # noqa: PLC0415 - scipy costs a quarter of a second, needed only here

    lower = np.linalg.cholesky(covariance)
    root, _ = dtrtri(lower, lower=1)
    return root, float(np.log(np.diag(lower)).sum())


def _loads(root: Array, targets: Array) -> tuple[float, Array, float]:
    """The likeliest mean, what each outcome weighs in a prediction, and the likeliest variance."""
    ones, told = root.sum(axis=1), root @ targets
    centre = float(ones @ told / (ones @ ones))
    residual = told - centre * ones
    return centre, root.T @ residual, max(_LEAST_VARIANCE, float(residual @ residual) / len(residual))


def _squares(some: Array, others: Array) -> Array:
    """``(n, m)`` squared distances; what cancels in them is a few eps, where the covariance is flat."""
    norms = (some**2).sum(axis=1)[:, None] + (others**2).sum(axis=1)
    squares: Array = np.maximum(norms - 2 * some @ others.T, 0)
    return squares


def _falling(squares: Array) -> tuple[Array, Array]:
    """Distances in the unit of Matern-5/2, and the exponential of their negatives."""
    a = np.sqrt(5 * squares)
    return a, np.exp(-a)


def _matern(a: Array, falling: Array) -> Array:
    """Matern-5/2 of distances in its unit."""
    covariances: Array = (1 + a + a * a / 3) * falling
    return covariances
