"""The commands that make runs and look at them: what they print, and where."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
from pathlib import Path

import pytest

from benchmarks import contestant, isa
from benchmarks.outcome import Conditions, Impossible, Measured, Retake, Samples, Wrong
from evolve.cli.options import INSTRUCTION_SETS, POLICIES
from evolve.errors import Interrupted, NoisyMachineError
from evolve.store import open_store

# ---- reading


def test_runs_lists_them_and_names_the_next_command(evolve, url, plant):
    with open_store(url) as store:
        first, second = plant(store), plant(store, name="mine", is_published=False)
    code, out, err = evolve("runs")
    assert code == 0
    header, *rows = out.splitlines()
    assert header.split()[:3] == ["RUN", "NAME", "SIZE"]
    assert rows[0].startswith(first.id)
    assert "2.00x [1.90, 2.10]" in rows[0]
    assert "mine" in rows[1]
    assert "x [" not in rows[1]  # what was not measured afresh is no speedup
    assert err.splitlines()[-1] == f"next: evolve show {second.id}"


def test_runs_fit_a_terminal_where_none_has_a_name(evolve, planted):
    del planted
    assert max(map(len, evolve("runs")[1].splitlines())) <= 100


def test_runs_name_the_cache_policy_where_it_is_not_hot_and_always_in_json(evolve, url, plant):
    with open_store(url) as store:
        plant(store)
        assert "POLICY" not in evolve("runs")[1]
        plant(store, policy="flush")
    header, *rows = evolve("runs")[1].splitlines()
    assert "POLICY" in header
    assert [row.split()[3] for row in rows] == ["hot", "flush"]
    told = json.loads(evolve("runs", "--json")[1])
    assert [run["problem"]["policy"] for run in told["runs"]] == ["hot", "flush"]


def test_an_empty_store_has_no_runs(evolve, url):
    open_store(url).close()
    assert evolve("runs") == (0, "no runs yet\n", "next: evolve run matmul\n")
    assert json.loads(evolve("runs", "--json")[1]) == {"schema": 1, "runs": []}


def test_a_store_given_by_option_is_named_in_the_next_command(evolve, url, planted):
    err = evolve("runs", "--store", url)[2]
    assert err == f"next: evolve show {planted.id} --store {url}\n"


def test_show_prints_the_figures_with_their_intervals(evolve, planted):
    code, out, err = evolve("show", planted.id)
    text = " ".join(out.split())
    assert code == 0
    for what in (
        "matmul 64x64x32 float64, 1 thread",
        "finished after 2 evaluations",
        "2.00x [1.90, 2.10] the speed of the plain loop",
        "50.0 ms a call",
        "vs numpy 0.900x [0.800, 1.00]",
        "80 % of what this machine allows",
        "cap 2.50x",
        "mr=1",
        "UNDECIDED",
        "1 Measured, 1 Wrong",
        "build 60 %",
        "genetic, seed 7",
        "numba 0.68",
    ):
        assert what in text
    assert "\x1b" not in out
    assert err == f"next: evolve report {planted.id}  or  evolve export {planted.id}\n"


def test_show_takes_the_latest_by_default(evolve, url, plant):
    with open_store(url) as store:
        plant(store)
        latest = plant(store)
    assert f"run {latest.id}" in evolve("show")[1]


def test_of_a_run_that_ended_with_nothing_to_measure_afresh_only_a_guess_is_told(evolve, url, plant):
    with open_store(url) as store:
        run = plant(store, is_published=False)
    out = evolve("show", run.id)[1]
    assert "nothing beat the plain loop in a race; the search's best guess was 2.01x" in " ".join(out.split())


def test_a_search_that_ended_by_itself_says_why_and_what_was_left(evolve, url, planted):
    assert json.loads(evolve("show", planted.id, "--json")[1])["stopped"] is None
    with open_store(url) as store:
        store.add_event(planted.id, "flat", "the search has gone flat: nothing came")
    told = json.loads(evolve("show", planted.id, "--json")[1])["stopped"]
    assert told["why"] == "the search has gone flat: nothing came"
    sentence = "stopped early with 0 evaluations of its budget of 2evals left: the search has gone flat: nothing came"
    assert sentence in " ".join(evolve("show", planted.id)[1].split())


def test_the_end_of_a_run_says_that_its_search_ended_by_itself(evolve, started, monkeypatch):
    monkeypatch.setattr(started, "notes", [("stalled", "the search asked 20 times for what it knew")])
    code, out, _ = evolve("run", "matmul", "--no-report")
    assert code == 0
    assert "left: the search asked 20 times for what it knew" in " ".join(out.split())
    monkeypatch.setattr(started, "notes", [])
    assert "stopped early" not in evolve("run", "matmul", "--no-report")[1]
    assert json.loads(evolve("run", "matmul", "--no-report", "--json")[1])["stopped"] is None


def test_a_run_without_a_champion_says_so(evolve, url, plant):
    with open_store(url) as store:
        run = plant(store, outcomes=[Wrong("no"), Wrong("no")], is_published=False)
    code, out, err = evolve("show", run.id)
    assert code == 0
    assert "none: nothing was right and faster than the plain loop" in out
    assert "export" not in err


def test_an_interrupted_run_is_to_be_resumed(evolve, url, plant):
    with open_store(url) as store:
        run = plant(store, is_published=False)
        store.add_event(run.id, "interrupted")
    assert evolve("show")[2] == f"next: evolve resume {run.id}\n"


def test_show_json_keeps_its_promise(evolve, planted):
    """The fields of ``run`` and ``show`` that other programs rely on; some may be added, none may go."""
    code, out, err = evolve("show", planted.id, "--json")
    told = json.loads(out)
    estimate = {"estimate", "low", "high", "level"}
    assert (code, err) == (0, "")
    assert told.keys() >= {
        "schema",
        "run",
        "kernel",
        "problem",
        "machine",
        "evaluations",
        "evaluations_per_s",
        "phases_s",
        "outcomes",
        "champion",
        "null",
        "verdict",
    }
    assert told["problem"] == {"size": [64, 64, 32], "dtype": "float64", "threads": 1, "policy": "hot"}
    assert told["phases_s"].keys() == {"build", "verify", "measure", "search", "other"}
    assert told["outcomes"] == {"Measured": 1, "Wrong": 1}
    champion = told["champion"]
    assert champion.keys() >= {"schedule", "source_hash", "time_s", "speedup", "rivals", "bound_fraction", "bound"}
    assert champion["speedup"].keys() == champion["rivals"]["numpy"].keys() == estimate
    assert champion["bound"].keys() == {"limit", "time_s"}
    assert "best_of_n" in told["null"]
    assert told["verdict"].keys() >= {"verdict", "reasons"}


def test_show_says_under_which_conditions_it_was_measured(evolve, url, plant):
    disturbed = Samples(
        (0.05,) * 6,
        (0.1,) * 6,
        1,
        conditions=Conditions(retakes=(Retake("moved", (1.0, 2.0)),), flags=("memory", "floor")),
    )
    outcomes = [
        Measured(time_s=0.05, log_ratio=0.7, low=0.6, high=0.8, samples=disturbed),
        Impossible("1e-9 s a call", samples=Samples((1e-9,) * 6, (0.1,) * 6, 1)),
    ]
    with open_store(url) as store:
        run = plant(store, outcomes=outcomes, policy="rotate", gate="noisy")
    text = " ".join(evolve("show")[1].split())
    for what in (
        "matmul 64x64x32 float64, 1 thread, rotate caches",
        "measured on a noisy machine: equals differ by 20 %; 1 of 2 races disturbed; marks of races: memory 1, floor",
        "1 evaluation was faster than this machine can be and counts for nothing: 1e-9 s a call",
    ):
        assert what in text
    told = json.loads(evolve("show", "--json")[1])
    assert told["conditions"] == {
        "is_noisy": True,
        "machine": "equals differ by 20 %",
        "races": 2,
        "disturbed": 1,
        "flags": {"memory": 1, "floor": 1},
        "contended_rounds": 0,
        "retaken_rounds": 1,
        "retried": 0,
        "ceilings": [],
        "failed_afresh": [],
    }
    assert told["quarantine"] == [{"evaluation": 2, "reason": "1e-9 s a call", "folder": None}]
    assert told["run"] == run.id


def test_a_run_on_a_quiet_machine_has_no_doubts_to_tell(evolve, planted):
    out = evolve("show", planted.id)[1]
    assert "conditions" not in out
    assert "quarantine" not in out


def test_quiet_prints_the_result_alone(evolve, planted):
    del planted
    code, out, err = evolve("show", "-q")
    assert (code, err) == (0, "")
    assert out


# ---- run and resume


def test_run_hands_over_what_was_asked(evolve, started):
    line = "run matmul --size 64x64x32 --dtype float32 --budget 7evals --seed 3 --strategy random --control-share 0.2"
    assert evolve(*line.split(), "--name", "n", "--wait", "--no-report")[0] == 0
    asked = dataclasses.asdict(started.asked)
    assert asked.pop("budget")["evaluations"] == 7
    assert asked == {
        "kernel": "matmul",
        "size": (64, 64, 32),
        "dtype": "float32",
        "threads": 1,
        "seed": 3,
        "strategy": "random",
        "control_share": 0.2,
        "batch_size": 8,
        "name": "n",
        "policy": "hot",
        "options": {},
    }
    assert (started.admission.wait, started.admission.anyway) == (True, False)


def test_run_takes_a_policy_and_may_go_on_anyway(evolve, started):
    assert evolve("run", "matmul", "--policy", "rotate", "--anyway", "--no-report")[0] == 0
    assert (started.asked.policy, started.admission.anyway) == ("rotate", True)
    assert (POLICIES, INSTRUCTION_SETS) == (contestant.POLICIES, isa.NAMES)
    assert evolve("run", "matmul", "--policy", "cold")[0] == 2


def test_what_is_found_of_the_machine_is_said_in_one_line(evolve, started):
    del started
    for words in (["run", "matmul"], ["resume", "latest"]):
        assert "machine can be trusted" in evolve(*words, "--no-report")[2].splitlines()
        assert "machine can be trusted" not in evolve(*words, "--no-report", "-q")[2]


def test_a_machine_too_noisy_to_judge_is_exit_code_4(evolve, monkeypatch):
    def refused(*_arguments):
        raise NoisyMachineError("equals differ by 20 %", "measure --anyway")

    monkeypatch.setattr("evolve.run.start", refused)
    assert evolve("run", "matmul") == (4, "", "evolve: equals differ by 20 %: measure --anyway\n")


def test_run_has_defaults_and_draws_a_new_seed_each_time(evolve, started):
    evolve("run", "matmul", "--no-report")
    first = started.asked
    evolve("run", "matmul", "--no-report")
    assert (first.dtype, first.budget.seconds, first.strategy) == ("float64", 300, "genetic")
    assert first.seed != started.asked.seed


def test_run_prints_the_result_on_stdout_and_progress_on_stderr(evolve, started, url):
    del started
    code, out, err = evolve("run", "matmul", "--no-report")
    with open_store(url) as store:
        run = store.run("latest").id
    assert code == 0
    assert "2.00x [1.90, 2.10] the speed of the plain loop" in " ".join(out.split())
    assert "racing" not in out
    assert "racing 1 of 8" in err
    assert err.splitlines()[-1] == f"next: evolve show {run}  or  evolve export {run} -o matmul.py"


def test_run_json_is_one_object_and_quiet_is_quiet(evolve, started):
    del started
    code, out, _ = evolve("run", "matmul", "--json", "--no-report")
    assert (code, json.loads(out)["schema"]) == (0, 1)
    code, out, err = evolve("run", "matmul", "--no-report", "-q")
    assert (code, err) == (0, "")
    assert out.startswith("matmul 64x64x32")


def test_the_report_is_written_where_asked_and_its_place_is_said(evolve, started, monkeypatch, tmp_path):
    del started
    written = []
    monkeypatch.setattr("evolve.report.html.write", lambda _store, _run, path, *_said: written.append(path) or path)
    err = evolve("run", "matmul", "--report", str(tmp_path / "new" / "mine.html"))[2]
    assert written == [tmp_path / "new" / "mine.html"]
    assert f"report  {tmp_path / 'new' / 'mine.html'}" in err


def test_a_report_that_cannot_be_written_does_not_take_the_result_with_it(evolve, started, monkeypatch):
    del started

    def full(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("evolve.report.html.write", full)
    code, out, err = evolve("run", "matmul")
    assert code == 1
    assert "2.00x" in out
    assert "free some space" in err


def test_an_interrupted_run_says_how_to_go_on(evolve, monkeypatch):
    def stopped(*_arguments, **_options):
        raise Interrupted("matmul-3f9a")

    monkeypatch.setattr("evolve.run.start", stopped)
    code, out, err = evolve("run", "matmul")
    assert (code, out) == (130, "")
    assert "evolve resume matmul-3f9a" in err


def test_resume_goes_on_with_the_run_named(evolve, started, planted):
    code, out, _ = evolve("resume", planted.id, "--no-report", "--json")
    assert (code, json.loads(out)["kernel"]) == (0, "matmul")
    assert started.asked == planted.id
    assert not started.admission.anyway


# ---- report and export


def test_report_prints_the_path_alone_on_stdout(evolve, planted, monkeypatch):
    monkeypatch.setattr("evolve.report.html.write", lambda _store, _run, path, *_said: path)
    code, out, err = evolve("report")
    assert code == 0
    assert out == f"{Path(os.environ['EVOLVE_CACHE']) / 'reports' / planted.id}.html\n"
    assert err.startswith("next: ")


def test_export_writes_to_stdout_or_a_file(evolve, planted, monkeypatch, tmp_path):
    monkeypatch.setattr("evolve.report.export.standalone", lambda _store, run_id: f"# {run_id}\n")
    assert evolve("export", planted.id)[:2] == (0, f"# {planted.id}\n")
    target = tmp_path / "mine.py"
    code, out, err = evolve("export", planted.id, "-o", str(target))
    assert (code, out, target.read_text()) == (0, "", f"# {planted.id}\n")
    assert f"python {target}" in err


def test_no_champion_no_export(evolve, url, plant):
    with open_store(url) as store:
        run = plant(store, outcomes=[Wrong("no")], is_published=False)
    code, out, err = evolve("export", run.id)
    assert (code, out) == (1, "")
    assert "no champion" in err


def test_a_target_that_cannot_be_written_is_reported(evolve, planted, monkeypatch):
    monkeypatch.setattr("evolve.report.export.standalone", lambda _store, _run: "text")
    code, _, err = evolve("export", planted.id, "-o", "/proc/mine.py")
    assert code == 1
    assert err.startswith("evolve: ")
    assert err.count("\n") == 1


def test_a_share_says_what_the_whole_program_gains(evolve, planted, monkeypatch):
    code, out, _ = evolve("show", "--share", "0.053")
    assert code == 0
    assert "one that spends 5.3 % of its time in the plain loop" in " ".join(out.split())
    assert json.loads(evolve("show", "--share", "0.053", "--json")[1])["amdahl"]["share"] == 0.053
    said = []
    monkeypatch.setattr("evolve.report.html.write", lambda _store, _run, path, *more: said.append(more) or path)
    assert evolve("report", "--share", "0.053")[0] == 0
    assert said[0][0] == 0.053


@pytest.mark.parametrize("share", ["0", "1", "2", "much"])
def test_a_share_that_is_none_is_refused(evolve, planted, share):
    assert evolve("show", "--share", share)[0] == 2
