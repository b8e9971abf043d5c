"""Several closed loops on one screen: what they gained, below which ceiling, what the verdicts are, how often wrong."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from evolve.report.loop import NO_RATES, Told
from evolve.report.quantities import factor, plain_number, speedup
from evolve.report.terminal import sparkline
from evolve.report.text import facts, table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_BLOCKS = "_.-~=+*#"
_LETTERS = {"CAPPED": "c", "COMPOUNDING": "C", "UNDECIDED": "."}


def argument(loops: Sequence[Told], rates: str = "") -> str:
    """Loops side by side, a column each.

    Args:
        loops: what ``turns`` returns of each.
        rates: how often such verdicts are wrong, in words; "" where that was not measured.
    """
    rows: tuple[tuple[str, Callable[[Told], str]], ...] = (
        ("S lap by lap", _curve),
        ("verdicts", _verdicts),
        ("last lap", _last),
        ("ceiling", _ceiling),
        ("gain of a lap", _steps),
        ("rho", lambda told: _figure(told, "ratio")),
        ("eta*xi", lambda told: _figure(told, "feedback")),
        ("legs", _evidence),
        ("forecasts", _forecasts),
    )
    shown = table(("", *(str(told["kind"]) for told in loops)), [(label, *map(said, loops)) for label, said in rows])
    legend = "S: log scale up to the ceiling; verdicts: . undecided, C compounding, c capped"
    verdicts = [(str(told["kind"]), _verdict(told)) for told in loops]
    return "\n".join([shown, "", legend, "", facts([*verdicts, ("error rates", rates or NO_RATES)])])


def history(told: Told) -> str:
    """The verdict, and those before it: ``COMPOUNDING in laps 4 to 8, CAPPED since lap 11``."""
    changes = told["changes"] or [{"lap": 0, "verdict": "UNDECIDED"}]
    passed = [
        f"{one['verdict']} in lap{'s' if one['lap'] < last else ''} {_span(one['lap'], last)}"
        for one, last in ((one, after["lap"] - 1) for one, after in pairwise(changes))
        if one["lap"]
    ]
    since = f" since lap {changes[-1]['lap']}" if changes[-1]["lap"] else ""
    return ", ".join([*passed, f"{changes[-1]['verdict']}{since}"])


def _verdict(told: Told) -> str:
    """The history of the verdict, and why it is open where it is."""
    shown = told["verdict"]
    why = f": {shown['reasons'][0]}" if shown["verdict"] == "UNDECIDED" and shown["reasons"] else ""
    return f"{history(told)}{why}"


def _span(first: int, last: int) -> str:
    return f"{first} to {last}" if first < last else str(first)


def _factors(told: Told) -> list[float]:
    return [lap["factor"]["estimate"] if lap["factor"] else math.nan for lap in told["laps"]]


def _curve(told: Told) -> str:
    found = _factors(told)
    top = (told["ceiling"] or {}).get("estimate") or max(found, default=1.0)
    return sparkline(tuple(found), low=1.0, high=top, width=len(found), blocks=_BLOCKS)


def _verdicts(told: Told) -> str:
    return "".join(_LETTERS[lap["verdict"]] for lap in told["laps"])


def _last(told: Told) -> str:
    measured = [lap for lap in told["laps"] if lap["factor"]]
    return f"{speedup(measured[-1]['factor'])} lap 0" if measured else "none"


def _ceiling(told: Told) -> str:
    if not told["ceiling"]:
        return "not known"
    left = f", {factor(told['headroom']['estimate'])} left" if told["headroom"] else ""
    return f"{factor(told['ceiling']['estimate'])}{left}"


def _steps(told: Told) -> str:
    """Of the first laps and of the last one: all of them would be too wide."""
    steps = [factor(lap["step"]["estimate"]) for lap in told["laps"] if lap["step"]]
    return " ".join(steps) if len(steps) <= 4 else " ".join([*steps[:2], "...", steps[-1]])


def _figure(told: Told, name: str) -> str:
    found = told["verdict"][name]
    return plain_number(found) if found and found["estimate"] is not None else "not known"


def _evidence(told: Told) -> str:
    """How many legs speak for which verdict."""
    said = [leg["speaks_for"] for leg in told["verdict"]["legs"] if leg["speaks_for"]]
    return ", ".join(f"{said.count(word)} {word}" for word in dict.fromkeys(said)) or "none"


def _forecasts(told: Told) -> str:
    made = told["forecasts"]["made"]
    return f"{told['forecasts']['held']} of {made} agreed" if made else "none"
