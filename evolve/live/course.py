"""How a run went: who took the title, and after which time and how many evaluations. From its facts alone."""

from __future__ import annotations

import functools
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.outcome import Measured
from evolve.champion import Title
from evolve.tracker.curve import paid
from evolve.tracker.status import elapsed_s

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evolve.store import Individual, Run, Store
    from evolve.store.records import Value


@dataclass(frozen=True)
class Holder:
    """Who took a run's title, and when.

    Attributes:
        schedule: the parameter values.
        time_s: seconds a call: the median over the race that it won and all others in which it was the incumbent. The
            race alone would flatter it: of many it is the one that went well.
        elapsed_s: wall time of the run until then.
        evaluations: outcomes that were known by then.
    """

    schedule: Mapping[str, Value]
    time_s: float
    elapsed_s: float
    evaluations: int


@dataclass(frozen=True)
class Leg:
    """A run's way to a target.

    Attributes:
        elapsed_s: wall time until it was there, or of all of it.
        evaluations: the same in evaluations.
        is_there: False where it ended before.
    """

    elapsed_s: float
    evaluations: int
    is_there: bool


class Course:
    """How a run went.

    Args:
        store: where it is.
        run: the run.
    """

    def __init__(self, store: Store, run: Run) -> None:
        self.run = run
        self.paid = paid(store.individuals(run.id))
        self._events = store.events(run.id)
        self._asked = [batch.asked_at for batch in store.batches(run.id)]
        self._told = sorted(map(_finished_at, self.paid))

    @property
    def evaluations(self) -> int:
        """Outcomes of its own."""
        return len(self._told)

    @property
    def searching_s(self) -> float:
        """Wall time from its beginning to its last outcome; pauses between sessions are no part of it."""
        return self._elapsed_s(self._told[-1]) if self._told else 0.0

    @functools.cached_property
    def holders(self) -> tuple[Holder, ...]:
        """All who took the title, in order."""
        title, found = Title(), []
        for individual in sorted(self.paid, key=_finished_at):
            after = title.challenged(individual)
            if after is not title:
                found.append(self._holder(individual))
            title = after
        return tuple(found)

    @property
    def champion(self) -> Holder | None:
        """The last of them; None where nothing beat the plain loop."""
        return self.holders[-1] if self.holders else None

    def until(self, target_s: float) -> Leg:
        """The way to the first holder that takes no longer than a target, or to the run's end."""
        for holder in self.holders:
            if holder.time_s <= target_s:
                return Leg(holder.elapsed_s, holder.evaluations, is_there=True)
        return Leg(self.searching_s, self.evaluations, is_there=False)

    def _holder(self, individual: Individual) -> Holder:
        at, number = _finished_at(individual), individual.evaluation.number
        seen_s = [individual.search_time_s or 0.0, *self._as_incumbent[number]]
        schedule = individual.evaluation.schedule
        return Holder(schedule, float(np.median(seen_s)), self._elapsed_s(at), bisect_right(self._told, at))

    @functools.cached_property
    def _as_incumbent(self) -> Mapping[int, list[float]]:
        """Seconds a call of each holder in the races of its challengers, one value a race."""
        found: dict[int, list[float]] = defaultdict(list)
        for individual in self.paid:
            record = individual.record
            if record and record.incumbent is not None and isinstance(record.outcome, Measured):
                found[record.incumbent].append(float(np.median(record.outcome.samples.incumbent_s)))
        return found

    def _elapsed_s(self, until: str) -> float:
        events = [event for event in self._events if event.at <= until]
        return elapsed_s(events, [at for at in (*self._asked, *self._told) if at <= until])


def _finished_at(individual: Individual) -> str:
    return individual.record.finished_at if individual.record else ""
