"""What a run under way may still expect, worked out now and then: some 30 ms, while nothing is being timed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evolve.tracker import Null, best_so_far, paid
from evolve.tracker.gain import expected_gain
from evolve.tracker.null import cap_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evolve.store import Bound, Individual
    from evolve.tracker import NullPoint
    from evolve.tracker.gain import Gain


_RENEWED = 1.05
"""Of a long run, so many times as many evaluations are known when its prospect is worked out anew."""


@dataclass(frozen=True)
class Prospect:
    """How a run stands to luck, and to its own future.

    Attributes:
        luck: the expected best of as many random draws as the control arm can tell of; None where it cannot yet.
        search: the search's best after as many evaluations, ln units; NaN where it had none.
        gain: what as many evaluations again are expected to bring; None where that cannot be told yet.
    """

    luck: NullPoint | None = None
    search: float = math.nan
    gain: Gain | None = None


class Prospects:
    """The prospect of one run, remembered until more is known."""

    def __init__(self) -> None:
        self._evaluations, self._latest = 0, Prospect()

    def of(self, individuals: Sequence[Individual], bound: Bound | None, evaluations: int, batch_size: int) -> Prospect:
        """The prospect after so many evaluations: anew for every batch of them, in a long run for every 5 % more."""
        if evaluations >= max(self._evaluations + batch_size, _RENEWED * self._evaluations):
            self._evaluations, self._latest = evaluations, prospect(individuals, bound)
        return self._latest


def prospect(individuals: Sequence[Individual], bound: Bound | None) -> Prospect:
    """What is known now."""
    null, evaluations = Null.of(individuals, bound), len(paid(individuals))
    luck = null.furthest(evaluations) if null else None
    search = float(best_so_far(individuals)[luck.n - 1]) if luck else math.nan
    return Prospect(luck, search, expected_gain(individuals, evaluations, cap=cap_of(bound)))
