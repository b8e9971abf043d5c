"""Several machines as one page: a single HTML file that needs no network, for any screen, light and dark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import plotly.graph_objects as go
import plotly.offline

from evolve.compare import named
from evolve.report.compare import origin, surcharge
from evolve.report.drawing import BLUE, GREEN, GREY, ORANGE, RED, Drawing, Mark, Picture, bars, escaped
from evolve.report.machine import ceiling_tables, machine_facts
from evolve.report.page import template, write_page
from evolve.report.quantities import fraction, percent
from evolve.store import Machine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from evolve.compare import Aligned, Cell, Comparison
    from evolve.sheet import Leader, Profile, ProfileKey

COLOURS = (BLUE, ORANGE, GREEN, "#8a5cd6", RED, "#0f9bb0", "#b0740f", "#6b7686")
"""Of machines, in the order given; they repeat beyond eight."""

_ROW = 26
_MOST_COST = 0.5
"""A champion at half the speed of the machine's own is as pale as one can be."""


@dataclass(frozen=True)
class _Shown:
    """A cell of the heat table."""

    cell: Cell
    weight: float
    number: str
    interval: str


def write(comparison: Comparison, path: Path) -> Path:
    """Write the page of a comparison, in a folder that exists; the file is replaced as a whole.

    Raises:
        EvolveError: the file cannot be written.
    """
    return write_page(page(comparison), path)


def page(comparison: Comparison) -> str:
    """The page's text; see ``write``."""
    labels = comparison.labels
    picture = fractions(comparison)
    return template("compare.html").render(
        comparison=comparison,
        labels=labels,
        machines=[_machine(profile, labels) for profile in comparison.profiles],
        problems=[_problem(one, labels) for one in comparison.problems],
        pictures={picture.name: picture} if picture else {},
        named=named,
        plotly_js=plotly.offline.get_plotlyjs(),
    )


def _machine(profile: Profile, labels: Mapping[ProfileKey, str]) -> dict[str, object]:
    known = machine_facts(Machine(profile.machine, profile.fingerprint))
    caches = {"hot": "hold the data of the call before", "rotate": "hold data of other calls", "flush": "are empty"}
    return {
        "label": labels[profile.key],
        "facts": [*known, ("before a call", f"caches {caches.get(profile.policy, profile.policy)}")],
        "ceilings": ceiling_tables(profile.ceilings.get("best", {})),
    }


def _problem(one: Aligned, labels: Mapping[ProfileKey, str]) -> dict[str, object]:
    rows = [(labels[home], [_shown(cell) for cell in one.cells if cell.home == home]) for home in one.leaders]
    return {
        "name": named(one.problem),
        "leaders": [(labels[key], leader, origin(leader)) for key, leader in one.leaders.items()],
        "columns": [labels[key] for key in one.leaders],
        "rows": rows,
        "commands": list(dict.fromkeys(cell.note for cell in one.cells if cell.kind == "missing")),
        "refused": [
            f"champion of {labels[c.home]} on {labels[c.host]}: {c.note}" for c in one.cells if c.kind == "refused"
        ],
        "agreed": [gene for gene in one.genes if gene.agreed],
        "differing": [gene for gene in one.genes if not gene.agrees],
        "keys": list(one.leaders),
        "portable": one.portable,
        "is_settled": one.is_settled,
        "is_one": one.is_one,
        "costs": _costs(one, labels),
    }


def _costs(one: Aligned, labels: Mapping[ProfileKey, str]) -> list[tuple[str, str]]:
    return [(labels[key], surcharge(cost)) for key, cost in one.portable.costs.items()] if one.portable else []


def _shown(cell: Cell) -> _Shown:
    found = cell.fraction
    if found is None:
        return _Shown(cell, 0.0, "refused" if cell.kind == "refused" else "?", "")
    note = {"own": "its own", "same": "the same schedule"}.get(cell.kind) or _ends(fraction(found.as_dict()))
    weight = min(1.0, max(0.0, (found.estimate - _MOST_COST) / (1 - _MOST_COST)))
    return _Shown(cell, weight, percent(found.estimate), note)


def _ends(text: str) -> str:
    return text.partition(" % ")[2].strip("[]()").replace(", ", " to ")


# ---- the picture


def fractions(comparison: Comparison) -> Picture | None:
    """How near each machine's leaders come to the machine's own bound; None where no bound is known."""
    drawing = Drawing()
    places = _places(comparison.problems)
    for profile, colour in zip(comparison.profiles, COLOURS * len(comparison.profiles), strict=False):
        shown = [(place, leader) for (key, _), (place, leader) in places.items() if key == profile.key]
        known = [(place, leader) for place, leader in shown if leader.fraction]
        if known:
            label = comparison.labels[profile.key]
            drawing.add(_trace(known, colour, label), Mark("dot", colour, label))
    if not drawing.legend:
        return None
    drawing.figure.add_vline(x=1, line={"color": RED, "width": 2})
    drawing.legend.append(Mark("line", RED, "the bound: as fast as that very machine can be"))
    _axes(drawing, comparison.problems, places)
    height = 90 + _ROW * (len(places) + len(comparison.problems))
    caption = (
        "Each dot is a machine's best schedule, held against what that very machine was measured to be capable of: the "
        "nearer to the red line, the less is left to gain there. Bars are 95 % intervals. Nothing here says which "
        "machine is faster."
    )
    return drawing.picture("fractions", caption, height)


def _places(problems: Sequence[Aligned]) -> dict[tuple[ProfileKey, int], tuple[float, Leader]]:
    """By machine and problem the height of its dot: a line each, and an empty line between problems."""
    places, line = {}, 0
    for number, one in enumerate(problems):
        for key, leader in one.leaders.items():
            places[key, number] = (-float(line), leader)
            line += 1
        line += 1
    return places


def _trace(shown: Sequence[tuple[float, Leader]], colour: str, label: str) -> go.Scatter:
    known = [leader.fraction for _, leader in shown if leader.fraction]
    said = [
        f"{escaped(label)}: {fraction(leader.fraction.as_dict())}<br>{escaped(leader.limit)}"
        for _, leader in shown
        if leader.fraction
    ]
    return go.Scatter(
        x=[value.estimate for value in known],
        y=[place for place, _ in shown],
        error_x={**bars(known), "color": colour},
        mode="markers+text",
        marker={"color": colour, "size": 11},
        text=[percent(value.estimate) for value in known],
        textposition="top center",
        textfont={"size": 11},
        hovertext=said,
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _axes(
    drawing: Drawing, problems: Sequence[Aligned], places: Mapping[tuple[ProfileKey, int], tuple[float, Leader]]
) -> None:
    heights = [[place for (_, number), (place, _) in places.items() if number == k] for k in range(len(problems))]
    names = [escaped(named(one.problem)) for one in problems]
    ends = [leader.fraction.estimate for _, leader in places.values() if leader.fraction]
    drawing.figure.update_yaxes(
        tickvals=[sum(own) / len(own) for own in heights],
        ticktext=[f"{name}  " for name in names],
        range=[min(min(own) for own in heights) - 0.8, 1.0],
        showgrid=False,
    )
    drawing.figure.update_xaxes(
        range=[0, max(1.06, *(1.1 * end for end in ends))], tickformat=".0%", title="share of the machine's own bound"
    )
    for own in heights[:-1]:
        drawing.figure.add_hline(y=min(own) - 1, line={"color": GREY, "width": 0.5})
