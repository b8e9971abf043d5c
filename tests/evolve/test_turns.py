"""What there is to say of a closed loop, in words and on its page: figures that say what the store says."""

import json
import math
import re

import pytest
from planted_laps import around, batching, plant_loop

from evolve.report import loop as words
from evolve.report import loop_page
from evolve.report.argument import argument, history
from evolve.report.lap_figures import front_caption, laps_picture
from evolve.store import Machine, open_store
from evolve.tracker.turns import turns

BENDS = batching(13)
FADES = [0.0, 1.2, 1.5, 1.56, 1.57]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with open_store(str(tmp_path_factory.mktemp("loops") / "loops.db"), create=True) as opened:
        yield opened


@pytest.fixture(scope="module")
def bending(store):
    return turns(store, plant_loop(store, BENDS).id)


# ---- plain values


def test_gains_are_told_as_factors_and_steps_between_laps(bending):
    laps = bending["laps"]
    assert laps[3]["factor"]["estimate"] == pytest.approx(math.exp(BENDS[3]))
    assert laps[3]["step"]["estimate"] == pytest.approx(math.exp(BENDS[3] - BENDS[2]))
    # two independent errors of 0.01 each
    assert laps[3]["step"]["high"] / laps[3]["step"]["estimate"] == pytest.approx(math.exp(0.01 * math.sqrt(2)))
    assert laps[0]["step"] is None
    assert bending["headroom"]["estimate"] == pytest.approx(1000 / math.exp(BENDS[-1]))
    assert json.loads(json.dumps(bending, allow_nan=False)) == bending


def test_a_step_measured_side_by_side_stands_before_the_difference_of_two_gains(store):
    step = {"estimate": 0.05, "low": 0.04, "high": 0.06, "level": 0.95}
    new, old = {"step": step, "is_new": True}, {"step": step, "is_new": False}
    told = turns(store, plant_loop(store, FADES, lap_2={"details": new}, lap_3={"details": old}).id)
    assert told["laps"][2]["step"]["estimate"] == pytest.approx(math.exp(0.05))
    assert told["laps"][3]["step"]["estimate"] == pytest.approx(math.exp(FADES[3] - FADES[2]))


def test_headroom_that_a_lap_measured_itself_stands_before_ceiling_over_gain(store):
    left = {"estimate": 0.1, "low": 0.08, "high": 0.12, "level": 0.95}
    told = turns(store, plant_loop(store, FADES, lap_4={"details": {"left": left}}).id)
    assert told["headroom"]["high"] == pytest.approx(math.exp(0.12))


def test_what_was_said_of_a_lap_stands_with_its_loop(store):
    details = {"notes": ["a call took 0.41 us & more"]}
    loop = plant_loop(store, FADES, lap_2={"details": details})
    assert "lap 2  a call took 0.41 us & more" in words.full(turns(store, loop.id))
    assert "<dt>lap 2</dt><dd>a call took 0.41 us &amp; more</dd>" in loop_page.page(store, [loop.id])


def test_the_verdict_is_told_as_laps_arrive(bending):
    found = [lap["verdict"] for lap in bending["laps"]]
    assert found[:4] == ["UNDECIDED"] * 4
    assert "COMPOUNDING" in found
    assert found[-1] == bending["verdict"]["verdict"] == "CAPPED"
    for change in bending["changes"]:
        assert found[change["lap"]] == change["verdict"]
        assert change["lap"] == 0 or found[change["lap"] - 1] != change["verdict"]


def test_a_forecast_holds_where_its_interval_meets_the_measured_one(store):
    told_beforehand = [0.0, 1.2, 1.5, 1.56, 3.0]
    told = turns(store, plant_loop(store, FADES, cap=5.5, told_beforehand=told_beforehand).id)
    assert [lap["forecast"]["holds"] for lap in told["laps"][1:]] == [True, True, True, False]
    assert told["forecasts"] == {"made": 4, "held": 3}
    assert told["laps"][4]["forecast"]["error"] == pytest.approx(math.exp(1.57 - 3.0))


def test_of_a_lap_that_is_forecast_twice_the_last_forecast_counts(store):
    loop = plant_loop(store, FADES)
    again = store.forecasts(loop.id)[1]
    store.add_forecast(type(again)(loop.id, again.lap, again.at, around(9.0), "anew"))
    assert turns(store, loop.id)["laps"][again.lap]["forecast"]["reason"] == "anew"


def test_where_the_verdict_was_expected_to_change_is_held_against_where_it_did(store):
    expected = {"last_compounding": 7, "first_capped": 11}
    told = turns(store, plant_loop(store, BENDS, lap_0={"details": {"expected": expected}}).id)
    found = told["expected"]["found"]
    assert told["laps"][found["first_capped"]]["verdict"] == "CAPPED"
    assert told["laps"][found["last_compounding"]]["verdict"] == "COMPOUNDING"
    assert "compounding up to lap 7, capped from lap 11 on was expected" in words.turning(told)


BROKEN = {
    "machines": ({"lap_2": {"machine": "other"}}, "different machines"),
    "a broken lap": ({"lap_2": {"gain": None, "fault": "all <failed>"}}, "lap 2 came to nothing"),
    "a moved ceiling": ({"lap_3": {"ceiling": around(9.0)}}, "the ceiling changed"),
    "a slow champion": ({"lap_4": {"gain": around(-0.5)}}, "slower than lap 0"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_bad_laps_are_told_with_the_reason_in_words_and_on_the_page(store, fault):
    changed, reason = BROKEN[fault]
    store.add_machine(Machine("other", {"cpu": "another"}))
    loop = plant_loop(store, FADES, cap=5.5, **changed)
    told = turns(store, loop.id)
    assert told["verdict"]["verdict"] == "UNDECIDED"
    assert reason in " ".join(words.full(told).split())
    assert reason in loop_page.page(store, [loop.id]).replace("Lap 2", "lap 2").replace("The ceil", "the ceil")
    assert json.dumps(told, allow_nan=False)


@pytest.mark.parametrize("laps", [0, 1, 2])
def test_few_laps_are_no_verdict_and_no_error(store, laps):
    loop = plant_loop(store, FADES[:laps])
    told = turns(store, loop.id)
    assert told["verdict"]["verdict"] == "UNDECIDED"
    for text in (words.brief(told), words.full(told), argument([told]), loop_page.page(store, [loop.id])):
        assert "UNDECIDED" in text


# ---- words


def test_the_screen_says_every_leg_what_would_overturn_it_and_how_often_it_is_wrong(bending):
    text = words.brief(bending, "wrong in 3 of 500 planted worlds")
    said = " ".join(text.split())
    for leg in bending["verdict"]["legs"]:
        assert re.search(rf"^{leg['name']} ", text, re.MULTILINE)
        assert words.found(leg) in said
    for symbol in ("rho", "eta", "xi", "eta*xi", "asymptote", "overturned"):
        assert re.search(rf"^{re.escape(symbol)} ", text, re.MULTILINE)
    assert bending["verdict"]["overturn"] in said
    assert "wrong in 3 of 500 planted worlds" in said
    assert max(map(len, text.splitlines())) <= 80


def test_without_error_rates_the_screen_says_how_to_measure_them(bending):
    assert "evolve verdict --controls" in words.brief(bending)


def test_an_undecided_loop_says_how_many_laps_would_decide(store):
    told = turns(store, plant_loop(store, BENDS[:3]).id)
    assert told["verdict"]["laps_to_decide"]
    assert f"by about {told['verdict']['laps_to_decide']} more lap" in words.brief(told)
    assert "overturned" not in words.brief(told)


def test_a_loop_that_leaves_its_engine_alone_says_so(store):
    told = turns(store, plant_loop(store, FADES, cap=5.5, has_engine=False, kind="kernels").id)
    assert told["verdict"]["verdict"] == "CAPPED"
    assert "0 exactly: the loop leaves its engine as it is" in words.brief(told)


def test_the_table_has_a_line_a_lap_and_says_which_forecasts_held(bending):
    lines = words.lap_table(bending).splitlines()
    assert len(lines) == len(BENDS)
    assert lines[-1].split()[0] == "13"
    assert lines[-1].endswith("CAPPED")
    assert " yes " in lines[-1]


def test_lines_before_and_after_a_lap(store):
    loop = plant_loop(store, FADES, told_beforehand=[0.0, 1.2, 1.5, 1.56, 3.0])
    laps, forecasts = store.laps(loop.id), store.forecasts(loop.id)
    assert words.forecast_line(forecasts[0]).startswith("lap 1 is forecast to reach 3.32x [3.00, 3.67] lap 0: calls")
    assert words.lap_line(laps[1], forecasts[0]) == "lap 1 reached 3.32x [3.29, 3.35] lap 0, as forecast"
    assert words.lap_line(laps[4], forecasts[3]).endswith("0.239x what was forecast")


def test_the_whole_argument_fits_on_one_screen(store, bending):
    fading = turns(store, plant_loop(store, FADES, cap=5.5, has_engine=False, kind="kernels").id)
    text = argument([fading, bending], "wrong in 3 of 500 planted worlds")
    assert len(text.splitlines()) <= 24
    assert max(map(len, text.splitlines())) <= 80
    assert text.isascii()
    assert re.search(r"kernels +CAPPED since lap 3", text)
    assert re.search(r"COMPOUNDING in laps \d+ to \d+,.*CAPPED\s+since", text, re.DOTALL)


def test_an_open_verdict_stands_beside_its_reason(store):
    told = turns(store, plant_loop(store, FADES, lap_3={"ceiling": around(9.0)}).id)
    assert "UNDECIDED: the ceiling changed between laps 2 and 3" in " ".join(argument([told]).split())


def test_the_history_of_a_verdict_leaves_the_start_out(bending):
    assert history(bending).startswith("COMPOUNDING in laps 4 to")


# ---- the page


def test_the_page_is_one_file_that_needs_no_network_and_escapes_what_it_shows(store, bending, tmp_path):
    path = loop_page.write(store, [bending["loop"]], tmp_path / "loop.html", "wrong in 3 of 500")
    page = path.read_text()
    shown = page.partition("<script>")[0]
    assert 'src="http' not in page
    assert "A &lt;fast&gt; CPU" in shown
    assert "<cost>" not in shown
    assert "Wrong in 3 of 500." in shown
    for leg in bending["verdict"]["legs"]:
        assert f"<td>{leg['name']}</td>" in shown
    assert shown.count("<tr><td>") == len(bending["verdict"]["legs"]) + len(BENDS) - 1


def test_the_picture_holds_what_was_measured_its_forecasts_and_its_ceiling(bending):
    drawn = json.loads(laps_picture(bending).json)
    by_mark = {trace["marker"]["color"]: trace["y"] for trace in drawn["data"]}
    assert [math.log(y) for y in max(by_mark.values(), key=len)] == pytest.approx(BENDS)
    assert len(min(by_mark.values(), key=len)) == len(BENDS) - 1
    lines = [shape["y0"] for shape in drawn["layout"]["shapes"] if shape["type"] == "line"]
    assert any(line == pytest.approx(1000) for line in lines)
    grounds = [shape for shape in drawn["layout"]["shapes"] if shape["type"] == "rect"]
    assert len(grounds) == len(bending["changes"])


def test_only_a_better_engine_moves_the_front(bending):
    lap = bending["laps"][-1]
    assert "moved the front itself" in front_caption([lap])
    assert "does not move it" in front_caption([{**lap, "engine": None}])
    assert "beyond noise" in front_caption([{**lap, "engine": {"estimate": 1.0, "low": 0.9, "high": 1.1}}])


def test_several_loops_make_one_page(store, bending):
    fading = plant_loop(store, FADES, cap=5.5, has_engine=False, kind="kernels")
    page = loop_page.page(store, [fading.id, bending["loop"]])
    assert len(set(re.findall(r'data-for="([^"]+)"', page))) == 6
