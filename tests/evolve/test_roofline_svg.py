"""The roofline as an SVG file: what stands where, by the file alone."""

from __future__ import annotations

import dataclasses
import re
from itertools import combinations
from xml.etree import ElementTree as ET

import pytest
from planted_bench import LEADER, MACHINE, PROBLEM, SPEEDUPS, measured

from evolve.bench import Results
from evolve.errors import EvolveError
from evolve.report import roofline_svg
from evolve.report.labels import Box
from evolve.report.roofline_svg import AREA
from evolve.report.sketch import Axis
from evolve.store import Machine

CEILINGS = {
    "flop_per_s": {"float64": {"fma": {"1": 125e9}, "fma_add": {"1": 155e9}, "add": {"1": 58e9}}},
    "bytes_per_s": {
        "L1": {"read": {"1": 476e9}, "triad": {"1": 600e9}},
        "L2": {"read": {"1": 469e9}},
        "DRAM": {"read": {"1": 42e9}},
    },
}


def leader(kernel, flop, moved_bytes, time_s, **changes):
    return {**LEADER, "kernel": kernel, "flop": flop, "moved_bytes": moved_bytes, "time_s": time_s, **changes}


TRIAD = leader("triad", 2e6, 3e7, 1e-3)
CROWD = [leader(f"kernel_{k}", 1e9 * 1.2**k, 1e7, 0.02 * 1.2**k / (1 + 0.03 * k)) for k in range(18)]


def results(*leaders):
    rivals = [{**PROBLEM, "contestant": name} for name in ("baseline", "numpy")]
    return Results(Machine("cafe", MACHINE), CEILINGS, measured(*rivals, *leaders), ())


def drawn(found):
    """By tag and class the elements' attributes, and their text."""
    root = ET.fromstring(roofline_svg.picture(found))
    elements = {}
    for element in root:
        name = element.tag.rpartition("}")[2]
        elements.setdefault((name, element.get("class", "")), []).append({**element.attrib, "": element.text})
    return elements


def middle(points):
    corners = [tuple(map(float, corner.split(","))) for corner in points.split()]
    return tuple(sum(axis) / len(corners) for axis in zip(*corners, strict=True))


def names(elements):
    """The box of each kernel's name."""
    boxes = {}
    for one in elements["text", ""]:
        if re.search(r" f(32|64)$", one[""]):
            width, x, y = 6.0 * len(one[""]), float(one["x"]), float(one["y"])
            left = x - {"start": 0.0, "middle": width / 2, "end": width}[one["text-anchor"]]
            boxes[one[""]] = Box(left, y - 9, left + width, y + 2)
    return boxes


def test_an_axis_is_logarithmic():
    axis = Axis(0.1, 1000, 0, 400)
    assert [axis.at(value) for value in (0.1, 1, 1000)] == pytest.approx([0, 100, 400])
    assert [*axis.decades()] == pytest.approx([0.1, 1, 10, 100, 1000])
    assert [*Axis(0.2, 90, 0, 1).decades()] == [1, 10]


def test_contestants_stand_above_each_other_by_their_rates():
    elements = drawn(results(LEADER))
    champion, key = (middle(one["points"]) for one in elements["polygon", "champion"])
    plain = elements["circle", "plain"][0]
    path = elements["path", "rival"][0]["d"]
    rival = tuple(map(float, re.match(r"M([\d.]+) ([\d.]+)", path).groups()))
    assert champion[0] == pytest.approx(float(plain["cx"]), abs=0.2) == pytest.approx(rival[0], abs=0.2)
    assert key[1] < AREA.top < champion[1] < rival[1] + 5 < float(plain["cy"]) <= AREA.bottom
    # the plain loop takes 20 times as long, the rival 1.05 times: in one ratio of logarithms
    heights = [float(plain["cy"]) - champion[1], rival[1] + 5 - champion[1]]
    assert heights[1] / heights[0] == pytest.approx(0.0163, abs=0.003)


def test_roofs_have_their_names_and_rates():
    elements = drawn(results(LEADER, TRIAD))
    told = [one[""] for one in elements["text", "red"]]
    assert told == ["L1 600 GB/s", "L2 469 GB/s", "DRAM 42 GB/s", "float64 fma and add 155 G", "float64 fma 125 G"]
    flat = [one for one in elements["line", "roof"] if one["y1"] == one["y2"] and float(one["y1"]) > AREA.top]
    assert len(flat) == 2
    assert float(flat[0]["y1"]) < float(flat[1]["y1"])
    behind = [one for one in elements["text", "red"] if "float64" in one[""]]
    assert float(behind[1]["y"]) - float(behind[0]["y"]) >= 11


def test_no_champion_stands_above_its_roof():
    elements = drawn(results(*CROWD))
    top = min(float(one["y1"]) for one in elements["line", "roof"] if float(one["y1"]) > AREA.top)
    below = [middle(one["points"])[1] for one in elements["polygon", "champion"][:-1]]
    assert len(below) == len(CROWD)
    assert min(below) > top


def test_names_cover_neither_each_other_nor_a_champion():
    elements = drawn(results(*CROWD))
    boxes = names(elements)
    assert set(boxes) == {f"kernel_{k} f64" for k in range(len(CROWD))}
    assert not any(one.meets(other) for one, other in combinations(boxes.values(), 2))
    stars = [middle(one["points"]) for one in elements["polygon", "champion"]]
    assert not any(box.left < x < box.right and box.top < y < box.bottom for box in boxes.values() for x, y in stars)
    assert all(map(AREA.holds, boxes.values()))


def test_sizes_of_a_kernel_are_joined_and_named_once():
    sizes = [leader("matmul", 2e9 * k**3, 1e6 * k**2, 0.02 * k**3, size=[64 * k] * 3) for k in (1, 2, 3)]
    elements = drawn(results(*sizes))
    assert len(elements["line", "sizes"]) == 2
    assert [*names(elements)] == ["matmul f64"]


def test_what_has_no_rival_or_computes_nothing_is_no_obstacle():
    alone = {**TRIAD, "speedups": {"baseline": SPEEDUPS["baseline"]}}
    elements = drawn(results(alone, leader("transpose", 0, 1e6, 1e-3)))
    assert [*names(elements)] == ["triad f64"]
    assert len(elements["path", "rival"]) == 1  # of the legend


def test_it_says_whose_figures_of_which_day():
    told = [one[""] for one in drawn(results(LEADER))["text", ""]]
    assert "A CPU, 2026-11-22" in told
    assert "measured roofs of one core" in told


@pytest.mark.parametrize("missing", ["ceilings", "problems"])
def test_nothing_to_draw_is_said(missing):
    found = results() if missing == "problems" else dataclasses.replace(results(LEADER), ceilings={})
    with pytest.raises(EvolveError, match="no roofline to draw"):
        roofline_svg.picture(found)


def test_a_name_cannot_break_the_file(tmp_path):
    path = roofline_svg.write(results(leader('a<b&"c', 1e9, 1e7, 0.02)), tmp_path / "roofs.svg")
    assert 'a&lt;b&amp;"c f64' in path.read_text()
    ET.parse(path)
