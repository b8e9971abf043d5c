"""What laps of the loop ``engine`` show of the engine's parts, and what is to be said of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from evolve.report.quantities import factor, percent, speedup

if TYPE_CHECKING:
    from evolve.report.lap_details import Table

Told = Mapping[str, Any]

_HEADER = ("LAP", "ENGINE", "PART", "OF A GENERATION", "OVER ITS BOUND", "ALONE", "IN PLACE", "NOW", "GENES")


def parts(told: Told) -> Table:
    """A row for each part in each lap of which something is known."""
    return _HEADER, [
        (str(lap["lap"]), lap["details"]["engine"]["id"][:8], *_row(name, part))
        for lap in told["laps"]
        for name, part in lap["details"].get("parts", {}).items()
        if part
    ]


def _row(name: str, part: Told) -> tuple[str, ...]:
    share, gain, in_place = part.get("share"), part.get("gain"), part.get("in_place")
    return (
        name,
        percent(share["estimate"]) if share else "not called",
        factor(math.exp(part["room"])) if share else "",
        _speedup(gain),
        _speedup(in_place),
        _standing(part),
        " ".join(_gene(gene) for gene in part.get("genes", ())),
    )


def _standing(part: Told) -> str:
    if "run" not in part:
        return "as before"
    return "refused" if part["refused"] else "new" if part["is_new"] else "as before"


def _gene(gene: Told) -> str:
    worth = f" ({factor(math.exp(gene['worth']))})" if gene["worth"] is not None else ""
    return f"{gene['gene']}={gene['value']}{worth}"


def _speedup(gain: Told | None) -> str:
    from benchmarks.inference import Estimate, exponential  # noqa: PLC0415 - numpy, which no help needs

    if gain is None:
        return ""
    known = {name: end for name, end in gain.items() if end is not None}
    return speedup(exponential(Estimate(**{"low": -math.inf, "high": math.inf, **known})).as_dict())


def remarks(told: Told) -> Iterator[tuple[str, str]]:
    """What went in circles, what laps return to the loop, and which engine works now."""
    for last in told["laps"][-1:]:
        yield from _circles(last["details"].get("cycling", {}))
        if last["lap"] and last["engine"]:
            yield "as it is", f"{speedup(last['engine'])} the frozen engine in a real run"
    at_work = told.get("at_work")
    yield "at work", f"{at_work['engine']}, {at_work['reason']}" if at_work else "the usual engine"


def _circles(cycling: Told) -> Iterator[tuple[str, str]]:
    for name, found in cycling.items():
        if found["changes"]:
            back = ", ".join(found["returned"]) or "none"
            yield "cycling", f"{name}: {found['changes']} genes changed between laps; went back: {back}"
