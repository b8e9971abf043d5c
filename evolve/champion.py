"""Who holds the title: a candidate takes it by beating the incumbent in a paired race, never by its own figure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from benchmarks.inference import Estimate, exponential
from benchmarks.outcome import Measured
from benchmarks.race import LEAST_GAIN

if TYPE_CHECKING:
    from evolve.store import Checkpoint, Individual


@dataclass(frozen=True)
class Title:
    """The incumbent of a run at some moment.

    Attributes:
        individual: None while the fixed baseline holds it.
        fitness: ln(t_baseline / t_incumbent); from a paired measurement against the baseline itself, as soon as there
            is one: gains of successive incumbents are not multiplied.
        speedup: what that measurement found: a checkpoint, or the race that took the title from the baseline.
        most_error: that a holder may have, as a share of what is tolerated.
    """

    individual: Individual | None = None
    fitness: float = 0.0
    speedup: Estimate | None = None
    most_error: float = 1.0

    @property
    def time_s(self) -> float | None:
        """Seconds a call of the holder in the race that it won; None while the baseline holds the title."""
        record = self.individual.record if self.individual else None
        return record.outcome.time_s if record and isinstance(record.outcome, Measured) else None

    def challenged(self, individual: Individual) -> Title:
        """The title after an individual's race against this incumbent."""
        record = individual.record
        if record is None or not isinstance(record.outcome, Measured) or individual.evaluation.duplicate_of is not None:
            return self
        is_right = record.outcome.max_error <= self.most_error
        wins = is_right and record.outcome.low > 0 and record.outcome.log_ratio > LEAST_GAIN
        if not wins:
            return self
        raced = Estimate(record.outcome.log_ratio, record.outcome.low, record.outcome.high)
        first = exponential(raced) if self.individual is None else None
        return Title(individual, self.fitness + raced.estimate, first, self.most_error)

    def confirmed(self, checkpoint: Checkpoint) -> Title:
        """The title with its holder measured against the baseline."""
        return replace(self, fitness=math.log(checkpoint.speedup.estimate), speedup=checkpoint.speedup)


def title_of(individuals: Iterable[Individual], checkpoints: Iterable[Checkpoint], most_error: float = 1.0) -> Title:
    """The incumbent that a run's recorded outcomes lead to."""
    # the first one of each: what is measured later is for the tracker, and moves no fitness
    confirmed = {checkpoint.evaluation: checkpoint for checkpoint in reversed([*checkpoints])}
    title = Title(most_error=most_error)
    # the order in which they became known: one that got a second chance came after its batch
    known = [individual for individual in individuals if individual.record is not None]
    for individual in sorted(known, key=lambda i: i.record.finished_at if i.record else ""):
        after = title.challenged(individual)
        if after is not title and after.speedup is None and individual.evaluation.number in confirmed:
            after = after.confirmed(confirmed[individual.evaluation.number])
        title = after
    return title
