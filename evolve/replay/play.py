"""One search of a landscape: ask, look up, tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from evolve.search import make
from evolve.search.protocol import CONTROL_SHARE, PATIENCE, Result

if TYPE_CHECKING:
    from evolve.replay.landscape import Landscape
    from evolve.search.protocol import Proposal, Strategy
    from evolve.search.settings import Settings
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
    """

    times_s: tuple[float | None, ...]
    end: End
    repeats: int = 0
    illegal: int = 0


def play(landscape: Landscape, begin: Make, budget: int, rng: np.random.Generator, batch: int = BATCH) -> Trace:
    """Let a strategy search a landscape.

    Args:
        landscape: what it searches.
        begin: makes the strategy of a space and a generator; a control arm around it is part of it.
        budget: legal schedules that it may try, each counted once.
        rng: its own.
        batch: schedules asked for at once.

    Raises:
        EvolveError: it asks for a schedule that is legal, but was not recorded.
        Exception: whatever the strategy raises.
    """
    strategy = begin(landscape.space, rng)
    game = _Game(landscape, budget)
    while (end := game.end) is None:
        if results := game.results(strategy.ask(batch)):
            strategy.tell(results)
    return Trace(tuple(game.times_s), end, game.repeats, game.illegal)


@dataclass(frozen=True)
class Searcher:
    """A strategy of ours as runs make it: plain data, which travels to a worker process.

    Attributes:
        strategy: as ``search.make`` takes it.
        control_share: of all evaluations, random draws between its own; 0 for none.
        batch: schedules asked for at once.
        settings: where they are not as usual.
    """

    strategy: str
    control_share: float = CONTROL_SHARE
    batch: int = BATCH
    settings: Settings | None = None

    @property
    def name(self) -> str:
        """The strategy's."""
        return self.strategy

    def run(self, landscape: Landscape, budget: int, seed: int) -> Trace:
        """Search a landscape with the generator of a seed; see ``play``."""

        def made(space: Space, rng: np.random.Generator) -> Strategy:
            return make(self.strategy, space, rng, self.control_share, settings=self.settings)

        return play(landscape, made, budget, np.random.default_rng(seed), self.batch)


def ended(tried: int, landscape: Landscape, budget: int) -> End | None:
    """Why a search is over that has tried so many schedules; None where it might go on."""
    if tried >= budget:
        return "budget"
    return "exhausted" if tried >= len(landscape.times_s) else None


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
        is_idle = self._idle >= PATIENCE
        return ended(len(self.times_s), self._landscape, self._budget) or ("stalled" if is_idle else None)

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
