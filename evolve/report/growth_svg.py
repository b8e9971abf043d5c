"""The growth picture as one small SVG file, for a README; it shows what ``growth_figures.growth_picture`` shows."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from evolve.errors import EvolveError
from evolve.report.growth import life
from evolve.report.growth_figures import ends, life_lines, look, times
from evolve.report.page import write_page
from evolve.report.quantities import factor
from evolve.report.sketch import INK, LINE, Axis, Plane, Sketch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evolve.tracker.growth import AllIn, Grown

WIDTH, HEIGHT = 960, 480
_LEFT, _TOP, _RIGHT, _BOTTOM = 62, 52, 770, 428
_STYLE = (
    "polyline{fill:none;stroke-width:2}.dash{stroke-dasharray:6 4}"
    f".mark{{stroke:{INK};stroke-dasharray:2 3;stroke-width:1.5}}"
)
_TITLE = "Growth, all in: verified work a second of lives that first make laps, over lives without laps"


def write(loops: Sequence[Grown], life_s: float, path: Path) -> Path:
    """Write the picture, in a folder that exists; the file is replaced as a whole.

    Args:
        loops: that are shown.
        life_s: processor seconds of the life that is marked.
        path: of the file.

    Raises:
        EvolveError: there is nothing to draw, or the file cannot be written.
    """
    return write_page(picture(loops, life_s), path)


def picture(loops: Sequence[Grown], life_s: float) -> str:
    """The file's text.

    Raises:
        EvolveError: no loop has a lap.
    """
    shown = [loop for loop in loops if loop.stages and loop.spent_s > 0]
    if not shown:
        raise EvolveError("there is no growth to draw: no loop has a lap", "leave out --picture")
    ends_s = ends(shown, life_s)
    lines = life_lines(shown, ends_s)
    top = lines[0][1][-1].rate.estimate
    sketch = Sketch(Plane(Axis(*ends_s, _LEFT, _RIGHT), Axis(0.9, max(1.2, top) * 1.3, _BOTTOM, _TOP)))
    _axes(sketch, ends_s, life_s)
    for loop, line in lines:
        points = [sketch.plane.at(one.life_s, one.rate.estimate) for one in line]
        sketch.curve(points, f"{_kind(loop)} {look(loop)[1]}")
    _names(sketch, lines)
    return sketch.document(_TITLE, _STYLE + "".join(dict.fromkeys(map(_colours, shown))), WIDTH, HEIGHT)


def _kind(loop: Grown) -> str:
    """What the file calls a loop's colour."""
    return f"of-{loop.loop.kind}"


def _colours(loop: Grown) -> str:
    colour, _ = look(loop)
    return f"polyline.{_kind(loop)}{{stroke:{colour}}}text.{_kind(loop)}{{fill:{colour}}}"


def _axes(sketch: Sketch, ends_s: tuple[float, float], life_s: float) -> None:
    for at, said in times(ends_s):
        sketch.tick(said, x=at)
    for decade in sketch.plane.y.decades():
        for value in (decade, 2 * decade, 5 * decade):
            if value < sketch.plane.y.high:
                sketch.tick(f"{value:g}x", y=value)
    sketch.titles("processor time of a life: laps first, then use", "work a second, all in")
    low, high = sketch.plane.x.low, sketch.plane.x.high
    sketch.line(sketch.plane.at(low, 1.0), sketch.plane.at(high, 1.0), "mark")
    x = sketch.plane.x.at(life_s)
    sketch.line((x, _BOTTOM), (x, _TOP), "mark")
    sketch.words(x, _TOP - 8, f"a life of {life(life_s)}", "middle")
    sketch.words(_RIGHT + 8, _TOP - 8, "in the long run")


def _names(sketch: Sketch, lines: Sequence[tuple[Grown, list[AllIn]]]) -> None:
    """Behind the ends of the lines, the highest first, none on another."""
    last, kinds = -math.inf, Counter(loop.loop.kind for loop, _ in lines)
    for loop, line in lines:
        top = line[-1].rate.estimate
        last = max(sketch.plane.y.at(top) + 4, last + LINE)
        name = loop.loop.kind if kinds[loop.loop.kind] == 1 else loop.loop.name or loop.loop.id
        sketch.words(_RIGHT + 8, last, f"{name} {factor(top)}, {loop.verdict}", look=_kind(loop))
