"""The whole library on one page: the machine's roofs, and how near to them plain loops, rivals and champions come.

Intensity is FLOP a compulsory byte, so that what a kernel reads twice counts once (Williams, Waterman and Patterson,
Roofline, Communications of the ACM 52, 2009). What computes nothing, or whose functions have roofs of their own, has
no place under two slopes: it stands in the second picture, where every problem is held against its own bound.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go
import plotly.offline

from evolve.report.drawing import GREEN, GREY, ORANGE, RED, Drawing, Mark, Picture, escaped
from evolve.report.machine import machine_facts
from evolve.report.page import template, write_page
from evolve.report.quantities import number, percent, rate, seconds, speedup
from evolve.report.roofs import CONTESTANTS, below, cores, flat, intensity, measured, slopes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from evolve.bench import Results

Told = dict[str, Any]

_ROW = 24
_SHARES = (1e-4, 2e-4, 5e-4, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_LOOKS = {"plain": (GREY, "circle"), "rival": (ORANGE, "diamond"), "champion": (GREEN, "star")}
"""Colour and symbol of each of ``CONTESTANTS``."""


def write(results: Results, path: Path) -> Path:
    """Write the page, in a folder that exists; the file is replaced as a whole.

    Raises:
        EvolveError: the file cannot be written.
    """
    return write_page(page(results), path)


def page(results: Results) -> str:
    """The page's text; see ``write``."""
    problems = [*measured(results.suites["benchmarks"])]
    pictures = [roofline(problems, results.ceilings, results.threads), fractions(problems)]
    return template("bench.html").render(
        problems=[{**one, "shown": _row(one)} for one in problems],
        machine=machine_facts(results.machine),
        measured_at=results.suites["datetime"],
        pictures={picture.name: picture for picture in pictures if picture},
        plotly_js=plotly.offline.get_plotlyjs(),
    )


def _row(one: Told) -> tuple[str, ...]:
    bound = one.get("bound")
    return (
        one["name"],
        seconds(one["champion"]),
        speedup(one["over_plain"]) if one["over_plain"] else "",
        f"{speedup(one['over_rival'])} {one['rival_name']}" if one["over_rival"] else "",
        percent(one["bound_fraction"]) if bound else "",
        bound["limit"] if bound else "",
    )


# ---- the roofline


def roofline(problems: Sequence[Told], ceilings: Mapping[str, Any], threads: int = 1) -> Picture | None:
    """FLOP a second over FLOP a byte below the measured roofs; None where nothing has a place there."""
    shown, across, above = below(problems), flat(ceilings, threads), slopes(ceilings, threads)
    if not shown or not across or not above:
        return None
    drawing = Drawing()
    intensities = [*map(intensity, shown)]
    ends = (min(0.05, *intensities) / 1.5, max(100.0, *intensities) * 1.5)
    for level, bytes_per_s in above.items():
        _slope(drawing, level, bytes_per_s, ends, max(across.values()))
    for name, flop_per_s in across.items():
        _flat(drawing, name, flop_per_s, ends)
    what = f"measured roofs of {cores(threads)}: arithmetic by dtype and mix, and traffic by cache level"
    drawing.legend.append(Mark("line", RED, what))
    for place in CONTESTANTS:
        _contestants(drawing, shown, place)
    drawing.figure.update_xaxes(type="log", title="FLOP per byte that must be moved", range=[*map(math.log10, ends)])
    drawing.figure.update_yaxes(type="log", title="FLOP a second", tickformat="~s")
    caption = (
        "A problem is a column: its plain loop at the bottom, the fastest library and the champion above it. The red "
        "lines are what this machine was measured to do; nothing can stand above the one that its data come from."
    )
    return drawing.picture("roofline", caption, 560)


def _slope(drawing: Drawing, level: str, bytes_per_s: float, ends: tuple[float, float], peak: float) -> None:
    """Traffic's roof, up to where the highest flat one begins."""
    right = min(ends[1], peak / bytes_per_s)
    if right > ends[0]:
        _line(
            drawing,
            [ends[0], right],
            [bytes_per_s * ends[0], bytes_per_s * right],
            f"{level} {rate(bytes_per_s, 'B/s')}",
        )


def _flat(drawing: Drawing, name: str, flop_per_s: float, ends: tuple[float, float]) -> None:
    _line(drawing, [ends[0], ends[1]], [flop_per_s, flop_per_s], f"{name} {rate(flop_per_s, 'FLOP/s')}", "top left")


def _line(drawing: Drawing, x: list[float], y: list[float], label: str, where: str = "top right") -> None:
    drawing.add(
        go.Scatter(
            x=x,
            y=y,
            mode="lines+text",
            line={"color": RED, "width": 1.5},
            text=[label, ""] if where == "top right" else ["", label],
            textposition=where,
            textfont={"color": RED, "size": 11},
            hoverinfo="skip",
        )
    )


def _contestants(drawing: Drawing, shown: Sequence[Told], place: str) -> None:
    (colour, symbol), label = _LOOKS[place], CONTESTANTS[place]
    there = [one for one in shown if one[place]]
    trace = go.Scatter(
        x=[*map(intensity, there)],
        y=[one["flop"] / one[place] for one in there],
        mode="markers+text" if symbol == "star" else "markers",
        marker={"color": colour, "size": 13 if symbol == "star" else 8, "symbol": symbol},
        text=[escaped(one["kernel"]) for one in there] if symbol == "star" else None,
        textposition="middle left",
        textfont={"size": 11},
        hovertext=[_said(one, place, label) for one in there],
        hovertemplate="%{hovertext}<extra></extra>",
    )
    drawing.add(trace, Mark({"circle": "dot"}.get(symbol, symbol), colour, label))


def _said(one: Told, place: str, label: str) -> str:
    name = one["rival_name"] if place == "rival" else label
    return escaped(f"{one['name']}: {name}, {seconds(one[place])} a call, {rate(one['flop'] / one[place], 'FLOP/s')}")


# ---- every problem against its own bound


def fractions(problems: Sequence[Told]) -> Picture | None:
    """How much of its bound each contestant reaches; None where no bound is known."""
    shown = [one for one in problems if one.get("bound")][::-1]
    if not shown:
        return None
    drawing = Drawing()
    for place, label in CONTESTANTS.items():
        (colour, symbol), there = _LOOKS[place], [one for one in shown if one[place]]
        trace = go.Scatter(
            x=[one["bound"]["time_s"] / one[place] for one in there],
            y=[escaped(one["name"]) for one in there],
            mode="markers",
            marker={"color": colour, "size": 13 if symbol == "star" else 8, "symbol": symbol},
            hovertext=[f"{label}: {number(100 * one['bound']['time_s'] / one[place])} %" for one in there],
            hovertemplate="%{hovertext}<extra></extra>",
        )
        drawing.add(trace, Mark({"circle": "dot"}.get(symbol, symbol), colour, label))
    drawing.figure.add_vline(x=1, line={"color": RED, "width": 1.5})
    drawing.legend.append(Mark("line", RED, "bound: the least time that the measured ceilings allow"))
    drawing.figure.update_xaxes(
        type="log",
        title="of the bound (log scale)",
        tickvals=_SHARES,
        ticktext=[f"{100 * share:g} %" for share in _SHARES],
    )
    names = [escaped(one["name"]) for one in shown]
    drawing.figure.update_yaxes(
        categoryorder="array", categoryarray=names, range=[-0.6, len(names) - 0.4], ticksuffix="  "
    )
    caption = (
        "Right is better: the red line is as fast as this machine can be at that problem. What is left between a star "
        "and the line is all that any further search could find."
    )
    return drawing.picture("fractions", caption, 130 + _ROW * len(names))
