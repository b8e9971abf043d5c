"""After how many calls a search has paid for itself: its own seconds, against the seconds that a call now saves.

The break-even of a fixed cost, by its definition: a search of C seconds whose champion takes t seconds a call, and r t
were it not there, has paid for itself after C / (t (r - 1)) calls, which would have taken C r / (r - 1) seconds. The
interval is that of r.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.inference import Estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from evolve.store import Publication

PLAIN = "plain loop"

_MOST = 1e12  # stands for a ratio whose interval is open above


@dataclass(frozen=True)
class BreakEven:
    """When a search has paid for itself against one way of doing without it.

    Attributes:
        against: what would have been called otherwise: the plain loop, or a library.
        spent_s: what the search cost.
        saved_s: seconds saved a call; 0 or less where nothing is.
        calls: after how many calls it has paid for itself; inf where it never does.
        work_s: seconds that those calls would have taken without it.
    """

    against: str
    spent_s: float
    saved_s: Estimate
    calls: Estimate
    work_s: Estimate

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; never is None."""
        estimates = {"saved_s": self.saved_s, "calls": self.calls, "work_s": self.work_s}
        plain = {name: value.as_dict() for name, value in estimates.items()}
        return {"against": self.against, "spent_s": self.spent_s, **plain, "says": self.says}

    @property
    def says(self) -> str:
        """When, in one sentence."""
        if math.isinf(self.calls.estimate):
            return f"against the {self.against} the search never pays: it saves nothing"
        high = self.calls.high
        latest = f"{high:.3g}" if math.isfinite(high) else "never"
        return (
            f"against the {self.against} the search of {self.spent_s:.3g} s has paid for itself after "
            f"{self.calls.estimate:.3g} calls ({self.calls.low:.3g} to {latest})"
        )


def break_evens(spent_s: float, publication: Publication) -> tuple[BreakEven, ...]:
    """Against the plain loop first, then against every library that was measured beside the champion.

    Args:
        spent_s: what the search cost, ceilings, checks and all.
        publication: of the champion.
    """
    ratios: Mapping[str, Estimate] = {PLAIN: publication.speedup, **publication.rivals}
    return tuple(break_even(spent_s, publication.time_s, ratio, name) for name, ratio in ratios.items())


def break_even(spent_s: float, time_s: float, ratio: Estimate, against: str = PLAIN) -> BreakEven:
    """When a search has paid for itself.

    Args:
        spent_s: what it cost.
        time_s: the champion's seconds a call.
        ratio: t_other / t_champion; its interval is the result's.
        against: the other's name.

    Raises:
        ValueError: a time is not positive.
    """
    if not (spent_s >= 0 and time_s > 0):
        raise ValueError(f"a cost of {spent_s} s and a call of {time_s} s leave nothing to reckon with")
    calls = _reversed(ratio, lambda r: spent_s / (time_s * (r - 1)))
    work_s = _reversed(ratio, lambda r: spent_s * r / (r - 1))
    centre, low, high = (time_s * (end - 1) for end in (ratio.estimate, ratio.low, ratio.high))
    return BreakEven(against, spent_s, Estimate(centre, low, high, ratio.level), calls, work_s)


def _reversed(ratio: Estimate, falling: Callable[[float], float]) -> Estimate:
    """A falling function of the ratio; inf where the ratio is not above 1: then nothing is ever saved."""
    ends = (ratio.estimate, ratio.high, ratio.low)
    centre, low, high = (falling(min(end, _MOST)) if end > 1 else math.inf for end in ends)
    return Estimate(centre, low, high, ratio.level)
