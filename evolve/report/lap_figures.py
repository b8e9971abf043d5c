"""The pictures of a closed loop: S over laps below its ceiling, what each lap gave, and what the gap has cost."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from evolve.report.drawing import BLUE, GREEN, GREY, ORANGE, RED, Drawing, Mark, escaped
from evolve.report.figures import speedup_axis
from evolve.report.quantities import clock, factor, speedup

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evolve.report.drawing import Picture

Told = dict[str, Any]

GROUNDS = {"CAPPED": RED, "COMPOUNDING": GREEN, "UNDECIDED": GREY}
"""Behind the laps, by the verdict that they bore out."""

_FAINT = 0.10
_REACH = 30.0
"""So many times the best lap is as far as a picture goes for the sake of what is only extrapolated."""


def laps_picture(told: Told) -> Picture | None:
    """S over laps, its forecasts, its ceiling and its asymptote; None before the first lap."""
    laps = _measured(told)
    if len(laps) < 2:
        return None
    drawing = Drawing()
    _grounds(drawing, told["laps"])
    _forecasts(drawing, laps)
    _gains(drawing, laps)
    tops = _limits(drawing, told)
    ends = [lap["factor"]["estimate"] for lap in laps]
    speedup_axis(drawing.figure.update_yaxes, (min(1.0, *ends) / 1.15, max(*ends, *tops) * 1.3), "S, lap 0 is 1")
    _lap_axis(drawing, told["laps"])
    caption = (
        "On this scale exponential growth is a straight line: where the blue line bends, gains shrink. The colour "
        "behind a lap is the verdict that the laps up to it bear out."
    )
    return drawing.picture(f"{told['loop']}-laps", caption, 440)


def steps_picture(told: Told) -> Picture | None:
    """What each lap gave beyond the one before; None before the first lap."""
    laps = [lap for lap in _measured(told) if lap["step"]]
    if not laps:
        return None
    drawing = Drawing()
    _grounds(drawing, told["laps"])
    steps = [lap["step"] for lap in laps]
    trace = go.Scatter(
        x=[lap["lap"] for lap in laps],
        y=[step["estimate"] for step in steps],
        error_y=_bars(steps, BLUE),
        mode="markers",
        marker={"color": BLUE, "size": 10},
        hovertext=[f"lap {lap['lap']} gave {speedup(lap['step'])}" for lap in laps],
        hovertemplate="%{hovertext}<extra></extra>",
    )
    drawing.add(trace, Mark("dot", BLUE, "gain of the lap over the one before, with its 95 % interval"))
    drawing.figure.add_hline(y=1, line={"color": GREY, "width": 1.5, "dash": "dash"})
    drawing.legend.append(Mark("dash", GREY, "nothing gained"))
    ends = [end for step in steps for end in _ends(step)]
    speedup_axis(drawing.figure.update_yaxes, (min(0.97, *ends) / 1.02, max(1.1, *ends) * 1.05), "gain of the lap")
    _lap_axis(drawing, told["laps"])
    caption = (
        "Points that stay level compound; points that sink to the dashed line are capped. An interval that touches the "
        "line is a lap that gave nothing beyond noise."
    )
    return drawing.picture(f"{told['loop']}-steps", caption, 320)


def front_picture(told: Told) -> Picture | None:
    """The gap to the ceiling that is left, over what was spent; None where no ceiling is known."""
    laps = _measured(told)
    if len(laps) < 2 or not told["ceiling"] or not laps[-1]["spent_cpu_s"]:
        return None
    drawing = Drawing()
    gaps = [told["ceiling"]["estimate"] / lap["factor"]["estimate"] for lap in laps]
    trace = go.Scatter(
        x=[lap["spent_cpu_s"] for lap in laps],
        y=gaps,
        mode="lines+markers+text",
        line={"color": BLUE, "width": 2, "shape": "hv"},
        marker={"color": BLUE, "size": 9},
        text=[str(lap["lap"]) for lap in laps],
        textposition="top right",
        hovertext=[
            f"lap {lap['lap']}: {factor(gap)} left after {clock(lap['spent_cpu_s'])} of processor time"
            for lap, gap in zip(laps, gaps, strict=True)
        ],
        hovertemplate="%{hovertext}<extra></extra>",
    )
    drawing.add(trace, Mark("line", BLUE, "gap that is left, by lap"))
    drawing.figure.add_hline(y=1, line={"color": RED, "width": 2})
    drawing.legend.append(Mark("line", RED, "nothing is left: the ceiling itself"))
    drawing.figure.update_xaxes(title="processor time spent, seconds", rangemode="tozero")
    speedup_axis(drawing.figure.update_yaxes, (min(0.95, *gaps) / 1.02, max(gaps) * 1.2), "ceiling / S")
    return drawing.picture(f"{told['loop']}-front", front_caption(laps), 320)


def front_caption(laps: Sequence[Mapping[str, Any]]) -> str:
    """Whether the laps walk along a front of cost and gap, or move it: only a better engine does that."""
    engine = laps[-1]["engine"]
    said = "What a smaller gap has cost: each lap is a step to the right, and down if it gained. "
    if engine is None:
        return f"{said}The engine stays as it was, so a lap walks along one front of cost and gap and does not move it."
    if engine["low"] is not None and engine["low"] > 1:
        return (
            f"{said}The last engine is {speedup(engine)} the frozen one: it pays for more in the same time, so laps "
            "moved the front itself and did not only walk along it."
        )
    return f"{said}The last engine is {speedup(engine)} the frozen one: that moves no front beyond noise."


def _measured(told: Told) -> list[Told]:
    return [lap for lap in told["laps"] if lap["factor"]]


def _grounds(drawing: Drawing, laps: Sequence[Mapping[str, Any]]) -> None:
    """A ground for each stretch of laps with the same verdict, and its entry in the legend."""
    for verdict, stretch in groupby(laps[1:], key=lambda lap: lap["verdict"]):
        numbers = [lap["lap"] for lap in stretch]
        colour = GROUNDS[verdict]
        ends = {"x0": numbers[0] - 0.5, "x1": numbers[-1] + 0.5}
        drawing.figure.add_vrect(**ends, fillcolor=colour, opacity=_FAINT, line_width=0, layer="below")
        mark = Mark("band", colour, verdict)
        if mark not in drawing.legend:
            drawing.legend.append(mark)


def _forecasts(drawing: Drawing, laps: Iterable[Told]) -> None:
    said = [lap for lap in laps if lap["forecast"]]
    if not said:
        return
    found = [lap["forecast"]["factor"] for lap in said]
    trace = go.Scatter(
        x=[lap["lap"] for lap in said],
        y=[estimate["estimate"] for estimate in found],
        error_y=_bars(found, ORANGE),
        mode="markers",
        marker={"color": ORANGE, "size": 8, "symbol": "diamond"},
        opacity=0.75,
        hovertext=[
            f"lap {lap['lap']} was forecast: {speedup(estimate)}<br>{escaped(lap['forecast']['reason'])}"
            for lap, estimate in zip(said, found, strict=True)
        ],
        hovertemplate="%{hovertext}<extra></extra>",
    )
    drawing.add(trace, Mark("diamond", ORANGE, "what was forecast before the lap"))


def _gains(drawing: Drawing, laps: Sequence[Told]) -> None:
    found = [lap["factor"] for lap in laps]
    trace = go.Scatter(
        x=[lap["lap"] for lap in laps],
        y=[estimate["estimate"] for estimate in found],
        error_y=_bars(found, BLUE),
        mode="lines+markers",
        line={"color": BLUE, "width": 2.5},
        marker={"color": BLUE, "size": 8},
        hovertext=[f"lap {lap['lap']}: {speedup(lap['factor'])} lap 0, {lap['verdict']}" for lap in laps],
        hovertemplate="%{hovertext}<extra></extra>",
    )
    drawing.add(trace, Mark("line", BLUE, "S, measured against lap 0, with its 95 % interval"))


def _limits(drawing: Drawing, told: Told) -> list[float]:
    """Ceiling, end of the space and asymptote, each as far as it is known; returns where they lie."""
    known = (
        (told["ceiling"], RED, "solid", "ceiling, measured apart from the loop"),
        (told["endpoint"], ORANGE, "dash", "end of the space, by the tail of random draws"),
        (told["verdict"]["asymptote_factor"], GREEN, "dash", "asymptote: what the laps add up to"),
    )
    top = _REACH * max(lap["factor"]["estimate"] for lap in _measured(told))
    return [
        _limit(drawing, found, colour, dash, label)
        for found, colour, dash, label in known
        if found and found["estimate"] and found["high"] and (colour == RED or found["estimate"] < top)
    ]


def _limit(drawing: Drawing, found: Mapping[str, Any], colour: str, dash: str, label: str) -> float:
    drawing.figure.add_hline(y=found["estimate"], line={"color": colour, "width": 2, "dash": dash})
    drawing.legend.append(Mark("line" if dash == "solid" else "dash", colour, f"{label}: {speedup(found)}"))
    return float(found["estimate"])


def _lap_axis(drawing: Drawing, laps: Sequence[Mapping[str, Any]]) -> None:
    last = laps[-1]["lap"]
    step = max(1, round(last / 12))
    drawing.figure.update_xaxes(title="lap", range=[-0.5, last + 0.5], tick0=0, dtick=step)


def _ends(estimate: Mapping[str, Any]) -> tuple[float, ...]:
    return tuple(end for end in (estimate["low"], estimate["estimate"], estimate["high"]) if end)


def _bars(found: Sequence[Mapping[str, Any]], colour: str) -> dict[str, Any]:
    """Interval ends as plotly wants them; an open end is not drawn."""
    ends = [(e["low"] or e["estimate"], e["estimate"], e["high"] or e["estimate"]) for e in found]
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - centre for _, centre, high in ends],
        "arrayminus": [centre - low for low, centre, _ in ends],
        "color": colour,
        "thickness": 1.5,
        "width": 4,
    }
