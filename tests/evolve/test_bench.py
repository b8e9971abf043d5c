"""``evolve bench``: which champions are measured, whom other machines send, and the process of the suites."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import sheets
from planted_bench import LEADER, moved, published, suites

from evolve import bench
from evolve.bench import Request, champion, champion_runs, earlier_medians, earlier_speedups, guests
from evolve.errors import EvolveError, UsageError
from evolve.sheet import read_sheet
from evolve.store import Machine
from evolve.store.testing import new_run

# ---- which champions


def test_the_champion_published_last_stands_for_its_problem(store):
    store.add_machine(Machine("elsewhere", {}))
    new = published(store, "2026-02")
    published(store, "2026-01")
    small = published(store, "2026-01", size=(8, 8, 8))
    published(store, "2026-03", machine="elsewhere")
    published(store, "2026-03", kernel="uninstalled")
    new_run(store, dtype="float32")
    assert champion_runs(store, store.runs(), "m-1", Request()) == [small, new]
    assert champion_runs(store, store.runs(), "m-1", Request(("triad",))) == []


def test_a_champion_is_described_by_what_its_run_found(store):
    run = published(store, "2026-02", name="mine", size=(8, 4, 2))
    told = champion(store, run)
    assert (told["run"], told["name"], told["size"], told["budget"]) == (run.id, "mine", [8, 4, 2], "300evals")
    assert told["schedule"] == {"mr": 2, "order": "ikj", "pack": True}
    assert (told["evaluations"], told["bound"]) == (1, {"limit": "fma", "time_s": 0.5})
    assert json.loads(json.dumps(told)) == told


def test_a_champion_found_under_another_policy_or_on_more_threads_is_not_this_ones(store):
    hot, cold = published(store, "2026-01"), published(store, "2026-02", policy="flush")
    two = published(store, "2026-03", threads=2)
    assert champion_runs(store, store.runs(), "m-1", Request(threads=2)) == [two]
    assert champion_runs(store, store.runs(), "m-1", Request()) == [hot]
    assert champion_runs(store, store.runs(), "m-1", Request(policy="flush")) == [cold]


# ---- what was measured earlier


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """Keeps JSON as measurements of machine m-1."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    folder = bench.data_folder() / "benchmarks" / "m-1" / "Linux"
    folder.mkdir(parents=True)

    def keep(*found):
        for k, one in enumerate(found):
            (folder / f"000{k}_bench.json").write_text(json.dumps(one))

    return keep


def test_the_last_measurement_of_that_manner_is_the_one_to_repeat(saved):
    first, quick, other = moved(1.0), moved(1.0), moved(1.0, schedule={})
    quick["evolve"] = {**quick["evolve"], "is_quick": True}
    saved({**first, "datetime": "2026-11-20"}, {**first, "datetime": "2026-11-21"}, quick, other, {"datetime": "2026"})
    now = {**suites(LEADER), "datetime": "2026-12-01"}
    assert earlier_speedups("m-1", now).before_at == "2026-11-21"
    assert earlier_speedups("elsewhere", now) is None


def test_earlier_medians_are_the_last_saved_of_each(saved):
    def at(day, medians):
        benchmarks = [{"name": name, "stats": {"median": value}} for name, value in medians.items()]
        return {"datetime": f"2026-{day}", "benchmarks": benchmarks}

    half = '{"datetime": "2026-01", "bench'
    saved(at("01", {"a": 1.0, "b": 2.0}), at("02", {"a": 3.0}), at("03", {"a": 9.0}))
    (bench.data_folder() / "benchmarks" / "m-1" / "Linux" / "0009_bench.json").write_text(half)
    assert earlier_medians("m-1", until="2026-03") == {"a": 3.0, "b": 2.0}
    assert earlier_medians("elsewhere", until="2026-03") == {}


# ---- guests


@pytest.fixture
def theirs(tmp_path):
    return read_sheet(sheets.write(tmp_path, "a.json", sheets.pair()[0]))


def test_genomes_travel_and_times_do_not(theirs):
    [told] = guests([theirs], "b" * 12, Request())
    assert told["schedule"] == sheets.genome(unroll=1)
    assert told["home"] == {"machine": "a" * 12, "profile": "A CPU, profile of aaaa", "policy": "hot"}
    assert set(told) == {"kernel", "size", "dtype", "threads", "schedule", "home"}


def test_a_machine_is_no_guest_of_its_own(theirs):
    with pytest.raises(UsageError, match="of this very machine"):
        guests([theirs], "a" * 12, Request())
    assert guests([theirs], "a" * 12, Request(policy="flush"))


def test_a_file_without_the_kernels_that_are_measured_is_refused(theirs):
    with pytest.raises(UsageError, match="has nothing that is measured here, but triad"):
        guests([theirs], "b" * 12, Request(("matmul",)))


# ---- the suites' process


@pytest.fixture
def saying(tmp_path, monkeypatch):
    """Lets a script stand for pytest."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))

    def stands(script):
        monkeypatch.setattr(bench, "pytest_command", lambda *_, **__: [sys.executable, "-c", script])

    return stands


def test_a_failed_benchmark_is_an_error_and_told_even_when_quiet(saying, capsys):
    saying("import sys; print('numpy is wrong'); sys.exit(1)")
    with pytest.raises(EvolveError, match="a benchmark failed"):
        bench.run_suites([], {}, "m-1", Request(is_quiet=True))
    assert "numpy is wrong" in capsys.readouterr().err


def test_where_all_were_left_out_nothing_was_measured(saying):
    saying("print('7 skipped')")
    with pytest.raises(EvolveError, match="nothing could be measured"):
        bench.run_suites([], {}, "m-1", Request())


def test_the_suites_get_the_champions_and_their_json_comes_back(saying):
    saying(
        "import json, sys, pathlib\n"
        "given = dict(word.split('=', 1) for word in sys.argv[1:])\n"
        "told = {name: json.loads(pathlib.Path(given[f'--{name}']).read_text()) for name in ('champions', 'machine')}\n"
        "pathlib.Path(given['--benchmark-json']).write_text(json.dumps(told))\n"
        "kept = pathlib.Path(given['--benchmark-storage'].removeprefix('file://')) / 'Linux'\n"
        "kept.mkdir(exist_ok=True)\n"
        "(kept / f'{len(list(kept.iterdir())):04}_bench.json').write_text('{}')"
    )
    bench.run_suites([], {}, "m-1", Request())
    found = bench.run_suites([{"kernel": "triad"}], {"aa": 1}, "m-1", Request(is_quiet=True))
    assert found.suites == {"champions": [{"kernel": "triad"}], "machine": {"aa": 1}}
    assert found.file == bench.data_folder() / "benchmarks" / "m-1" / "Linux" / "0001_bench.json"


def test_the_suites_see_nothing_of_the_users_folder(tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    command = [*bench.pytest_command(Request(("triad",), is_quick=True)), "--collect-only", "-q"]
    found = {**os.environ, "PYTHONPATH": str(bench.SUITES.parents[1])}
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True, env=found)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "triad-float64-8388608-default" in done.stdout
    assert "matmul" not in done.stdout
    assert {path.name for path in tmp_path.iterdir()} <= {"pytest.ini", ".benchmarks", ".hypothesis"}


def test_the_suites_take_on_several_threads_what_these_can_share(tmp_path):
    command = [*bench.pytest_command(Request(threads=2, is_quick=True)), "--collect-only", "-q"]
    found = {**os.environ, "PYTHONPATH": str(bench.SUITES.parents[1])}
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True, env=found)
    assert "matmul-float64-1024x1024x1024-2threads-default" in done.stdout
    assert "bench_kernel[dominance" not in done.stdout
