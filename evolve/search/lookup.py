"""Squared distances and products of very many genomes with a few known ones, looked up gene by gene.

Both are sums over genes, and a gene has few values: what each of them adds is known beforehand. To embed 10^5 genomes
and multiply matrices with a column for each value took over twice as long (19 genes, 300 known).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from evolve.search.alphabet import Rows
    from evolve.search.embedding import Embedding

    Singles = np.ndarray[Any, np.dtype[np.float32]]

_MOST_TOGETHER = 256
"""Combinations of values of genes that are looked up together: their table is to stay in a second-level cache."""


@dataclass(frozen=True)
class _Group:
    """Genes that are looked up together.

    Attributes:
        genes: their places.
        strides: of each, in the number of a combination.
        table: ``(combinations, 2 m)`` what a combination adds to squares and products with ``m`` known genomes.
    """

    genes: tuple[int, ...]
    strides: tuple[int, ...]
    table: Singles

    def codes(self, rows: Rows) -> NDArray[np.int64]:
        """``(n,)`` the combinations that genomes have."""
        codes: NDArray[np.int64] = rows[:, self.genes] @ np.array(self.strides)
        return codes

    def joined(self, gene: int, terms: Singles) -> _Group:
        """The same with another gene."""
        table = self.table[:, None] + terms
        strides = (*(stride * len(terms) for stride in self.strides), 1)
        return _Group((*self.genes, gene), strides, table.reshape(-1, terms.shape[1]))


class Lookup:
    """Squares and products with known genomes.

    Args:
        embed: where genomes lie.
        known: ``(m, genes)``.
        weights: ``(traits,)`` of each trait in a squared distance.
    """

    def __init__(self, embed: Embedding, known: Rows, weights: NDArray[np.float64]) -> None:
        self._count = len(known)
        self._groups: list[_Group] = []
        for gene, terms in _terms(embed, known, weights).items():
            last = self._groups[-1] if self._groups else None
            if last and len(last.table) * len(terms) <= _MOST_TOGETHER:
                self._groups[-1] = last.joined(gene, terms)
            else:
                self._groups.append(_Group((gene,), (1,), terms))

    def __call__(self, rows: Rows) -> tuple[Singles, Singles]:
        """``(n, m)`` squared distances and products of genomes with the known ones."""
        total = np.zeros((len(rows), 2 * self._count), dtype=np.float32)
        added = np.empty_like(total)
        for group in self._groups:
            np.take(group.table, group.codes(rows), axis=0, out=added, mode="clip")  # "raise" would copy once more
            total += added
        return total[:, : self._count], total[:, self._count :]


def _terms(embed: Embedding, known: Rows, weights: Sequence[float] | NDArray[np.float64]) -> dict[int, Singles]:
    """By gene ``(values, 2 m)``: what each value adds to squares and products."""
    terms: dict[int, Singles] = {}
    for (gene, table), weight in zip(embed.tables, weights, strict=True):
        theirs = table[known[:, gene]]
        squares = weight * ((table[:, None] - theirs) ** 2).sum(axis=2)
        added = np.concatenate([squares, table @ theirs.T / embed.norm], axis=1).astype(np.float32)
        terms[gene] = terms[gene] + added if gene in terms else added
    return terms
