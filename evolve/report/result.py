"""What came of a run, in words: a summary's plain values made readable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evolve.report import outlook, promotion
from evolve.report.loop import NO_RATES
from evolve.report.quantities import clock, extents, factor, number, percent, seconds, speedup, terms
from evolve.report.text import facts

Told = Mapping[str, Any]
"""What ``evolve.tracker.summary`` returns."""

_TWO = 2
"""Points make a front."""
_SOURCES = {
    "published": "",
    "checkpoint": " (measured while searching, not yet in fresh processes)",
    "search_estimate": "",
}


def brief(told: Told) -> str:
    """What a user wants to know when a run ends."""
    return "\n".join(
        [
            headline(told),
            "",
            facts([*champion(told), ("luck", luck(told)), *stopped(told), *_doubts(told), *_time(told)]),
        ]
    )


def full(told: Told, rates: str = "") -> str:
    """All of it.

    Args:
        told: the summary.
        rates: how often verdicts on loops are wrong here, in words; "" where that was not measured.
    """
    return "\n".join(
        [
            headline(told),
            "",
            facts([*champion(told), *promotion.evidence(told), *_schedule(told), *_accuracy(told)]),
            "",
            outlook.outlook(told),
            "",
            facts([*_verdict(told), ("error rates", rates or NO_RATES)]),
            "",
            facts([*_search(told), *stopped(told), *_doubts(told), *_time(told), *_origin(told)]),
        ]
    )


def headline(told: Told) -> str:
    """Which run this is, and how it stands."""
    problem = told["problem"]
    held = terms(problem["threads"], problem["policy"])
    name = f" ({told['name']})" if told["name"] else ""
    done = f"{told['status']} after {told['evaluations']} evaluations in {clock(told['elapsed_s'])}"
    return f"{told['kernel']} {extents(problem['size'])} {problem['dtype']}, {held}\nrun {told['run']}{name}, {done}"


def champion(told: Told) -> list[tuple[str, str]]:
    """The champion against baseline, rivals and bound."""
    best = told["champion"]
    if best is None:
        return [("champion", "none: nothing was right and faster than the plain loop")]
    if told["status"] == "finished" and best["source"] == "search_estimate":
        believed = f"; the search's best guess was {_guess(best)}"
        return [("champion", f"none: nothing beat the plain loop in a race{believed}"), ("bound", _bound(best))]
    if refusal := promotion.refusal(best):
        return [("champion", refusal), ("bound", _bound(best))]
    return [
        ("champion", _speed(best)),
        *[(f"vs {name}", f"{speedup(rival)} its speed") for name, rival in best["rivals"].items()],
        ("bound", _bound(best)),
    ]


def _speed(best: Mapping[str, Any]) -> str:
    if best["speedup"] is None:
        return f"not measured afresh yet; the search believes in {_guess(best)}"
    a_call = f", {seconds(best['time_s'])} a call" if best["time_s"] else ""
    return f"{speedup(best['speedup'])} the speed of the plain loop{a_call}{_SOURCES[best['source']]}"


def _guess(best: Mapping[str, Any]) -> str:
    believed = best["search_estimate"]["speedup"]
    return factor(believed) if believed else "nothing yet"


def _bound(best: Mapping[str, Any]) -> str:
    if best["bound"] is None:
        return "not known yet"
    cap = f"; cap {factor(best['cap'])}" if best["cap"] else ""
    limits = f"at least {seconds(best['bound']['time_s'])} a call, by {best['bound']['limit']}{cap}"
    if best["bound_fraction"] is None:
        return limits
    return f"{percent(best['bound_fraction'])} of what this machine allows: {limits}"


def luck(told: Told) -> str:
    """What random draws would have found, and whether the search is more than that."""
    return "; ".join(filter(None, (outlook.best_of(told), outlook.ahead(told["null"]))))


def _time(told: Told) -> list[tuple[str, str]]:
    """Shares of the wall time by phase."""
    total_s = sum(told["phases_s"].values())
    shares = (f"{name} {percent(value / total_s)}" for name, value in told["phases_s"].items() if total_s)
    return [("time", ", ".join(shares))]


def _schedule(told: Told) -> list[tuple[str, str]]:
    best = told["champion"]
    if best is None:
        return []
    values = " ".join(f"{name}={value}" for name, value in best["schedule"].items())
    return [("schedule", f"{values} (evaluation {best['evaluation']})"), ("source", best["source_hash"] or "")]


def _verdict(told: Told) -> list[tuple[str, str]]:
    verdict = told["verdict"]
    return [("verdict", f"{verdict['verdict']}: {verdict['reasons'][0]}")]


def _accuracy(told: Told) -> list[tuple[str, str]]:
    """What is fastest at each error, where schedules differ in it."""
    found = told["accuracy"]["front"] if told["accuracy"] else []
    if len(found) < _TWO:
        return []
    ends = f"{factor(found[0]['search_speedup'])} at {percent(found[0]['error'])} of the tolerated error"
    least = f"{factor(found[-1]['search_speedup'])} at {percent(found[-1]['error'])}"
    return [("accuracy", f"{len(found)} schedules on the front, from {ends} to {least} (search estimates)")]


def _search(told: Told) -> list[tuple[str, str]]:
    counts = ", ".join(f"{count} {kind}" for kind, count in told["outcomes"].items())
    share = percent(told["control_share"])
    return [
        ("search", f"{told['strategy']}, seed {told['seed']}, budget {told['budget']}, {share} random draws"),
        ("begun at", f"the champion of {told['begun_at']}" if told.get("begun_at") else ""),
        ("outcomes", f"{counts}; {told['duplicates']} duplicates" if counts else ""),
        ("rate", f"{number(told['evaluations_per_s'])} evaluations a second" if told["evaluations"] else ""),
    ]


def stopped(told: Told) -> list[tuple[str, str]]:
    """Why the search ended before its budget was used up."""
    found = told["stopped"]
    if found is None:
        return []
    by_time = found["left_s"] is not None
    left = clock(found["left_s"]) if by_time else f"{found['left_evaluations']} evaluations"
    return [("stopped early", f"with {left} of its budget of {told['budget']} left: {found['why']}")]


def _doubts(told: Told) -> list[tuple[str, str]]:
    failed = [("failed", one) for one in told["conditions"].get("failed_afresh", [])]
    return [*failed, ("conditions", conditions(told)), *[("quarantine", found) for found in quarantined(told)[:1]]]


def conditions(told: Told) -> str:
    """What disturbed the run; empty where nothing did."""
    found = told["conditions"]
    flags = ", ".join(f"{flag} {count}" for flag, count in found["flags"].items())
    said = (
        f"measured on a noisy machine: {details(found['machine'])}" if found["is_noisy"] else "",
        f"{found['disturbed']} of {found['races']} races disturbed" if found["disturbed"] else "",
        f"marks of races: {flags}" if flags else "",
        f"{found['retaken_rounds']} rounds retaken" if found["retaken_rounds"] else "",
        f"{found['retried']} noisy evaluations measured once more" if found["retried"] else "",
    )
    return "; ".join(filter(None, said))


def details(found: str) -> str:
    """What a line says of the machine, without its judgement."""
    return found.partition(": ")[2] or found


def quarantined(told: Told) -> list[str]:
    """What was faster than the hardware: how many, then each."""
    found = told["quarantine"]
    if not found:
        return []
    one = len(found) == 1
    many = "1 evaluation was" if one else f"{len(found)} evaluations were"
    where = found[-1]["folder"] or found[-1]["reason"]
    return [
        f"{many} faster than this machine can be and {'counts' if one else 'count'} for nothing: {where}",
        *(f"evaluation {each['evaluation']}: {each['reason']}" for each in found),
    ]


def _origin(told: Told) -> list[tuple[str, str]]:
    versions = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
    return [
        ("machine", f"{told['machine']} ({told['profile']})" if told["profile"] else told["machine"]),
        ("started", told["created_at"][:19].replace("T", " ") + " UTC"),
        ("with", versions),
    ]
