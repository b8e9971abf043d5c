"""Real runs under fixed names: which there are, how one is made or found, and the command that does it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from dataclasses import astuple, replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from planted_live import BASELINE_S, ONE, Planter, store_of_here

import kernels
from evolve.budget import Budget
from evolve.cli import live as command
from evolve.errors import EvolveError, Interrupted, UsageError
from evolve.live import PARTS, make
from evolve.live.lineup import LiveRun, Terms, lineups
from evolve.live.make import Making, complete_all, finished
from evolve.report import live as report
from evolve.starting import origin_of, start_of
from evolve.store import open_store

ROOT = Path(__file__).parents[2]
MATMUL = kernels.get("matmul")


@pytest.fixture
def store(url):
    with store_of_here(url) as opened:
        yield opened


@pytest.fixture
def plant(store, monkeypatch):
    return Planter(store, monkeypatch)


# ---- which runs


def test_every_run_has_a_name_of_its_own_and_a_problem_that_there_is():
    terms = [Terms(), Terms(budget="7m"), Terms(is_quick=True), Terms(prefix="again")]
    runs = [one for each in terms for lineup in lineups(PARTS, each) for one in lineup.runs]
    assert len({one.name for one in runs}) == len(set(runs)) > 60
    assert {one.name.partition("-")[0] for one in runs} == {"live", "again"}
    for one in runs:
        assert one.request.dtype in kernels.get(one.kernel).dtypes
        assert one.request.name == one.name


def test_groups_that_are_held_against_each_other_have_the_same_seeds_and_take_turns():
    [speed] = lineups(["speed"], Terms(seeds=3))
    assert [group.label for group in speed.groups] == ["genetic", "random"]
    assert [(one.strategy, one.seed) for one in speed.runs] == [
        (strategy, seed) for seed in (1, 2, 3) for strategy in ("genetic", "random")
    ]


@pytest.mark.parametrize(
    ("ours", "theirs"), [("4m", "12m"), ("1h30m", "3h90m"), ("0.5h", "1.5h"), ("8evals", "24evals")]
)
def test_random_draws_have_the_time_to_arrive_as_well(ours, theirs):
    [speed] = lineups(["speed"], Terms(budget=ours))
    assert [group.runs[0].budget for group in speed.groups] == [ours, theirs]
    assert speed.groups[1].runs[0].request.budget == Budget.parse(theirs)


def test_sources_are_made_before_those_that_begin_there():
    [warm] = lineups(["warm"], Terms(seeds=2))
    order = list(warm.runs)
    begun = [one for one in order if one.source]
    assert len(begun) == 2 * len(warm.sources) == 2 * (len(warm.groups) - 1)
    assert all(order.index(one.source) < order.index(one) for one in begun)
    assert {(one.size, one.dtype) for one in warm.sources} >= {("256", "float64"), ("512", "float32")}


# ---- making them


@pytest.fixture
def making(monkeypatch):
    """What was started, with its beginning, and resumed; what was said."""
    done, said = [], []
    monkeypatch.setattr(make, "start", lambda _store, asked, *_: done.append(("start", asked)))
    monkeypatch.setattr(make, "resume", lambda _store, run, *_: done.append(("resume", run)))
    return SimpleNamespace(done=done, said=said, terms=Making(contextlib.nullcontext, None, said.append))


def test_what_is_finished_stays_what_was_interrupted_goes_on_and_the_rest_is_started(store, plant, making):
    over, broken, new = (LiveRun("live", "matmul", "64", "float64", "6m", seed) for seed in (1, 2, 3))
    plant(over, [(1.0, 0.5)])
    run = plant(broken, [(1.0, 0.5)], ending="interrupted")
    complete_all(store, [over, broken, new, new], making.terms)
    assert making.done == [("resume", run.id), ("start", new.request)]
    assert making.said[0].startswith(f"run 1 of 2: {broken.name}, some 12m 40s left")
    assert making.said[1].startswith(f"run 2 of 2: {new.name}, 0s left")


def test_a_name_that_belongs_to_another_problem_is_refused(store, plant, making):
    class Larger(LiveRun):
        """Of the same name."""

        @property
        def request(self):
            return replace(super().request, size=(65, 65, 65))

    plant(ONE, [(1.0, 0.5)], ending="interrupted")
    with pytest.raises(UsageError, match="--store"):
        complete_all(store, [Larger(*astuple(ONE))], making.terms)


@pytest.mark.parametrize(("dtype", "lanes"), [("float64", 8), ("float32", 4)])
def test_a_warm_run_begins_at_its_sources_champion_with_vectors_as_wide(store, plant, making, dtype, lanes):
    found = MATMUL.space.schedule(variant="packed", mr=6, nv=2, lanes=lanes)
    source = LiveRun("live", "matmul", "32", dtype, "6evals", 1000)
    plant(source, [(1.0, 0.5)], schedule=dict(found))
    warm = LiveRun("live", "matmul", "64", "float64", "6evals", source=source)
    complete_all(store, [source, warm], making.terms)
    [(did, asked)] = making.done
    wanted = MATMUL.space.schedule(variant="packed", mr=6, nv=2, lanes=8 if dtype == "float64" else 2)
    assert (did, start_of(asked), origin_of(asked.options)) == ("start", dict(wanted), source.problem)


def test_without_a_champion_there_is_nothing_to_begin_at(store, plant, making):
    source = LiveRun("live", "matmul", "32", "float64", "6evals", 1000)
    plant(source, [(1.0, 2 * BASELINE_S)])
    with pytest.raises(EvolveError, match="no champion to begin at"):
        complete_all(store, [LiveRun("live", "matmul", "64", "float64", "6evals", source=source)], making.terms)


@pytest.mark.parametrize(("ending", "words"), [(None, ["run", "matmul"]), ("interrupted", ["resume"])])
def test_a_run_of_a_lesser_machine_is_made_by_a_process_of_its_own(store, plant, making, monkeypatch, ending, words):
    one = LiveRun("live", "matmul", "64", "float64", "6evals", isa="sse2")
    if ending:
        plant(one, [(1.0, 0.5)], ending=ending)
    asked = []

    def run(line, **_):
        asked.append(line)
        return subprocess.CompletedProcess(line, 0)

    monkeypatch.setattr(make.subprocess, "run", run)
    complete_all(store, [one], Making(making.terms.watch, None, making.said.append, ("--wait",)))
    [line] = asked
    assert line[3 : 3 + len(words)] == words
    assert one.name in line
    assert {("--isa", "sse2"), ("--store", store.url)} <= set(pairwise(line))
    assert line[-1] == "--wait"
    assert ("--cold" in line) == (ending is None)


@pytest.mark.parametrize(("code", "error"), [(130, Interrupted), (4, EvolveError)])
def test_what_stops_such_a_process_stops_all(store, making, monkeypatch, code, error):
    one = LiveRun("live", "matmul", "64", "float64", "6evals", isa="sse2")
    monkeypatch.setattr(make.subprocess, "run", lambda line, **_: subprocess.CompletedProcess(line, code))
    with pytest.raises(error, match=one.name):
        complete_all(store, [one], making.terms)


# ---- the command


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--budget", "soon"], "budget 'soon'"),
        (["--only", "luck"], "luck"),
        (["--results", "/no/such/folder/RESULTS.md"], "cannot be written"),
        (["--read", "--store", "/no/such/runs.db"], "there is no store"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(arguments, said, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["search", *arguments])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code in (1, 2)
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.slow
@pytest.mark.measuring
def test_the_command_makes_its_runs_once_and_writes_what_they_say(tmp_path, url, known_machine):
    del known_machine
    results = tmp_path / "RESULTS.md"
    asked = ["--only", "throughput", "--only", "speed", "--quick", "--seeds", "1", "--budget", "8evals", "--json"]
    terms = ["--anyway", "--wait", "--results", str(results), "--store", url]
    line = [sys.executable, "-m", "benchmarks.suites.search", *asked, *terms]
    first = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stderr
    told = json.loads(first.stdout)
    assert told["left_out"] == []
    assert [len(told["paces"]), len(told["speed"]["strategies"]), told["warm"]] == [4, 2, None]
    assert all(0 < pace["busy"]["estimate"] <= 1.05 for pace in told["paces"])
    written = results.read_text()
    assert [title in written for title in report.TITLES.values()] == [True, True, False]
    again = subprocess.run([*line, "--read"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert json.loads(again.stdout) == told
    with open_store(url) as store:
        assert [finished(store, SimpleNamespace(name=run.name)) == run for run in store.runs()] == [True] * 3
