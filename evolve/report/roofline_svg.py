"""The roofline as one small SVG file, for a README: no script, no ground of its own, ink that reads on light and dark.

It shows what ``roofline`` shows. Problems of one kernel and dtype are joined, and named once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

from evolve.errors import EvolveError
from evolve.report.drawing import GREEN, ORANGE, RED
from evolve.report.labels import Box, Wanted, along, around, covering, placed
from evolve.report.page import write_page
from evolve.report.quantities import rate
from evolve.report.roofs import CONTESTANTS, below, cores, flat, intensity, measured, slopes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from evolve.bench import Results

    Told = dict[str, Any]

WIDTH, HEIGHT = 960, 620
AREA = Box(58, 58, 794, 572)
"""Within the axes, in pixels; roofs of arithmetic have their names on the right of it."""
_INK = "#768390"
"""4 to 1 on white and on GitHub's dark ground."""
_LETTER, _LINE = 6.0, 13.0
"""Pixels of a letter and of a line of text, at most."""
_HALF = 6.0
"""Pixels from the middle of a mark to where words may begin."""
_SLOPE_TEXT = 14.0
"""Pixels along a slope to its name."""
_LEADER_FROM = 12.0
"""Pixels between a name and its point from which a line has to join them."""
_STYLE = (
    f"text{{font:11px system-ui,-apple-system,'Segoe UI',sans-serif;fill:{_INK}}}"
    f".grid{{stroke:{_INK};stroke-opacity:.25}}.column{{stroke:{_INK};stroke-opacity:.5}}"
    f".leader{{stroke:{_INK};stroke-width:.7}}.sizes{{stroke:{GREEN}}}.roof{{stroke:{RED};stroke-width:1.5}}"
    f".red{{fill:{RED}}}.champion{{fill:{GREEN}}}.rival{{fill:{ORANGE}}}.plain{{fill:{_INK}}}"
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
    return _document(sketch)


# ---- places


@dataclass(frozen=True)
class Axis:
    """A log axis: ``low`` is drawn at pixel ``start``, ``high`` at ``end``."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The pixel of a value."""
        return self.start + (self.end - self.start) * math.log(value / self.low) / math.log(self.high / self.low)

    def decades(self) -> Iterator[float]:
        """Powers of ten on it."""
        for exponent in range(math.ceil(math.log10(self.low)), math.floor(math.log10(self.high)) + 1):
            yield 10.0**exponent


@dataclass(frozen=True)
class Plane:
    """Intensity to the right, FLOP a second upwards."""

    x: Axis
    y: Axis

    def at(self, flop_per_byte: float, flop_per_s: float) -> tuple[float, float]:
        """The pixels of a point."""
        return self.x.at(flop_per_byte), self.y.at(flop_per_s)


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


# ---- the sheet


@dataclass
class Sketch:
    """What is drawn so far, and where no word may stand.

    Attributes:
        plane: where values lie.
        elements: of SVG.
        marks: neither words nor leaders.
        lines: no words, if it can be helped.
    """

    plane: Plane
    elements: list[str] = field(default_factory=list)
    marks: list[Box] = field(default_factory=list)
    lines: list[Box] = field(default_factory=list)

    def line(self, start: tuple[float, float], end: tuple[float, float], look: str) -> None:
        """A straight line that words keep off."""
        self.draw("line", x1=start[0], y1=start[1], x2=end[0], y2=end[1], look=look)
        self.lines += covering(*start, *end)

    def words(self, x: float, y: float, text: str, anchor: str = "start", look: str = "") -> None:
        """Text on a line at ``y``."""
        self.draw("text", escape(text), x=x, y=y, text_anchor=anchor, look=look)

    def mark(self, x: float, y: float, place: str) -> None:
        """One of ``CONTESTANTS``."""
        if place == "champion":
            self.draw("polygon", points=_star(x, y), look=place)
        elif place == "rival":
            self.draw("path", d=f"M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5-5z", look=place)
        else:
            self.draw("circle", cx=x, cy=y, r=3.5, look=place)

    def draw(self, name: str, content: str = "", *, look: str = "", **attributes: float | str) -> None:
        """Any element; ``look`` is its class."""
        known = {**attributes, "class": look} if look else attributes
        told = "".join(f" {key.replace('_', '-')}={quoteattr(_value(value))}" for key, value in known.items())
        self.elements.append(f"<{name}{told}>{content}</{name}>" if content else f"<{name}{told}/>")


def _value(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")


def _star(x: float, y: float) -> str:
    corners = ((k * math.pi / 5, 7.5 if k % 2 == 0 else 3.2) for k in range(10))
    return " ".join(f"{x + r * math.sin(turn):.1f},{y - r * math.cos(turn):.1f}" for turn, r in corners)


def _document(sketch: Sketch) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
    told = "<title>Roofline: champions, rivals and plain loops below what this machine was measured to do</title>"
    return "\n".join([head, told, f"<style>{_STYLE}</style>", *sketch.elements, "</svg>\n"])


# ---- what is on it


def _axes(sketch: Sketch) -> None:
    for value in sketch.plane.x.decades():
        x = sketch.plane.x.at(value)
        sketch.draw("line", x1=x, y1=AREA.top, x2=x, y2=AREA.bottom, look="grid")
        sketch.words(x, AREA.bottom + 16, f"{value:g}", "middle")
    for value in sketch.plane.y.decades():
        y = sketch.plane.y.at(value)
        sketch.draw("line", x1=AREA.left, y1=y, x2=AREA.right, y2=y, look="grid")
        sketch.words(AREA.left - 6, y + 4, _short(value), "end")
    sketch.words((AREA.left + AREA.right) / 2, AREA.bottom + 36, "FLOP per byte that must be moved", "middle")
    sketch.words(AREA.left - 50, AREA.top - 8, "FLOP a second")


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
        _along(sketch, start, angle, f"{level} {_short(traffic)}B/s", is_below=gap < _LINE + 4)
        above = traffic


def _along(sketch: Sketch, start: tuple[float, float], angle: float, text: str, *, is_below: bool) -> None:
    """A name that goes up with its line, on that side of it where the next line is not near."""
    off = _LINE if is_below else -4.0
    x = start[0] + _SLOPE_TEXT * math.cos(angle) - off * math.sin(angle)
    y = start[1] + _SLOPE_TEXT * math.sin(angle) + off * math.cos(angle)
    turn = f"translate({x:.1f} {y:.1f}) rotate({math.degrees(angle):.1f})"
    sketch.draw("text", escape(text), transform=turn, look="red")
    length = _LETTER * len(text)
    sketch.marks += along(x, y, x + length * math.cos(angle), y + length * math.sin(angle), _LINE / 2)


def _flats(sketch: Sketch, flop_per_s: Mapping[str, float], steepest: float) -> None:
    """Arithmetic's roofs, from the steepest slope on, with their names behind their ends."""
    last = -math.inf
    for name, value in sorted(flop_per_s.items(), key=lambda pair: -pair[1]):
        start = min(max(sketch.plane.x.low, value / steepest), sketch.plane.x.high)
        sketch.line(sketch.plane.at(start, value), sketch.plane.at(sketch.plane.x.high, value), "roof")
        last = max(sketch.plane.y.at(value) + 4, last + _LINE - 1)
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
                sketch.mark(x, y, place)
                sketch.marks.append(around(x, y, _HALF))
    _names(sketch, series)


def _spot(sketch: Sketch, one: Told, place: str) -> tuple[float, float]:
    return sketch.plane.at(intensity(one), rate_of(one, place))


def _names(sketch: Sketch, series: Sequence[Sequence[Told]]) -> None:
    """A name beside the champion in the middle of each series, joined to it where it could not stand beside it."""
    named = [some[len(some) // 2] for some in series]
    texts = [f"{one['kernel']} {one['dtype'].replace('float', 'f')}" for one in named]
    spots = [_spot(sketch, one, "champion") for one in named]
    wanted = [Wanted(*spot, _LETTER * len(text), _LINE) for spot, text in zip(spots, texts, strict=True)]
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
        sketch.mark(x, 18, place)
        sketch.words(x + 11, 22, CONTESTANTS[place])
        x += 11 + _LETTER * len(CONTESTANTS[place]) + 24
    sketch.draw("line", x1=x - 6, y1=18, x2=x + 12, y2=18, look="roof")
    sketch.words(x + 18, 22, f"measured roofs of {cores(results.threads)}")
    cpu = results.machine.fingerprint.get("cpu") or results.machine.id
    sketch.words(WIDTH - 8, 22, f"{cpu}, {results.suites['datetime'][:10]}", "end")
