"""What a Gaussian process expects of very many genomes, by the engine's kernel.

Its mean is a sum over known genomes y of their loads l times their covariances with x (Rasmussen and Williams, Gaussian
Processes for Machine Learning, 2006, equation 2.27). The Matern part of the covariance is what the kernel
``surrogate_predict`` sums. Products with the known genomes need not be summed one by one, for they collapse:
sum l (x.y) = x.(sum l y), and sum l (x.y)^2 = x'(sum l y y')x.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evolve.engine import Numerics
    from evolve.search.alphabet import Rows
    from evolve.search.columns import Columns

    Array = NDArray[np.float64]
    Singles = np.ndarray[Any, np.dtype[np.float32]]

_CHUNK = 4096
"""Genomes at a time: their columns are a few MB, and what the kernel does once a call is one part in thirty."""


@dataclass(frozen=True)
class Products:
    """How products of coordinates enter a covariance: ``alone x.y / norm + pairs (x.y / norm)^2``.

    Attributes:
        columns: coordinates of genomes.
        norm: mean squared length of a genome.
        alone: what one coordinate weighs.
        pairs: what a pair does.
    """

    columns: Columns
    norm: float
    alone: float
    pairs: float

    def forms(self, known: Rows, loads: Array) -> tuple[Singles, Singles]:
        """``(columns,)`` and ``(columns, columns)``: the linear and the quadratic form that all known ones come to."""
        places = self.columns(known).astype(np.float64)
        linear = self.alone / self.norm * (loads @ places)
        quadratic = self.pairs / self.norm**2 * (places.T * loads) @ places
        return linear.astype(np.float32), quadratic.astype(np.float32)


class Expectation:
    """Sums of covariances with known genomes, times their loads.

    Args:
        near: coordinates whose distances Matern is of.
        products: the other parts of the covariance.
        known: ``(m, genes)``.
        loads: ``(m,)``.
        engine: whose kernel it is.
    """

    def __init__(self, near: Columns, products: Products, known: Rows, loads: Array, engine: Numerics) -> None:
        self._near, self._products, self._engine = near, products, engine
        self._known, self._loads = near(known), loads.astype(np.float32)
        self._linear, self._quadratic = products.forms(known, loads)

    def __call__(self, rows: Rows) -> Array:
        """``(n,)`` of genomes, ``(n, genes)``."""
        parts = [self._part(rows[first : first + _CHUNK]) for first in range(0, len(rows), _CHUNK)]
        return np.concatenate([np.zeros(0), *parts])

    def _part(self, rows: Rows) -> Singles:
        places = self._products.columns(rows)
        sums: Singles = np.einsum("ij,ij->i", places @ self._quadratic + self._linear, places)
        return self._engine.surrogate_predict(self._near(rows), self._known, self._loads) + sums
