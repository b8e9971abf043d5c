"""What is made buys the means of making more: the law that both controls follow, whatever makes it.

Capital k + 1 is capital k and what its throughput earns in one slot: c_(k+1) = c_k + f(c_k) slot / price. The price is
such that lap 0 doubles its capital of 1, so that slot and price cancel: c_(k+1) = c_k + S_k with S_k = f(c_k) / f(1),
the throughput of the lap over that of lap 0, both measured in the same minute. While f is linear every lap doubles
capital and throughput (rho = 1, eta = 1, xi = 1: exponential growth). Where f reaches its limit capital still grows, by
as much as before, and throughput no more. It is the AK model, f(c) = A c (Rebelo, Journal of Political Economy 99,
1991), in a world that ends.

The engine that buys capital is the very throughput that is measured: G_k = S_k.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from benchmarks.inference import Estimate
from evolve.loops.protocol import Expectation, Turned
from evolve.tracker.evidence import SUSTAINED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.throughput import Compared
    from evolve.store import Lap

NOTHING = Estimate(0.0, 0.0, 0.0)
"""The gain of lap 0 over itself."""
MOST_LAPS = 64
"""That a law is followed ahead."""


def next_capital(laps: Sequence[Lap]) -> float:
    """Capital of the lap that follows: what there was, and what the last lap's throughput earned."""
    last = laps[-1]
    assert last.gain is not None
    return last.inputs + math.exp(last.gain.estimate)


def units(capital: float) -> int:
    """Whole machines, or elements, for a capital: 3.98 are 4 that were measured 0.5 % low."""
    return max(1, round(capital))


def frozen(most: Estimate, itself: Compared, shown: Mapping[str, Any]) -> Turned:
    """Lap 0, of a capital of 1.

    Args:
        most: throughput that the machine allows.
        itself: the frozen start measured against itself.
        shown: further details.
    """
    details = {
        "units": 1,
        "throughput_per_s": itself.frozen_per_s.as_dict(),
        "most_per_s": most.as_dict(),
        "itself": itself.gain.as_dict(),
        **shown,
    }
    return Turned(
        gain=NOTHING, engine=NOTHING, inputs=1.0, ceiling=ratio_to(most, itself.frozen_per_s), details=details
    )


def turned(capital: float, found: Compared, shown: Mapping[str, Any]) -> Turned:
    """A lap of that capital, measured, with further details."""
    details = {
        "units": units(capital),
        "frozen_per_s": found.frozen_per_s.as_dict(),
        "throughput_per_s": found.present_per_s.as_dict(),
        "blocks": [list(block) for block in found.blocks],
        **shown,
    }
    return Turned(gain=found.gain, engine=found.gain, inputs=capital, details=details)


def expected(gain: Callable[[float, int], float], end: Callable[[int], float]) -> dict[str, int | None]:
    """Where a law says that growth ends, to be held against the laps at which the verdict turns.

    Capital is not rounded here: in a bend whole machines make the gains' ratio jump by a few percent.

    Args:
        gain: ln f(c) / f(1) by the law, of a capital and at a lap.
        end: the gain at which the loop is capped, at a lap.

    Returns:
        ``last_compounding``, the last of the laps that all gain more than ``SUSTAINED`` of what the one before gained,
        and of ln 2 in lap 1; and ``first_capped``. None where that lies beyond ``MOST_LAPS``.
    """
    capital, logs = 1.0, [0.0]
    for lap in range(1, MOST_LAPS + 1):
        capital += math.exp(logs[-1])
        logs.append(gain(capital, lap))
    gains = [math.log(2), *(after - before for before, after in pairwise(logs))]
    slowed = next((lap for lap, (before, after) in enumerate(pairwise(gains)) if after <= SUSTAINED * before), None)
    ended = next((lap for lap, reached in enumerate(logs) if lap and reached >= end(lap)), None)
    ends = [lap for lap in (slowed, ended - 1 if ended else None) if lap is not None]
    return {"last_compounding": min(ends, default=None), "first_capped": ended}


def ratio_to(rate: Estimate, start: Estimate) -> Estimate:
    """The ln of one rate over another that was measured apart, their relative errors added in quadrature."""
    centre = math.log(rate.estimate / start.estimate)
    down = math.hypot(math.log(rate.estimate / rate.low), math.log(start.high / start.estimate))
    up = math.hypot(math.log(rate.high / rate.estimate), math.log(start.estimate / start.low))
    return Estimate(centre, centre - down, centre + up)


def foretold(laps: Sequence[Lap], law: Estimate, reason: str) -> Expectation:
    """A forecast: what a law allows for ln S, widened by what measuring it misses.

    Args:
        laps: so far.
        law: the likeliest, the least and the most by the law.
        reason: from what it follows.
    """
    noise = noise_of(laps)
    return Expectation(Estimate(law.estimate, law.low - noise, law.high + noise), reason)


def noise_of(laps: Sequence[Lap]) -> float:
    """By how much a measurement of a lap misses: the widest half of an interval so far, that of lap 0 on itself too."""
    itself = laps[0].details.get("itself")
    halves = [(lap.gain.high - lap.gain.low) / 2 for lap in laps[1:] if lap.gain is not None]
    return max([*halves, *([(itself["high"] - itself["low"]) / 2] if itself else [])], default=0.02)
