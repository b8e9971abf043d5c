"""What a verdict rests on, each thing with its figure, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from benchmarks.inference import Estimate, exponential
from evolve.tracker.evidence import NEAR, SUSTAINED, Evidence


@dataclass(frozen=True)
class Leg:
    """One thing that a verdict rests on.

    Attributes:
        name: ``arrived``, ``ratio``, ``asymptote``, ``growing``, ``feedback`` or ``engine``.
        says: in words.
        found: the figure; None where it is not known.
        bar: what it is held against.
        speaks_for: the verdict that it supports; "" where neither.
    """

    name: str
    says: str
    found: Estimate | None
    bar: str
    speaks_for: Literal["CAPPED", "COMPOUNDING", ""] = ""


def legs_of(evidence: Evidence) -> Iterator[Leg]:
    """All legs, the weightiest first."""
    yield _arrived_leg(evidence)
    yield _ratio_leg(evidence)
    yield _asymptote_leg(evidence)
    yield Leg(
        "growing",
        "the last lap's own gain, as a factor",
        exponential(evidence.last_gain),
        "above 1 for COMPOUNDING",
        "COMPOUNDING" if evidence.grows else "CAPPED" if evidence.last_gain.high < NEAR / 4 else "",
    )
    yield Leg(
        "feedback",
        "how much of a gain returns as further gain, eta xi",
        evidence.dials.product,
        f"above {SUSTAINED} for COMPOUNDING",
        _above(evidence.dials.product, SUSTAINED),
    )
    yield Leg(
        "engine",
        "the engine against its frozen former self, as a factor"
        if evidence.last.engine
        else "the loop leaves its engine as it is",
        exponential(evidence.last.engine) if evidence.last.engine else None,
        "above 1 for COMPOUNDING",
        "COMPOUNDING" if evidence.beats_frozen else "CAPPED",
    )


def _arrived_leg(evidence: Evidence) -> Leg:
    says = "what the ceiling, or the end of the space, leaves, as a factor" if evidence.left else "no limit is known"
    word: Literal["CAPPED", ""] = "CAPPED" if evidence.has_arrived else ""
    return Leg("arrived", says, exponential(evidence.left) if evidence.left else None, "under 1.25 for CAPPED", word)


def _ratio_leg(evidence: Evidence) -> Leg:
    found = evidence.ratio.ratio if evidence.ratio else None
    says = "the part of a lap's gain that the next lap gains again, rho"
    word = "CAPPED" if evidence.fades and not evidence.is_sustained else _above(found, SUSTAINED)
    return Leg("ratio", says, found, f"below 1 for CAPPED, above {SUSTAINED} for COMPOUNDING", word)


def _asymptote_leg(evidence: Evidence) -> Leg:
    ends = evidence.fades and evidence.ends_near_a_limit
    found = exponential(evidence.ratio.asymptote) if evidence.ratio else None
    limits = [
        f"{math.exp(limit.estimate):.4g}x, {name}"
        for name, limit in (
            ("the ceiling", evidence.series.ceiling),
            ("the end of the space", evidence.series.endpoint),
        )
        if limit is not None
    ]
    bar = f"within 1.5x of {' or '.join(limits)}, for CAPPED" if limits else "no limit is known"
    return Leg("asymptote", "where all gains add up to, as a factor over lap 0", found, bar, "CAPPED" if ends else "")


def _above(found: Estimate | None, bar: float) -> Literal["CAPPED", "COMPOUNDING", ""]:
    if found is None:
        return ""
    return "COMPOUNDING" if found.low > bar else "CAPPED" if found.high < bar else ""
