"""What the laps of loop ``tricks`` show beside their gain: what each level is worth, and what pairs gain beyond."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.inference import Estimate, exponential
from evolve.report.quantities import factor, percent, speedup
from evolve.tracker.factorial import LEAST, word

Told = Mapping[str, Any]

HEADER = ("TRICKS", "FACTOR", "SAYS")
_ACTS_ON = {"engine": "search", "policy": "races"}
"""On which part of the time a level acts that changes nothing of what is evaluated."""


def table(told: Told) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Main effects and pairs of the last lap's factorial, then all tricks together beside each by itself."""
    last = _last(told)
    return HEADER, [*_effects(last), *_together(last["stacking"])] if last else []


def remarks(told: Told) -> Iterator[tuple[str, str]]:
    """How tricks stack, what they are, and where the time went before any of them was on."""
    last = _last(told)
    if last is None:
        return
    stacks, start = last["stacking"], told["laps"][0]["details"]
    expected, together = (factor(math.exp(stacks[name]["estimate"])) for name in ("expected", "together"))
    yield "stacking", f"{stacks['word']}: {together} together, where gains that add would come to {expected}"
    for name, single in stacks["singles"].items():
        if single["low"] == single["high"] == 0:
            yield name, "changes nothing by itself: what it acts on is switched on by another level"
    yield from ((f"level {level['name']}", level["says"]) for level in start["levels"])
    spent = start["shares"]
    yield "spent on", ", ".join(f"{name} {100 * share:.2g} %" for name, share in spent.items())
    most = ", ".join(f"{level} {_most(spent[part])}" for level, part in _ACTS_ON.items())
    yield "at most", f"{most}: by Amdahl's law, were all races, or all of the search's own work, for nothing"
    yield "searches", f"{percent(last['near'])} of them came within 5 % of the optimum; the others count as if they had"


def _last(told: Told) -> Told | None:
    """Details of the last lap that has a factorial."""
    return next((lap["details"] for lap in reversed(told["laps"]) if "effects" in lap["details"]), None)


def _effects(details: Told) -> Iterator[tuple[str, ...]]:
    for effect in details["effects"]:
        factors, found = effect["factors"], Estimate(**effect["gain"])
        if len(factors) == 1:
            yield factors[0], _speedup(found), _worth(found)
        elif len(factors) == 2:
            yield " x ".join(factors), _speedup(found), word(found)


def _together(stacks: Told) -> Iterator[tuple[str, ...]]:
    yield "each by itself", _speedup(Estimate(**stacks["expected"])), "multiplied: with all others off"
    yield "all together", _speedup(Estimate(**stacks["together"])), "over none of them"
    yield "beyond the product", _speedup(Estimate(**stacks["beyond"])), stacks["word"]


def _speedup(found: Estimate) -> str:
    return speedup(exponential(found).as_dict())


def _most(share: float) -> str:
    return f"{1 / (1 - share):.4g}x" if share < 1 else "any factor"


def _worth(found: Estimate) -> str:
    if abs(found.estimate) < LEAST or found.low <= 0 <= found.high:
        return "nothing that counts"
    return f"{'gains' if found.estimate > 0 else 'costs'}, over all settings of the others"
