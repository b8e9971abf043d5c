"""What loops came to, as a part of the file of results and as an SVG file: on planted laps."""

import re
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from planted_laps import MACHINE, batching, plant_loop

from evolve.errors import EvolveError
from evolve.report import growth_svg
from evolve.report.growth_results import markdown
from evolve.store import LoopSpec, Machine
from evolve.tracker.growth import grown
from evolve.tracker.turns import turns

DAY_S = 86400.0


@pytest.fixture
def both(store):
    """A control, and a loop that fades, whose second forecast missed."""
    bends = plant_loop(store, batching(13))
    fades = plant_loop(
        store, [0.0, 1.2, 1.5], cap=5.5, kind="kernels", has_engine=False, told_beforehand=[0.0, 1.2, 2.5]
    )
    return [grown(store, loop.id) for loop in (bends, fades)]


@pytest.fixture
def part(store, both):
    return markdown(both, [turns(store, one.loop.id) for one in both], store.machine(MACHINE), DAY_S)


def rows(part, title):
    """Cells of the tables that have a column of this title."""
    for table in re.findall(r"(?:^\|.*\n)+", part, re.MULTILINE):
        header, _, *lines = [[cell.strip() for cell in line.strip("|\n").split(" | ")] for line in table.splitlines()]
        if title in header:
            yield [dict(zip(header, line, strict=True)) for line in lines]


def test_the_part_says_of_every_loop_what_its_laps_said(part, both):
    (standings,) = rows(part, "verdict")
    assert [line["loop"] for line in standings] == [f"{one.loop.kind} ({one.loop.id})" for one in both]
    assert [line["laps"] for line in standings] == ["13", "2"]
    assert [line["forecasts that held"] for line in standings] == ["13 of 13", "1 of 2"]
    assert standings[0]["verdict"].startswith("CAPPED since lap")
    assert "Of 15 forecasts, each made before its lap, 14 agreed" in part


def test_every_lap_stands_beside_its_forecast(part):
    bends, fades = rows(part, "forecast")
    assert [line["lap"] for line in bends] == [str(k) for k in range(1, 14)]
    assert [line["held"] for line in fades] == ["yes", "no"]
    assert fades[1]["over lap 0"].startswith("4.48x")


def test_what_it_cost_stands_beside_what_it_gave(part, both):
    (costs,) = rows(part, "pays from")
    assert [line["loop"] for line in costs] == [one.loop.id for one in both]
    assert costs[1]["spent"] == "6.00 s"


def test_the_part_names_the_command_that_makes_it_anew(part, both):
    first, _, origin = part.split("\n")[:3]
    assert first == f"# Closed loops on a machine {MACHINE}"
    assert f"`evolve loop growth {' '.join(one.loop.id for one in both)} --results`" in origin


def test_the_command_writes_part_and_picture_and_again_in_its_place(evolve, both, tmp_path):
    del both
    results, picture = tmp_path / "RESULTS.md", tmp_path / "growth.svg"
    results.write_text("# Another part\n\nstays\n")
    for _ in range(2):
        code, _, _ = evolve(
            "loop", "growth", "--no-report", "--quiet", "--results", str(results), "--picture", str(picture)
        )
        assert code == 0
    assert re.findall(r"^# .*", results.read_text(), re.MULTILINE) == [
        "# Another part",
        f"# Closed loops on a machine {MACHINE}",
    ]
    assert ET.parse(picture).getroot().tag.endswith("svg")


def test_loops_of_two_machines_make_no_part(evolve, store, both, tmp_path):
    store.add_machine(Machine("other", {"cpu": "another"}))
    other = store.create_loop(LoopSpec(kind="batching", laps=1, seed=3, machine="other"))
    code, _, err = evolve(
        "loop", "growth", both[0].loop.id, other.id, "--no-report", "--results", str(tmp_path / "RESULTS.md")
    )
    assert code == 2
    assert "several machines" in err
    assert not (tmp_path / "RESULTS.md").exists()


def test_a_loop_without_laps_makes_no_part(evolve, store, tmp_path):
    alone = plant_loop(store, [0.0])
    code, _, err = evolve("loop", "growth", alone.id, "--no-report", "--results", str(tmp_path / "RESULTS.md"))
    assert code == 2
    assert "a loop without a lap" in err


def _drawn(both, life_s=DAY_S):
    found = {"polyline": [], "text": []}
    for element in ET.fromstring(growth_svg.picture(both, life_s)):
        found.setdefault(element.tag.rpartition("}")[2], []).append(element)
    return found


def test_the_picture_has_a_line_a_loop_that_rises_and_ends_level(both):
    lines = [
        [tuple(map(float, corner.split(","))) for corner in line.get("points").split()]
        for line in _drawn(both)["polyline"]
    ]
    assert len(lines) == 2
    for line in lines:
        heights = [y for _, y in line]
        assert heights == sorted(heights, reverse=True)  # upwards is less
        assert heights[0] - heights[-1] > 40
        assert heights[-5] - heights[-1] < 2
        assert all(0 < x < growth_svg.WIDTH for x, _ in line)


def test_names_stand_apart_in_the_order_of_the_lines_with_their_verdicts(both):
    twins = [replace(both[1], loop=replace(both[1].loop, id=f"twin-{k}")) for k in range(3)]
    named = [one for one in _drawn([both[0], *twins])["text"] if "CAPPED" in one.text or "UNDECIDED" in one.text]
    assert named[0].text.startswith("batching")
    # loops of one kind are told apart
    assert [one.text.split()[0] for one in named[1:]] == [twin.loop.name or twin.loop.id for twin in twins]
    heights = [float(one.get("y")) for one in named]
    assert len(heights) == 4
    assert all(b - a >= 12 for a, b in pairwise(heights))


def test_without_laps_there_is_nothing_to_draw(store):
    alone = grown(store, plant_loop(store, [0.0]).id)
    with pytest.raises(EvolveError, match="no loop has a lap"):
        growth_svg.picture([alone], DAY_S)
