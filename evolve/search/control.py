"""The control arm: a fixed share of every run's evaluations are independent random draws.

They are the run's own null (from them the expected best of n random draws is calculated) and immigrants for the search.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from evolve.search.protocol import CONTROL_SHARE, Proposal
from evolve.search.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from evolve.search.protocol import Result, Strategy
    from kernels.language.space import Schedule, Space

FOUNDERS = Settings.founders - 1
"""Random schedules with which a genetic search begins, beside the one that its user wants it to begin at."""


def owed(slots: int, share: float) -> int:
    """Control draws among the first ``slots`` of a run.

    The first slot is the search's own. Then come the draws that it takes for its founders: random schedules, which it
    would draw itself, so that they cost it nothing. Behind them there is none until the share has caught up with them,
    with the usual one in slot 54, and from then on so many that it is kept.

    Args:
        slots: of the run so far.
        share: of all slots.
    """
    return max(min(slots - 1, FOUNDERS), math.floor(slots * share)) if slots and share else 0


class ControlArm:
    """A strategy around another: some slots of every ask are control draws, the others are the wrapped strategy's.

    Which slots is fixed: after ``m`` of them there were ``owed(m, share)`` draws.

    The draws come from ``rng`` alone, so equal seeds give equal control arms whatever the strategy. They are i.i.d.:
    one may repeat a schedule that was already tried, whose outcome is then to be used again. A proposal of the
    wrapped strategy that a control draw anticipated is dropped, and is told like any other.

    Args:
        strategy: the search.
        space: where the control draws come from.
        rng: for the control draws only.
        share: of all slots, at least 0 and below 1.

    Raises:
        ValueError: the share is out of range.
    """

    def __init__(
        self, strategy: Strategy, space: Space, rng: np.random.Generator, share: float = CONTROL_SHARE
    ) -> None:
        if not 0 <= share < 1:
            raise ValueError(f"control share {share} must be at least 0 and below 1")
        self.strategy = strategy
        self._space = space
        self._rng = rng
        self._share = share
        self._slots = 0
        self._drawn: set[Schedule] = set()

    def ask(self, n: int) -> list[Proposal]:
        """Control draws in their slots, the search's proposals in the others; nothing once the search is exhausted."""
        is_control = [self._is_control(self._slots + k) for k in range(n)]
        self._slots += n
        wanted = is_control.count(False)
        proposed = self.strategy.ask(wanted)
        if wanted and not proposed:
            return []
        controls = iter([self._draw() for _ in range(n - wanted)])
        others = iter(proposed)
        merged = [next(controls if control else others, None) for control in is_control]
        return [p for p in merged if p and (p.operator == "control" or p.schedule not in self._drawn)]

    def tell(self, results: Sequence[Result]) -> None:
        """Pass everything on, control draws too."""
        self.strategy.tell(results)

    def _is_control(self, slot: int) -> bool:
        return owed(slot + 1, self._share) > owed(slot, self._share)

    def _draw(self) -> Proposal:
        drawn = self._space.sample(self._rng)
        self._drawn.add(drawn)
        return Proposal(drawn, "control")
