"""What all pictures share: colours that read on light and dark ground, a legend, and JSON that may stand in a page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go
import plotly.io

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.inference import Estimate

BLUE, ORANGE, GREEN, RED = "#3b78e7", "#e08a1e", "#1a9e6c", "#d64550"
VIOLET, TEAL, PINK = "#8a63d2", "#1295ab", "#c74f9c"
GREY = "#8a93a0"
_GRID = "rgba(138, 147, 160, 0.22)"

_ORDER = ("line", "dash", "band", "star", "diamond", "dot")
"""Of the marks in a legend."""


@dataclass(frozen=True)
class Mark:
    """One entry of a legend: one of the shapes of ``_ORDER``, its colour, and what it stands for."""

    shape: str
    colour: str
    label: str


@dataclass(frozen=True)
class Picture:
    """A figure, ready for the page.

    Attributes:
        name: its place on the page.
        json: data and layout for plotly.
        legend: what the marks stand for.
        caption: what to see in it.
        height: in pixels.
    """

    name: str
    json: str
    legend: tuple[Mark, ...]
    caption: str
    height: int


class Drawing:
    """A figure with its legend, in colours that read on light and dark ground."""

    def __init__(self) -> None:
        self.figure = go.Figure()
        self.legend: list[Mark] = []

    def add(self, trace: Any, mark: Mark | None = None) -> None:
        """Add a trace, and its entry in the legend."""
        self.figure.add_trace(trace)
        if mark:
            self.legend.append(mark)

    def picture(self, name: str, caption: str, height: int) -> Picture:
        """The figure as it stands now."""
        self.figure.update_layout(
            template="none",
            showlegend=False,
            height=height,
            margin={"l": 62, "r": 18, "t": 18, "b": 54},
            paper_bgcolor="rgba(0, 0, 0, 0)",
            plot_bgcolor="rgba(0, 0, 0, 0)",
            font={"family": "system-ui, sans-serif", "size": 13, "color": GREY},
            hovermode="closest",
            dragmode=False,
        )
        axis = {"gridcolor": _GRID, "zeroline": False, "linecolor": _GRID, "automargin": True, "fixedrange": True}
        self.figure.update_xaxes(**axis)
        self.figure.update_yaxes(**axis)
        text = plotly.io.to_json(self.figure, validate=False)
        legend = sorted(self.legend, key=lambda mark: _ORDER.index(mark.shape))
        return Picture(name, _embeddable(text), tuple(legend), caption, height)


def _embeddable(json: str) -> str:
    """JSON that may stand in a script element: nothing in it can end the element."""
    return json.replace("<", "\\u003c")


def escaped(text: str) -> str:
    """Text that plotly takes for text."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def bars(estimates: Sequence[Estimate]) -> dict[str, Any]:
    """Interval ends as plotly wants them; an open end is not drawn."""
    ends = [finite(estimate) or (estimate.estimate, estimate.estimate) for estimate in estimates]
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - estimate.estimate for (_, high), estimate in zip(ends, estimates, strict=True)],
        "arrayminus": [estimate.estimate - low for (low, _), estimate in zip(ends, estimates, strict=True)],
        "color": GREEN,
        "thickness": 2,
        "width": 5,
    }


def finite(estimate: Estimate) -> tuple[float, ...]:
    """Both ends of an interval; none where one is open."""
    return (estimate.low, estimate.high) if estimate.low > 0 and math.isfinite(estimate.high) else ()
