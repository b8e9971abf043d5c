"""``evolve bench``: which champions are measured, and what is printed and written of the figures."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys

import pytest

from benchmarks.inference import Estimate
from evolve import bench, standard
from evolve.bench import Results, champion, champion_runs, earlier_medians
from evolve.errors import EvolveError
from evolve.report.bench import markdown, plain, text
from evolve.store import Batch, Machine, Publication, open_store, utc_now
from evolve.store.testing import evaluation, measured, new_run
from evolve.tracker.summary import summary

TINY = standard.Standard("bench-tiny", "triad", "8", "float32", "3evals")
MACHINE = {
    "cpu": "A CPU",
    "llvm_cpu": "znver5",
    "vector_bytes": 64,
    "caches": [{"level": "L1", "bytes": 32768, "line_bytes": 64, "shared_by": 1}],
    "versions": {"python": "3.11.7", "numba": "0.68.1"},
}
OPENBLAS = {"package": "numpy", "name": "openblas", "version": "0.3.31", "target": "Haswell", "vector_bytes": 32}
STATS = {"min": 0.019, "median": 0.02, "iqr": 0.001, "rounds": 100, "iterations": 3, "data": [0.02] * 100}
PROBLEM = {"kernel": "matmul", "dtype": "float64", "size": [64, 64, 32], "threads": 1, "flop": 2e9, "moved_bytes": 1e6}
SPEEDUPS = {"baseline": Estimate(20.0, 19.0, 21.0).as_dict(), "numpy": Estimate(1.05, 1.01, 1.09).as_dict()}
LEADER = {
    **PROBLEM,
    "contestant": "champion",
    "run": "matmul-1a",
    "name": "mine",
    "budget": "10m",
    "evaluations": 834,
    "schedule": {"mr": 4, "order": "ijk"},
    "source_hash": "f00d" * 16,
    "published": {"source_hash": "f00d" * 16},
    "bound": {"limit": "arithmetic (fma, float64)", "time_s": 0.016},
    "bound_fraction": 0.8,
    "time_s": 0.02,
    "launches": 5,
    "rounds": {"baseline": [3, 4, 3, 3, 3], "numpy": [20] * 5},
    "speedups": SPEEDUPS,
}


def _benchmark(info, group="matmul-float64-64x64x32"):
    return {"name": f"bench_kernel[{group}-{info['contestant']}]", "group": group, "extra_info": info, "stats": STATS}


def _suites(*infos):
    startup = {"name": "bench_startup[evolve --help]", "group": "start-up", "extra_info": {"command": "evolve --help"}}
    return {
        "datetime": "2026-11-22T07:00:00+00:00",
        "benchmarks": [*map(_benchmark, infos), {**startup, "stats": {**STATS, "median": 0.0612}}],
        "rivals": {"versions": {"numpy": "2.4.6", "torch": "2.9"}, "libraries": [OPENBLAS]},
    }


@pytest.fixture
def results(tmp_path, plant):
    """All that a file is written from: a champion, a plain loop, a rival, and the run behind them."""
    with open_store(str(tmp_path / "facts.db")) as store:
        told = summary(store, plant(store, "mine").id)
    ceilings = {"flop_per_s": {"float64": {"fma": {"1": 59e9}}}, "latency_s": {"L1": 2e-9}}
    rivals = [{**PROBLEM, "contestant": name} for name in ("baseline", "numpy")]
    return Results(Machine("cafe", MACHINE), ceilings, _suites(*rivals, LEADER), (told,))


# ---- the file


def _tables(page):
    """By section the tables' rows, each a dict from heading to cell; ragged rows are an error."""
    found = {}
    for section in page.split("\n## ")[1:]:
        title = section.splitlines()[0]
        for block in re.findall(r"(?:^\|.*\|\n?)+", section, re.MULTILINE):
            header, rule, *rows = [line.strip("| ").split(" | ") for line in _filled(block)]
            assert {len(rule), *map(len, rows)} == {len(header)}
            found.setdefault(title, []).append([dict(zip(header, row, strict=True)) for row in rows])
    return found


def _filled(block):
    """Lines with a dash in empty cells."""
    return [re.sub(r"\| +(?=\|)", "| - ", line) for line in block.splitlines()]


def test_champions_stand_against_all_opponents(results):
    [[row]] = _tables(markdown(results))["Champions against their rivals"]
    assert row == {
        "kernel": "matmul",
        "dtype": "float64",
        "size": "64x64x32",
        "budget": "10m",
        "evaluations": "834",
        "time": "20.0 ms",
        "rate": "100 GFLOP/s",
        "of the bound": "80 %",
        "limit": "arithmetic (fma, float64)",
        "vs plain loop": "20.0x [19.0, 21.0]",
        "vs numpy": "1.05x [1.01, 1.09]",
    }


def test_how_it_was_measured_is_said_in_figures_of_the_measurement(results):
    page = markdown(results)
    assert "in 5 fresh processes with new random inputs, in 3 to 20 paired, interleaved rounds" in page
    assert "Measured on 2026-11-22 with evolve-kernels" in page
    assert "`evolve bench --results` wrote this file" in page


def test_a_champion_is_told_with_its_schedule_and_whether_it_changed(results):
    line = "- matmul float64 64x64x32: run mine, source f00df00df00d{}: `mr=4 order=ijk`"
    assert line.format("") in markdown(results)
    changed = {**LEADER, "published": {"source_hash": "beef"}}
    after = dataclasses.replace(results, suites=_suites(changed))
    assert line.format(", changed since its run") in markdown(after)


def test_what_is_bound_by_traffic_is_told_in_bytes(results):
    leader = {**LEADER, "bound": {"limit": "bandwidth (DRAM, triad)", "time_s": 0.01}}
    [[row]] = _tables(markdown(dataclasses.replace(results, suites=_suites(leader))))["Champions against their rivals"]
    assert row["rate"] == "50.0 MB/s"


def test_a_default_schedule_leads_where_there_is_no_champion(results):
    known = ("run", "name", "budget", "evaluations", "published", "bound")
    leader = {name: value for name, value in LEADER.items() if name not in known}
    leader |= {"contestant": "default", "bound_fraction": None}
    found = dataclasses.replace(results, suites=_suites(leader), runs=())
    [[row]] = _tables(markdown(found))["Champions against their rivals"]
    assert (row["budget"], row["of the bound"], row["limit"]) == ("none: default schedule", "-", "-")
    assert "No run stands behind these figures" in markdown(found)
    assert text(found, {}).startswith("matmul float64 64x64x32: default schedule")


def test_every_contestant_has_its_absolute_time(results):
    [rows] = _tables(markdown(results))["Absolute times"]
    assert [row["contestant"] for row in rows] == ["plain loop", "numpy", "champion"]
    assert (rows[0]["median"], rows[0]["least"], rows[0]["rounds"]) == ("20.0 ms", "19.0 ms", "100 x 3")


def test_the_engine_is_told_by_phase(results):
    [[row]] = _tables(markdown(results))["Engine"]
    shares = {phase: row[phase] for phase in ("build", "verify", "measure", "search", "other")}
    assert shares == {"build": "60 %", "verify": "10 %", "measure": "20 %", "search": "5 %", "other": "5 %"}
    assert (row["run"], row["problem"], row["evaluations"]) == ("mine", "matmul float64 64x64x32", "2")
    assert row["outcomes"] == "1 Measured, 1 Wrong"


def test_the_machine_is_told_with_what_the_rivals_call(results):
    page = markdown(results)
    facts, libraries = _tables(page)["Machine"]
    told = {row["what"]: row["value"] for row in facts}
    assert (told["processor"], told["caches"]) == ("A CPU", "L1 32 KiB")
    assert told["with"] == "python 3.11.7, numba 0.68.1, numpy 2.4.6, torch 2.9"
    assert libraries == [{"package": "numpy", "library": "openblas", "version": "0.3.31", "kernels for": "Haswell"}]
    remark = (
        "openblas of numpy runs its kernels for Haswell, which use 256-bit vectors; this CPU (znver5) has 512-bit ones"
    )
    assert remark in page


@pytest.mark.parametrize("width", [64, None])
def test_a_library_that_uses_the_whole_vector_gets_no_remark(results, width):
    library = {**OPENBLAS, "vector_bytes": width}
    suites = {**results.suites, "rivals": {"versions": {}, "libraries": [library]}}
    assert "-bit vectors" not in markdown(dataclasses.replace(results, suites=suites))


def test_ceilings_and_start_up_have_their_tables(results):
    found = _tables(markdown(results))
    assert found["Ceilings of the machine"][0][0]["fma"] == "59.0 GFLOP/s"
    assert found["Start-up"] == [[{"command": "`evolve --help`", "median": "61.2 ms", "least": "19.0 ms"}]]


def test_libraries_stand_before_the_default_schedule(results):
    first = {**LEADER, "speedups": {**SPEEDUPS, "default": SPEEDUPS["numpy"]}}
    second = {**LEADER, "kernel": "softmax", "speedups": {"scipy": SPEEDUPS["numpy"]}}
    page = markdown(dataclasses.replace(results, suites=_suites(first, second)))
    [rows] = _tables(page)["Champions against their rivals"]
    assert list(rows[0])[-4:] == ["vs plain loop", "vs numpy", "vs scipy", "vs default schedule"]
    assert (rows[0]["vs scipy"], rows[1]["vs scipy"], rows[1]["vs numpy"]) == ("-", "1.05x [1.01, 1.09]", "-")


def test_nothing_measured_is_said(results):
    page = markdown(dataclasses.replace(results, suites=_suites()))
    assert "None was measured." in page


# ---- the terminal


def test_the_terminal_shows_each_champion(results):
    lines = [" ".join(line.split()) for line in text(results, {}).splitlines()]
    assert lines[0] == "matmul float64 64x64x32: champion of mine (10m, 834 evaluations)"
    assert lines[1:4] == [
        "time 20.0 ms, 100 GFLOP/s",
        "vs plain loop 20.0x [19.0, 21.0]",
        "vs numpy 1.05x [1.01, 1.09]",
    ]
    assert lines[4:] == ["bound 80 % of what this machine allows, by arithmetic (fma, float64)"]


def test_earlier_seconds_stand_beside_the_new_ones(results):
    shown = text(results, {"bench_kernel[matmul-float64-64x64x32-numpy]": 0.025, "gone": 1.0})
    assert shown.splitlines()[-1].split() == ["matmul-float64-64x64x32-numpy", "25.0", "ms", "20.0", "ms", "-20.0", "%"]


def test_plain_values_are_json_without_samples(results):
    told = plain(results)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert "data" not in told["benchmarks"][0]["stats"]
    assert (told["schema"], told["machine"]) == (1, "cafe")


# ---- which champions


@pytest.fixture
def store(tmp_path):
    with open_store(str(tmp_path / "runs.db")) as opened:
        yield opened


def _published(store, month, **changes):
    at = f"{month}-01T00:00:00+00:00"
    run = new_run(store, **changes)
    store.add_batch(Batch(run.id, 0, utc_now()), [evaluation(run, 1), evaluation(run, 2)])
    store.add_outcome(measured(run, 2))
    estimate = Estimate(2.0, 1.9, 2.1)
    known = {"launches": 5, "rounds": 12, "time_s": 1.0, "speedup": estimate, "rivals": {}, "samples": {}}
    known |= {"bound_limit": "fma", "bound_time_s": 0.5, "bound_fraction": 0.5, "source_hash": "ab"}
    store.add_publication(Publication(run=run.id, evaluation=2, measured_at=at, **known))
    return run


def test_the_champion_published_last_stands_for_its_problem(store):
    store.add_machine(Machine("elsewhere", {}))
    new = _published(store, "2026-02")
    _published(store, "2026-01")
    small = _published(store, "2026-01", size=(8, 8, 8))
    _published(store, "2026-03", machine="elsewhere")
    _published(store, "2026-03", kernel="uninstalled")
    new_run(store, dtype="float32")
    assert champion_runs(store, store.runs(), "m-1", ()) == [small, new]
    assert champion_runs(store, store.runs(), "m-1", ("triad",)) == []


def test_a_champion_is_described_by_what_its_run_found(store):
    run = _published(store, "2026-02", name="mine", size=(8, 4, 2))
    told = champion(store, run)
    assert (told["run"], told["name"], told["size"], told["budget"]) == (run.id, "mine", [8, 4, 2], "300evals")
    assert told["schedule"] == {"mr": 2, "order": "ikj", "pack": True}
    assert (told["evaluations"], told["bound"]) == (1, {"limit": "fma", "time_s": 0.5})
    assert json.loads(json.dumps(told)) == told


def test_earlier_medians_are_the_last_saved_of_each(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    folder = bench.data_folder() / "benchmarks" / "m-1" / "Linux"
    folder.mkdir(parents=True)
    saved = [("01", {"a": 1.0, "b": 2.0}), ("02", {"a": 3.0}), ("03", {"a": 9.0})]
    for day, medians in saved:
        benchmarks = [{"name": name, "stats": {"median": value}} for name, value in medians.items()]
        text = json.dumps({"datetime": f"2026-{day}", "benchmarks": benchmarks})
        (folder / f"00{day}_bench.json").write_text(text)
    (folder / "0009_bench.json").write_text('{"datetime": "2026-01", "bench')
    assert earlier_medians("m-1", until="2026-03") == {"a": 3.0, "b": 2.0}
    assert earlier_medians("elsewhere", until="2026-03") == {}


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
        bench.run_suites([], (), "m-1", is_quick=True, is_quiet=True)
    assert "numpy is wrong" in capsys.readouterr().err


def test_the_suites_get_the_champions_and_their_json_comes_back(saying):
    saying(
        "import json, sys, pathlib\n"
        "given = dict(word.split('=', 1) for word in sys.argv[1:])\n"
        "champions = json.loads(pathlib.Path(given['--champions']).read_text())\n"
        "pathlib.Path(given['--benchmark-json']).write_text(json.dumps([champions, given['--benchmark-storage']]))"
    )
    champions, storage = bench.run_suites([{"kernel": "triad"}], (), "m-1", is_quick=True, is_quiet=True)
    assert champions == [{"kernel": "triad"}]
    assert storage.endswith("/benchmarks/m-1")


def test_the_suites_see_nothing_of_the_users_folder(tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    command = [*bench.pytest_command(["triad"], is_quick=True), "--collect-only", "-q"]
    found = {**os.environ, "PYTHONPATH": str(bench.SUITES.parents[1])}
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True, env=found)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "triad-float64-8388608-default" in done.stdout
    assert "matmul" not in done.stdout
    assert {path.name for path in tmp_path.iterdir()} <= {"pytest.ini", ".benchmarks", ".hypothesis"}


# ---- the command


@pytest.fixture
def benched(monkeypatch, known_machine):
    """The command with suites that are known; keeps what they were given."""
    given = {}

    def run_suites(champions, names, machine, **manner):
        given.update(champions=champions, names=names, machine=machine, **manner)
        return _suites(LEADER)

    monkeypatch.setattr("evolve.bench.run_suites", run_suites)
    before = {"bench_kernel[matmul-float64-64x64x32-champion]": 0.04}
    monkeypatch.setattr("evolve.bench.earlier_medians", lambda *_: before)
    given["here"] = known_machine.machine_id
    return given


def test_the_command_prints_and_writes(evolve, benched, tmp_path):
    path = tmp_path / "RESULTS.md"
    code, out, err = evolve("bench", "matmul", "--quick", "--results", str(path))
    assert code == 0
    assert out.startswith("matmul float64 64x64x32: champion of mine")
    assert "before" not in out
    assert path.read_text().startswith("# Results")
    assert err.splitlines()[-1].startswith("next: evolve ")
    assert (benched["names"], benched["is_quick"], benched["machine"]) == (("matmul",), True, benched["here"])


def test_the_command_compares_with_what_was_saved(evolve, benched):
    del benched
    _, out, _ = evolve("bench", "--compare")
    assert out.splitlines()[-1].endswith("40.0 ms  20.0 ms  -50.0 %")


def test_the_command_prints_json(evolve, benched):
    del benched
    _, out, _ = evolve("bench", "--json")
    assert json.loads(out)["benchmarks"][0]["extra_info"]["run"] == "matmul-1a"


def test_results_that_cannot_be_written_are_told_before_anything_is_measured(evolve, benched, tmp_path):
    code, out, err = evolve("bench", "--results", str(tmp_path / "no" / "RESULTS.md"))
    assert (code, out) == (2, "")
    assert "in a folder that exists" in err
    assert "names" not in benched


def test_evolving_measures_the_champions_of_the_standard_runs_alone(evolve, benched, monkeypatch, url):
    here = benched["here"]
    with open_store(url) as store:
        other = _published(store, "2026-09", kernel="triad", size=(16,), dtype="float32", machine=here)
        mine = _published(store, "2026-01", kernel="triad", size=(8,), dtype="float32", machine=here, name=TINY.name)
        store.add_event(mine.id, "finished")
    monkeypatch.setattr(standard, "STANDARD", (TINY,))
    code, _, err = evolve("bench", "--evolve")
    assert code == 0, err
    assert "standard run 1 of 1: bench-tiny, 3evals" in err
    assert [told["run"] for told in benched["champions"]] == [mine.id]
    evolve("bench", "triad")
    assert {told["run"] for told in benched["champions"]} == {mine.id, other.id}


def test_a_taken_name_is_told_before_the_first_run_starts(evolve, benched, monkeypatch, url):
    with open_store(url) as store:
        new_run(store, name="second")
    first = dataclasses.replace(TINY, name="first")
    monkeypatch.setattr(standard, "STANDARD", (first, dataclasses.replace(TINY, name="second")))
    monkeypatch.setattr(standard, "start", lambda *_, **__: pytest.fail("started"))
    code, _, err = evolve("bench", "--evolve")
    assert (code, "names" in benched) == (2, False)
    assert "run second" in err
