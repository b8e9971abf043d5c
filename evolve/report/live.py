"""The search where it counts, for a terminal and as a part of the file of results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evolve import __version__
from evolve.live.figures import NEAR_BEST, NEAR_COLD
from evolve.live.lineup import PATIENCE
from evolve.report.parts import part_of
from evolve.report.quantities import factor, number, percent, seconds
from evolve.report.text import facts, markdown_table, omissions, paragraph, table, together, yes_or_no

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from benchmarks.inference import Estimate
    from evolve.live.figures import Figures, Pace, Speed, Start, Warm, Way

    Row = tuple[str, ...]

TITLES = {
    "throughput": "# The search, live: evaluations a second",
    "speed": "# The search, live: sooner than by luck",
    "warm": "# The search, live: warm starts",
}
"""Of the parts of ``benchmarks/RESULTS.md``."""
LEAST_PER_S = {"matmul": 5.0, "triad": 8.0}
"""Evaluations a second that are asked for, by kernel: triad stands for what is light."""
LEAST_BUSY, MOST_ENGINE, MOST_BYTES, LEAST_SOONER = 0.9, 0.05, 2000.0, 3.0

_PACE = ("runs", "budget", "evaluations", "a second", "cores busy building", "search", "engine", "store, bytes each")
_SPEED = ("strategy", "time", "evaluations", "arrived")
_WARM = ("begins at", "time", "evaluations", "arrived", "sooner", "fewer evaluations", "its champion over the cold one")
_BARS = ("what", "asked", "measured", "holds")


def text(figures: Figures) -> str:
    """All tables, and what was asked of them."""
    parts = [
        table(_BARS, bars(figures)) if figures.paces else "",
        table(_PACE, map(pace_row, figures.paces)) if figures.paces else "",
        *(_speed_text(figures.speed) if figures.speed else ()),
        *(_warm_text(figures.warm) if figures.warm else ()),
        omissions(figures.left_out),
        facts([("quick", quick_note(figures))]),
    ]
    return together(parts)


def _speed_text(speed: Speed) -> Iterator[str]:
    yield paragraph(said_of_speed(speed))
    yield table(_SPEED, map(way_row, (speed.ours, speed.random)))


def _warm_text(warm: Warm) -> Iterator[str]:
    yield paragraph(said_of_warm(warm))
    yield table(_WARM, warm_rows(warm))


def markdown(figures: Figures, part: str, made: Mapping[str, str]) -> str:
    """A part of ``benchmarks/RESULTS.md``.

    Args:
        figures: what came out, of this part alone.
        part: one of ``evolve.live.PARTS``.
        made: how: the date, the machine, versions of packages.
    """
    paragraphs = [
        quick_note(figures),
        how(),
        *_tables(figures),
        f"With {made['versions']}, on {made['machine']}.",
    ]
    origin = f"Read on {made['date']} with evolve-kernels {__version__}"
    return part_of(TITLES[part], origin, f"python -m benchmarks.suites.search --only {part}", paragraphs)


def _tables(figures: Figures) -> Iterator[str]:
    if figures.paces:
        yield "## What was asked"
        yield markdown_table(_BARS, bars(figures))
    if figures.speed:
        yield "## How soon it is there"
        yield said_of_speed(figures.speed)
        yield markdown_table(_SPEED, map(way_row, (figures.speed.ours, figures.speed.random)))
    if figures.warm:
        yield "## Warm starts"
        yield said_of_warm(figures.warm)
        yield markdown_table(_WARM, warm_rows(figures.warm))
    if figures.paces:
        yield "## Where the time goes"
        yield how_time_is_counted()
        yield markdown_table(_PACE, map(pace_row, figures.paces))


def quick_note(figures: Figures) -> str:
    """That nothing is to be quoted, where that is so."""
    return "Small problems, to see that it works: nothing here is to be quoted." if figures.is_quick else ""


def how() -> str:
    """What the figures are."""
    return (
        "Runs as users start them, with their control arm, each with a name and a seed of its own in the store. Means "
        "and ratios of times are geometric, over seeds, with 95 % bootstrap intervals. A run is there when its title "
        "is held by a schedule that is fast enough, by the median of all the races that it ran; time counts from "
        "the run's beginning and holds the timing of the plain loop, but not the sweep of ceilings before it. A run "
        "that ended before it was there counts as if it had come there at its end."
    )


def how_time_is_counted() -> str:
    """What the columns of the engine are."""
    return (
        "Cores busy building: processor time of the engine and its children over wall time and cores, while "
        "sources are made, compiled and proven on awkward sizes. Search: the strategy's share of the wall time, its "
        "surrogate included; engine: with all that is neither building nor verifying nor measuring. Store: what a copy "
        "of the run without raw samples adds to an empty store."
    )


# ---- what was asked


def bars(figures: Figures) -> Iterator[Row]:
    """What was asked, what was measured, and whether it holds by the estimate."""
    for pace in figures.paces:
        if pace.part == "throughput":
            yield from _pace_bars(pace)
    if figures.speed:
        asked = f"at least {factor(LEAST_SOONER)}"
        what = f"{figures.speed.problem}: sooner at {percent(NEAR_BEST)} of the best than random draws"
        is_there = figures.speed.ours.arrived == len(figures.speed.ours.legs)
        holds = is_there and figures.speed.sooner.estimate >= LEAST_SOONER
        yield what, asked, bounded(figures.speed), yes_or_no(holds)
    for start in figures.warm.starts if figures.warm else ():
        yield f"{start.way.label}: sooner by a start there", "measured", at_most(start, start.sooner), ""


def _pace_bars(pace: Pace) -> Iterator[Row]:
    least = LEAST_PER_S[pace.problem.partition(" ")[0]]
    per_s, busy, share, stored = pace.per_s, pace.busy, pace.engine, pace.stored_bytes
    what = pace.problem
    yield (
        f"{what}: evaluations a second",
        f"at least {number(least)}",
        interval(per_s, number),
        yes_or_no(per_s.estimate >= least),
    )
    if busy:
        asked = f"at least {percent(LEAST_BUSY)}"
        yield f"{what}: cores busy building", asked, interval(busy, percent), yes_or_no(busy.estimate >= LEAST_BUSY)
    asked = f"under {percent(MOST_ENGINE)}"
    yield f"{what}: engine's own share", asked, interval(share, percent), yes_or_no(share.estimate < MOST_ENGINE)
    asked = f"under {number(MOST_BYTES)}"
    yield f"{what}: bytes an evaluation", asked, interval(stored, number), yes_or_no(stored.estimate < MOST_BYTES)


# ---- rows


def pace_row(pace: Pace) -> Row:
    """How a group's runs spent their time."""
    label = "" if pace.label == pace.problem else f", {pace.label}"
    return (
        *(f"{pace.part}: {pace.problem}{label}", pace.budget, number(pace.evaluations)),
        *(interval(pace.per_s, number), interval(pace.busy, percent) if pace.busy else ""),
        *(interval(pace.search, percent), interval(pace.engine, percent), interval(pace.stored_bytes, number)),
    )


def way_row(way: Way) -> Row:
    """How a group came to its target."""
    legs = f"{way.arrived} of {len(way.legs)}"
    return way.label, interval(way.elapsed_s, seconds), interval(way.evaluations, number), legs


def warm_rows(warm: Warm) -> Iterator[Row]:
    """The cold runs, then each start."""
    yield *way_row(warm.cold), "", "", ""
    for start in warm.starts:
        yield *way_row(start.way), *_gains(start)


def _gains(start: Start) -> Row:
    faster = interval(start.faster, factor) if start.faster else ""
    return at_most(start, start.sooner), at_most(start, start.fewer), faster


def at_most(start: Start, gain: Estimate) -> str:
    """A gain of warm runs, which is an upper bound where some of them never got to the cold run's champion."""
    told = interval(gain, factor)
    return f"at most {told}" if start.way.arrived < len(start.way.legs) else told


def said_of_speed(speed: Speed) -> str:
    """What the search's advantage over random draws is."""
    return (
        f"{speed.problem}, {speed.budget} a run and {PATIENCE} times that for random draws: until {percent(NEAR_BEST)} "
        f"of the speed of the best champion of all these runs ({seconds(speed.best_s)} a call). The search is there "
        f"{bounded(speed)} sooner, with {interval(speed.fewer, factor)} fewer evaluations."
    )


def bounded(speed: Speed) -> str:
    """How many times sooner, and what that figure is where some runs did not get there."""
    told = interval(speed.sooner, factor)
    if speed.ours.arrived < len(speed.ours.legs):
        return f"{told} (as if all were there at their ends)"
    return f"at least {told}" if speed.random.arrived < len(speed.random.legs) else told


def said_of_warm(warm: Warm) -> str:
    """What the table of warm starts shows."""
    return (
        f"{warm.problem}, {warm.budget} a run: until {percent(NEAR_COLD)} of the speed of the champion with which the "
        "cold run of the same seed ended. Gains are of pairs with the same seed."
    )


def interval(estimate: Estimate, form: Callable[[float], str]) -> str:
    """A figure with its interval; of one seed there is none."""
    told = estimate.as_dict()
    low, high = told["low"], told["high"]
    if low is None or high is None:
        return f"{form(estimate.estimate)} (one seed)"
    return f"{form(estimate.estimate)} [{form(low)}, {form(high)}]"
