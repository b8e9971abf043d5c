"""The commands about kernels and the machine."""

from __future__ import annotations

import json
import re

import pytest

from evolve.store import Ceilings, open_store, utc_now

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


# ---- machine


def test_machine_shows_what_is_known_and_measures_nothing(evolve, known_machine, monkeypatch):
    monkeypatch.setattr("evolve.lock.MeasuringLock", None)
    code, out, err = evolve("machine")
    assert code == 0
    assert known_machine.machine_id in out
    assert re.search(r"^float64 +59\.0$", out, re.MULTILINE)
    assert re.search(r"^DRAM +20\.0$", out, re.MULTILINE)
    assert re.search(r"^L1 +2\.00$", out, re.MULTILINE)
    assert max(map(len, out.splitlines())) <= 100
    assert err.startswith("next: ")


def test_machine_says_what_was_wrong_with_the_last_sweep_and_shows_all_cores(evolve, known_machine, url):
    with open_store(url) as store:
        values = dict(store.latest_ceilings(known_machine.machine_id).values)
        values["flop_per_s"] = {"float64": {"fma": {"1": 59e9, "2": 117e9}}}
        values |= {"remarks": ["not bound to cores: no permission"], "chain_latency_s": {"float64": {"add": 1e-9}}}
        store.add_ceilings(Ceilings(known_machine.machine_id, utc_now(), values))
    out = evolve("machine")[1]
    assert "The last one: not bound to cores: no permission" in " ".join(out.split())
    assert re.search(r"^float64, 2 cores +117$", out, re.MULTILINE)
    assert re.search(r"^float64 +1\.00$", out, re.MULTILINE)


def test_machine_json_keeps_its_promise(evolve, known_machine):
    told = json.loads(evolve("machine", "--json")[1])
    assert told.keys() >= {"schema", "fingerprint", "cpu", "caches", "ceilings"}
    assert told["cpu"] == known_machine.cpu
    assert told["ceilings"]["flop_per_s"]["float64"]["fma"]["1"] == 59e9
    assert told["ceilings"].keys() >= {"flop_per_s", "bytes_per_s", "latency_s"}
