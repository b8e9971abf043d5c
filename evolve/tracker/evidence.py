"""What the rule looks at, and the single questions that it asks of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.inference import Estimate
from evolve.tracker.feedback import Feedback, feedback
from evolve.tracker.ratio import Ratio, recent_ratio, standard_error

if TYPE_CHECKING:
    from evolve.tracker.laps import Point, Series

NEAR = math.log(1.25)
"""How far below a limit, in ln units, a champion has arrived; and how well a limit must be known."""
ENDS_NEAR = math.log(1.5)
"""How far from a limit, on either side, the gains may be extrapolated to: who approaches it as 1/k, as the best of k
draws from a bounded tail does, is extrapolated too low by a geometric law; an interval that reaches further up says
nothing of an end."""
SUSTAINED = 0.95
"""Ratio, and feedback, from which on growth does not slow down: exactly exponential growth is 1."""


@dataclass(frozen=True)
class Evidence:
    """The laps, and what follows from them.

    Attributes:
        series: two laps at least.
        ratio: of the stretch that is judged; None with too few laps.
        dials: eta and xi over that stretch.
    """

    series: Series
    ratio: Ratio | None
    dials: Feedback

    @property
    def last(self) -> Point:
        """The last lap."""
        return self.series.points[-1]

    @property
    def first(self) -> int:
        """The lap from which the judged stretch begins."""
        return self.ratio.first if self.ratio else 0

    @property
    def limits(self) -> list[Estimate]:
        """What bounds the gains and is known well: one that only says "up to the ceiling somewhere" limits nothing."""
        found = (self.series.ceiling, self.series.endpoint)
        return [limit for limit in found if limit is not None and limit.high - limit.low < NEAR]

    @property
    def limit(self) -> Estimate | None:
        """The lowest of them."""
        return min(self.limits, key=lambda limit: limit.estimate, default=None)

    @property
    def left(self) -> Estimate | None:
        """What the lowest limit leaves, in ln units."""
        if self.last.left is not None or self.limit is None:
            return self.last.left
        return difference(self.limit, self.last.gain)

    @property
    def last_gain(self) -> Estimate:
        """What the last lap gained, in ln units."""
        return difference(self.last.gain, self.series.points[-2].gain)

    @property
    def has_arrived(self) -> bool:
        """Whether little is left, whatever comes."""
        return self.left is not None and self.left.high < NEAR

    @property
    def fades(self) -> bool:
        """Whether each lap gains less than the one before."""
        return self.ratio is not None and self.ratio.ratio.high < 1

    @property
    def ends_near_a_limit(self) -> bool:
        """Whether the gains add up to what the machine, or the space, allows."""
        end = self.ratio.asymptote.high if self.ratio else math.inf
        return any(limit.low - ENDS_NEAR <= end <= limit.high + ENDS_NEAR for limit in self.limits)

    @property
    def is_sustained(self) -> bool:
        """Whether laps go on gaining what those before gained, the last one too."""
        return self.ratio is not None and self.ratio.ratio.low > SUSTAINED and self.keeps_up

    @property
    def keeps_up(self) -> bool:
        """Whether the last lap gained what those before it did in the mean, give or take its own standard error.

        The ratio of a long stretch goes on saying that growth is exponential for up to two laps after it has begun to
        bend: of batching whose end lies where a lap more or less decides, 13 % then turned too late, with this 3 %.
        """
        before = self.series.points[self.first : -1]
        if len(before) < 2:
            return True
        mean = (before[-1].gain.estimate - before[0].gain.estimate) / (len(before) - 1)
        return self.last_gain.estimate + standard_error(self.last_gain) >= SUSTAINED * mean

    @property
    def grows(self) -> bool:
        """Whether the last lap gained something beyond noise."""
        return self.last_gain.low > 0

    @property
    def returns(self) -> bool:
        """Whether enough of a gain comes back as further gain."""
        return self.dials.product is not None and self.dials.product.low > SUSTAINED

    @property
    def beats_frozen(self) -> bool:
        """Whether the engine is better than it was at lap 0."""
        return self.last.engine is not None and self.last.engine.low > 0


def evidence_of(series: Series) -> Evidence:
    """What follows from two laps or more."""
    ratio = recent_ratio([point.gain for point in series.points])
    return Evidence(series, ratio, feedback(series.points[ratio.first if ratio else 0 :]))


def difference(a: Estimate, b: Estimate) -> Estimate:
    """``a - b`` of independent estimates; the halves of their intervals add in quadrature."""
    middle = a.estimate - b.estimate
    down = math.hypot(a.estimate - a.low, b.high - b.estimate)
    up = math.hypot(a.high - a.estimate, b.estimate - b.low)
    return Estimate(middle, middle - down, middle + up, a.level)
