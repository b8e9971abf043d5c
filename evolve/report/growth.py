"""What loops have given for all that they cost, for a terminal and as plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evolve.report.quantities import clock, factor, seconds, speedup
from evolve.report.text import facts, paragraph, table
from evolve.tracker.growth import SCHEMA, all_in, pays_from_s

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evolve.tracker.growth import Grown, Move, Stage

MOVES: dict[Move, str] = {
    "moved": "moved the front: what comes after it costs less, as it left a better engine",
    "along": "walked along the front: nearer to the ceiling, by the engine that was there",
    "nothing": "gained nothing beyond noise",
}
"""What a lap may do to the front of cost and gap."""

_ON_RECORDINGS = ("search", "model")

_STAGES = ("LAP", "COST", "SPENT", "FROZEN ENGINE", "OVER LAP 0", "LEFT", "PAID AFTER", "FRONT")


def plain(loops: Sequence[Grown], life_s: float) -> dict[str, Any]:
    """Plain values for JSON.

    Args:
        loops: that are shown.
        life_s: processor seconds of a life, laps and use together.
    """
    return {"schema": SCHEMA, "life_s": life_s, "loops": [loop.as_dict(life_s) for loop in loops]}


def text(loops: Sequence[Grown], life_s: float) -> str:
    """A line a loop; of a single one its laps too."""
    parts = [table(header(life_s), [row(loop, life_s) for loop in loops])]
    if len(loops) == 1:
        parts.append(table(_STAGES, [stage_row(stage) for stage in loops[0].stages]))
    return "\n\n".join([*parts, facts(legend(life_s)), *map(paragraph, remarks(loops))])


def header(life_s: float) -> tuple[str, ...]:
    """Of the table of loops."""
    return "LOOP", "NOW", "SPENT", "PAYS FROM", f"IN {life(life_s)} ALL IN", "LAPS", "MOVED", "ALONG", "NOTHING"


def row(loop: Grown, life_s: float) -> tuple[str, ...]:
    """A loop's figures."""
    found = all_in(loop.stages, life_s)
    return (
        loop.loop.name or loop.loop.id,
        speedup(loop.factor.as_dict()),
        duration(loop.spent_s),
        duration(pays_from_s(loop.stages)),
        speedup(found.rate.as_dict()) if found.laps else "1, no lap pays",
        f"{found.laps} of {len(loop.stages)}",
        spans(loop.that("moved")),
        spans(loop.that("along")),
        spans(loop.that("nothing")),
    )


def stage_row(stage: Stage) -> tuple[str, ...]:
    """A lap's figures."""
    told = stage.as_dict()
    return (
        str(stage.lap),
        duration(stage.cost_s),
        duration(stage.spent_s),
        duration(stage.frozen_s),
        speedup(told["factor"]),
        speedup(told["left"]) if told["left"] else "not known",
        duration(stage.pays_s.estimate),
        stage.move if not stage.fault else "came to nothing",
    )


def legend(life_s: float) -> list[tuple[str, str]]:
    """What the columns mean."""
    return [
        ("now", "work a second over lap 0's"),
        ("spent", "processor time of all laps: improving, proving, measuring"),
        ("pays from", "the shortest life, laps and use together, that does more work with laps than without"),
        (
            "all in",
            f"verified work a second of a whole life of {life(life_s)} of processor time, over that without laps",
        ),
        ("laps", "as many as are best for that life, of those that were made"),
        *MOVES.items(),
    ]


def remarks(loops: Sequence[Grown]) -> Iterator[str]:
    """What a reader of the table should know besides."""
    if len({loop.loop.machine for loop in loops}) > 1:
        yield "These loops were measured on different machines, whose seconds do not compare."
    if on_recordings := [loop.loop.kind for loop in loops if loop.loop.kind in _ON_RECORDINGS]:
        yield (
            f"On recorded spaces an evaluation costs nothing: what measuring them took is not in the cost of "
            f"{' and '.join(dict.fromkeys(on_recordings))}, whose work is counted in evaluations."
        )
    for loop in loops:
        if loop.status not in ("finished", "running"):
            yield f"{loop.loop.id}: {loop.status}, so the laps that it made are shown."


def life(life_s: float) -> str:
    """The length of a life, as briefly as it goes: ``24h``, ``90m``, ``45s``."""
    for unit_s, unit in ((3600.0, "h"), (60.0, "m")):
        if life_s % unit_s == 0:
            return f"{life_s / unit_s:.0f}{unit}"
    return f"{life_s:g}s"


def duration(value_s: float) -> str:
    """A short time or a long one; ``never`` for one without end."""
    if value_s > _LONGEST_S:
        return "never"
    return seconds(value_s) if value_s < _SHORT_S else clock(value_s)


_SHORT_S = 10.0
_LONGEST_S = 1e10
"""Three centuries: what pays for itself later pays for nobody."""


def spans(numbers: Sequence[int]) -> str:
    """Some of the natural numbers, in order: ``1-4 6``; "-" for none."""
    ends: list[list[int]] = []
    for number in numbers:
        if ends and number == ends[-1][1] + 1:
            ends[-1][1] = number
        else:
            ends.append([number, number])
    return " ".join(str(first) if first == last else f"{first}-{last}" for first, last in ends) or "-"


def in_all(loop: Grown, life_s: float) -> str:
    """What a loop comes to for all that it cost, in words."""
    found = all_in(loop.stages, life_s)
    if not found.laps:
        return f"a life of {life(life_s)} is better off without it: no lap pays"
    return (
        f"a life of {life(life_s)} does {factor(found.rate.estimate)} the work with the first {found.laps} "
        f"of its {len(loop.stages)} laps, and more from {duration(pays_from_s(loop.stages))} on"
    )
