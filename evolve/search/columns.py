"""Very many genomes as rows of numbers, looked up gene by gene: as few as keep how far any two are apart.

A kernel that computes distances pays for each column. A gene of v values is v points, which at most v - 1 coordinates
tell apart, whatever its traits: of 170 columns 137 are left for the 19 genes of ``evolve.scale.WIDE``, and fewer where
traits were learned not to matter.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evolve.search.alphabet import Rows
    from evolve.search.embedding import Embedding

    Array = NDArray[np.float64]
    Singles = np.ndarray[Any, np.dtype[np.float32]]

_UNSEEN = float(np.finfo(np.float32).eps)
"""Squared distances that single precision loses beside 1, which is what random genomes are apart before anything is
learned."""


class Columns:
    """Coordinates of genomes in single precision.

    Args:
        embed: where genomes lie.
        weights: ``(traits,)`` of each trait in a squared distance.

    Attributes:
        count: number of columns.
    """

    def __init__(self, embed: Embedding, weights: Array) -> None:
        self._tables = {gene: _narrowed(table) for gene, table in _by_gene(embed, weights).items()}
        self.count = sum(table.shape[1] for table in self._tables.values())

    def __call__(self, rows: Rows) -> Singles:
        """``(n, columns)`` of genomes, ``(n, genes)``."""
        places = np.empty((len(rows), self.count), dtype=np.float32)
        first = 0
        for gene, table in self._tables.items():
            last = first + table.shape[1]
            places[:, first:last] = table.take(rows[:, gene], axis=0)
            first = last
        return places


def _by_gene(embed: Embedding, weights: Array) -> dict[int, Array]:
    """By gene ``(values, columns)`` of all its traits."""
    tables: dict[int, list[Array]] = {}
    for (gene, table), weight in zip(embed.tables, weights.tolist(), strict=True):
        tables.setdefault(gene, []).append(math.sqrt(weight) * table)
    return {gene: np.concatenate(traits, axis=1) for gene, traits in tables.items()}


def _narrowed(table: Array) -> Singles:
    """The same points, centred, along their principal axes, as far as they are seen to differ there."""
    points, spreads, _ = np.linalg.svd(table - table.mean(axis=0), full_matrices=False)
    narrowed: Singles = (points * spreads)[:, spreads**2 > _UNSEEN].astype(np.float32)
    return narrowed
