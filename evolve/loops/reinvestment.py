"""What is made buys the means of making more: the law that both controls follow, whatever makes it.

Capital k + 1 is capital k and what its throughput earns in one slot: c_(k+1) = c_k + f(c_k) slot / price. The price is
such that lap 0 doubles the capital, so that slot and price cancel: c_(k+1) = c_k + c_0 S_k with S_k = f(c_k) / f(c_0),
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
from evolve.errors import Interrupted
from evolve.loops.protocol import Expectation, Turned
from evolve.tracker.evidence import SUSTAINED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.throughput import Compared
    from evolve.loops.protocol import Around
    from evolve.store import Lap

NOTHING = Estimate(0.0, 0.0, 0.0)
"""The gain of lap 0 over itself."""


MOST_LAPS = 64
"""That a law is followed ahead."""


def next_capital(laps: Sequence[Lap], start: float = 1.0) -> float:
    """Capital of the lap that follows: what there was, and what the last lap's throughput earned."""
    last = laps[-1]
    assert last.gain is not None
    return last.inputs + start * math.exp(last.gain.estimate)


def units(capital: float) -> int:
    """Whole machines, or elements, for a capital: 3.98 are 4 that were measured 0.5 % low."""
    return max(1, round(capital))


def frozen(ceiling: Estimate, details: Mapping[str, Any]) -> Turned:
    """Lap 0 of a capital of 1."""
    return Turned(gain=NOTHING, engine=NOTHING, inputs=1.0, ceiling=ceiling, details={"units": 1, **details})


def turned(capital: float, found: Compared, details: Mapping[str, Any]) -> Turned:
    """A lap of that capital, measured."""
    shown = {
        "units": units(capital),
        "frozen_per_s": found.frozen_per_s.as_dict(),
        "throughput_per_s": found.present_per_s.as_dict(),
        "blocks": [list(block) for block in found.blocks],
    }
    return Turned(gain=found.gain, engine=found.gain, inputs=capital, details={**shown, **details})


def expected(throughput: Callable[[int], float], has_ended: Callable[[float, float], bool]) -> dict[str, int | None]:
    """Where a law says that growth ends, to be held against the laps at which the verdict turns.

    Args:
        throughput: f(n) / f(1) by the law.
        has_ended: ``(ln S, gain of the lap)``: whether the law is through.

    Returns:
        ``last_compounding``, the last lap of those that gain ``SUSTAINED`` of what the one before gained or more, and
        ``first_capped``; None where that lies beyond ``MOST_LAPS``.
    """
    capital, logs = 1.0, [0.0]
    for _ in range(MOST_LAPS):
        capital += math.exp(logs[-1])
        logs.append(math.log(throughput(units(capital))))
    gains = [after - before for before, after in pairwise(logs)]
    slowed = (lap for lap, (before, after) in enumerate(pairwise(gains), start=1) if after < SUSTAINED * before)
    ended = (lap for lap, gain in enumerate(gains, start=1) if has_ended(logs[lap], gain))
    return {"last_compounding": next(slowed, None), "first_capped": next(ended, None)}


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
    """By how much a measurement of a lap misses, from the laps so far; 2 % where there are none yet."""
    halves = [(lap.gain.high - lap.gain.low) / 2 for lap in laps[1:] if lap.gain is not None]
    return max(halves, default=0.02)


def stopping(around: Around) -> Callable[[], None]:
    """Called between measurements: ends the lap where the user asked for it."""

    def look() -> None:
        if around.stop.is_set:
            raise Interrupted(around.loop.id, "loop")

    return look
