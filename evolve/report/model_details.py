"""What the laps of loop ``model`` show beside their gain: hits, lift, calibration, and what is left to hit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from evolve.report.quantities import percent, speedup

Told = Mapping[str, Any]

HEADER = (
    "LAP",
    "HITS",
    "RANDOM DRAWS",
    "LIFT",
    "FORESEEN",
    "OVER THE LAP BEFORE",
    "IN 90 % INTERVAL",
    "LEFT OVER THE BAR",
    "OVER THE BEST",
)


def table(told: Told) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """A lap a row, from lap 1 on."""
    return HEADER, [_row(str(lap["lap"]), lap["details"]) for lap in told["laps"] if "hits" in lap["details"]]


def _row(lap: str, details: Told) -> tuple[str, ...]:
    return (
        lap,
        _share(details["hits"]),
        _share(details["random"]),
        speedup(details["lift"]),
        percent(details["foreseen"]),
        _share(details["hits_moving"]),
        _share(details["inside"]),
        percent(details["mass"]["fixed"]),
        f"{100 * details['mass']['best']:.2g} %",
    )


def _share(estimate: Told) -> str:
    """``71 % [70, 72]``."""
    if estimate["estimate"] is None:
        return ""
    ends = (percent(estimate[end]).removesuffix(" %") for end in ("low", "high"))
    return f"{percent(estimate['estimate'])} [{', '.join(ends)}]"


def remarks(told: Told) -> Iterator[tuple[str, str]]:
    """What a hit is, and how often the last lap's probabilities came true."""
    known = [lap for lap in told["laps"] if "hits" in lap["details"]]
    if not known:
        return
    yield "a hit", "beats what one random draw in ten beats; over the lap before: the same of that lap's proposals"
    last = known[-1]
    bins = (f"{percent(said)}: {percent(came)} of {count:.0f}" for said, came, count in last["details"]["reliability"])
    said = f"lap {last['lap']}, chance that was foreseen and share that came, of proposals and random draws"
    yield "calibration", f"{said}: {'; '.join(bins)}"
