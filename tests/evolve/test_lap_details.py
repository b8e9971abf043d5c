"""What loops on recorded spaces show beside their gain."""

from __future__ import annotations

import json
import math

import pytest

from evolve.report import lap_details, model_details, search_details
from evolve.report.hit_figures import hits_picture


def estimate(value, half=0.01):
    return {"estimate": value, "low": value - half, "high": value + half, "level": 0.95}


def told(kind, *details):
    return {"kind": kind, "laps": [{"lap": lap, "details": one} for lap, one in enumerate(details)]}


def hits(rate, left, **changed):
    shares = dict.fromkeys(("hits", "random", "hits_moving", "inside"), estimate(rate))
    return {
        **shares,
        "lift": estimate(8.1, 0.5),
        "foreseen": 0.75,
        "mass": {"fixed": left, "best": left / 1000},
        "reliability": [[0.01, 0.02, 50.0], [0.97, 0.95, 64.0]],
        **changed,
    }


MODEL = told("model", {"tried": {}}, hits(0.83, 0.05), hits(0.98, 0.02, random=estimate(0.1)))
SEARCH = told(
    "search",
    {
        "score": estimate(0.31),
        "changes": "children=100",
        "tried": [],
        "shipped": {"score": estimate(0.58), "gain": estimate(math.log(3))},
    },
    {
        "score": estimate(0.6),
        "score_gain": estimate(0.29),
        "changes": "",
        "tried": [{}, {}],
        "returned": ["near", "leaps"],
        "worth": {"screened": 0.21, "near": -0.012},
    },
)


def test_hits_lap_by_lap_from_lap_1_on():
    header, rows = model_details.table(MODEL)
    assert [row[0] for row in rows] == ["1", "2"]
    assert {len(row) for row in rows} == {len(header)}
    assert rows[0][:5] == ("1", "83 % [82, 84]", "83 % [82, 84]", "8.10x [7.60, 8.60]", "75 %")
    assert rows[1][-2:] == ("2 %", "0.002 %")
    (_, (label, said)) = model_details.remarks(MODEL)
    assert label == "calibration"
    assert said.startswith("lap 2")
    assert said.endswith("1 %: 2 % of 50; 97 %: 95 % of 64")


def test_a_share_of_nothing_is_left_empty():
    nothing = dict.fromkeys(("estimate", "low", "high"), None)
    ((_, [row])) = model_details.table(told("model", hits(0.5, 0.0, inside=nothing)))
    assert row[6] == ""


def test_hits_are_drawn_lap_by_lap():
    drawn = hits_picture({**MODEL, "loop": "model-1"})
    traces = json.loads(drawn.json)["data"]
    assert [trace["x"] for trace in traces] == [[1, 2]] * 5
    assert [trace["y"] for trace in traces[:3]] == [[0.83, 0.98], [0.83, 0.98], [0.83, 0.1]]
    assert traces[-1]["y"] == [0.05, 0.02]
    assert len(drawn.legend) == 5
    assert hits_picture(told("model", {"tried": {}})) is None


def test_settings_lap_by_lap_and_what_we_ship_beside_them():
    header, rows = search_details.table(SEARCH)
    assert rows == [
        ("0", "0.31 [0.30, 0.32]", "", "0", "children=100"),
        ("1", "0.60 [0.59, 0.61]", "0.29 [0.28, 0.30]", "2", "as shipped"),
    ]
    assert len(header) == 5
    assert [*search_details.remarks(SEARCH)] == [
        ("shipped", "the settings that were chosen by hand score 0.58 [0.57, 0.59]: 3.00x [2.97, 3.03] lap 0"),
        ("cycling", "lap 1 went back on near, leaps"),
        ("worth", "screened 0.21, near -0.01"),
    ]


@pytest.mark.parametrize("kind", ["search", "model"])
def test_a_loop_without_such_figures_has_no_table(kind):
    bare = told(kind, {"sum": 0.1}, {"sum": 0.2})
    assert lap_details.lap_details(bare) is None
    assert lap_details.text(bare) == ""
    assert lap_details.remarks(bare) == []
    assert lap_details.lap_details(told("perpetual", {})) is None


@pytest.mark.parametrize("shown", [SEARCH, MODEL])
def test_a_terminal_has_both(shown):
    text = lap_details.text(shown)
    header, rows = lap_details.lap_details(shown)
    assert text.splitlines()[0].split()[0] == header[0]
    assert len(text.split("\n\n")[0].splitlines()) == 1 + len(rows)
    assert lap_details.remarks(shown)[0][0] in text
