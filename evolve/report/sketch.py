"""Small SVG pictures for a README: no script, no ground of their own, ink that reads on light and dark.

What is drawn on two log axes, and where no word may stand, so that names can be placed beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from evolve.report.labels import Box, covering

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

INK = "#768390"
"""4 to 1 on white and on GitHub's dark ground."""
LETTER, LINE = 6.0, 13.0
"""Pixels of a letter and of a line of text, at most."""
_STYLE = (
    f"text{{font:11px system-ui,-apple-system,'Segoe UI',sans-serif;fill:{INK}}}"
    f".grid{{stroke:{INK};stroke-opacity:.25}}"
)


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
    """Two axes."""

    x: Axis
    y: Axis

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The pixels of a point."""
        return self.x.at(x), self.y.at(y)


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

    def curve(self, points: Sequence[tuple[float, float]], look: str) -> None:
        """A line through points, in pixels."""
        self.draw("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), look=look)

    def words(self, x: float, y: float, text: str, anchor: str = "start", look: str = "") -> None:
        """Text on a line at ``y``."""
        self.draw("text", escape(text), x=x, y=y, text_anchor=anchor, look=look)

    def tick(self, text: str, *, x: float | None = None, y: float | None = None) -> None:
        """A line of the grid across the plane, at a value of one axis, with its name."""
        across, up = self.plane.x, self.plane.y
        if x is not None:
            at = across.at(x)
            self.draw("line", x1=at, y1=up.end, x2=at, y2=up.start, look="grid")
            self.words(at, up.start + 16, text, "middle")
        if y is not None:
            at = up.at(y)
            self.draw("line", x1=across.start, y1=at, x2=across.end, y2=at, look="grid")
            self.words(across.start - 6, at + 4, text, "end")

    def titles(self, x: str, y: str) -> None:
        """What the axes show."""
        across, up = self.plane.x, self.plane.y
        self.words((across.start + across.end) / 2, up.start + 36, x, "middle")
        self.words(across.start - 50, up.end - 8, y)

    def draw(self, name: str, content: str = "", *, look: str = "", **attributes: float | str) -> None:
        """Any element; ``look`` is its class."""
        known = {**attributes, "class": look} if look else attributes
        told = "".join(f" {key.replace('_', '-')}={quoteattr(_value(value))}" for key, value in known.items())
        self.elements.append(f"<{name}{told}>{content}</{name}>" if content else f"<{name}{told}/>")

    def document(self, title: str, style: str, width: int, height: int) -> str:
        """The file's text.

        Args:
            title: for those who cannot see it.
            style: of the looks that were drawn with, beside ``grid``.
            width: in pixels.
            height: in pixels.
        """
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">'
        lines = [head, f"<title>{escape(title)}</title>", f"<style>{_STYLE}{style}</style>", *self.elements]
        return "\n".join([*lines, "</svg>\n"])


def _value(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")
