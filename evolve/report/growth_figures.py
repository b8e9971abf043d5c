"""The growth picture: what every loop gives for all that it costs, and what its laps did to the front."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from evolve.report.drawing import BLUE, GREEN, GREY, ORANGE, PINK, RED, TEAL, VIOLET, Drawing, Mark, escaped
from evolve.report.figures import speedup_axis
from evolve.report.growth import MOVES, duration
from evolve.report.quantities import factor, speedup
from evolve.tracker.growth import all_in, pays_from_s

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evolve.report.drawing import Picture
    from evolve.tracker.growth import AllIn, Grown, Move, Stage

LOOKS = {
    "batching": (GREEN, "dash"),
    "replicators": (ORANGE, "dash"),
    "kernels": (BLUE, "solid"),
    "engine": (RED, "solid"),
    "policy": (VIOLET, "solid"),
    "search": (TEAL, "solid"),
    "model": (GREY, "solid"),
    "tricks": (PINK, "dash"),
}
"""Colour and dash of a loop's line, by its kind: controls, which compound by construction, and the sum are dashed."""

_OTHER = (GREY, "dash")
_SYMBOLS: dict[Move, tuple[str, str]] = {
    "moved": ("star", "star"),
    "along": ("diamond", "diamond"),
    "nothing": ("circle-open", "dot"),
}
"""Of a lap by what it did: plotly's symbol, and the legend's."""

_TICKS = ((1, "1 s"), (10, "10 s"), (60, "1 min"), (600, "10 min"), (3600, "1 h"), (36e3, "10 h"), (864e2, "1 day"))
_MORE_TICKS = ((864e3, "10 days"), (864e4, "100 days"), (864e5, "1000 days"))
_POINTS = 160
_NEAR = 1.25
"""Lines that end nearer to each other have no room for a name between them."""
_BEYOND = 300.0
"""So many times what the dearest loop has cost lies at the right end: there its cost is a third of a per cent."""


def growth_picture(loops: Sequence[Grown], life_s: float) -> Picture | None:
    """Work a second of a whole life over the life's length, a line a loop; None where no loop has a lap.

    Args:
        loops: that are shown.
        life_s: the length of life that the table is about, which is marked.
    """
    shown = [loop for loop in loops if loop.stages and loop.spent_s > 0]
    if not shown:
        return None
    drawing = Drawing()
    ends_s, tops = ends(shown, life_s), [math.inf]
    for loop, line in life_lines(shown, ends_s):
        tops.append(_life_line(drawing, loop, line, tops[-1]))
    drawing.figure.add_hline(y=1, line={"color": GREY, "width": 1.5, "dash": "dot"})
    drawing.figure.add_vline(x=life_s, line={"color": GREY, "width": 1.5, "dash": "dot"})
    drawing.legend.append(Mark("dash", GREY, "no laps at all, and the life that the table is about"))
    _time_axis(drawing, ends_s, "processor time of a life: laps, then use (log scale)")
    speedup_axis(drawing.figure.update_yaxes, (0.9, max(1.2, *tops[1:]) * 1.3), "work a second, all in")
    caption = (
        "How much verified work a life of some length does a second, over the same life without laps, where as many "
        "laps are made first as are best for it. A line leaves the ground where laps begin to pay, and ends level: "
        "what is capped gives no more, however long the life. Only what compounds would rise for ever."
    )
    return drawing.picture("growth", caption, 520)


def front_picture(loops: Sequence[Grown]) -> Picture | None:
    """What the ceiling leaves after each lap, over what was spent; None where no ceiling is known."""
    shown = [loop for loop in loops if any(stage.left for stage in loop.stages) and loop.spent_s > 0]
    if not shown:
        return None
    drawing = Drawing()
    gaps = [gap for loop in shown for gap in _front_line(drawing, loop)]
    drawing.figure.add_hline(y=1, line={"color": RED, "width": 2})
    drawing.legend.append(Mark("line", RED, "nothing is left: the ceiling itself"))
    drawing.legend += [Mark(_SYMBOLS[move][1], GREY, f"the lap {says}") for move, says in MOVES.items()]
    spent_s = [end for loop in shown for stage in loop.stages for end in (stage.spent_s, stage.frozen_s)]
    _time_axis(drawing, _around([end for end in spent_s if 0 < end < math.inf]), "processor time spent (log scale)")
    speedup_axis(drawing.figure.update_yaxes, (min(0.95, *gaps) / 1.05, max(gaps) * 1.3), "ceiling / S")
    caption = (
        "Each lap is a step to the right, and down if it gained. The dotted line of a colour is what the frozen engine "
        "of lap 0 would have spent on the same laps: the distance between the two is by how much the front has moved."
    )
    return drawing.picture("fronts", caption, 460)


def life_lines(loops: Sequence[Grown], ends_s: tuple[float, float]) -> list[tuple[Grown, list[AllIn]]]:
    """Loops with the most that lives of theirs do a second, the line that ends highest first."""
    found = [(loop, _lives(loop, ends_s)) for loop in loops]
    return sorted(found, key=lambda pair: -pair[1][-1].rate.estimate)


def _lives(loop: Grown, ends_s: tuple[float, float]) -> list[AllIn]:
    """From the shortest to the longest."""
    # corners, where a further lap begins to be worth while, would be cut off between two points of the grid
    corners_s = [pays_from_s(loop.stages), *(stage.spent_s * 1.001 for stage in loop.stages)]
    inside_s = [end for end in corners_s if ends_s[0] < end < ends_s[1]]
    lives_s: list[float] = np.geomspace(*ends_s, _POINTS).tolist()
    return [all_in(loop.stages, end) for end in sorted([*lives_s, *inside_s])]


def _life_line(drawing: Drawing, loop: Grown, found: Sequence[AllIn], above: float) -> float:
    """One loop's line with its name at the end, below the line where the next one above is near; returns its height."""
    colour, dash = look(loop)
    name = _name(loop)
    trace = go.Scatter(
        x=[one.life_s for one in found],
        y=[one.rate.estimate for one in found],
        mode="lines",
        line={"color": colour, "width": 2.5, "dash": dash},
        hovertext=[
            f"{escaped(name)}: {speedup(one.rate.as_dict())} in {duration(one.life_s)}, {one.laps} laps first"
            for one in found
        ],
        hovertemplate="%{hovertext}<extra></extra>",
    )
    top = found[-1].rate.estimate
    drawing.add(trace, Mark("line" if dash == "solid" else "dash", colour, f"{name}, {factor(top)} in the long run"))
    drawing.figure.add_annotation(
        x=math.log10(found[-1].life_s),  # on a logarithmic axis texts are given in exponents
        y=math.log10(top),
        text=escaped(name),
        xanchor="right",
        yanchor="bottom" if above > _NEAR * top else "top",
        font={"color": colour},
        showarrow=False,
    )
    return top


def _front_line(drawing: Drawing, loop: Grown) -> list[float]:
    """One loop's laps, and the same laps by the frozen engine; returns the gaps."""
    known = [stage for stage in loop.stages if stage.left is not None]
    colour, _ = look(loop)
    gaps = [math.exp(stage.left.estimate) for stage in known if stage.left is not None]
    name = _name(loop)
    trace = go.Scatter(
        x=[stage.spent_s for stage in known],
        y=gaps,
        mode="lines+markers",
        line={"color": colour, "width": 2, "shape": "hv"},
        marker={"color": colour, "size": 10, "symbol": [_SYMBOLS[stage.move][0] for stage in known]},
        hovertext=[_told(name, stage) for stage in known],
        hovertemplate="%{hovertext}<extra></extra>",
    )
    drawing.add(trace, Mark("line", colour, name))
    if known[-1].spent_s < known[-1].frozen_s < math.inf:
        line = {"color": colour, "width": 1.2, "dash": "dot", "shape": "hv"}
        x = [stage.frozen_s for stage in known]
        drawing.add(go.Scatter(x=x, y=gaps, mode="lines", line=line, hoverinfo="skip"))
    return gaps


def _told(name: str, stage: Stage) -> str:
    assert stage.left is not None
    return (
        f"{escaped(name)}, lap {stage.lap}: {factor(math.exp(stage.left.estimate))} left after "
        f"{duration(stage.spent_s)}; the frozen engine would have spent {duration(stage.frozen_s)}<br>"
        f"the lap {MOVES[stage.move]}"
    )


def _name(loop: Grown) -> str:
    return f"{loop.loop.kind} ({loop.loop.name})" if loop.loop.name else loop.loop.kind


def look(loop: Grown) -> tuple[str, str]:
    """Colour and dash of a loop's line."""
    return LOOKS.get(loop.loop.kind, _OTHER)


def ends(loops: Sequence[Grown], life_s: float) -> tuple[float, float]:
    """In processor seconds: lives from before the cheapest laps pay to where the dearest loop's cost counts no more."""
    first = min(loop.stages[0].spent_s for loop in loops)
    last = max(loop.spent_s for loop in loops)
    return max(first, 1e-3) / 2, max(_BEYOND * last, 1.5 * life_s)


def _around(values: Sequence[float]) -> tuple[float, float]:
    return min(values) / 1.3, max(values) * 1.3


def _time_axis(drawing: Drawing, ends_s: tuple[float, float], title: str) -> None:
    ticks = [*times(ends_s)]
    drawing.figure.update_xaxes(
        type="log",
        range=[math.log10(end) for end in ends_s],
        tickvals=[at for at, _ in ticks],
        ticktext=[said for _, said in ticks],
        title=title,
    )


def times(ends_s: tuple[float, float]) -> Iterator[tuple[float, str]]:
    """Ticks of an axis of processor time, with their names."""
    return ((at, said) for at, said in (*_TICKS, *_MORE_TICKS) if ends_s[0] <= at <= ends_s[1])
