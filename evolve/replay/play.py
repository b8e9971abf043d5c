"""One search of a landscape: ask, look up, tell."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from evolve.search.protocol import PATIENCE, Result

if TYPE_CHECKING:
    import numpy as np

    from evolve.replay.landscape import Landscape
    from evolve.search.protocol import Proposal, Strategy
    from kernels.language.space import Schedule, Space

BATCH = 8
"""Schedules asked for at once, as a run asks for them: a search learns only between batches."""

Make = Callable[["Space", "np.random.Generator"], "Strategy"]
End = Literal["budget", "exhausted", "stalled"]


@dataclass(frozen=True)
class Trace:
    """What a search tried.

    Attributes:
        times_s: of each legal schedule when it was first asked for, in order; None where it failed.
        end: the budget was used up, the space was, or the search asked for nothing new any more.
        repeats: schedules that it asked for again; they are free.
        illegal: those that do not exist; they are told as failures, and are free.
        search_s: what asking and telling took.
    """

    times_s: tuple[float | None, ...]
    end: End
    repeats: int = 0
    illegal: int = 0
    search_s: float = 0.0


def play(landscape: Landscape, make: Make, budget: int, rng: np.random.Generator, batch: int = BATCH) -> Trace:
    """Let a strategy search a landscape.

    Args:
        landscape: what it searches.
        make: the strategy, of a space and a generator; a control arm around it is part of it.
        budget: legal schedules that it may try, each counted once.
        rng: its own.
        batch: schedules asked for at once.

    Raises:
        EvolveError: it asks for a schedule that is legal, but was not recorded.
        Exception: whatever the strategy raises.
    """
    began_s = time.perf_counter()
    strategy = make(landscape.space, rng)
    game = _Game(landscape, budget)
    while (end := game.end) is None:
        if results := game.results(strategy.ask(batch)):
            strategy.tell(results)
    return Trace(tuple(game.times_s), end, game.repeats, game.illegal, time.perf_counter() - began_s)


class _Game:
    """How far a search is."""

    def __init__(self, landscape: Landscape, budget: int) -> None:
        self._landscape, self._budget = landscape, budget
        self._known: dict[Schedule, Result] = {}
        self._idle = 0
        self.times_s: list[float | None] = []
        self.repeats = self.illegal = 0

    @property
    def end(self) -> End | None:
        """Why it is over; None while it is not."""
        if len(self.times_s) >= self._budget:
            return "budget"
        if len(self.times_s) >= len(self._landscape.times_s):
            return "exhausted"
        return "stalled" if self._idle >= PATIENCE else None

    def results(self, proposals: Sequence[Proposal]) -> list[Result]:
        """What comes of some proposals, of as many as the budget allows."""
        before, results = len(self.times_s), []
        for proposal in proposals:
            if len(self.times_s) >= self._budget:
                break
            results.append(self._result(proposal.schedule))
        self._idle = 0 if len(self.times_s) > before else self._idle + 1
        return results

    def _result(self, schedule: Schedule) -> Result:
        if schedule in self._known:
            self.repeats += 1
        elif self._landscape.space.is_legal(schedule):
            self.illegal += 1
            return Result(schedule, None)
        else:
            self._known[schedule] = self._landscape.result(schedule)
            self.times_s.append(self._landscape.time_s(schedule))
        return self._known[schedule]
