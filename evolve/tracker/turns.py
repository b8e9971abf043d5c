"""All that there is to say of a closed loop, as the plain values that ``--json`` promises to other programs."""

from __future__ import annotations

import math
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from benchmarks.inference import Estimate, exponential
from evolve.deployed import deployment
from evolve.store.rows import plain
from evolve.tracker.evidence import difference
from evolve.tracker.laps import series
from evolve.tracker.rule import decide, word
from evolve.tracker.status import elapsed_s, status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evolve.store import Forecast, Lap, Loop, LoopEvent, Store
    from evolve.tracker.laps import Point

SCHEMA = 1
"""Raised when a field changes its meaning; fields may be added without."""


def turns(store: Store, loop_id: str) -> dict[str, Any]:
    """The facts of a loop, in plain values that are valid JSON.

    Gains are given twice: ``gain`` is ln S as it was measured, ``factor`` is S itself. ``step`` is what the lap gave
    beyond the one before. ``verdict`` of a lap is what the laps up to it show, ``verdict`` of the loop what all do.

    Raises:
        UsageError: there is no such loop.
        EvolveError: the store cannot be read.
    """
    loop = store.loop(loop_id)
    laps, events = store.laps(loop.id), store.loop_events(loop.id)
    forecasts = {forecast.lap: forecast for forecast in store.forecasts(loop.id)}
    shown = _laps(laps, forecasts, [word(series(laps[: k + 1])) for k in range(len(laps))])
    told = {
        "schema": SCHEMA,
        **_identity(loop),
        **_standing(events, laps),
        "laps": shown,
        "forecasts": _score(shown),
        "next": said(forecasts[len(laps)]) if len(laps) in forecasts else None,
        **_limits(laps),
        "verdict": _verdict(laps),
        "changes": _changes(shown),
        "expected": _expected(laps, shown),
        "at_work": _at_work(store, loop),
    }
    return {name: plain(value) for name, value in told.items()}


def _at_work(store: Store, loop: Loop) -> dict[str, Any] | None:
    """The engine that searches on the loop's machine begin with now; None for the usual one, and for other loops."""
    found = deployment(store, loop.machine) if loop.kind == "engine" else None
    return {"engine": found.engine_id, "at": found.at, "reason": found.reason} if found else None


def _identity(loop: Loop) -> dict[str, Any]:
    return {
        "loop": loop.id,
        "name": loop.name,
        "kind": loop.kind,
        "laps_asked": loop.laps,
        "seed": loop.seed,
        "machine": loop.machine,
        "options": loop.options,
        "versions": loop.versions,
        "created_at": loop.created_at,
    }


def _standing(events: Sequence[LoopEvent], laps: Sequence[Lap]) -> dict[str, Any]:
    reasons = [event.detail for event in events if event.kind == "failed"]
    return {
        "status": status(events),
        "failure": reasons[-1] if reasons else "",
        "elapsed_s": elapsed_s(events, [lap.finished_at for lap in laps]),
        "cpu_s": sum(lap.cpu_s for lap in laps),
    }


# ---- laps


def _laps(laps: Sequence[Lap], forecasts: Mapping[int, Forecast], verdicts: Sequence[str]) -> list[dict[str, Any]]:
    steps = [step(before, lap) for before, lap in zip([None, *laps], laps, strict=False)]
    spent_s = accumulate(lap.cpu_s for lap in laps)
    return [
        {
            **_lap(lap),
            "step": _plain(antilog(gained)),
            "spent_cpu_s": spent,
            "forecast": scored(forecasts[lap.lap], lap) if lap.lap in forecasts else None,
            "verdict": verdict,
        }
        for lap, gained, spent, verdict in zip(laps, steps, spent_s, verdicts, strict=True)
    ]


def _lap(lap: Lap) -> dict[str, Any]:
    return {
        "lap": lap.lap,
        "started_at": lap.started_at,
        "finished_at": lap.finished_at,
        "machine": lap.machine,
        "gain": _plain(lap.gain),
        "factor": _plain(antilog(lap.gain)),
        "engine": _plain(antilog(lap.engine)),
        "inputs": lap.inputs,
        "ceiling": _plain(antilog(lap.ceiling)),
        "endpoint": _plain(antilog(lap.endpoint)),
        "cpu_s": lap.cpu_s,
        "details": lap.details,
        "fault": lap.fault,
    }


def step(before: Lap | None, after: Lap) -> Estimate | None:
    """What a lap gained over the one before, in ln units: measured side by side, or else from the two gains.

    Gains were each measured against lap 0 in rounds of their own, so their errors are independent.
    """
    told = after.details.get("step")
    if told and after.details.get("is_new", True) and None not in told.values():
        return Estimate(**told)
    if before is None or before.gain is None or after.gain is None:
        return None
    return difference(after.gain, before.gain)


def antilog(estimate: Estimate | None) -> Estimate | None:
    """Of a logarithm the number itself."""
    return exponential(estimate) if estimate else None


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf  # beyond it there is no float64


def _plain(estimate: Estimate | None) -> dict[str, float | None] | None:
    return estimate.as_dict() if estimate else None


# ---- forecasts


def said(forecast: Forecast) -> dict[str, Any]:
    """What was said of a lap before it began."""
    return {"lap": forecast.lap, "factor": _plain(antilog(forecast.gain)), "reason": forecast.reason, "at": forecast.at}


def scored(forecast: Forecast, lap: Lap) -> dict[str, Any]:
    """A forecast beside what came: ``error`` is the measured S over the forecast one."""
    if lap.gain is None:
        return {**said(forecast), "error": None, "holds": None}
    expected, found = forecast.gain, lap.gain
    return {
        **said(forecast),
        "error": _exp(found.estimate - expected.estimate),
        # what was measured is uncertain too: a forecast is wrong where the two intervals have nothing in common
        "holds": expected.low <= found.high and found.low <= expected.high,
    }


def _score(laps: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    scored = [lap["forecast"]["holds"] for lap in laps if lap["forecast"] and lap["forecast"]["holds"] is not None]
    return {"made": len(scored), "held": sum(scored)}


# ---- where it ends


def _limits(laps: Sequence[Lap]) -> dict[str, Any]:
    """Ceiling and endpoint as they were found last, and the headroom: how much faster than now the ceiling is."""
    last = series(laps)
    left = _left(last.points[-1], last.ceiling) if last.points else None
    found = {"ceiling": last.ceiling, "endpoint": last.endpoint, "headroom": left}
    return {name: _plain(antilog(estimate)) for name, estimate in found.items()}


def _left(point: Point, ceiling: Estimate | None) -> Estimate | None:
    """As the lap itself measured it, or else from the ceiling."""
    if point.left is not None or ceiling is None:
        return point.left
    return difference(ceiling, point.gain)


def _verdict(laps: Sequence[Lap]) -> dict[str, Any]:
    """What these laps show, and the asymptote as a factor too."""
    found = decide(series(laps))
    return {**found.as_dict(), "asymptote_factor": _plain(antilog(found.asymptote))}


def _changes(laps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """At which lap the verdict became what."""
    pairs = pairwise([{"verdict": None}, *laps])
    return [{"lap": b["lap"], "verdict": b["verdict"]} for a, b in pairs if a["verdict"] != b["verdict"]]


def _expected(laps: Sequence[Lap], shown: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """At which laps the loop itself expected the verdict to change, before lap 1, and at which it did."""
    expected = laps[0].details.get("expected") if laps else None
    if not expected:
        return None
    return {**expected, "found": turned([lap["verdict"] for lap in shown])}


def turned(verdicts: Sequence[str]) -> dict[str, int | None]:
    """The last lap that was called COMPOUNDING, and the first that was called CAPPED; None where none was.

    Args:
        verdicts: as each lap arrived, from lap 0 on.
    """
    named = {word: [lap for lap, verdict in enumerate(verdicts) if verdict == word] for word in set(verdicts)}
    return {
        "last_compounding": max(named.get("COMPOUNDING", ()), default=None),
        "first_capped": min(named.get("CAPPED", ()), default=None),
    }
