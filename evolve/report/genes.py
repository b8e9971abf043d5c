"""What a run's outcomes say of each gene: how fast the schedules were that had one of its values."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evolve.tracker import paid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evolve.store import Individual
    from evolve.store.records import Value
    from kernels import Kernel

_LEFT_OUT = 0.05
"""Medians that are slower than all but 5 % of the schedules lie at the left end."""


@dataclass(frozen=True)
class GeneValue:
    """One value of a gene.

    Attributes:
        value: as a user writes it.
        count: schedules measured with it.
        best: the highest speedup among them, a search estimate.
        median: the middle one.
        best_at: where that lies, in per cent from the slowest to the fastest of the run, on a log scale.
        median_at: where the middle one lies.
        is_champions: true for the value that the champion has.
    """

    value: str
    count: int
    best: float
    median: float
    best_at: float
    median_at: float
    is_champions: bool


@dataclass(frozen=True)
class Gene:
    """A gene and its values.

    Attributes:
        name: as in the schedule.
        doc: what it is.
        values: those that were measured, in the gene's own order.
        weight: share of the spread of ln speedup that goes with the gene's value, 0 to 1.
        champions: the champion's value, or None where the gene means nothing for it.
    """

    name: str
    doc: str
    values: tuple[GeneValue, ...]
    weight: float
    champions: str | None


def genes(individuals: Sequence[Individual], champion: Mapping[str, Value], kernel: Kernel | None) -> list[Gene]:
    """Every gene, the one that goes with most of the spread first; none where there is nothing to compare.

    Schedules for which a conditional gene means nothing are left out of its count, where the kernel is known.

    Args:
        individuals: all that the run asked for.
        champion: the champion's schedule.
        kernel: what the genes belong to, or None if it is not installed.
    """
    known = [i for i in paid(individuals) if i.fitness is not None]
    if len(known) < 2:
        return []
    fitnesses = np.array([i.fitness for i in known], dtype=np.float64)
    scale = _Scale(float(np.quantile(fitnesses, _LEFT_OUT)), float(fitnesses.max()))
    found = [_gene(name, known, champion, kernel, scale) for name in champion]
    return sorted((gene for gene in found if gene.values), key=lambda gene: -gene.weight)


@dataclass(frozen=True)
class _Scale:
    """Where a ln speedup lies on a bar."""

    low: float
    high: float

    def at(self, fitness: float) -> float:
        if self.high <= self.low:
            return 100.0
        return 100.0 * min(1.0, max(0.0, (fitness - self.low) / (self.high - self.low)))


def _gene(
    name: str, known: Sequence[Individual], champion: Mapping[str, Value], kernel: Kernel | None, scale: _Scale
) -> Gene:
    parameter = kernel.space.by_name.get(name) if kernel else None
    groups: dict[Value, list[float]] = defaultdict(list)
    for individual in known:
        schedule = individual.evaluation.schedule
        if name in schedule and (parameter is None or parameter.is_active(schedule)):
            groups[schedule[name]].append(individual.fitness or 0.0)
    is_active = parameter is None or parameter.is_active(champion)
    order = list(parameter.values) if parameter else sorted(groups, key=_order)
    values = [
        GeneValue(
            value=str(value),
            count=len(groups[value]),
            best=math.exp(max(groups[value])),
            median=math.exp(float(np.median(groups[value]))),
            best_at=scale.at(max(groups[value])),
            median_at=scale.at(float(np.median(groups[value]))),
            is_champions=is_active and value == champion[name],
        )
        for value in order
        if value in groups
    ]
    doc = parameter.doc if parameter else ""
    return Gene(name, doc, tuple(values), _weight(list(groups.values())), str(champion[name]) if is_active else None)


def _order(value: Value) -> tuple[bool, float, str]:
    is_number = not isinstance(value, str)
    return not is_number, float(value) if is_number else 0.0, str(value)


def _weight(groups: Sequence[Sequence[float]]) -> float:
    """Between-group share of the sum of squares (eta squared); 0 with a single group or no spread."""
    everything = np.concatenate([np.asarray(group, dtype=np.float64) for group in groups]) if groups else np.zeros(0)
    total = float(np.sum((everything - everything.mean()) ** 2)) if len(everything) else 0.0
    if total == 0:
        return 0.0
    return float(sum(len(group) * (np.mean(group) - everything.mean()) ** 2 for group in groups)) / total
