"""The picture of loop ``model``: how many of its proposals were hits, lap after lap, and what is left to hit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from evolve.report.drawing import BLUE, GREEN, GREY, ORANGE, RED, Drawing, Mark

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evolve.report.drawing import Picture

_LINES = (
    ("hits", BLUE, "solid", "proposals over the bar of lap 0"),
    ("hits_moving", GREEN, "solid", "the same over the bar of the lap before"),
    ("random", GREY, "dash", "random draws of the same lap over the bar of lap 0"),
)


def hits_picture(told: Mapping[str, Any]) -> Picture | None:
    """Hits over laps, with what was foreseen, and the mass above the bar that is left; None before the first lap."""
    laps = [lap for lap in told["laps"] if "hits" in lap["details"]]
    if not laps:
        return None
    drawing, numbers = Drawing(), [lap["lap"] for lap in laps]
    for key, colour, dash, label in _LINES:
        found = [lap["details"][key] for lap in laps]
        drawing.add(_line(numbers, found, colour, dash), Mark("line" if dash == "solid" else dash, colour, label))
    foreseen, left = ([lap["details"][key] for lap in laps] for key in ("foreseen", "mass"))
    drawing.add(_points(numbers, foreseen, ORANGE, "diamond"), Mark("diamond", ORANGE, "what the model foresaw"))
    untried = Mark("dot", RED, "of what nobody has tried, over the bar of lap 0")
    drawing.add(_points(numbers, [mass["fixed"] for mass in left], RED, "circle"), untried)
    drawing.figure.update_xaxes(title="lap", range=[min(numbers) - 0.5, max(numbers) + 0.5], tick0=0, dtick=1)
    drawing.figure.update_yaxes(title="share", range=[0, 1.05], tickformat=".0%")
    caption = (
        "What one random draw in ten beats is the bar of lap 0: there the blue line ends at 100 %. The bar of the lap "
        "before rises with every lap, and the green line falls as the best are taken."
    )
    return drawing.picture(f"{told['loop']}-hits", caption, 360)


def _line(laps: Sequence[int], found: Sequence[Mapping[str, Any]], colour: str, dash: str) -> Any:
    return go.Scatter(
        x=list(laps),
        y=[share["estimate"] for share in found],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [share["high"] - share["estimate"] for share in found],
            "arrayminus": [share["estimate"] - share["low"] for share in found],
            "color": colour,
            "thickness": 1.5,
            "width": 4,
        },
        mode="lines+markers",
        line={"color": colour, "width": 2, "dash": dash},
        marker={"color": colour, "size": 7},
        hovertemplate="lap %{x}: %{y:.1%}<extra></extra>",
    )


def _points(laps: Sequence[int], shares: Sequence[float], colour: str, symbol: str) -> Any:
    return go.Scatter(
        x=list(laps),
        y=list(shares),
        mode="markers",
        marker={"color": colour, "size": 9, "symbol": symbol},
        hovertemplate="lap %{x}: %{y:.2%}<extra></extra>",
    )
