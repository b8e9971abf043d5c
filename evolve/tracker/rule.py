"""The verdict on a loop, by a rule that was fixed before any loop was run.

CAPPED      the champion has *arrived*: the machine's ceiling, or the end of its space, leaves it less than 1.25x; or
            the gains *end*: the lap ratio lies below 1, and the gains add up to something within 1.5x of either.
COMPOUNDING over four laps or more the ratio lies above 0.95 (pure exponential growth is 1, which no interval excludes
            from below), the last gain is no noise and keeps up with those before it, as much returns as is needed
            (eta xi above 0.95), the engine is better than the frozen one, and the champion has not arrived.
UNDECIDED   anything else, and all laps that cannot be held against each other.

"Lies below" and "above" are said of 95 % intervals. A flattening curve by itself proves nothing, as a running maximum
flattens for any independent draws: so gains that end far below the ceiling, or are extrapolated far beyond it, decide
nothing. Judged is the longest recent stretch of laps that one ratio describes. How often the rule is wrong is measured
on planted worlds (``evolve.controls``).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from benchmarks.inference import Estimate
from evolve.tracker.evidence import NEAR, SUSTAINED, Evidence, evidence_of
from evolve.tracker.laps import Point
from evolve.tracker.legs import Leg, legs_of
from evolve.tracker.ratio import LEAST_LAPS, LEVEL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evolve.tracker.laps import Series

__all__ = ["LapVerdict", "Leg", "decide"]

Word = Literal["CAPPED", "COMPOUNDING", "UNDECIDED"]

MOST_AHEAD = 16
"""Laps that are looked ahead for a decision."""
_MOST_STEP = 20.0
"""Of ln input in one lap that is looked ahead."""


@dataclass(frozen=True)
class LapVerdict:
    """What the laps of a loop show.

    Attributes:
        verdict: the word.
        reasons: in words, the weightiest first.
        legs: all that it rests on.
        overturn: what would overturn it.
        laps_to_decide: how many more laps decide an UNDECIDED if all goes on as it does; None where that is not known.
        window: first and last lap of the stretch that was judged.
        ratio: rho.
        asymptote: ln S to which the gains add up.
        eta: how much of a gain returns as a faster engine.
        xi: returns to research input.
        feedback: eta xi.
    """

    verdict: Word
    reasons: tuple[str, ...]
    legs: tuple[Leg, ...] = ()
    overturn: str = ""
    laps_to_decide: int | None = None
    window: tuple[int, int] = (0, 0)
    ratio: Estimate | None = None
    asymptote: Estimate | None = None
    eta: Estimate | None = None
    xi: Estimate | None = None
    feedback: Estimate | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def decide(series: Series) -> LapVerdict:
    """The verdict on a loop's laps. It never raises: what cannot be judged is UNDECIDED, with the reason."""
    if faults := (*series.faults, *_faults(series)):
        return LapVerdict("UNDECIDED", faults, overturn="laps without these faults")
    evidence = evidence_of(series)
    word = _word(evidence)
    legs = (*legs_of(evidence),)
    return LapVerdict(
        verdict=word,
        reasons=(*_reasons(evidence, word, legs),),
        legs=legs,
        overturn=_overturn(evidence, word),
        laps_to_decide=_laps_to_decide(evidence) if word == "UNDECIDED" else None,
        window=(evidence.first, evidence.last.lap),
        ratio=evidence.ratio.ratio if evidence.ratio else None,
        asymptote=evidence.ratio.asymptote if evidence.ratio else None,
        eta=evidence.dials.eta,
        xi=evidence.dials.xi,
        feedback=evidence.dials.product,
    )


def word(series: Series) -> Word:
    """The verdict's word alone: what ``decide`` says, without looking ahead."""
    return "UNDECIDED" if series.faults or any(_faults(series)) else _word(evidence_of(series))


def _faults(series: Series) -> Iterator[str]:
    points = series.points
    if len(points) < 2:
        yield "there is no lap yet"
        return
    if all(point.gain.low == point.gain.high for point in points):
        yield "the laps have no variance at all: nothing was measured"
    if (last := points[-1].gain).high < 0:
        yield f"the champion of lap {points[-1].lap} is slower than lap 0: {math.exp(last.estimate):.4g}x"
    if series.ceiling is not None and last.low > series.ceiling.high + NEAR:
        yield f"lap {points[-1].lap} beats the ceiling: one of the two figures is wrong"


def _word(evidence: Evidence) -> Word:
    if evidence.has_arrived or (evidence.fades and evidence.ends_near_a_limit):
        return "CAPPED"
    if evidence.is_sustained and evidence.grows and evidence.returns and evidence.beats_frozen:
        return "COMPOUNDING"
    return "UNDECIDED"


def _reasons(evidence: Evidence, word: Word, legs: tuple[Leg, ...]) -> Iterator[str]:
    if word == "UNDECIDED":
        yield from _why_undecided(evidence)
    for leg in legs:
        if word in ("UNDECIDED", leg.speaks_for) and leg.found is not None:
            yield f"{leg.says}: {_said(leg.found)} ({leg.bar})"


def _said(found: Estimate) -> str:
    return f"{found.estimate:.3g} [{found.low:.3g}, {found.high:.3g}]"


def _why_undecided(evidence: Evidence) -> Iterator[str]:
    laps = len(evidence.series.points) - 1
    if evidence.ratio is None:
        yield f"{laps} lap{'s' if laps > 1 else ''}: a ratio takes {LEAST_LAPS} after lap 0"
    elif evidence.fades and not evidence.limits:
        yield "gains shrink, but no limit is known to within 1.25x to which they could be said to come"
    elif evidence.fades:
        yield "gains shrink, but end neither near the ceiling nor near the end of the space"
    elif not evidence.grows:
        yield "the last lap gained nothing beyond noise, and the ceiling is not near"
    elif not evidence.keeps_up:
        yield "the last lap gained less than those before it"
    elif evidence.is_sustained:
        yield "gains have not shrunk so far, but nothing shows that they feed the loop"
    else:
        yield "gains may shrink or not: their ratio is not known well enough"


def _overturn(evidence: Evidence, word: Word) -> str:
    laps = max(LEAST_LAPS, evidence.last.lap - evidence.first)
    if word == "COMPOUNDING":
        return f"laps whose gains shrink below {SUSTAINED} of the one before, or a ceiling within 1.25x"
    if word == "CAPPED" and evidence.has_arrived and evidence.limit is not None:
        least = math.exp(evidence.last.gain.high + NEAR)
        return f"a limit above {least:.4g}x (known: {math.exp(evidence.limit.estimate):.4g}x)"
    if word == "CAPPED":
        return f"{laps} further laps that each gain as much as the one before"
    return "see how many more laps would decide"


def _laps_to_decide(evidence: Evidence) -> int | None:
    """How many laps more, were each to do what the fitted ratio says, below the ceiling, as well measured as the last.

    None where the ratio is not known, or ``MOST_AHEAD`` laps would not do.
    """
    points = list(evidence.series.points)
    if evidence.ratio is None:
        return LEAST_LAPS + 1 - len(points)
    for ahead in range(1, MOST_AHEAD + 1):
        points.append(_next(evidence, points, ahead))
    laps = range(1, MOST_AHEAD + 1)
    at = bisect_left(laps, True, key=lambda ahead: _decides(evidence, points[: len(points) - MOST_AHEAD + ahead]))
    return laps[at] if at < len(laps) else None


def _decides(evidence: Evidence, points: list[Point]) -> bool:
    return _word(evidence_of(replace(evidence.series, points=tuple(points)))) != "UNDECIDED"


def _next(evidence: Evidence, points: list[Point], ahead: int) -> Point:
    """The lap that the fit expects; input and engine go on by their elasticities."""
    assert evidence.ratio is not None
    fit, last, dials = evidence.ratio, evidence.last, evidence.dials
    step = fit.gain * fit.ratio.estimate ** (last.lap - fit.first + ahead - 1)
    most = evidence.series.ceiling.estimate if evidence.series.ceiling else math.inf
    gain = _moved(last.gain, min(points[-1].gain.estimate + step, max(most, last.gain.estimate)))
    gained = gain.estimate - points[-1].gain.estimate
    returns = dials.xi.estimate if dials.xi and dials.xi.estimate > 0 else 1.0
    eta = dials.eta.estimate if dials.eta else 0.0
    engine = (
        _moved(last.engine, last.engine.estimate + eta * (gain.estimate - last.gain.estimate)) if last.engine else None
    )
    return Point(
        last.lap + ahead,
        gain,
        points[-1].inputs * math.exp(min(max(gained / returns, -_MOST_STEP), _MOST_STEP)),
        engine,
    )


def _moved(found: Estimate, to: float) -> Estimate:
    shift = to - found.estimate
    return Estimate(to, found.low + shift, found.high + shift, LEVEL)
