"""Where genomes lie to each other: coordinates in which a squared distance is a weighted sum over traits of genes.

A gene has one or two *traits*, each a few columns: how far apart two values are on their scale, and whether they are
different at all. How much each trait matters is for the data to say, so that one and the same gene may be a smooth
number on one machine and a list of unlike cases on another (what TPE makes of every gene).
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evolve.search.alphabet import Rows
    from kernels.language.space import Parameter, Space

_SPAN = 4
"""From the least to the greatest of numbers that are taken as a scale of ratios: 16, 32, 64 are steps alike."""
_MOST_CASES = 64
"""Values beyond which a gene is only a number: a case of its own for each would be seen once."""


def positions(parameter: Parameter) -> NDArray[np.float64]:
    """Where the values of an ordered parameter lie on their scale: from 0 to 1, by ratios where they span some."""
    values = np.array([float(value) for value in parameter.values])
    if values[0] > 0 and values[-1] >= _SPAN * values[0]:
        values = np.log(values)
    places: NDArray[np.float64] = (values - values[0]) / max(values[-1] - values[0], 1e-300)
    return places


class Embedding:
    """Coordinates of the genomes of a space.

    Attributes:
        tables: of each trait its gene, and ``(values, columns)`` where the gene's values lie.
        traits: ``(columns,)`` the trait to which each column belongs.
        names: of the traits: gene and kind, as in ``"lanes/scale"``.
        count: number of traits.
        norm: mean squared length of a genome.
    """

    def __init__(self, space: Space) -> None:
        self.tables: list[tuple[int, NDArray[np.float64]]] = []
        self.names: list[str] = []
        traits: list[int] = []
        for gene, parameter in enumerate(space.parameters):
            for kind, table in _tables(parameter).items():
                traits += [len(self.tables)] * table.shape[1]
                self.tables.append((gene, table))
                self.names.append(f"{parameter.name}/{kind}")
        self.traits = np.array(traits, dtype=np.int64)
        self.count = len(self.tables)
        self.norm = max(1, self.count) / 2

    def __call__(self, rows: Rows) -> NDArray[np.float64]:
        """``(n, columns)``: over values that are equally frequent, a trait's squared distance is 1 on average."""
        if not self.tables:
            return np.zeros((len(rows), 0))
        return np.concatenate([table[rows[:, gene]] for gene, table in self.tables], axis=1)


def _tables(parameter: Parameter) -> dict[str, NDArray[np.float64]]:
    """``(values, columns)`` of each trait of a gene, by its kind."""
    count = len(parameter.values)
    if count == 1:
        return {}
    tables = {}
    if parameter.is_ordered and count > 2:
        tables["scale"] = positions(parameter)[:, None]
    elif parameter.kind == "permutation" and count > 2:
        tables["order"] = _precedence(parameter)
    if count <= _MOST_CASES:
        tables["cases"] = np.eye(count)
    return {kind: _scaled(table) for kind, table in tables.items()}


def _precedence(parameter: Parameter) -> NDArray[np.float64]:
    """Which of two items comes first, for each pair: distances are Kendall's."""
    pairs = list(itertools.combinations(sorted(str(parameter.values[0])), 2))
    return np.array([[float(str(v).index(a) < str(v).index(b)) for a, b in pairs] for v in parameter.values])


def _scaled(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centred, and with a mean squared distance of 1 between values, each paired with all (itself too)."""
    centred = table - table.mean(axis=0)
    scaled: NDArray[np.float64] = centred / math.sqrt(2 * float((centred**2).sum(axis=1).mean()))
    return scaled
