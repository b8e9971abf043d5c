"""``evolve bench``: which champions are measured, and what is printed and written of the figures."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.inference import Estimate
from evolve import bench, standard
from evolve.bench import Measured, Request, Results, champion, champion_runs, earlier_medians, earlier_speedups, guests
from evolve.errors import EvolveError, UsageError
from evolve.repeats import repeats
from evolve.report import pyperf, roofline
from evolve.report.bench import markdown, plain, text
from evolve.sheet import read_sheet
from evolve.store import Batch, Machine, Publication, open_store, utc_now
from evolve.store.testing import evaluation, measured, new_run
from evolve.tracker.summary import summary

sheets = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("sheets.py"))))

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
        "evolve": {"schema": 1, "policy": "hot", "is_quick": False, "left_out": []},
    }


def _measured(*infos):
    return Measured(_suites(*infos), Path("0001_bench.json"))


@pytest.fixture
def results(tmp_path, plant):
    """All that a file is written from: a champion, a plain loop, a rival, and the run behind them."""
    with open_store(str(tmp_path / "facts.db")) as store:
        told = summary(store, plant(store, "mine").id)
    ceilings = {"flop_per_s": {"float64": {"fma": {"1": 59e9}}}, "latency_s": {"L1": 2e-9}}
    rivals = [{**PROBLEM, "contestant": name} for name in ("baseline", "numpy")]
    return Results(Machine("cafe", MACHINE), ceilings, _measured(*rivals, LEADER), (told,))


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
    assert "`evolve bench --results` wrote this part" in page


def test_a_champion_is_told_with_its_schedule_and_whether_it_changed(results):
    line = "- matmul float64 64x64x32: run mine, source f00df00df00d{}: `mr=4 order=ijk`"
    assert line.format("") in markdown(results)
    changed = {**LEADER, "published": {"source_hash": "beef"}}
    after = dataclasses.replace(results, measured=_measured(changed))
    assert line.format(", changed since its run") in markdown(after)


def test_what_is_bound_by_traffic_is_told_in_bytes(results):
    leader = {**LEADER, "bound": {"limit": "bandwidth (DRAM, triad)", "time_s": 0.01}}
    [[row]] = _tables(markdown(dataclasses.replace(results, measured=_measured(leader))))[
        "Champions against their rivals"
    ]
    assert row["rate"] == "50.0 MB/s"


def test_a_default_schedule_leads_where_there_is_no_champion(results):
    known = ("run", "name", "budget", "evaluations", "published", "bound")
    leader = {name: value for name, value in LEADER.items() if name not in known}
    leader |= {"contestant": "default", "bound_fraction": None}
    found = dataclasses.replace(results, measured=_measured(leader), runs=())
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


def test_the_machine_is_told_with_its_floor_and_what_confines_contestants(results):
    protections = [
        {"name": "files", "is_active": True, "reason": "Landlock"},
        {"name": "network", "is_active": False, "reason": "no seccomp"},
    ]
    info = {"aa": {"spread": 0.02, "trials": 20, "false_positives": 1}, "protections": protections}
    measured = dataclasses.replace(results.measured, suites={**results.suites, "machine_info": info})
    facts, _ = _tables(markdown(dataclasses.replace(results, measured=measured)))["Machine"]
    told = {row["what"]: row["value"] for row in facts}
    equal = "2 % apart in 95 % of 20 races of a function against itself, 1 of them with a winner"
    assert told["equals seem"] == equal
    assert told["contestants are confined in"] == "files; not in network (no seccomp)"


@pytest.mark.parametrize("width", [64, None])
def test_a_library_that_uses_the_whole_vector_gets_no_remark(results, width):
    library = {**OPENBLAS, "vector_bytes": width}
    suites = {**results.suites, "rivals": {"versions": {}, "libraries": [library]}}
    measured = dataclasses.replace(results.measured, suites=suites)
    assert "-bit vectors" not in markdown(dataclasses.replace(results, measured=measured))


def test_ceilings_and_start_up_have_their_tables(results):
    found = _tables(markdown(results))
    assert found["Ceilings of the machine"][0][0]["fma"] == "59.0"
    assert found["Start-up"] == [[{"command": "`evolve --help`", "median": "61.2 ms", "least": "19.0 ms"}]]


def test_libraries_stand_before_the_default_schedule(results):
    first = {**LEADER, "speedups": {**SPEEDUPS, "default": SPEEDUPS["numpy"]}}
    second = {**LEADER, "kernel": "softmax", "speedups": {"scipy": SPEEDUPS["numpy"]}}
    page = markdown(dataclasses.replace(results, measured=_measured(first, second)))
    [rows] = _tables(page)["Champions against their rivals"]
    assert list(rows[0])[-4:] == ["vs plain loop", "vs numpy", "vs scipy", "vs default schedule"]
    assert (rows[0]["vs scipy"], rows[1]["vs scipy"], rows[1]["vs numpy"]) == ("-", "1.05x [1.01, 1.09]", "-")


def test_nothing_measured_is_said(results):
    page = markdown(dataclasses.replace(results, measured=_measured()))
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


def test_another_policy_is_declared(results):
    leader = {**LEADER, "policy": "rotate"}
    found = dataclasses.replace(results, measured=_measured(leader))
    [[row], *_] = _tables(markdown(found))["Champions against their rivals"]
    assert row["caches"] == "rotate"
    assert "100 GFLOP/s, rotate caches" in text(found, {})


def test_what_the_machine_did_meanwhile_is_told(results):
    seen = {"baseline": {**sheets.CALM, "contended": 2, "flags": ["steal"]}, "numpy": sheets.CALM}
    found = dataclasses.replace(results, measured=_measured({**LEADER, "conditions": seen}))
    _, rows = _tables(markdown(found))["Champions against their rivals"]
    assert [row["objections"] for row in rows] == ["steal", "-"]
    assert (rows[0]["against"], rows[0]["rounds"], rows[0]["retakes"], rows[0]["disturbed"]) == (
        "plain loop",
        "16",
        "1",
        "2",
    )
    assert "doubts steal against plain loop" in " ".join(text(found, {}).split())


def test_who_was_left_out_is_told(results):
    suites = _suites(LEADER)
    lost = {**PROBLEM, "contestant": "champion of cafe", "kind": "illegal", "reason": "mr=9 is not one of 2, 4"}
    suites["evolve"]["left_out"] = [lost]
    found = dataclasses.replace(results, measured=dataclasses.replace(results.measured, suites=suites))
    line = "matmul float64 64x64x32: champion of cafe is not measured (illegal: mr=9 is not one of 2, 4)"
    assert line in text(found, {})
    assert line in markdown(found)


# ---- repeats


def _moved(factor, **changes):
    moved = Estimate(20.0 * factor, 19.0 * factor, 21.0 * factor).as_dict()
    return {
        **_suites({**LEADER, "speedups": {**SPEEDUPS, "baseline": moved}, **changes}),
        "datetime": "2026-11-22T08:00",
    }


def test_speedups_repeat_where_each_lies_in_the_others_interval():
    found = repeats(_suites(LEADER), _moved(1.02))
    assert (found.agreeing(), found.agreeing(over_plain_loop=True)) == ((2, 2), (1, 1))
    assert repeats(_suites(LEADER), _moved(1.2)).agreeing() == (1, 2)


def test_one_interval_that_holds_the_other_is_not_enough():
    wide = {"estimate": 21.5, "low": 10.0, "high": 40.0, "level": 0.95}
    found = repeats(_suites(LEADER), _suites({**LEADER, "speedups": {"baseline": wide}}))
    assert found.agreeing() == (0, 1)


def test_another_schedule_is_no_repeat():
    assert repeats(_suites(LEADER), _moved(1.0, schedule={"mr": 8, "order": "ijk"})) is None


def test_repeats_are_told_with_both_dates(results):
    found = dataclasses.replace(results, repeats=repeats(_suites(LEADER), _moved(1.2)))
    [rows] = _tables(markdown(found))["Repeats"]
    assert [row["within each other's interval"] for row in rows] == ["no", "yes"]
    assert "measured at 2026-11-22 07:00 UTC and at 2026-11-22 08:00 UTC: 1 of 2 speedups (50 %)" in markdown(found)
    assert "repeats: 1 of 2 speedups (50 %)" in text(found, {})
    assert plain(found)["repeats"]["over_plain_loop"] == {"agreeing": 0, "count": 1}
    assert "Repeats" not in _tables(markdown(results))


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
    first, quick, other = _moved(1.0), _moved(1.0), _moved(1.0, schedule={})
    quick["evolve"] = {**quick["evolve"], "is_quick": True}
    saved({**first, "datetime": "2026-11-20"}, {**first, "datetime": "2026-11-21"}, quick, other, {"datetime": "2026"})
    now = {**_suites(LEADER), "datetime": "2026-12-01"}
    assert earlier_speedups("m-1", now).before_at == "2026-11-21"
    assert earlier_speedups("elsewhere", now) is None


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


# ---- pyperf


def test_pyperf_reads_its_suite_with_equal_counts(tmp_path):
    import pyperf as tool

    leader = sheets.leader(sheets.genome())
    leader["samples"] = {name: [sheets.ROUNDS] * 5 for name in leader["samples"]}
    leader["samples"]["numpy"] = [{**sheets.ROUNDS, "opponent_s": [0.1] * 9}] * 10
    pyperf.write(sheets.sheet("a" * 12, leader), tmp_path / "suite.json")
    found = {one.get_name(): one for one in tool.BenchmarkSuite.load(str(tmp_path / "suite.json")).get_benchmarks()}
    assert set(found) == {f"triad-float32-4096 {name}" for name in ("baseline", "numpy", "champion")}
    assert {(one.get_nrun(), one.get_nvalue()) for one in found.values()} == {
        (pyperf.RUNS, pyperf.RUNS * pyperf.VALUES)
    }
    told = found["triad-float32-4096 numpy"].get_metadata()
    assert (told["machine"], told["policy"], told["leader_speedup_estimate"]) == ("a" * 12, "hot", 1.05)
    assert "hostname" not in told
    assert found["triad-float32-4096 champion"].get_values()[:2] == (0.02, 0.021)


def test_nothing_raced_is_nothing_to_export(tmp_path):
    with pytest.raises(EvolveError, match="nothing to export"):
        pyperf.write(sheets.sheet("a" * 12), tmp_path / "suite.json")


def test_without_pyperf_the_extra_is_named(evolve, benched, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyperf", None)
    code, _, err = evolve("bench", "--pyperf", str(tmp_path / "x.json"))
    assert (code, "request" in benched) == (2, False)
    assert "evolve-kernels[export]" in err


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
    assert champion_runs(store, store.runs(), "m-1", Request()) == [small, new]
    assert champion_runs(store, store.runs(), "m-1", Request(("triad",))) == []


def test_a_champion_is_described_by_what_its_run_found(store):
    run = _published(store, "2026-02", name="mine", size=(8, 4, 2))
    told = champion(store, run)
    assert (told["run"], told["name"], told["size"], told["budget"]) == (run.id, "mine", [8, 4, 2], "300evals")
    assert told["schedule"] == {"mr": 2, "order": "ikj", "pack": True}
    assert (told["evaluations"], told["bound"]) == (1, {"limit": "fma", "time_s": 0.5})
    assert json.loads(json.dumps(told)) == told


def test_earlier_medians_are_the_last_saved_of_each(saved):
    def at(day, medians):
        benchmarks = [{"name": name, "stats": {"median": value}} for name, value in medians.items()]
        return {"datetime": f"2026-{day}", "benchmarks": benchmarks}

    half = '{"datetime": "2026-01", "bench'
    saved(at("01", {"a": 1.0, "b": 2.0}), at("02", {"a": 3.0}), at("03", {"a": 9.0}))
    (bench.data_folder() / "benchmarks" / "m-1" / "Linux" / "0009_bench.json").write_text(half)
    assert earlier_medians("m-1", until="2026-03") == {"a": 3.0, "b": 2.0}
    assert earlier_medians("elsewhere", until="2026-03") == {}


def test_a_champion_found_under_another_policy_or_on_more_threads_is_not_this_ones(store):
    hot, cold = _published(store, "2026-01"), _published(store, "2026-02", policy="flush")
    two = _published(store, "2026-03", threads=2)
    assert champion_runs(store, store.runs(), "m-1", Request(threads=2)) == [two]
    assert champion_runs(store, store.runs(), "m-1", Request()) == [hot]
    assert champion_runs(store, store.runs(), "m-1", Request(policy="flush")) == [cold]


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
    assert "transpose" not in done.stdout


# ---- the command


@pytest.fixture
def benched(monkeypatch, known_machine, tmp_path):
    """The command with suites that are known; keeps what they were given."""
    given = {"file": sheets.write(tmp_path, "0001_bench.json", "{}")}

    def run_suites(champions, facts, machine, request):
        given.update(champions=champions, facts=facts, machine=machine, request=request)
        return Measured(_suites(LEADER), given["file"])

    monkeypatch.setattr("evolve.bench.run_suites", run_suites)
    monkeypatch.setattr("evolve.bench.machine_facts", lambda *_: {"aa": None})
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
    assert (benched["request"], benched["machine"]) == (Request(("matmul",), is_quick=True), benched["here"])
    assert f"saved    {benched['file']}" in err


def test_the_command_compares_with_what_was_saved(evolve, benched):
    del benched
    _, out, _ = evolve("bench", "--compare")
    assert out.splitlines()[-1].endswith("40.0 ms  20.0 ms  -50.0 %")


def test_the_command_invites_the_champions_of_other_machines(evolve, benched, tmp_path):
    path = sheets.write(tmp_path, "a.json", sheets.pair()[0])
    code, _, err = evolve("bench", "triad", "--with", str(path), "--policy", "rotate")
    assert code == 0, err
    assert [one["home"]["machine"] for one in benched["champions"]] == ["a" * 12]
    assert benched["request"].policy == "rotate"


def test_a_file_that_is_none_of_ours_is_told_before_anything_is_measured(evolve, benched, tmp_path):
    path = sheets.write(tmp_path, "a.json", {"benchmarks": [], "machine_info": {}})
    code, out, err = evolve("bench", "triad", "--with", str(path))
    assert (code, out, "request" in benched) == (2, "", False)
    assert "pytest-benchmark alone" in err


def test_the_command_gives_the_file_to_carry(evolve, benched, tmp_path):
    path = tmp_path / "mine.json"
    _, out, err = evolve("bench", "--save", str(path))
    assert path.read_text() == benched["file"].read_text()
    assert f"saved    {path}" in err
    assert "mine.json" not in out


def test_the_command_prints_json(evolve, benched):
    del benched
    _, out, _ = evolve("bench", "--json")
    assert json.loads(out)["benchmarks"][0]["extra_info"]["run"] == "matmul-1a"


def test_results_that_cannot_be_written_are_told_before_anything_is_measured(evolve, benched, tmp_path):
    code, out, err = evolve("bench", "--results", str(tmp_path / "no" / "RESULTS.md"))
    assert (code, out) == (2, "")
    assert "in a folder that exists" in err
    assert "request" not in benched


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
    assert (code, "request" in benched) == (2, False)
    assert "run second" in err


# ---- the page


def test_the_roofline_has_roofs_and_a_column_for_each_problem(results, tmp_path):
    ceilings = {"flop_per_s": {"float64": {"fma": {"1": 59e9}}}, "bytes_per_s": {"DRAM": {"read": {"1": 20e9}}}}
    page = roofline.write(dataclasses.replace(results, ceilings=ceilings), tmp_path / "page.html").read_text()
    drawings = [json.loads(text) for text in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page)]
    roofs, fractions = (drawing["data"] for drawing in drawings)
    intensity, rates = 2e9 / 1e6, [2e9 / (0.02 * 20), 2e9 / (0.02 * 1.05), 2e9 / 0.02]
    shown = [trace for trace in roofs if "markers" in trace["mode"]]
    points = [(*_plain_numbers(trace["x"]), *_plain_numbers(trace["y"])) for trace in shown]
    assert points == [pytest.approx((intensity, rate)) for rate in rates]
    assert [_plain_numbers(trace["x"])[0] for trace in fractions] == pytest.approx([0.04, 0.8 / 1.05, 0.8])
    assert "float64 59.0 GFLOP" in page
    assert "1.05x [1.01, 1.09] numpy" in page


def _plain_numbers(values):
    """What plotly writes of a list: a list, or base64."""
    if isinstance(values, list):
        return values
    return np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"]).tolist()


def test_a_page_without_figures_says_so(results):
    page = roofline.page(dataclasses.replace(results, measured=_measured()))
    assert "Nothing was measured" in page
    assert "Roofline" not in page


def test_bench_writes_the_page_where_it_is_asked_for(evolve, benched, tmp_path):
    page = tmp_path / "roofs.html"
    code, _, err = evolve("bench", "--all", "--report", str(page))
    assert (code, page.exists()) == (0, True), err
    code, _, err = evolve("bench", "matmul", "--all")
    assert (code, "leave out matmul" in err) == (2, True)
