"""The growth picture as one small SVG file, for a README; it shows what ``growth_figures.growth_picture`` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evolve.errors import EvolveError
from evolve.report.drawing import BLUE, GREEN, GREY, ORANGE, PINK, RED, TEAL, VIOLET
from evolve.report.growth import life
from evolve.report.growth_figures import ends, lives, look, times
from evolve.report.page import write_page
from evolve.report.quantities import factor
from evolve.report.sketch import INK, LINE, Axis, Plane, Sketch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evolve.tracker.growth import AllIn, Grown

WIDTH, HEIGHT = 960, 480
_LEFT, _TOP, _RIGHT, _BOTTOM = 62, 52, 770, 428
_LOOKS = {
    BLUE: "blue",
    GREEN: "green",
    GREY: "grey",
    ORANGE: "orange",
    PINK: "pink",
    RED: "red",
    TEAL: "teal",
    VIOLET: "violet",
}
_STYLE = (
    "polyline{fill:none;stroke-width:2}.dash{stroke-dasharray:6 4}"
    f".mark{{stroke:{INK};stroke-dasharray:2 3;stroke-width:1.5}}"
    + "".join(f"polyline.{name}{{stroke:{colour}}}text.{name}{{fill:{colour}}}" for colour, name in _LOOKS.items())
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
    lines = {loop.loop.id: lives(loop, ends_s) for loop in shown}
    top = max(line[-1].rate.estimate for line in lines.values())
    sketch = Sketch(Plane(Axis(*ends_s, _LEFT, _RIGHT), Axis(0.9, max(1.2, top) * 1.3, _BOTTOM, _TOP)))
    _axes(sketch, ends_s, life_s)
    for loop in shown:
        colour, dash = look(loop)
        points = [sketch.plane.at(one.life_s, one.rate.estimate) for one in lines[loop.loop.id]]
        sketch.curve(points, _LOOKS[colour] + (" dash" if dash == "dash" else ""))
    _names(sketch, sorted(shown, key=lambda loop: -lines[loop.loop.id][-1].rate.estimate), lines)
    return sketch.document(_TITLE, _STYLE, WIDTH, HEIGHT)


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


def _names(sketch: Sketch, loops: Sequence[Grown], lines: dict[str, list[AllIn]]) -> None:
    """Behind the ends of the lines, the highest first, none on another."""
    last = -float("inf")
    for loop in loops:
        top = lines[loop.loop.id][-1].rate.estimate
        last = max(sketch.plane.y.at(top) + 4, last + LINE)
        name = f"{loop.loop.kind} {factor(top)}, {loop.verdict}"
        sketch.words(_RIGHT + 8, last, name, look=_LOOKS[look(loop)[0]])
