"""The results of ``evolve bench``: the file, the terminal, the page with the roofline, pyperf's suite."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
import sheets
from planted_bench import LEADER, MACHINE, OPENBLAS, PROBLEM, SPEEDUPS, measured, moved, suites

from evolve.bench import Results
from evolve.errors import EvolveError
from evolve.repeats import repeats
from evolve.report import bench as report_bench
from evolve.report import pyperf, roofline
from evolve.report.bench import markdown, plain, text
from evolve.store import Machine, open_store
from evolve.tracker.summary import summary


@pytest.fixture
def results(tmp_path, plant):
    """All that a file is written from: a champion, a plain loop, a rival, and the run behind them."""
    with open_store(str(tmp_path / "facts.db")) as store:
        told = summary(store, plant(store, "mine").id)
    ceilings = {"flop_per_s": {"float64": {"fma": {"1": 59e9}}}, "latency_s": {"L1": 2e-9}}
    rivals = [{**PROBLEM, "contestant": name} for name in ("baseline", "numpy")]
    return Results(Machine("cafe", MACHINE), ceilings, measured(*rivals, LEADER), (told,))


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
        "of the moment's": "90 % [88, 91]",
        "vs plain loop": "20.0x [19.0, 21.0]",
        "vs numpy": "1.05x [1.01, 1.09]",
    }


def test_what_the_next_ten_per_cent_would_take_stands_below_where_it_is_known(results, monkeypatch):
    monkeypatch.setattr(report_bench.kernels, "get", lambda name: SimpleNamespace(left=f"{name} waits for loads."))
    champions = markdown(results).partition("## Champions")[2].partition("\n## ")[0]
    assert "next 10 % would take, as it was found on a Zen 5:\n\n- matmul: matmul waits for loads." in champions
    monkeypatch.setattr(report_bench.kernels, "get", lambda _name: SimpleNamespace(left=""))
    assert "next 10 %" not in markdown(results)


def test_how_it_was_measured_is_said_in_figures_of_the_measurement(results):
    page = markdown(results)
    assert "in 5 fresh processes with new random inputs, in 3 to 20 paired, interleaved rounds" in page
    assert "Measured on 2026-11-22 with evolve-kernels" in page
    assert "`evolve bench --results` wrote this part" in page


def test_each_machine_has_a_part_of_its_own_which_says_what_was_asked_for(results):
    assert markdown(results).startswith("# Results on znver5 cafe\n")
    told = dataclasses.replace(results, machine=Machine("beef", {**MACHINE, "llvm_cpu": "znver4"}), names=("matmul",))
    assert markdown(told).startswith("# Results on znver4 beef\n")
    assert "`evolve bench matmul --results` wrote this part" in markdown(told)


def test_a_champion_is_told_with_its_schedule_and_whether_it_changed(results):
    line = "- matmul float64 64x64x32: run mine, source f00df00df00d{}: `mr=4 order=ijk`"
    assert line.format("") in markdown(results)
    changed = {**LEADER, "published": {"source_hash": "beef"}}
    after = dataclasses.replace(results, measured=measured(changed))
    assert line.format(", changed since its run") in markdown(after)


def test_what_is_bound_by_traffic_is_told_in_bytes(results):
    leader = {**LEADER, "bound": {"limit": "bandwidth (DRAM, triad)", "time_s": 0.01}}
    [[row]] = _tables(markdown(dataclasses.replace(results, measured=measured(leader))))[
        "Champions against their rivals"
    ]
    assert row["rate"] == "50.0 MB/s"


def test_a_default_schedule_leads_where_there_is_no_champion(results):
    known = ("run", "name", "budget", "evaluations", "published", "bound")
    leader = {name: value for name, value in LEADER.items() if name not in known}
    leader |= {"contestant": "default", "bound_fraction": None}
    found = dataclasses.replace(results, measured=measured(leader), runs=())
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
    assert found["The door"] == [[{"kernel": "`matmul`", "median": "800 ns", "least": "700 ns"}]]


def test_libraries_stand_before_the_default_schedule(results):
    first = {**LEADER, "speedups": {**SPEEDUPS, "default": SPEEDUPS["numpy"]}}
    second = {**LEADER, "kernel": "softmax", "speedups": {"scipy": SPEEDUPS["numpy"]}}
    page = markdown(dataclasses.replace(results, measured=measured(first, second)))
    [rows] = _tables(page)["Champions against their rivals"]
    assert list(rows[0])[-4:] == ["vs plain loop", "vs numpy", "vs scipy", "vs default schedule"]
    assert (rows[0]["vs scipy"], rows[1]["vs scipy"], rows[1]["vs numpy"]) == ("-", "1.05x [1.01, 1.09]", "-")


def test_nothing_measured_is_said(results):
    page = markdown(dataclasses.replace(results, measured=measured()))
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
    assert lines[4:] == [
        "bound 80 % of what this machine allows, by arithmetic (fma, float64)",
        "then 90 % [88, 91] of what it allowed at the time",
    ]


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
    found = dataclasses.replace(results, measured=measured(leader))
    [[row], *_] = _tables(markdown(found))["Champions against their rivals"]
    assert row["caches"] == "rotate"
    assert "100 GFLOP/s, rotate caches" in text(found, {})


def test_what_the_machine_did_meanwhile_is_told(results):
    seen = {"baseline": {**sheets.CALM, "contended": 2, "flags": ["steal"]}, "numpy": sheets.CALM}
    found = dataclasses.replace(results, measured=measured({**LEADER, "conditions": seen}))
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
    told = suites(LEADER)
    lost = {**PROBLEM, "contestant": "champion of cafe", "kind": "illegal", "reason": "mr=9 is not one of 2, 4"}
    told["evolve"]["left_out"] = [lost]
    found = dataclasses.replace(results, measured=dataclasses.replace(results.measured, suites=told))
    line = "matmul float64 64x64x32: champion of cafe is not measured (illegal: mr=9 is not one of 2, 4)"
    assert line in text(found, {})
    assert line in markdown(found)


def test_repeats_are_told_with_both_dates(results):
    found = dataclasses.replace(results, repeats=repeats(suites(LEADER), moved(1.2)))
    [rows] = _tables(markdown(found))["Repeats"]
    assert [row["within each other's interval"] for row in rows] == ["no", "yes"]
    assert "measured at 2026-11-22 07:00 UTC and at 2026-11-22 08:00 UTC: 1 of 2 speedups (50 %)" in markdown(found)
    assert "repeats: 1 of 2 speedups (50 %)" in text(found, {})
    assert plain(found)["repeats"]["over_plain_loop"] == {"agreeing": 0, "count": 1}
    assert "Repeats" not in _tables(markdown(results))


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
    assert "float64 fma 59.0 GFLOP" in page
    assert "1.05x [1.01, 1.09] numpy" in page


def _plain_numbers(values):
    """What plotly writes of a list: a list, or base64."""
    if isinstance(values, list):
        return values
    return np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"]).tolist()


def test_a_page_without_figures_says_so(results):
    page = roofline.page(dataclasses.replace(results, measured=measured()))
    assert "Nothing was measured" in page
    assert "Roofline" not in page


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
