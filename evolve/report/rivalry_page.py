"""Our strategies against other packages' tuners as one page that needs no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
import plotly.offline

from evolve.report.drawing import BLUE, GREEN, GREY, ORANGE, Drawing, Mark, Picture, escaped
from evolve.report.page import template, write_page
from evolve.report.rivalry import by_space, footnote, header, how, row, said, starred

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from evolve.rivalry.standings import Standing, Standings

_ROW = 30
_LOWEST = -0.5
"""Score at the foot of the picture: who is below has begun badly, by how much does not matter."""


def write(standings: Standings, made: Mapping[str, str], path: Path) -> Path:
    """Write the page, in a folder that exists; the file is replaced as a whole.

    Raises:
        EvolveError: the file cannot be written.
    """
    return write_page(page(standings, made), path)


def page(standings: Standings, made: Mapping[str, str]) -> str:
    """The page's text; see ``write``."""
    pictures = [scores(standings), courses(standings)]
    return template("rivalry.html").render(
        standings=standings,
        how=how(standings),
        said=[*said(standings)],
        header=header(standings),
        rows=[row(one) for one in standings.standings],
        spaces=[*map(starred, standings.spaces)],
        by_space=[*by_space(standings)],
        footnote=footnote(standings),
        made=made,
        pictures={picture.name: picture for picture in pictures},
        plotly_js=plotly.offline.get_plotlyjs(),
    )


def scores(standings: Standings) -> Picture:
    """Everybody's mean score with its interval, and each space as a dot beside it."""
    drawing = Drawing()
    shown = standings.standings[::-1]
    names = [escaped(one.name) for one in shown]
    _spaces(drawing, shown)
    for is_ours, colour, label in ((True, GREEN, "ours"), (False, ORANGE, "other packages")):
        there = [one for one in shown if one.is_ours == is_ours]
        drawing.add(_means(there, colour), Mark("diamond", colour, f"mean over spaces, {label}, 95 % interval"))
    drawing.figure.add_vline(x=0, line={"color": GREY, "width": 1})
    drawing.figure.update_xaxes(title="score: 0 is random search, 1 the optimum at once")
    drawing.figure.update_yaxes(
        categoryorder="array", categoryarray=names, range=[-0.6, len(names) - 0.4], ticksuffix="  "
    )
    caption = (
        "Right is better. Dots far apart are a strategy that does well on one space and badly on another: who tunes a "
        "kernel has one space, and does not know which of the dots it will be."
    )
    return drawing.picture("scores", caption, 110 + _ROW * len(names))


def _spaces(drawing: Drawing, shown: tuple[Standing, ...]) -> None:
    dots = [(one.name, space, found.score.score.estimate) for one in shown for space, found in one.spaces.items()]
    trace = go.Scatter(
        x=[score for _, _, score in dots],
        y=[escaped(name) for name, _, _ in dots],
        mode="markers",
        marker={"color": GREY, "size": 7, "opacity": 0.6},
        hovertext=[f"{escaped(space)}: {score:.2f}" for _, space, score in dots],
        hovertemplate="%{hovertext}<extra></extra>",
    )
    drawing.add(trace, Mark("dot", GREY, "one space"))


def _means(there: list[Standing], colour: str) -> go.Scatter:
    found = [one.score for one in there]
    return go.Scatter(
        x=[one.estimate for one in found],
        y=[escaped(one.name) for one in there],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [_finite(one.high - one.estimate) for one in found],
            "arrayminus": [_finite(one.estimate - one.low) for one in found],
            "color": colour,
            "thickness": 2,
            "width": 5,
        },
        mode="markers",
        marker={"color": colour, "size": 12, "symbol": "diamond"},
        hovertext=[f"{escaped(one.name)}: {one.score.estimate:.2f}" for one in there],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _finite(length: float) -> float:
    """Of a bar; an open interval has none."""
    return length if np.isfinite(length) else 0.0


def courses(standings: Standings) -> Picture:
    """Everybody's score after each evaluation."""
    drawing = Drawing()
    best = standings.best_rival
    for one in standings.standings[::-1]:
        colour, width, label = _look(one, best)
        drawing.add(_line(one, {"color": colour, "width": width}))
        if not any(mark.label == label for mark in drawing.legend):
            drawing.legend.append(Mark("line", colour, label))
    drawing.figure.add_hline(y=0, line={"color": BLUE, "width": 2, "dash": "dash"})
    drawing.legend.append(Mark("dash", BLUE, "random search, calculated"))
    drawing.figure.update_xaxes(title="evaluations", rangemode="tozero")
    drawing.figure.update_yaxes(title="score after them", range=[_LOWEST, 1.03])
    caption = (
        "Of what random search leaves to be gained after so many evaluations, how much was gained: the mean over seeds "
        "and spaces. A strategy's score is the mean height of its line. What counts is the left: every evaluation of a "
        "real kernel takes seconds."
    )
    return drawing.picture("courses", caption, 440)


def _look(one: Standing, best: Standing | None) -> tuple[str, float, str]:
    if one.is_ours:
        return GREEN, 3.0 if one.behind is None else 1.5, "ours"
    return (ORANGE, 2.5, f"best rival: {one.name}") if one is best else (GREY, 1.0, "other rivals")


def _line(one: Standing, line: dict[str, object]) -> go.Scatter:
    course = one.course.tolist()
    return go.Scatter(
        x=[*range(1, len(course) + 1)],
        y=course,
        mode="lines",
        line=line,
        hovertext=[f"{escaped(one.name)}: {score:.2f} after {n}" for n, score in enumerate(course, 1)],
        hovertemplate="%{hovertext}<extra></extra>",
    )
