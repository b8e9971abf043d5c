"""What the laps of loop ``search`` show beside their gain: the score on held-out spaces, and the settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.inference import Estimate, exponential
from evolve.report.quantities import plain_number, speedup

Told = Mapping[str, Any]

HEADER = ("LAP", "SCORE, HELD OUT", "OVER LAP 0", "TRIED", "SETTINGS")


def table(told: Told) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """A lap a row; a score of 0 is random search, 1 the optimum at once."""
    laps = [lap for lap in told["laps"] if "score" in lap["details"]]
    return HEADER, [_row(lap["lap"], lap["details"]) for lap in laps]


def _row(lap: int, details: Told) -> tuple[str, ...]:
    gained = plain_number(details["score_gain"]) if "score_gain" in details else ""
    changes = details["changes"] or "as shipped"
    return str(lap), plain_number(details["score"]), gained, str(len(details["tried"])), changes


def remarks(told: Told) -> Iterator[tuple[str, str]]:
    """What the settings that we ship are worth on the same spaces, which laps went back, and settings' worth."""
    for lap in told["laps"]:
        if shipped := lap["details"].get("shipped"):
            score, gain = plain_number(shipped["score"]), speedup(exponential(Estimate(**shipped["gain"])).as_dict())
            yield "shipped", f"the settings that were chosen by hand score {score}: {gain} lap 0"
        if returned := lap["details"].get("returned"):
            yield "cycling", f"lap {lap['lap']} went back on {', '.join(returned)}"
    if worth := _worth(told):
        yield "worth", ", ".join(f"{name} {score:.2f}" for name, score in worth.items())


def _worth(told: Told) -> Told:
    """Of the last champion, by setting the training score that is expected to go where it alone is put back."""
    found: Told = next((lap["details"]["worth"] for lap in reversed(told["laps"]) if "worth" in lap["details"]), {})
    return found
