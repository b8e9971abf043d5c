"""Words beside points: where they come to stand."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from evolve.report.labels import Box, Wanted, along, around, covering, placed

AREA = Box(0, 0, 800, 600)


def test_a_word_alone_stands_on_the_right_of_its_point():
    [place] = placed([Wanted(100, 100, 50, 12)], [around(100, 100, 6)], [], AREA)
    assert (place.anchor, place.box.left, place.x) == ("start", place.x, 100 + place.distance)
    assert (place.box.top + place.box.bottom) / 2 == 100


@pytest.mark.parametrize(("x", "y"), [(795, 300), (3, 300), (400, 2), (400, 598), (799, 599)])
def test_words_stay_within_the_area(x, y):
    [place] = placed([Wanted(x, y, 60, 12)], [], [], AREA)
    assert AREA.holds(place.box)
    assert (place.anchor == "end") == (x > 700)


def test_words_cover_neither_each_other_nor_marks_and_lines_where_that_is_a_long_way():
    rng = np.random.default_rng(1)
    spots = rng.uniform(60, 540, (24, 2)).tolist()
    marks = [around(*spot, 6) for spot in spots]
    lines = along(0, 500, 700, 20)
    found = placed([Wanted(*spot, 90, 12) for spot in spots], marks, lines, AREA)
    assert not any(one.box.meets(other.box) for one, other in combinations(found, 2))
    assert not any(one.box.meets(other) for one in found for other in marks)
    assert sum(any(map(one.box.meets, lines)) for one in found) <= 2


def test_a_leader_crosses_no_other_mark():
    wall = [around(100 + dx, 100 + dy, 4) for dx in (-16, 0, 16) for dy in (-16, 0, 16) if dx or dy]
    [place] = placed([Wanted(100, 100, 40, 12)], [*wall, around(100, 100, 6)], [], AREA)
    assert place.distance > 12
    assert not any(spot.meets(other) for other in wall for spot in along(100, 100, place.x, place.y, 1.0))


def test_where_nothing_is_free_a_word_covers_as_little_as_it_can():
    small = Box(0, 0, 120, 40)
    [place] = placed([Wanted(20, 20, 60, 12)], [around(70, 20, 3)], along(0, 5, 120, 5) + along(0, 35, 120, 35), small)
    assert small.holds(place.box)
    everywhere = [Box(0, 0, 120, 40)] * 3
    [place] = placed([Wanted(20, 20, 60, 12)], everywhere, [], small)
    assert small.holds(place.box)


def test_a_line_is_covered_from_end_to_end():
    boxes = along(0, 0, 30, 40)
    assert boxes[0].holds(around(0, 0, 1))
    assert boxes[-1].holds(around(30, 40, 1))
    assert all(any(one.meets(around(3 * k, 4 * k, 2)) for one in boxes) for k in range(11))


def test_a_line_along_an_axis_is_covered_by_one_box():
    [box] = covering(10, 80, 10, 20)
    assert box.holds(Box(10, 20, 10, 80))
    assert box.meets(around(10, 50, 1))
    assert not box.meets(around(20, 50, 1))
    assert len(covering(0, 0, 30, 40)) > 10
