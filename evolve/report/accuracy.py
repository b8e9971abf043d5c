"""Time against error as a picture: what is fastest at each error, and how the front came about."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from evolve.accuracy import LEAST_ERROR
from evolve.report.drawing import BLUE, ORANGE, Drawing, Mark, Picture, escaped
from evolve.report.figures import speedup_axis
from evolve.report.quantities import factor, number, percent
from evolve.tracker import paid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evolve.store import Individual

_FEWEST = 2


def accuracy(individuals: Sequence[Individual], told: Mapping[str, Any] | None) -> Picture | None:
    """Every schedule's error over its speedup; None where all have the same error, or nothing is measured."""
    if told is None or len(told["front"]) < _FEWEST:
        return None
    drawing = Drawing()
    measured = [i for i in paid(individuals) if i.fitness is not None]
    trace = _dots([math.exp(i.fitness or 0.0) for i in measured], [i.error for i in measured])
    drawing.add(trace, Mark("dot", BLUE, "a schedule (search estimate)"))
    _front(drawing, told["front"])
    speeds = [math.exp(i.fitness or 0.0) for i in measured]
    speedup_axis(drawing.figure.update_xaxes, (max(0.5, min(speeds)) / 1.1, max(speeds) * 1.2), "speedup (log scale)")
    drawing.figure.update_yaxes(type="log", title="error, of what is tolerated", tickformat=".0%")
    return drawing.picture("accuracy", _caption(told), 380)


def _caption(told: Mapping[str, Any]) -> str:
    grown = [area for area in told["hypervolume"] if area > 0]
    first, last = (grown[0], grown[-1]) if grown else (0.0, 0.0)
    return (
        "Further right is faster, lower is nearer to the truth; on the orange line nothing is better in both. "
        f"The area that it covers (hypervolume, ln units squared) grew from {number(first)} to {number(last)} "
        f"in {len(told['hypervolume'])} generations."
    )


def _dots(speeds: list[float], errors: list[float]) -> Any:
    return go.Scatter(
        x=speeds,
        y=[max(error, LEAST_ERROR) for error in errors],
        mode="markers",
        marker={"color": BLUE, "size": 5, "opacity": 0.35},
        hoverinfo="skip",
    )


def _front(drawing: Drawing, points: Sequence[Mapping[str, Any]]) -> None:
    said = [
        f"{factor(p['search_speedup'])} at {percent(p['error'])}<br>"
        + escaped(" ".join(f"{name}={value}" for name, value in p["schedule"].items()))
        for p in points
    ]
    trace = go.Scatter(
        x=[point["search_speedup"] for point in points],
        y=[max(point["error"], LEAST_ERROR) for point in points],
        mode="lines+markers",
        line={"color": ORANGE, "width": 2, "shape": "vh"},
        hovertext=said,
        hovertemplate="%{hovertext}<extra></extra>",
    )
    drawing.add(trace, Mark("line", ORANGE, "front: nothing is both faster and nearer to the truth"))
