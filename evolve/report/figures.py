"""The pictures of a report: plotly figures as JSON, each with a legend and one sentence that says what to see in it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from evolve.report.drawing import BLUE, GREEN, GREY, ORANGE, RED, Drawing, Mark, Picture, bars, escaped, finite
from evolve.report.quantities import factor, number, seconds, speedup
from evolve.tracker import Null, best_so_far, improvements, paid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evolve.store import Bound, Checkpoint, Individual, Publication
    from evolve.tracker import NullPoint

_BAND = "rgba(224, 138, 30, 0.16)"

_FEW = 10
"""So many evaluations get a tick each."""

_NULL_POINTS = 60
_LEFT_OUT = 0.02
"""The slowest two per cent of the points may lie below the axis."""


def champion_curve(
    individuals: Sequence[Individual],
    checkpoints: Sequence[Checkpoint],
    publication: Publication | None,
    bound: Bound | None,
    told: Mapping[str, Any] | None = None,
) -> Picture | None:
    """The best so far over evaluations, with everything that it must be held against; None if nothing is measured.

    Args:
        individuals: all that the run asked for.
        checkpoints: its champions, measured afresh.
        publication: the final measurement, once made.
        bound: the attainable time, once known.
        told: the run's summary, for where its curve and its space seem to end.
    """
    if not improvements(individuals):
        return None
    drawing = Drawing()
    cap = bound.baseline_s / bound.time_s if bound else None
    has_null = _null(drawing, individuals, bound)
    _steps(drawing, individuals)
    _levels(drawing, cap)
    _ends(drawing, told or {})
    _fresh(drawing, checkpoints, publication, len(paid(individuals)))
    _points(drawing, individuals)
    few = {"tick0": 0, "dtick": 1} if len(paid(individuals)) <= _FEW else {}
    drawing.figure.update_xaxes(title="evaluations", rangemode="tozero", **few)
    speedup_axis(drawing.figure.update_yaxes, _range(individuals, checkpoints, publication, cap), "speedup (log scale)")
    caption = "Every step of the blue line is a new champion"
    if has_null:
        caption += "; where it runs above the orange band, the search has found more than luck would have"
    if cap:
        caption += f"; the red line at {factor(cap)} is as far as this machine's measured ceiling lets anything go"
    return drawing.picture("curve", f"{caption}.", 460)


def opponents(publication: Publication | None) -> Picture | None:
    """The champion's fresh speedup against every rival, or the plain loop where there is none; None if unpublished."""
    if publication is None:
        return None
    # the plain loop is mostly so slow that beside it nothing could be told of the others
    found = sorted(
        (publication.rivals or {"plain loop": publication.speedup}).items(), key=lambda item: item[1].estimate
    )
    drawing = Drawing()
    names = [escaped(name) for name, _ in found]
    values = [estimate for _, estimate in found]
    trace = go.Scatter(
        x=[value.estimate for value in values],
        y=names,
        error_x=bars(values),
        mode="markers+text",
        marker={"color": GREEN, "size": 11, "symbol": "diamond"},
        text=[factor(value.estimate) for value in values],
        textposition="top center",
        hovertext=[speedup(value.as_dict()) for value in values],
        hovertemplate="%{y}: %{hovertext}<extra></extra>",
    )
    drawing.add(trace, Mark("diamond", GREEN, "champion against it, with its 95 % interval"))
    drawing.figure.add_vline(x=1, line={"color": GREY, "width": 1.5, "dash": "dash"})
    drawing.legend.append(Mark("dash", GREY, "same speed"))
    ends = [end for value in values for end in (value.estimate, *finite(value))]
    ends_shown = (min(0.9, min(ends) / 1.1), max(1.1, max(ends) * 1.15))
    speedup_axis(drawing.figure.update_xaxes, ends_shown, "speed ratio (log scale)")
    drawing.figure.update_yaxes(range=[-0.6, len(names) - 0.3], ticksuffix="  ", showgrid=False)
    caption = (
        "Right of the dashed line the champion is faster than that opponent, left of it slower, and an interval that "
        "touches the line shows no difference."
    )
    return drawing.picture("opponents", caption, 110 + 60 * len(names))


def front(told: Mapping[str, Any] | None, run_id: str) -> Picture | None:
    """What each run of the problem had reached by which cost; None where this run is the only one, or has no figure."""
    if told is None or len(told["traces"]) < 2:
        return None
    drawing = Drawing()
    for trace in told["traces"]:
        _trace(drawing, trace, is_own=trace["run"] == run_id)
    corners = told["points"]
    line = {"color": ORANGE, "width": 2, "dash": "dash", "shape": "hv"}
    drawing.add(
        go.Scatter(
            x=[corner["cpu_s"] for corner in corners],
            y=[math.exp(corner["gap"]["estimate"]) for corner in corners],
            mode="lines",
            line=line,
            hoverinfo="skip",
        ),
        Mark("dash", ORANGE, "front: the least that any run had left by that cost"),
    )
    drawing.legend += [Mark("line", BLUE, "this run"), Mark("line", GREY, "other runs of this problem")]
    gaps = [math.exp(mark["gap"]["estimate"]) for trace in told["traces"] for mark in trace["marks"]]
    drawing.figure.update_xaxes(type="log", title="processor seconds (log scale)")
    speedup_axis(drawing.figure.update_yaxes, (min(0.98, *gaps), max(gaps) * 1.1), "left to the bound (log scale)")
    caption = (
        "Lower is nearer to what this machine allows, further left is cheaper: a run that moved the front lies below "
        "the others at equal cost, one that walked along it only paid more."
    )
    return drawing.picture("front", caption, 360)


def _trace(drawing: Drawing, trace: Mapping[str, Any], *, is_own: bool) -> None:
    marks = trace["marks"]
    drawing.add(
        go.Scatter(
            x=[*(mark["cpu_s"] for mark in marks), trace["spent_s"]],
            y=[math.exp(mark["gap"]["estimate"]) for mark in (*marks, marks[-1])],
            mode="lines+markers",
            line={"color": BLUE if is_own else GREY, "width": 2.5 if is_own else 1.2, "shape": "hv"},
            marker={"size": 6},
            hovertemplate=f"{escaped(trace['run'])}: %{{y:.3g}}x left after %{{x:.3g}} s<extra></extra>",
        )
    )


def _points(drawing: Drawing, individuals: Sequence[Individual]) -> None:
    """Everything measured, faint: what the search asked for, and the random draws of the control arm."""
    known = [(count, i) for count, i in enumerate(paid(individuals), start=1) if i.fitness is not None]
    for arm, colour, symbol, label in (
        ("search", BLUE, "circle", "a schedule of the search"),
        ("control", ORANGE, "diamond", "a random draw (control arm)"),
    ):
        shown = [(count, i) for count, i in known if i.evaluation.arm == arm]
        if shown:
            trace = go.Scatter(
                x=[count for count, _ in shown],
                y=[math.exp(i.fitness or 0.0) for _, i in shown],
                mode="markers",
                marker={"color": colour, "size": 5, "opacity": 0.35, "symbol": symbol},
                hovertext=[_described(i) for _, i in shown],
                hovertemplate="%{hovertext}<extra></extra>",
            )
            drawing.add(trace, Mark("dot" if arm == "search" else "diamond", colour, label))


def _described(individual: Individual) -> str:
    evaluation, time_s = individual.evaluation, individual.search_time_s
    took = f", {seconds(time_s)} a call" if time_s else ""
    values = [f"{name}={value}" for name, value in evaluation.schedule.items()]
    lines = [" ".join(values[k : k + 5]) for k in range(0, len(values), 5)]
    head = (
        f"evaluation {evaluation.number} ({evaluation.operator}): {factor(math.exp(individual.fitness or 0.0))}{took}"
    )
    return "<br>".join([head, *map(escaped, lines)])


def _null(drawing: Drawing, individuals: Sequence[Individual], bound: Bound | None) -> bool:
    """The expected best of as many random draws, as far as the control arm carries it; False if it carries nothing."""
    null, last = Null.of(individuals, bound), len(paid(individuals))
    counts = np.unique(np.geomspace(1, max(1, last), _NULL_POINTS).round().astype(int))
    curve = null.curve([int(n) for n in counts]) if null else []
    if not curve:
        return False
    _null_band(drawing, curve)
    known = [point for point in curve if not point.is_extrapolated]
    for part, dash in ((known, "solid"), (known[-1:] + curve[len(known) :], "dot")):
        trace = go.Scatter(
            x=[point.n for point in part],
            y=[math.exp(point.fitness.estimate) for point in part],
            mode="lines",
            line={"color": ORANGE, "width": 2, "dash": dash},
            hovertemplate="best of %{x} random draws: %{y:.3g}x<extra></extra>",
        )
        drawing.add(trace)
    drawing.legend.append(Mark("line", ORANGE, "best of as many random draws, expected (dotted: extrapolated)"))
    drawing.legend.append(Mark("band", ORANGE, "95 % band of that expectation"))
    return True


def _null_band(drawing: Drawing, curve: Sequence[NullPoint]) -> None:
    ends = [(p.n, p.fitness.high) for p in curve] + [(p.n, p.fitness.low) for p in reversed(curve)]
    band = go.Scatter(
        x=[n for n, _ in ends],
        y=[math.exp(end) for _, end in ends],
        fill="toself",
        fillcolor=_BAND,
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
    )
    drawing.add(band)


def _steps(drawing: Drawing, individuals: Sequence[Individual]) -> None:
    """The champion curve."""
    best = np.exp(best_so_far(individuals))
    trace = go.Scatter(
        x=list(range(1, len(best) + 1)),
        y=[None if math.isnan(value) else float(value) for value in best],
        mode="lines" if len(best) > 1 else "lines+markers",
        line={"color": BLUE, "width": 2.5, "shape": "hv"},
        hovertemplate="best of %{x} evaluations: %{y:.3g}x<extra></extra>",
    )
    drawing.add(trace)
    drawing.legend.insert(0, Mark("line", BLUE, "best so far (search estimate)"))


def _fresh(
    drawing: Drawing, checkpoints: Sequence[Checkpoint], publication: Publication | None, evaluations: int
) -> None:
    """What was measured afresh, with intervals: checkpoints on the way, the published figure at the end."""
    for where, found, symbol, label in (
        (
            [c.evaluations for c in checkpoints],
            [c.speedup for c in checkpoints],
            "diamond",
            "checkpoint, measured afresh",
        ),
        ([evaluations] if publication else [], [publication.speedup] if publication else [], "star", "published"),
    ):
        if found:
            size = 15 if symbol == "star" else 9
            trace = go.Scatter(
                x=where,
                y=[estimate.estimate for estimate in found],
                error_y=bars(found),
                mode="markers",
                marker={"color": GREEN, "size": size, "symbol": symbol},
                hovertext=[speedup(estimate.as_dict()) for estimate in found],
                hovertemplate=f"{label}: %{{hovertext}}<extra></extra>",
            )
            drawing.add(trace, Mark(symbol, GREEN, f"{label}, with its 95 % interval"))


def _levels(drawing: Drawing, cap: float | None) -> None:
    """The cap, and the plain loop itself."""
    figure = drawing.figure
    figure.add_hline(y=1, line={"color": GREY, "width": 1.5, "dash": "dash"})
    drawing.legend.append(Mark("dash", GREY, "the plain loop"))
    if cap:
        figure.add_hline(y=cap, line={"color": RED, "width": 2})
        figure.add_annotation(
            x=1,
            xref="paper",
            xanchor="right",
            y=math.log10(cap),  # on a logarithmic axis lines are given in values, texts in exponents
            yanchor="bottom",
            text=f"cap {factor(cap)}",
            font={"color": RED},
            showarrow=False,
        )
        drawing.legend.append(Mark("line", RED, "cap: the machine's measured ceiling"))


def _ends(drawing: Drawing, told: Mapping[str, Any]) -> None:
    """Where the champion's own curve heads, and where the scores of random draws end, as far as that shows."""
    heading = ((told.get("asymptote") or {}).get("evaluations") or {}).get("speedup")
    space = told.get("tail") or {}
    for found, colour, label in (
        (heading, GREEN, "where the champion's curve heads, with its 95 % interval"),
        (space.get("endpoint") if space.get("is_seen") else None, ORANGE, "where this space ends, with its interval"),
    ):
        if found and found["high"] is not None:
            drawing.figure.add_hrect(y0=found["low"], y1=found["high"], fillcolor=colour, opacity=0.12, line_width=0)
            drawing.figure.add_hline(y=found["estimate"], line={"color": colour, "width": 1.5, "dash": "dash"})
            drawing.legend.append(Mark("dash", colour, label))


def _range(
    individuals: Sequence[Individual],
    checkpoints: Sequence[Checkpoint],
    publication: Publication | None,
    cap: float | None,
) -> tuple[float, float]:
    """Speedups from the slowest, but for a few, to the cap or whatever is above it."""
    fitnesses = np.array([i.fitness for i in paid(individuals) if i.fitness is not None], dtype=np.float64)
    fresh = [c.speedup for c in checkpoints] + ([publication.speedup] if publication else [])
    tops = [cap or 1.0, *(end for e in fresh for end in (e.estimate, *finite(e)))]
    low = min(1.0, float(np.exp(np.quantile(fitnesses, _LEFT_OUT))))
    return low / 1.15, max(*tops, float(np.exp(fitnesses.max()))) * 1.3


def speedup_axis(update: Any, ends: tuple[float, float], title: str) -> None:
    """A logarithmic axis with round ratios on it."""
    low, high = ends
    ticks = _round_ratios(low, high)
    update(
        type="log",
        range=[math.log10(low), math.log10(high)],
        tickvals=ticks,
        ticktext=[f"{number(tick).rstrip('0').rstrip('.') if tick < 10 else f'{tick:g}'}x" for tick in ticks],
        title=title,
    )


def _round_ratios(low: float, high: float) -> list[float]:
    """1, 2, 5 times powers of ten; finer steps where the axis is short, powers of ten alone where it is long."""
    span = math.log10(high / low)
    steps: Iterable[float] = (
        (1,) if span > 4 else (1, 2, 5) if span > 0.7 else (1, 1.1, 1.2, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)
    )
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = {float(f"{step}e{exponent}") for exponent in exponents for step in steps}
    return sorted(tick for tick in ticks if low <= tick <= high)
