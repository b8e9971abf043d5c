"""What every strategy does: propose schedules, hear what came of them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from kernels.language.space import Schedule, Space

CONTROL_SHARE = 0.15
"""Of the evaluations of a run that are independent random draws, unless its user asks otherwise."""
PATIENCE = 20
"""Asks in a row without a new legal schedule after which a search has stalled."""
_MOST_DRAWS = 1000


@dataclass(frozen=True)
class Proposal:
    """A schedule to try, and where it comes from.

    Attributes:
        schedule: legal and canonical.
        operator: ``default``, ``random``, ``neighbour``, ``mutate``, ``crossover`` or ``control``; ``enumerate`` and
            ``suggest`` of strategies that do not breed; one's own may use other words.
        parents: the schedules that it was made of.
    """

    schedule: Schedule
    operator: str
    parents: tuple[Schedule, ...] = ()


@dataclass(frozen=True)
class Result:
    """What came of a schedule.

    Attributes:
        schedule: the one tried.
        fitness: ln(t_baseline / t_schedule), higher is better; None where it failed: then it has no fitness at all.
        error: the largest that was found, as a share of what is tolerated.

    Raises:
        ValueError: the fitness is NaN.
    """

    schedule: Schedule
    fitness: float | None
    error: float = 0.0

    def __post_init__(self) -> None:
        if self.fitness is not None and math.isnan(self.fitness):
            raise ValueError("a fitness of NaN cannot be compared; tell None for a schedule that failed")


class Strategy(Protocol):
    """A search. Made as ``Strategy(space, rng)``, further settings by keyword.

    **Determinism.** A strategy is a function of the space, the generator's seed, and the sequence of asks (with
    their ``n``) and tells: a run is resumed by replaying what was recorded. It draws from no other generator and
    lets nothing depend on the order of a set, which differs from process to process.

    **No clock, no state elsewhere.** It never evaluates, and never waits for a tell: several asks may come in a row.
    """

    def ask(self, n: int) -> list[Proposal]:
        """Up to ``n`` distinct legal canonical schedules, none asked or told before.

        Fewer, even none, once the space has no more to give, after bounded effort.
        """
        ...

    def tell(self, results: Sequence[Result]) -> None:
        """Learn from ``results``, which may be of schedules never asked for. The newest result of a schedule counts."""
        ...


class Novel(ABC):
    """Bookkeeping for strategies that propose one schedule after the other: a subclass says which is next."""

    def __init__(self, space: Space, rng: np.random.Generator) -> None:
        self.space = space
        self.rng = rng
        self.seen: set[Schedule] = set()

    def ask(self, n: int) -> list[Proposal]:
        """Up to ``n`` new proposals; fewer once there is no next one."""
        proposals: list[Proposal] = []
        while len(proposals) < n and (proposal := self.following()) is not None:
            self.seen.add(proposal.schedule)
            proposals.append(proposal)
        return proposals

    def tell(self, results: Sequence[Result]) -> None:
        """Never propose these again."""
        self.seen.update(result.schedule for result in results)

    @abstractmethod
    def following(self) -> Proposal | None:
        """The next proposal, of a schedule that is not in ``seen``; None if there is none to be found."""

    def beginning(self) -> Proposal | None:
        """Of what a search looks at first the next; None once it was all asked or told."""
        return next((Proposal(one, "default") for one in self.space.beginnings if one not in self.seen), None)

    def untried_neighbours(self, schedule: Schedule) -> list[Schedule]:
        """What lies one small step away and was neither asked nor told."""
        return [near for near in self.space.neighbours(schedule) if near not in self.seen]

    def random_proposal(self) -> Proposal | None:
        """A random new schedule; None if 1000 draws bring nothing new: then over 99 % of them are known."""
        draws = (self.space.sample(self.rng) for _ in range(_MOST_DRAWS))
        return next((Proposal(drawn, "random") for drawn in draws if drawn not in self.seen), None)
