"""Words beside points: each takes a place near by in which it covers neither another nor what is drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_DISTANCES = (9, 15, 22, 31, 42, 56, 72, 92, 116, 144, 176, 212)
_BEARINGS = (0, 8, 12, 4, 14, 2, 10, 6, 15, 1, 13, 3, 9, 7, 11, 5)
"""Sixteenths of a turn, clockwise from the right, those at which a word is read best first."""
_SIDEWAYS = 0.5
"""Least cosine with an axis of what goes along it rather than across it."""
_STEP = 4.0
"""Pixels between the spots at which a line is looked at."""
_COVERED, _CROSSED = 400.0, 60.0
"""Pixels further that a word rather goes than to cover a mark or a word, or to be crossed by a line."""
_CLEAR = 10.0
"""Pixels around its own point that a leader may cross."""


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """True where they have more than an edge in common."""
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom

    def holds(self, other: Box) -> bool:
        """True where the other lies within."""
        across = self.left <= other.left and other.right <= self.right
        return across and self.top <= other.top and other.bottom <= self.bottom


def around(x: float, y: float, half: float) -> Box:
    """A square about a spot."""
    return Box(x - half, y - half, x + half, y + half)


def along(x0: float, y0: float, x1: float, y1: float, half: float = 1.5) -> list[Box]:
    """Squares on a line, some pixels apart."""
    count = max(1, math.ceil(math.hypot(x1 - x0, y1 - y0) / _STEP))
    return [around(x0 + (x1 - x0) * k / count, y0 + (y1 - y0) * k / count, half) for k in range(count + 1)]


def covering(x0: float, y0: float, x1: float, y1: float) -> list[Box]:
    """What a line keeps words from: one box where it goes along an axis, else squares."""
    if x0 != x1 and y0 != y1:
        return along(x0, y0, x1, y1)
    return [Box(min(x0, x1) - 1.5, min(y0, y1) - 1.5, max(x0, x1) + 1.5, max(y0, y1) + 1.5)]


@dataclass(frozen=True)
class Wanted:
    """A word for the point at ``x``, ``y``, so wide and so high."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Placed:
    """Where a word stands.

    Attributes:
        box: that it fills.
        x, y: of the spot of the box that is nearest to its point, to which a leader goes.
        anchor: SVG's word for the end of the text that is there.
        distance: pixels from the point.
    """

    box: Box
    x: float
    y: float
    anchor: str
    distance: float


def placed(wanted: Sequence[Wanted], marks: Sequence[Box], lines: Sequence[Box], area: Box) -> list[Placed]:
    """A place for every word, in the order in which they are given.

    Args:
        wanted: the words.
        marks: what neither words nor leaders may cross; the points themselves are among them.
        lines: what words should not cross.
        area: that words stay within.
    """
    found: list[Placed] = []
    for one in wanted:
        firm = [*marks, *(other.box for other in found)]
        found.append(_best(one, firm, lines, area))
    return found


def _best(one: Wanted, firm: Sequence[Box], lines: Sequence[Box], area: Box) -> Placed:
    """The place that costs least; one in the area, where there is any."""
    best, least = None, math.inf
    for place in _places(one):
        if place.distance >= least:
            break
        if area.holds(place.box) and (cost := _cost(one, place, firm, lines)) < least:
            best, least = place, cost
    return best or next(_places(one))


def _cost(one: Wanted, place: Placed, firm: Sequence[Box], lines: Sequence[Box]) -> float:
    """The way to it, and what is in the way."""
    covered = sum(map(place.box.meets, firm)) + _passed(one, place, firm)
    return place.distance + _COVERED * covered + _CROSSED * sum(map(place.box.meets, lines))


def _passed(one: Wanted, place: Placed, firm: Sequence[Box]) -> int:
    """Over how many marks and words its leader goes."""
    own = around(one.x, one.y, _CLEAR)
    reach = Box(min(one.x, place.x) - 1, min(one.y, place.y) - 1, max(one.x, place.x) + 1, max(one.y, place.y) + 1)
    near = [other for other in firm if other.meets(reach)]
    spots = [spot for spot in along(one.x, one.y, place.x, place.y, 1.0) if not own.meets(spot)] if near else []
    return sum(any(map(other.meets, spots)) for other in near)


def _places(one: Wanted) -> Iterator[Placed]:
    for distance in _DISTANCES:
        for bearing in _BEARINGS:
            yield _hung(one, distance, bearing * math.pi / 8)


def _hung(one: Wanted, distance: float, angle: float) -> Placed:
    """A box that hangs by its side, or its corner, from a spot so far away."""
    across, down = math.cos(angle), math.sin(angle)
    x, y = one.x + distance * across, one.y + distance * down
    (anchor, left), (_, top) = _side(across, x, one.width), _side(down, y, one.height)
    return Placed(Box(left, top, left + one.width, top + one.height), x, y, anchor, distance)


def _side(part: float, at: float, extent: float) -> tuple[str, float]:
    """Which end of an extent is at the spot, and where it then begins."""
    if part >= _SIDEWAYS:
        return "start", at
    return ("end", at - extent) if part <= -_SIDEWAYS else ("middle", at - extent / 2)
