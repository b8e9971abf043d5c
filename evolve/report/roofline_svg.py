"""The roofline as one small SVG file, for a README: no script, no ground of its own, ink that reads on light and dark.

It shows what ``roofline`` shows. Problems of one kernel and dtype are joined, and named once.
"""

from __future__ import annotations

import math
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from evolve.errors import EvolveError
from evolve.report.drawing import GREEN, ORANGE, RED
from evolve.report.labels import Box, Wanted, along, around, placed
from evolve.report.page import write_page
from evolve.report.quantities import rate
from evolve.report.roofs import CONTESTANTS, below, cores, flat, intensity, measured, slopes
from evolve.report.sketch import INK, LETTER, LINE, Axis, Plane, Sketch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from evolve.bench import Results

    Told = dict[str, Any]

WIDTH, HEIGHT = 960, 620
AREA = Box(58, 58, 794, 572)
"""Within the axes, in pixels; roofs of arithmetic have their names on the right of it."""
_HALF = 6.0
"""Pixels from the middle of a mark to where words may begin."""
_SLOPE_TEXT = 14.0
"""Pixels along a slope to its name."""
_LEADER_FROM = 12.0
"""Pixels between a name and its point from which a line has to join them."""
_TITLE = "Roofline: champions, rivals and plain loops below what this machine was measured to do"
_STYLE = (
    f".column{{stroke:{INK};stroke-opacity:.5}}"
    f".leader{{stroke:{INK};stroke-width:.7}}.sizes{{stroke:{GREEN}}}.roof{{stroke:{RED};stroke-width:1.5}}"
    f".red{{fill:{RED}}}.champion{{fill:{GREEN}}}.rival{{fill:{ORANGE}}}.plain{{fill:{INK}}}"
)


def write(results: Results, path: Path) -> Path:
    """Write the picture, in a folder that exists; the file is replaced as a whole.

    Raises:
        EvolveError: there is nothing to draw, or the file cannot be written.
    """
    return write_page(picture(results), path)


def picture(results: Results) -> str:
    """The file's text.

    Raises:
        EvolveError: no problem or no roof was measured.
    """
    problems = below(measured(results.suites["benchmarks"]))
    across, above = flat(results.ceilings, results.threads), slopes(results.ceilings, results.threads)
    if not problems or not across or not above:
        what = "no ceiling of this machine" if problems else "no kernel that computes anything"
        raise EvolveError(f"there is no roofline to draw: {what} was measured", "leave out --picture")
    sketch = Sketch(_plane(problems, across.values()))
    _axes(sketch)
    _slopes(sketch, above, max(across.values()))
    _flats(sketch, across, max(above.values()))
    _problems(sketch, problems)
    _heading(sketch, results)
    return sketch.document(_TITLE, _STYLE, WIDTH, HEIGHT)


# ---- places


def _plane(problems: Sequence[Told], roofs: Iterable[float]) -> Plane:
    across = [intensity(one) for one in problems]
    rates = [rate_of(one, place) for one in problems for place in CONTESTANTS if one[place]]
    return Plane(
        Axis(min(across) / 3.5, max(across) * 2, AREA.left, AREA.right),
        Axis(min(rates) / 1.7, max(*roofs, *rates) * 2, AREA.bottom, AREA.top),
    )


def rate_of(one: Told, place: str) -> float:
    """FLOP a second of one of its contestants."""
    return float(one["flop"] / one[place])


# ---- what is on it


def _axes(sketch: Sketch) -> None:
    for value in sketch.plane.x.decades():
        sketch.tick(f"{value:g}", x=value)
    for value in sketch.plane.y.decades():
        sketch.tick(_short(value), y=value)
    sketch.titles("FLOP per byte that must be moved", "FLOP a second")


def _short(flop_per_s: float) -> str:
    """With a prefix, and no digits that say nothing: ``10 G``."""
    value, _, unit = rate(flop_per_s, "").partition(" ")
    return f"{value.removesuffix('.00').removesuffix('.0')} {unit}"


def _slopes(sketch: Sketch, bytes_per_s: Mapping[str, float], peak: float) -> None:
    """Traffic's roofs, each up to where the highest flat one begins, with its name along it."""
    plane, above = sketch.plane, math.inf
    for level, traffic in sorted(bytes_per_s.items(), key=lambda pair: -pair[1]):
        low, high = max(plane.x.low, plane.y.low / traffic), min(plane.x.high, peak / traffic)
        if low >= high:
            continue
        start, end = plane.at(low, traffic * low), plane.at(high, traffic * high)
        sketch.line(start, end, "roof")
        angle = math.atan2(end[1] - start[1], end[0] - start[0])
        gap = (plane.y.at(traffic) - plane.y.at(above)) * math.cos(angle) if above < math.inf else math.inf
        _along(sketch, start, angle, f"{level} {_short(traffic)}B/s", is_below=gap < LINE + 4)
        above = traffic


def _along(sketch: Sketch, start: tuple[float, float], angle: float, text: str, *, is_below: bool) -> None:
    """A name that goes up with its line, on that side of it where the next line is not near."""
    off = LINE if is_below else -4.0
    x = start[0] + _SLOPE_TEXT * math.cos(angle) - off * math.sin(angle)
    y = start[1] + _SLOPE_TEXT * math.sin(angle) + off * math.cos(angle)
    turn = f"translate({x:.1f} {y:.1f}) rotate({math.degrees(angle):.1f})"
    sketch.draw("text", escape(text), transform=turn, look="red")
    length = LETTER * len(text)
    sketch.marks += along(x, y, x + length * math.cos(angle), y + length * math.sin(angle), LINE / 2)


def _flats(sketch: Sketch, flop_per_s: Mapping[str, float], steepest: float) -> None:
    """Arithmetic's roofs, from the steepest slope on, with their names behind their ends."""
    last = -math.inf
    for name, value in sorted(flop_per_s.items(), key=lambda pair: -pair[1]):
        start = min(max(sketch.plane.x.low, value / steepest), sketch.plane.x.high)
        sketch.line(sketch.plane.at(start, value), sketch.plane.at(sketch.plane.x.high, value), "roof")
        last = max(sketch.plane.y.at(value) + 4, last + LINE - 1)
        sketch.words(AREA.right + 5, last, f"{name} {_short(value)}", look="red")


def _problems(sketch: Sketch, problems: Sequence[Told]) -> None:
    """Columns, lines through the sizes of a kernel, marks, and names."""
    ordered = sorted(problems, key=lambda one: (one["kernel"], one["dtype"], intensity(one)))
    series = [[*some] for _, some in groupby(ordered, key=lambda one: (one["kernel"], one["dtype"]))]
    for one in ordered:
        found = [_spot(sketch, one, place) for place in CONTESTANTS if one[place]]
        sketch.line(max(found, key=lambda spot: spot[1]), min(found, key=lambda spot: spot[1]), "column")
    for some in series:
        for one, other in pairwise(some):
            sketch.line(_spot(sketch, one, "champion"), _spot(sketch, other, "champion"), "sizes")
    for place in CONTESTANTS:
        for one in ordered:
            if one[place]:
                x, y = _spot(sketch, one, place)
                _mark(sketch, x, y, place)
                sketch.marks.append(around(x, y, _HALF))
    _names(sketch, series)


def _mark(sketch: Sketch, x: float, y: float, place: str) -> None:
    """One of ``CONTESTANTS``."""
    if place == "champion":
        sketch.draw("polygon", points=_star(x, y), look=place)
    elif place == "rival":
        sketch.draw("path", d=f"M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5-5z", look=place)
    else:
        sketch.draw("circle", cx=x, cy=y, r=3.5, look=place)


def _star(x: float, y: float) -> str:
    corners = ((k * math.pi / 5, 7.5 if k % 2 == 0 else 3.2) for k in range(10))
    return " ".join(f"{x + r * math.sin(turn):.1f},{y - r * math.cos(turn):.1f}" for turn, r in corners)


def _spot(sketch: Sketch, one: Told, place: str) -> tuple[float, float]:
    return sketch.plane.at(intensity(one), rate_of(one, place))


def _names(sketch: Sketch, series: Sequence[Sequence[Told]]) -> None:
    """A name beside the champion in the middle of each series, joined to it where it could not stand beside it."""
    named = [some[len(some) // 2] for some in series]
    texts = [f"{one['kernel']} {one['dtype'].replace('float', 'f')}" for one in named]
    spots = [_spot(sketch, one, "champion") for one in named]
    wanted = [Wanted(*spot, LETTER * len(text), LINE) for spot, text in zip(spots, texts, strict=True)]
    for (x, y), text, place in zip(spots, texts, placed(wanted, sketch.marks, sketch.lines, AREA), strict=True):
        if place.distance > _LEADER_FROM:
            part = _HALF / place.distance
            sketch.draw(
                "line", x1=x + part * (place.x - x), y1=y + part * (place.y - y), x2=place.x, y2=place.y, look="leader"
            )
        sketch.words(place.x, place.box.bottom - 3, text, place.anchor)


def _heading(sketch: Sketch, results: Results) -> None:
    """What the marks are, and whose figures, of which day."""
    x = AREA.left
    for place in reversed(CONTESTANTS):
        _mark(sketch, x, 18, place)
        sketch.words(x + 11, 22, CONTESTANTS[place])
        x += 11 + LETTER * len(CONTESTANTS[place]) + 24
    sketch.draw("line", x1=x - 6, y1=18, x2=x + 12, y2=18, look="roof")
    sketch.words(x + 18, 22, f"measured roofs of {cores(results.threads)}")
    cpu = results.machine.fingerprint.get("cpu") or results.machine.id
    sketch.words(WIDTH - 8, 22, f"{cpu}, {results.suites['datetime'][:10]}", "end")
