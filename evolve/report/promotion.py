"""What the measurements after a search say: who was promoted, what shrank, what the compiled code really does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from evolve.report.quantities import factor, percent, speedup

Told = Mapping[str, Any]


def refusal(best: Told | None) -> str:
    """Why there is no champion, though something was published; "" where there is one."""
    if best is None or best["is_promoted"] is not False:
        return ""
    promotion = best["measured"]["promotion"]
    found = f"the best is {speedup(best['speedup'])} the speed of the plain loop"
    asked = f"promotion asks for {percent(promotion['least_gain'])} more for sure"
    disturbed = f"; {disturbances(promotion['flags'])}" if promotion["flags"] else ""
    return f"none: {found}, and {asked}{disturbed}"


def disturbances(flags: Mapping[str, int]) -> str:
    """That the machine was not quiet, and how that showed."""
    return "the machine was disturbed: " + ", ".join(f"{flag} in {count} races" for flag, count in flags.items())


def evidence(told: Told) -> list[tuple[str, str]]:
    """Rows of how the figures came about."""
    best = told["champion"]
    measured = best["measured"] if best else None
    rows = [("noise", naive(told))]
    if measured:
        rows = [("fresh", _launches(measured)), *rows, ("code", code(measured["assembly"]))]
        rows += [("disturbed", disturbances(measured["flags"]))] if measured["flags"] else []
    return [(label, text) for label, text in rows if text]


def _launches(measured: Told) -> str:
    if not measured["builds"]:  # an older evolve's
        return f"{measured['launches']} launches"
    shrinkage = measured["shrinkage"]
    kept = f"; {percent(shrinkage)} of what the search believed in" if shrinkage else ""
    made = f"{measured['launches']} launches of {measured['builds']} new builds, {measured['audited']} audited"
    return f"{made}{kept}; a repeat of all this finds the speedup within its interval in 95 % of cases"


def naive(told: Told) -> str:
    """The naive product, beside what was measured; "" where nothing raced."""
    product, best = told["naive_product"], told["champion"]
    if product is None:
        return ""
    is_fresh = best is not None and best["source"] == "published"
    beside = f"; measured afresh: {factor(best['speedup']['estimate'])}" if is_fresh and best else ""
    return f"each generation's best gain, multiplied, would claim {factor(product)}{beside}"


def code(facts: Told | None) -> str:
    """What the compiled code does of what was claimed of it."""
    if not facts:
        return ""
    if not facts["is_checked"]:
        return "not checked: there was no assembly"
    loop = facts["hot_loop"]
    if facts["findings"]:
        return "; ".join(facts["findings"])
    width = f"vectors of {loop['vector_bytes']} bytes" if loop["vector_bytes"] else "single numbers"
    fused = f"{loop['fused']} fused multiply-adds" if loop["fused"] else "no fused multiply-add"
    return f"as claimed: the hot loop of {loop['function']} works on {width}, {fused} a turn"


def remarks(told: Told) -> Iterator[str]:
    """Sentences for a reader who might take more from the figures than they hold."""
    if text := refusal(told["champion"]):
        yield f"Champion {text}."
    if text := naive(told):
        yield f"What a careless report would say: {text}."
    facts = ((told["champion"] or {}).get("measured") or {}).get("assembly")
    if facts and facts["findings"]:
        yield f"The compiled code is not what was claimed of it: {code(facts)}."
