"""What a further lap of search will give, said beforehand: the law of record draws below an end.

All N evaluations so far are taken for independent draws, the best of which, s, is the champion. Then the probability
for a draw to beat s is E1 / N, and that to beat the best of n further draws E2 / n, with E1 and E2 exponential,
whatever the distribution (Renyi 1962), so t = n Fbar(best) / (N Fbar(s)) = E2 / E1 lies below x with probability
x / (1 + x). Above s the tail is a generalised Pareto law of index xi < 0 with its end at e (Pickands-Balkema-de Haan;
growth.md 2.3), so the share q of all laps leaves at least

    (e - best) / (e - s) = min(1, (1 - q) / q N / n)^(-xi).

After as many draws again half of all laps find nothing. Simulated with the law as given, for xi = -1/4, -1/2, -1, N
from 25 to 200 and n from 24 to 300, the central 95 % held the best in 97.5 %: the lower end is no gain at all, below
which nothing falls. A search that learns does better than draws, one that is stuck worse: the forecasts' scores tell.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from benchmarks.inference import Estimate
from evolve.loops.protocol import Expectation

if TYPE_CHECKING:
    from evolve.tracker.tail import Tail

INDEX = -0.5
"""Tail index where none is known: a gap that halves with four times the draws, as in growth.md section 4."""
LEAST, MOST = 0.1, 2.0
"""Between these the exponent -xi is believed."""


def unknown(ceiling: float) -> Expectation:
    """The forecast of lap 1, before anything was searched: anywhere from the plain loop to the ceiling.

    Args:
        ceiling: ln of the greatest S that the machine allows.
    """
    top = max(0.0, ceiling)
    reason = f"nothing was searched yet: between the plain loop and the ceiling, {math.exp(top):.3g}x"
    return Expectation(Estimate(top / 2, 0.025 * top, 0.975 * top), reason)


def next_gain(last: Estimate, draws: float, more: float, ceiling: float, tail: Tail | None) -> Expectation:
    """The ln S after further draws.

    Args:
        last: ln S now, measured.
        draws: evaluations so far, 1 at least.
        more: evaluations to come.
        ceiling: ln of the greatest S that the machine allows.
        tail: of the control arm's scores; None where there are too few.
    """
    end, exponent, why = _law(last.estimate, ceiling, tail)
    room = max(0.0, end - last.estimate)
    low, median, high = (room * (1 - _gap_left(q, draws, more, exponent)) for q in (0.025, 0.5, 0.975))
    # both laps are measured, and each with this interval
    noise = math.sqrt(2) * (last.high - last.low) / 2
    centre = last.estimate
    found = Estimate(centre + median, centre + low - noise, centre + math.hypot(high, noise))
    return Expectation(found, f"{more:.0f} further draws after {draws:.0f}, {why}")


def _law(now: float, ceiling: float, tail: Tail | None) -> tuple[float, float, str]:
    """End in ln S, exponent -xi, and where they come from."""
    end, index = math.inf, INDEX
    if tail is not None:
        end, index = tail.endpoint.estimate, tail.index.estimate
    exponent = min(MOST, max(LEAST, -index)) if index < 0 else -INDEX
    if now < end < ceiling:
        return end, exponent, f"below the end of the control arm's tail, {math.exp(end):.3g}x"
    return ceiling, exponent, f"below the ceiling, {math.exp(ceiling):.3g}x"


def _gap_left(quantile: float, draws: float, more: float, exponent: float) -> float:
    """The share of the gap below which the share ``quantile`` of all laps does not come."""
    return float(min(1.0, (1 - quantile) / quantile * draws / max(more, 1.0)) ** exponent)
