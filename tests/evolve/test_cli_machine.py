"""The commands about kernels and the machine, and the demonstration."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks import quiet
from benchmarks.aa import SelfComparison
from benchmarks.inference import Estimate

# ---- kernels


def test_kernels_are_listed_with_and_without_the_word(evolve):
    code, out, err = evolve("kernels")
    assert code == 0
    assert re.search(r"^matmul +mxnxk +float32 float64 ", out, re.MULTILINE)
    assert err.startswith("next: evolve kernels show ")
    assert evolve("kernels", "list")[1] == out


def test_kernels_json_names_their_parameters(evolve):
    for words in (["kernels", "--json"], ["kernels", "list", "--json"]):
        told = json.loads(evolve(*words)[1])
        assert told["schema"] == 1
        assert "matmul" in {kernel["kernel"] for kernel in told["kernels"]}
    shown = json.loads(evolve("kernels", "show", "matmul", "--json")[1])
    assert shown["dims"] == ["m", "n", "k"]
    assert {"name", "kind", "values", "default", "doc"} == shown["parameters"][0].keys()


def test_kernels_show_prints_docstring_and_genes(evolve):
    out = evolve("kernels", "show", "matmul")[1]
    assert "matmul: " in out
    assert re.search(r"^mr +rows of the register tile.*: 1 2 3", out, re.MULTILINE)


def test_a_kernel_that_fails_its_check_is_exit_code_3(evolve, monkeypatch):
    failure = {"schedule": {"mr": 3}, "outcome": "Wrong", "reason": "relative error 1"}

    def checked(name, dtype, _sample, _say):
        return {"kernel": name, "dtype": dtype, "schedules": 7, "failures": [failure] * (dtype == "float32")}

    monkeypatch.setattr("evolve.cli.kernels._check", checked)
    code, out, err = evolve("kernels", "check", "matmul")
    assert code == 3
    assert "matmul float64: 7 schedules right" in out
    assert "Wrong: relative error 1\n    mr=3" in out
    assert err.strip().endswith("evolve: matmul failed: the failures stand above")
    assert json.loads(evolve("kernels", "check", "matmul", "--json")[1])["checked"][0]["failures"] == [failure]


@pytest.mark.slow
def test_the_kernels_of_the_house_are_right(evolve):
    code, out, _ = evolve("kernels", "check", "triad", "--schedules", "1")
    assert (code, out) == (0, "triad float32: 2 schedules right\ntriad float64: 2 schedules right\n")


# ---- machine and doctor


def test_machine_shows_what_is_known_and_measures_nothing(evolve, known_machine, monkeypatch):
    monkeypatch.setattr("evolve.lock.MeasuringLock", None)
    code, out, err = evolve("machine")
    assert code == 0
    assert known_machine.machine_id in out
    assert re.search(r"^float64 +59\.0$", out, re.MULTILINE)
    assert re.search(r"^DRAM +20\.0$", out, re.MULTILINE)
    assert re.search(r"^L1 +2\.00 ns$", out, re.MULTILINE)
    assert err.startswith("next: ")


def test_machine_json_keeps_its_promise(evolve, known_machine):
    told = json.loads(evolve("machine", "--json")[1])
    assert told.keys() >= {"schema", "fingerprint", "cpu", "caches", "ceilings"}
    assert told["cpu"] == known_machine.cpu
    assert told["ceilings"]["flop_per_s"]["float64"]["fma"]["1"] == 59e9
    assert told["ceilings"].keys() >= {"flop_per_s", "bytes_per_s", "latency_s"}


def _comparison(false_positives=1, high=1.01):
    return SelfComparison(
        40, false_positives, Estimate(false_positives / 40, false_positives / 80, 1.0), Estimate(1, 0.99, high)
    )


@pytest.fixture
def quiet_machine(monkeypatch):
    monkeypatch.setattr("benchmarks.quiet.read", lambda: quiet.Readings(0.0, 0.0, 0.0, 0.0))
    monkeypatch.setattr("evolve.doctor._self_comparison", lambda _say: _comparison())
    monkeypatch.setattr("evolve.doctor.claimants", lambda _name: [])


def test_doctor_trusts_a_quiet_machine(evolve, quiet_machine):
    del quiet_machine
    code, out, err = evolve("doctor")
    assert code == 0
    assert "1 of 40 races of a function against itself found a winner" in " ".join(out.split())
    assert "Measurements" in out.splitlines()[-1]
    assert err.splitlines()[-1].startswith("next: ")


def test_doctor_json_keeps_its_promise(evolve, quiet_machine):
    del quiet_machine
    told = json.loads(evolve("doctor", "--json")[1])
    assert told["schema"] == 1
    assert told["aa"]["same"]["rate"].keys() == {"estimate", "low", "high", "level"}
    assert isinstance(told["findings"], list)


@pytest.mark.parametrize("comparison", [_comparison(false_positives=20), _comparison(high=1.08)])
def test_a_machine_that_contradicts_itself_is_exit_code_4(evolve, quiet_machine, monkeypatch, comparison):
    del quiet_machine
    monkeypatch.setattr("evolve.doctor._self_comparison", lambda _say: comparison)
    code, out, err = evolve("doctor")
    assert code == 4
    assert "Too noisy to judge anything now." in out
    assert "stop what else runs here" in err


def test_doctor_names_what_makes_measuring_impossible(evolve, quiet_machine, monkeypatch):
    del quiet_machine
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    monkeypatch.setenv("EVOLVE_CACHE", "/proc/nowhere")
    code, out, err = evolve("doctor")
    assert code == 3
    assert "NUMBA_DISABLE_JIT=1: nothing is compiled; unset NUMBA_DISABLE_JIT" in " ".join(out.split())
    assert "cache folder /proc/nowhere cannot be written" in " ".join(out.split())
    assert "not made" in out
    assert "nothing can be measured here" in err


def test_doctor_reports_another_distribution_of_our_names_and_a_busy_machine(evolve, quiet_machine, monkeypatch):
    del quiet_machine
    monkeypatch.setattr("evolve.doctor.claimants", lambda name: ["kernels"] * (name == "kernels"))
    monkeypatch.setattr("benchmarks.quiet.read", lambda: quiet.Readings(2.0, 0.5, 0.0, 0.0))
    code, out, _ = evolve("doctor")
    text = " ".join(out.split())
    assert code == 0
    assert "kernels installs 'kernels' too" in text
    assert "50% of the cores' time is used by others" in text


def test_doctor_finds_a_store_that_cannot_be(evolve, quiet_machine):
    del quiet_machine
    for store in ("http://somewhere", "/proc/runs.db/in/a/file"):
        code, out, _ = evolve("doctor", "--store", store, "--json")
        assert (code, [finding["name"] for finding in json.loads(out)["findings"] if finding["is_fatal"]]) == (
            3,
            ["store"],
        )


def test_doctor_leaves_no_store_behind(evolve, quiet_machine, url):
    del quiet_machine
    evolve("doctor")
    assert not Path(url).exists()


# ---- demo


def test_demo_explains_each_step_and_ends_with_the_next(evolve, started, known_machine, monkeypatch):
    del known_machine
    monkeypatch.setattr("evolve.report.html.write", lambda _store, _run, path: path)
    code, out, err = evolve("demo", "--budget", "3s")
    assert code == 0
    assert [line[:2] for line in out.splitlines() if re.match(r"\d\. ", line)] == ["1.", "2.", "3.", "4.", "5."]
    for what in ("59.0 GFLOP/s", "evolves for 3s", "OpenBLAS", "vs numpy", "cap 2.50x", "reports/matmul-"):
        assert what in " ".join(out.split())
    assert started.asked.size == (512, 512, 512)
    assert err.splitlines()[-1].startswith("next: evolve show matmul-")
