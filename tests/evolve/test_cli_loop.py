"""The commands that make closed loops and look at them, over a loop that measures nothing."""

import json
import os
from dataclasses import replace
from types import SimpleNamespace

import planted_loop
import pytest

from evolve.cli.main import execute
from evolve.controls import kept
from evolve.errors import NoisyMachineError
from evolve.loops import drive
from evolve.store import Loop, open_store
from evolve.store.testing_loops import lap_of, new_loop

LAPS = 4


@pytest.fixture(autouse=True)
def _planted(monkeypatch):
    for kind in drive.LOOPS:
        monkeypatch.setitem(drive.LOOPS, kind, "planted_loop")
    monkeypatch.setattr(drive, "gate", planted_loop.quiet)


@pytest.fixture
def made(evolve):
    """A loop of four laps."""
    code, _, err = evolve("loop", "batching", "--laps", str(LAPS), "--seed", "5", "--no-report")
    assert code == 0, err
    return opened_loop()


def opened_loop(key="latest"):
    with open_store(os.environ["EVOLVE_STORE"]) as store:
        return store.loop(key)


# ---- making laps


def test_a_loop_says_each_lap_before_it_begins_and_scores_it_after(evolve):
    code, out, err = evolve("loop", "batching", "--laps", "3", "--seed", "5", "--no-report")
    assert code == 0
    said = [line for line in err.splitlines() if line.startswith("lap ")]
    assert said[0].startswith("lap 0, the frozen start")
    for lap in (1, 2, 3):
        assert said[2 * lap - 1].startswith(f"lap {lap} is forecast to reach")
        assert said[2 * lap].startswith(f"lap {lap} reached")
    assert all("; so far " in line for line in said if "reached" in line)
    assert "VERDICT" in out
    loop = opened_loop()
    assert err.splitlines()[-1] == f"next: evolve loop show {loop.id}  or  evolve verdict --controls"


def test_options_are_kept_with_the_loop(evolve):
    line = "loop kernels matmul --size 64x64x32 --dtype float32 --budget 7evals --policy rotate --strategy random"
    line += " --control-share 0.2 --launches 4 --laps 2 --seed 3 --name mine --no-report"
    assert evolve(*line.split())[0] == 0
    loop = opened_loop("mine")
    assert (loop.kind, loop.laps, loop.seed, loop.name) == ("kernels", 2, 3, "mine")
    assert loop.options == {
        "kernel": "matmul",
        "size": "64x64x32",
        "dtype": "float32",
        "policy": "rotate",
        "budget": "7evals",
        "strategy": "random",
        "control_share": 0.2,
        "launches": 4,
    }
    assert {"evolve-kernels", "numba"} <= loop.versions.keys()
    assert evolve("loop", "replicators", "--workers-per-core", "1", "--laps", "1", "--no-report")[0] == 0
    assert opened_loop().options == {"workers_per_core": 1}
    assert evolve("loop", "batching", "--degree", "8", "--dtype", "float32", "--laps", "1", "--no-report")[0] == 0
    assert opened_loop().options == {"degree": 8, "dtype": "float32"}


def test_json_is_one_object_and_quiet_is_quiet(evolve):
    code, out, err = evolve("loop", "replicators", "--laps", "2", "--json", "--no-report")
    told = json.loads(out)
    assert (code, told["schema"], told["kind"], told["status"]) == (0, 1, "replicators", "finished")
    assert [lap["lap"] for lap in told["laps"]] == [0, 1, 2]
    assert "is forecast to reach" in err
    code, out, err = evolve("loop", "batching", "--laps", "2", "-q", "--no-report")
    assert (code, err) == (0, "")
    assert "VERDICT" in out


def test_the_page_is_written_where_asked_and_its_place_is_said(evolve, tmp_path):
    target = tmp_path / "new" / "mine.html"
    err = evolve("loop", "batching", "--laps", "2", "--report", str(target))[2]
    assert f"report  {target}" in err
    assert opened_loop().id in target.read_text()
    again = tmp_path / "again.html"
    assert f"report  {again}" in evolve("loop", "show", "--report", str(again))[2]
    assert again.exists()


def test_what_is_found_of_the_machine_is_said(evolve):
    assert "machine can be trusted" in evolve("loop", "batching", "--laps", "1", "--no-report")[2].splitlines()
    said = evolve("loop", "batching", "--laps", "1", "--no-report", "--anyway")[2].splitlines()
    assert "machine can be trusted, anyway" in said


def test_a_machine_too_noisy_to_judge_begins_no_loop(evolve, monkeypatch, url):
    def refused(*_arguments, **_options):
        raise NoisyMachineError("equals differ by 20 %", "measure --anyway")

    monkeypatch.setattr(drive, "gate", refused)
    assert evolve("loop", "batching")[0] == 4
    with open_store(url) as store:
        assert store.loops() == []


def test_an_interrupted_loop_says_how_to_go_on_and_goes_on(evolve, monkeypatch):
    stopped = planted_loop.Planted.turn

    def impatient(self, laps, rng):
        self.at.stop.is_set = len(laps) == 2
        return stopped(self, laps, rng)

    with monkeypatch.context() as patched:
        patched.setattr(planted_loop.Planted, "turn", impatient)
        code, out, err = evolve("loop", "batching", "--laps", str(LAPS), "--no-report")
    loop = opened_loop()
    assert (code, out) == (130, "")
    assert f"go on with `evolve loop resume {loop.id}`" in err
    assert evolve("loop", "show")[2].splitlines()[-1] == f"next: evolve loop resume {loop.id}"
    code, out, err = evolve("loop", "resume", "--json", "--no-report")
    assert code == 0
    assert [lap["lap"] for lap in json.loads(out)["laps"]] == [*range(LAPS + 1)]
    assert "lap 2 reached" not in err, "that lap was kept"
    assert "lap 3 reached" in err


def test_a_finished_loop_is_lengthened(evolve, made):
    code, _, err = evolve("loop", "resume", made.id)
    assert code == 2
    assert f"finished after {LAPS} laps" in err
    assert evolve("loop", "resume", made.id, "--laps", "6", "--no-report")[0] == 0
    assert len(json.loads(evolve("loop", "show", made.id, "--json")[1])["laps"]) == 7


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("loop perpetual", 2, "No such command"),
        ("loop batching --laps 0", 2, "1<=x<=100"),
        ("loop batching --degree 0", 2, "1<=x<=4096"),
        ("loop replicators --workers-per-core 0", 2, "x"),
        ("loop kernels matmull", 2, "did you mean matmul?"),
        ("loop kernels --budget 5", 2, "has no unit"),
        ("loop kernels --launches 1", 2, "x>=3"),
        ("loop kernels --strategy genetc", 2, "did you mean genetic?"),
        ("loop show nothing", 2, "no loop"),
        ("loop resume nothing", 2, "no loop"),
        ("loop list --store /nowhere/runs.db", 1, "there is no store"),
    ],
)
def test_bad_input_is_one_line_and_an_exit_code(evolve, url, line, code, said):
    open_store(url).close()
    found, out, err = evolve(*line.split())
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert err.startswith("evolve: ")
    assert said in err


def test_a_name_that_is_taken_is_a_usage_error(evolve, made):
    del made
    evolve("loop", "batching", "--laps", "1", "--name", "night", "--no-report")
    code, _, err = evolve("loop", "batching", "--laps", "1", "--name", "night", "--no-report")
    assert code == 2
    assert "choose another with --name" in err


# ---- looking at them


def test_show_tells_every_lap_and_names_the_next_command(evolve, made):
    code, out, err = evolve("loop", "show", made.id)
    assert code == 0
    rows = [line for line in out.splitlines() if line.split() and line.split()[0].isdigit()]
    assert [int(row.split()[0]) for row in rows] == [*range(1, LAPS + 1)]
    assert "VERDICT" in out
    assert err.splitlines()[-1] == f"next: evolve verdict {made.id}"


def test_list_shows_all_the_newest_last(evolve, made):
    evolve("loop", "replicators", "--laps", "1", "--name", "mine", "--no-report")
    code, out, err = evolve("loop", "list")
    header, first, second = out.splitlines()
    assert code == 0
    assert header.split()[:3] == ["LOOP", "NAME", "STATUS"]
    assert first.startswith(made.id)
    assert f"finished  {LAPS} of {LAPS}" in first
    assert second.split()[1] == "mine"
    assert err == f"next: evolve loop show {opened_loop().id}\n"
    told = json.loads(evolve("loop", "list", "--json")[1])
    assert (told["schema"], [loop["laps"] for loop in told["loops"]]) == (1, [LAPS, 1])
    assert told["loops"][0]["verdict"] in ("CAPPED", "COMPOUNDING", "UNDECIDED")


def test_an_empty_store_has_no_loops(evolve, url):
    open_store(url).close()
    assert evolve("loop", "list") == (0, "no loops yet\n", "next: evolve loop batching\n")


BROKEN = {
    "a loop without laps": [],
    "the start alone": [{}],
    "a lap is missing": [{}, {"lap": 2}],
    "a lap that came to nothing": [{}, {"gain": None, "fault": "nothing was right"}, {}],
    "zero variance": [{"gain_": 0.5, "width": 0.0}] * 6,
    "worse than the baseline": [{"gain_": -0.2 * k} for k in range(6)],
    "no input": [{}, {"inputs": 0.0}, {}, {}],
    "the ceiling changed": [{}, {}, {"ceiling_": 9.0}, {}],
}


@pytest.mark.parametrize("laps", BROKEN.values(), ids=list(BROKEN))
def test_whatever_is_wrong_with_a_loop_is_shown_as_undecided_not_as_an_error(evolve, url, laps):
    with open_store(url) as store:
        loop = new_loop(store)
        for number, changes in enumerate(laps):
            store.add_lap(changed(loop, number, dict(changes)))
    code, out, _ = evolve("loop", "show", "--json")
    assert code == 0
    told = json.loads(out)
    assert told["verdict"]["verdict"] == "UNDECIDED"
    assert told["verdict"]["reasons"]
    assert evolve("loop", "show")[0] == evolve("loop", "list")[0] == 0


def changed(loop: Loop, number, changes):
    made = lap_of(loop, changes.pop("lap", number), changes.pop("gain_", 0.3 * number))
    if (width := changes.pop("width", None)) is not None:
        changes["gain"] = replace(made.gain, low=made.gain.estimate - width, high=made.gain.estimate + width)
    if (ceiling := changes.pop("ceiling_", None)) is not None:
        changes["ceiling"] = replace(made.ceiling, estimate=ceiling, low=ceiling - 0.1, high=ceiling + 0.1)
    return replace(made, **changes)


def test_a_loop_of_a_kind_that_this_version_lacks_can_be_looked_at(evolve, url):
    with open_store(url) as store:
        loop = new_loop(store, kind="perpetual")
        store.add_lap(lap_of(loop, 0))
    assert evolve("loop", "show")[0] == 0
    assert execute(["loop", "list"]) == 0


def test_the_error_rates_stand_beside_the_verdict(evolve, made, monkeypatch):
    monkeypatch.setattr(kept, "last_rates", lambda _machine: None)
    assert json.loads(evolve("loop", "show", made.id, "--json")[1])["error_rates"] is None
    rates = SimpleNamespace(as_dict=lambda: {"worlds_a_kind": 500}, sentence=lambda: "of 500 worlds none was wrong")
    monkeypatch.setattr(kept, "last_rates", lambda _machine: rates)
    assert json.loads(evolve("loop", "show", made.id, "--json")[1])["error_rates"] == {"worlds_a_kind": 500}
    assert "of 500 worlds none was wrong" in evolve("loop", "show", made.id)[1]
