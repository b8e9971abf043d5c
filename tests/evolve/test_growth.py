"""What loops give for all that they cost: on laps whose answer is known by hand."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from planted_laps import MACHINE, around, batching, plant_loop

from benchmarks.inference import Estimate
from evolve.report import growth as words
from evolve.report.growth_figures import front_picture, growth_picture
from evolve.report.growth_page import page
from evolve.store import Lap, LoopSpec, Machine
from evolve.tracker.growth import all_in, grown, newest, pays_from_s, stages

HOUR_S = 3600.0
FACTORS = [1.0, 2.0, 4.0, 4.0]


def lap(number, gain, cpu_s=10.0, half=0.001, **further):
    found = None if gain is None else Estimate(gain, gain - half * bool(number), gain + half * bool(number))
    given = {"gain": found, "engine": found, "ceiling": around(math.log(8)), "cpu_s": cpu_s} | further
    return Lap(loop="a-1", lap=number, started_at="", finished_at="", machine=MACHINE, **given)


def laps(factors=FACTORS, start_s=5.0, **changed):
    """Laps of 10 s each behind a start of 5 s; ``changed`` are fields of lap k, as in ``lap_3={...}``."""
    logs = [None if factor is None else math.log(factor) for factor in factors]
    made = [lap(k, gain, start_s if k == 0 else 10.0) for k, gain in enumerate(logs)]
    return [replace(one, **changed.get(f"lap_{one.lap}", {})) for one in made]


def without_engine(made):
    return [replace(one, engine=None) for one in made]


# ---- what it costs, and when it pays


def test_the_cost_of_the_start_is_in_every_sum():
    made = stages(laps())
    assert [stage.spent_s for stage in made] == [15.0, 25.0, 35.0]
    assert [stage.cost_s for stage in made] == [15.0, 10.0, 10.0]


def test_a_lap_has_paid_for_itself_after_its_cost_over_what_it_gained():
    first, second, third = stages(laps())
    # 15 s of cost, and from then on twice the work: after 15 s of use it is even with what would have been done
    assert first.pays_s.estimate == pytest.approx(15.0)
    assert second.pays_s.estimate == pytest.approx(10.0)
    assert math.isinf(third.pays_s.estimate)
    assert third.as_dict()["pays_after_s"]["estimate"] is None
    use_s = first.pays_s.estimate
    assert 2.0 * use_s == pytest.approx(first.cost_s + use_s)


def test_the_work_of_a_life_is_what_is_done_after_its_laps():
    made = stages(laps())
    assert all_in(made, 29.0).laps == 0
    assert all_in(made, 29.0).rate == Estimate(1.0, 1.0, 1.0)
    assert (all_in(made, 31.0).laps, all_in(made, 100.0).laps) == (1, 2)
    assert all_in(made, 31.0).rate.estimate == pytest.approx(2 * (31 - 15) / 31)
    assert all_in(made, 100.0).rate.estimate == pytest.approx(3.0)
    assert all_in(made, 100.0).rate.high == pytest.approx(3.0 * math.exp(0.001))
    assert pays_from_s(made) == pytest.approx(30.0)
    assert all_in([], 100.0).laps == 0


def test_it_is_the_best_of_all_lives_that_stop_improving_somewhere():
    """Against the integral itself, taken second by second, for factors drawn at random."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        factors = [1.0, *np.exp(np.cumsum(rng.normal(0.3, 0.3, 5)))]
        made, life_s = stages(laps(factors)), float(rng.integers(20, 400))
        clock_s = np.arange(0.0, life_s, 0.01)
        done = [np.where(clock_s >= stage.spent_s, factors[stage.lap], 0.0).mean() for stage in made]
        assert all_in(made, life_s).rate.estimate == pytest.approx(max(1.0, *done), rel=0.02)


def test_more_life_never_does_less_a_second_and_never_more_than_the_best_lap():
    made = stages(laps([1.0, 1.5, 4.0, 3.0, 6.0]))
    rates = [all_in(made, life_s).rate.estimate for life_s in np.geomspace(1, 1e6, 200)]
    assert (np.diff(rates) >= -1e-12).all()
    assert rates[0] == 1
    assert 5.99 < rates[-1] < 6


def test_laps_that_compound_go_on_raising_it_and_laps_that_are_capped_do_not():
    doubling, fading = ([1.0, *np.exp(np.cumsum(steps))] for steps in ([0.7] * 10, 0.7 * 0.3 ** np.arange(10)))
    gained = [
        all_in(stages(laps(f)), 1e9).rate.estimate / all_in(stages(laps(f)), 40.0).rate.estimate
        for f in (doubling, fading)
    ]
    assert gained[0] > 100
    assert gained[1] < 3


def test_a_lap_that_came_to_nothing_costs_and_changes_nothing():
    fault = {"fault": "it crashed", "details": {}}
    made = stages(laps([1.0, 2.0, None, 4.0], lap_2=fault))
    assert [stage.gain.estimate for stage in made] == pytest.approx([math.log(2), math.log(2), math.log(4)])
    assert made[1].spent_s == 25.0
    assert (made[1].move, made[1].fault) == ("nothing", "it crashed")
    assert math.isinf(made[1].pays_s.estimate)
    assert made[2].pays_s.estimate == pytest.approx(10.0)


@pytest.mark.parametrize("count", [0, 1])
def test_without_a_lap_there_is_nothing_to_tell(count):
    assert stages(laps()[:count]) == ()


# ---- the front


def test_a_better_engine_moves_the_front_and_the_same_one_walks_along_it():
    assert [stage.move for stage in stages(laps())] == ["moved", "moved", "nothing"]
    assert [stage.move for stage in stages(without_engine(laps()))] == ["along", "along", "nothing"]


def test_an_engine_is_held_against_the_one_before_not_against_the_frozen_one():
    stays = {"engine": around(math.log(2), 0.001)}
    assert [stage.move for stage in stages(laps(lap_1=stays, lap_2=stays, lap_3=stays))] == [
        "moved",
        "along",
        "nothing",
    ]


@pytest.mark.parametrize(
    ("step", "half", "move"), [(0.05, 0.1, "nothing"), (0.005, 0.0001, "nothing"), (0.05, 0.01, "moved")]
)
def test_what_is_within_the_noise_moves_nothing(step, half, move):
    made = [lap(0, 0.0), lap(1, step, half=half)]
    assert stages(made)[0].move == move


def test_a_step_that_was_measured_side_by_side_is_believed():
    step = Estimate(0.05, 0.04, 0.06).as_dict()
    made = [lap(0, 0.0), lap(1, 0.05, half=0.1, details={"step": step})]
    assert stages(made)[0].move == "moved"
    assert stages(made)[0].pays_s.low == pytest.approx(20.0 / math.expm1(0.06))


def test_the_frozen_engine_would_have_spent_each_lap_times_the_gain_of_its_engine():
    assert [stage.frozen_s for stage in stages(laps())] == pytest.approx([5 + 10, 15 + 2 * 10, 35 + 4 * 10])
    assert [stage.frozen_s for stage in stages(without_engine(laps()))] == [15.0, 25.0, 35.0]


def test_what_is_left_is_what_the_ceiling_leaves_or_what_the_lap_found():
    left = {"left": Estimate(0.2, 0.1, 0.3).as_dict()}
    made = stages(laps(lap_3={"details": left}))
    assert [math.exp(stage.left.estimate) for stage in made] == pytest.approx([4.0, 2.0, math.exp(0.2)])
    unknown = [replace(one, ceiling=None) for one in laps()]
    assert stages(unknown)[0].left is None
    assert stages(unknown)[0].as_dict()["left"] is None


# ---- loops of a store


@pytest.fixture
def both(store):
    """A control, and a loop that fades."""
    bends = plant_loop(store, batching(13))
    fades = plant_loop(store, [0.0, 1.2, 1.5, 1.56, 1.57], cap=5.5, kind="kernels", has_engine=False)
    return [grown(store, loop.id) for loop in (bends, fades)]


def test_of_each_kind_the_newest_with_a_lap_is_shown(store):
    plant_loop(store, [0.0, 0.5])
    newer = plant_loop(store, [0.0, 0.7])
    plant_loop(store, [0.0])
    other = plant_loop(store, [0.0, 0.2], kind="kernels")
    assert newest(store) == [newer.id, other.id]


def test_loops_of_two_machines_are_not_shown_together(store):
    store.add_machine(Machine("other", {"cpu": "another"}))
    plant_loop(store, [0.0, 0.5], kind="engine")
    newer = store.create_loop(LoopSpec(kind="batching", laps=1, seed=3, machine="other"))
    for number in (0, 1):
        store.add_lap(replace(lap(number, 0.7 * number), loop=newer.id, machine="other"))
    assert newest(store) == [newer.id]


def test_an_empty_store_has_none(store):
    assert newest(store) == []


def test_a_loop_without_laps_is_told_as_one(store):
    alone = grown(store, plant_loop(store, [0.0]).id)
    told = alone.as_dict(HOUR_S)
    assert (told["laps"], told["with_all_laps"], told["pays_from_s"]) == (0, None, None)
    assert growth_picture([alone], HOUR_S) is None
    assert "no lap pays" in words.text([alone], HOUR_S)
    assert "without it" in words.in_all(alone, HOUR_S)


# ---- words and pictures


def test_the_plain_values_say_what_the_laps_say(both):
    told = words.plain(both, HOUR_S)
    assert (told["schema"], told["life_s"]) == (1, HOUR_S)
    bends, fades = told["loops"]
    assert bends["moved"] + bends["along"] + bends["nothing"] == sorted(bends["moved"] + bends["nothing"])
    assert fades["along"][:2] == [1, 2]
    assert fades["moved"] == []
    assert fades["spent_cpu_s"] == 10.0
    assert fades["all_in"]["rate"]["estimate"] == pytest.approx(math.exp(1.57) * (1 - 10 / HOUR_S))
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_the_table_has_a_line_a_loop_and_of_a_single_one_its_laps(both):
    lines = words.text(both, HOUR_S).splitlines()
    assert [line.split()[0] for line in lines[1:3]] == [loop.loop.id for loop in both]
    assert "IN 1h ALL IN" in lines[0]
    single = words.text(both[1:], HOUR_S)
    assert re.search(r"^LAP +COST +SPENT", single, re.MULTILINE)
    assert len(re.findall(r"^\d+ +", single, re.MULTILINE)) == 4


def test_loops_of_several_machines_and_unfinished_ones_are_remarked_on(both):
    elsewhere = replace(both[0], loop=replace(both[0].loop, machine="other"), status="killed")
    said = " ".join(words.remarks([elsewhere, both[1]]))
    assert "different machines" in said
    assert f"{elsewhere.loop.id}: killed" in said
    assert list(words.remarks(both)) == []


def test_loops_on_recordings_say_what_is_not_in_their_cost(store, both):
    model = grown(store, plant_loop(store, [0.0, 0.5], kind="model").id)
    (said,) = words.remarks([*both, model])
    assert "not in the cost of model" in said


@pytest.mark.parametrize(("numbers", "text"), [([], "-"), ([1], "1"), ([1, 2, 3, 5, 7, 8], "1-3 5 7-8")])
def test_laps_are_told_as_spans(numbers, text):
    assert words.spans(numbers) == text


@pytest.mark.parametrize(("life_s", "text"), [(86400.0, "24h"), (5400.0, "90m"), (45.0, "45s")])
def test_a_life_is_told_briefly(life_s, text):
    assert words.life(life_s) == text


def test_what_never_pays_is_not_told_as_a_time():
    assert words.duration(math.inf) == "never"
    assert words.duration(0.25) == "250 ms"
    assert words.duration(125.0) == "2m 05s"


def test_the_growth_picture_has_a_line_a_loop_that_ends_where_the_loop_does(both):
    drawn = json.loads(growth_picture(both, HOUR_S).json)
    ends = [trace["y"][-1] for trace in drawn["data"]]
    assert ends == pytest.approx([loop.factor.estimate for loop in both], rel=0.01)
    assert all(trace["y"][0] == 1 for trace in drawn["data"])
    assert all((np.diff(trace["y"]) >= -1e-9).all() for trace in drawn["data"])


def test_the_front_picture_shows_each_lap_and_the_frozen_engine_beside_a_better_one(both):
    drawn = json.loads(front_picture(both).json)
    by_bends, frozen, by_fades = drawn["data"]
    assert len(by_bends["x"]) == 13
    assert by_bends["marker"]["symbol"][0] == "star"
    assert by_fades["marker"]["symbol"][0] == "diamond"
    assert frozen["line"]["dash"] == "dot"
    assert frozen["y"] == by_bends["y"]
    assert frozen["x"][-1] > by_bends["x"][-1]


def test_without_ceilings_there_is_no_front(both):
    unknown = replace(both[0], stages=tuple(replace(stage, left=None) for stage in both[0].stages))
    assert front_picture([unknown]) is None


def test_the_page_is_one_file_that_needs_no_network(both):
    text = page(both, HOUR_S)
    shown = text.partition("<script>")[0]
    assert 'src="http' not in text
    for loop in both:
        assert f"evolve loop show {loop.loop.id}" in shown
    assert len(set(re.findall(r'data-for="([^"]+)"', text))) == 2


# ---- the command


def test_the_command_shows_the_newest_of_each_kind_and_writes_the_page(evolve, both, tmp_path):
    target = tmp_path / "new" / "growth.html"
    code, out, err = evolve("loop", "growth", "--life", "1h", "--report", str(target))
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[1:3]] == [loop.loop.id for loop in both]
    assert f"report  {target}" in err
    assert "all things considered" in target.read_text()
    code, out, _ = evolve("loop", "growth", both[1].loop.id, "--json", "--no-report", "--life", "90m")
    told = json.loads(out)
    assert (code, told["life_s"], [loop["loop"] for loop in told["loops"]]) == (0, 5400.0, [both[1].loop.id])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("loop growth nothing", "no loop"),
        ("loop growth --life 300evals", "is no length of time"),
        ("loop growth --life 24", "is no length of time"),
    ],
)
def test_bad_input_is_one_line_and_a_usage_error(evolve, both, line, said):
    del both
    code, out, err = evolve(*line.split())
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_a_store_without_laps_says_how_to_make_some(evolve, store):
    del store
    code, _, err = evolve("loop", "growth")
    assert code == 2
    assert "evolve loop batching" in err
