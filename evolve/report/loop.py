"""What came of a closed loop, in words: its laps, the dials, the verdict with all that it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from evolve.report import lap_details
from evolve.report.quantities import clock, factor, number, plain_number, speedup
from evolve.report.text import facts, table
from evolve.tracker.turns import antilog, said, scored

if TYPE_CHECKING:
    from evolve.store import Forecast, Lap

Told = Mapping[str, Any]
"""What ``evolve.tracker.turns.turns`` returns."""

WHAT = {
    "kernels": "search for a faster kernel, again and again from the champion of the lap before",
    "batching": "the throughput that a lap reached pays for the next lap's larger batch",
    "replicators": "workers whose finished work pays for more workers",
    "engine": "the search's own kernels, evolved by the very search that runs on them",
    "policy": "rules by which races end, evolved at equal decision error, for more evaluations a second",
    "search": "the search tunes its own settings, with those of the lap before",
    "model": "a surrogate that is taught by what was verified of its own proposals",
    "tricks": "what the other loops found, switched on one a lap: how it stacks",
}
"""What a loop does, by its kind."""

MEANINGS = {
    "CAPPED": "the gains end, at or near a limit that was measured",
    "COMPOUNDING": "each lap gains as much as the one before or more, and its gain is what pays for the next",
    "UNDECIDED": "these laps do not show which",
}
"""Of the verdicts, for a layman."""

DIALS = {
    "ratio": ("rho", "a lap gains {} times what the one before gained; at 1 growth is exponential"),
    "eta": ("eta", "1 % gained makes the engine {} % faster"),
    "xi": ("xi", "1 % more research input gains {} %"),
    "feedback": ("eta*xi", "of 1 % gained {} % comes back; from 1 on growth does not slow down"),
}
"""The four dials, by their place in a verdict: symbol, and what it says to a layman."""

FAR = 1e9
"""A factor beyond which an asymptote is none."""
NO_RATES = "not measured on this machine yet: `evolve verdict --controls` does that"
HEADER = ("LAP", "OVER LAP 0", "THIS LAP", "FORECAST", "HELD", "SO FAR")


def brief(told: Told, rates: str = "") -> str:
    """The verdict with all that it rests on.

    Args:
        told: what ``turns`` returns.
        rates: how often such verdicts are wrong, in words; "" where that was not measured.
    """
    return "\n\n".join([headline(told), facts([*_standing(told), *dials(told)]), facts(verdict(told, rates))])


def full(told: Told, rates: str = "") -> str:
    """The same after all laps, each beside what was said of it before it began."""
    laps = [lap_table(told), lap_details.text(told)]
    parts = [headline(told), *laps, facts([*_standing(told), *dials(told)]), facts(verdict(told, rates))]
    return "\n\n".join(part for part in parts if part)


def headline(told: Told) -> str:
    """Which loop this is, what it does, and how it stands."""
    name = f" ({told['name']})" if told["name"] else ""
    what = f"\n{WHAT[told['kind']]}" if told["kind"] in WHAT else ""
    return f"loop {told['loop']}{name}, {progress(told)}{what}"


def progress(told: Told) -> str:
    """How far a loop has come."""
    made = max(0, len(told["laps"]) - 1)
    failure = f": {told['failure']}" if told["status"] == "failed" and told["failure"] else ""
    return f"{told['status']} after {made} of {told['laps_asked']} laps in {clock(told['elapsed_s'])}{failure}"


# ---- laps


def lap_table(told: Told) -> str:
    """A line a lap; "" where there is none yet."""
    rows = lap_rows(told)
    return table(HEADER, rows) if rows else ""


def lap_rows(told: Told) -> list[tuple[str, ...]]:
    """Cells under ``HEADER``, for each lap but the first."""
    return [_row(lap) for lap in told["laps"] if lap["lap"]]


def _row(lap: Told) -> tuple[str, ...]:
    if lap["factor"] is None:
        return str(lap["lap"]), f"broken: {lap['fault']}"[:60], "", "", "", lap["verdict"]
    forecast = lap["forecast"]
    return (
        str(lap["lap"]),
        speedup(lap["factor"]),
        speedup(lap["step"]) if lap["step"] else "",
        ends(forecast["factor"]) if forecast else "",
        held(forecast),
        lap["verdict"],
    )


def ends(estimate: Told) -> str:
    """An interval alone: ``1.96 to 2.04``."""
    low, high = (number(estimate[end]) if estimate[end] is not None else "open" for end in ("low", "high"))
    return f"{low} to {high}"


def held(forecast: Told | None) -> str:
    """Whether a forecast came true."""
    if forecast is None or forecast["holds"] is None:
        return ""
    return "yes" if forecast["holds"] else "no"


def forecast_line(forecast: Forecast) -> str:
    """What is said of a lap before it begins."""
    expected = speedup(said(forecast)["factor"])
    return f"lap {forecast.lap} is forecast to reach {expected} lap 0: {forecast.reason}"


def lap_line(lap: Lap, forecast: Forecast | None) -> str:
    """What a lap came to, and what its forecast was worth."""
    found = antilog(lap.gain)
    if found is None:
        return f"lap {lap.lap} came to nothing: {lap.fault}"
    if not lap.lap:
        return "lap 0, the frozen start, is measured"
    return f"lap {lap.lap} reached {speedup(found.as_dict())} lap 0{_score(scored(forecast, lap)) if forecast else ''}"


def _score(scored: Told) -> str:
    return ", as forecast" if scored["holds"] else f", {factor(scored['error'])} what was forecast"


# ---- where it stands


def _standing(told: Told) -> Iterator[tuple[str, str]]:
    laps = [lap for lap in told["laps"] if lap["factor"]]
    if laps and laps[-1]["lap"]:
        last = laps[-1]
        step = f"; that lap gave {speedup(last['step'])}" if last["step"] else ""
        yield "now", f"{speedup(last['factor'])} what it was at lap 0, after lap {last['lap']}{step}"
    yield "ceiling", ceiling(told)
    if told["endpoint"]:
        found_by = told["laps"][0]["details"].get("endpoint_by", "by the tail of what random draws found")
        yield "this space", f"ends at {speedup(told['endpoint'])}, {found_by}"
    yield "forecasts", forecasts(told)
    yield "turns", turning(told)
    if expected := told["next"]:
        yield "next lap", f"{speedup(expected['factor'])} is expected: {expected['reason']}"


def ceiling(told: Told) -> str:
    """How far the machine lets it go, and what of that is left."""
    if not told["ceiling"]:
        return "not known"
    left = told["headroom"]
    room = f"; {speedup(left)} is left" if left else ""
    found_by = told["laps"][0]["details"].get("ceiling_by", "as the machine itself was measured to allow")
    return f"{speedup(told['ceiling'])}, {found_by}{room}"


def forecasts(told: Told) -> str:
    """How many forecasts came true."""
    made, kept = told["forecasts"]["made"], told["forecasts"]["held"]
    return f"{kept} of {made} agreed with what came, each made before its lap" if made else ""


def turning(told: Told) -> str:
    """Where the loop was expected to stop compounding and to be capped, and where the verdict changed."""
    expected = told["expected"]
    if not expected:
        return ""
    return f"before lap 1 {_turn(expected)} was expected; the verdict found {_turn(expected['found'])}"


def _turn(laps: Told) -> str:
    last, first = laps.get("last_compounding"), laps.get("first_capped")
    grows = f"compounding up to lap {last}" if last else "no compounding"
    return f"{grows}, {f'capped from lap {first} on' if first else 'no cap'}"


def dials(told: Told) -> list[tuple[str, str]]:
    """The four dials, and where the gains would end."""
    shown = told["verdict"]
    rows = [(symbol, _dial(shown[name], says)) for name, (symbol, says) in DIALS.items() if shown[name]]
    return [*rows, ("asymptote", asymptote(shown))]


def _dial(estimate: Told, says: str) -> str:
    if estimate["estimate"] is None:
        return "beyond all bounds"
    if estimate["low"] == estimate["high"] == 0:
        return "0 exactly: the loop leaves its engine as it is"
    meaning = says.format(f"{estimate['estimate']:.2f}")
    return f"{plain_number(estimate)}: {meaning}"


def asymptote(shown: Told) -> str:
    """Where gains that go on shrinking as they did add up to; "" where that is not known."""
    found = shown["asymptote_factor"]
    if found is None:
        return ""
    if found["estimate"] is None or found["estimate"] > FAR:
        return "no end in sight: at this ratio gains go on"
    if found["high"] is None or found["high"] > FAR:
        return f"{factor(found['estimate'])} or more: at least {factor(found['low'])}, and perhaps no end"
    return f"{speedup(found)}: what laps of this ratio add up to"


# ---- the verdict


def verdict(told: Told, rates: str = "") -> list[tuple[str, str]]:
    """Verdict, reasons, every leg, what would overturn it, what would decide it, and how often it is wrong."""
    shown = told["verdict"]
    return [
        ("VERDICT", f"{shown['verdict']}{since(told)}: {MEANINGS[shown['verdict']]}"),
        *[("", reason) for reason in reasons(shown)],
        *[(leg["name"], leg_text(leg)) for leg in shown["legs"]],
        ("overturned", f"by {shown['overturn']}" if shown["verdict"] != "UNDECIDED" else ""),
        ("decided", to_decide(shown)),
        ("error rates", rates or NO_RATES),
    ]


def since(told: Told) -> str:
    """From which lap on the verdict has stood, and what it was before."""
    changes = told["changes"]
    if len(changes) < 2:
        return ""
    before = f"{changes[-2]['verdict']} from lap {changes[-2]['lap']} on"
    return f" since lap {changes[-1]['lap']} ({before})"


def reasons(shown: Told) -> list[str]:
    """Reasons that are no mere repetition of a leg."""
    legs = tuple(leg["says"] for leg in shown["legs"])
    return [reason for reason in shown["reasons"] if not reason.startswith(legs)] if legs else [*shown["reasons"]]


def leg_text(leg: Told) -> str:
    """One leg: what was found, what it is held against, and which verdict it speaks for."""
    return f"{speaks(leg)}. {leg['says'][:1].upper()}{leg['says'][1:]}: {found(leg)} ({leg['bar']})"


def found(leg: Told) -> str:
    """A leg's figure."""
    return "not known" if leg["found"] is None else plain_number(leg["found"])


def speaks(leg: Told) -> str:
    """Which verdict a leg supports."""
    return f"for {leg['speaks_for']}" if leg["speaks_for"] else "for neither"


def to_decide(shown: Told) -> str:
    """How many more laps would decide it."""
    laps = shown["laps_to_decide"]
    if shown["verdict"] != "UNDECIDED":
        return ""
    if laps is None:
        return "more laps alone would not decide it"
    return f"by about {laps} more lap{'s' if laps != 1 else ''}, if they go on like this"
