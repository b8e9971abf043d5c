from __future__ import annotations

import dataclasses
import json
import os

import numpy as np
import pytest

from benchmarks import ceilings, isa, narrow, peaks
from benchmarks.ceilings import Ceilings, DamagedCeilingsError, capacities, disorder, spreads
from benchmarks.machine import fingerprint
from benchmarks.points import CHAINS, DTYPES, FUNCTIONS, MIXES, PATTERNS, Needed, needed
from kernels import Work
from kernels.language import SourceFolder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The one that other tests use too, so that loops are compiled once."""
    return SourceFolder(tmp_path_factory.getbasetemp() / "cache" / "sources")


def test_every_figure_is_there_and_a_positive_number(sweep):
    threads = {"1", str(len(os.sched_getaffinity(0)))}
    assert sweep.flop_per_s.keys() == set(DTYPES)
    assert all(by.keys() == MIXES.keys() for by in sweep.flop_per_s.values())
    assert all(by.keys() == set(FUNCTIONS) for by in sweep.operations_per_s.values())
    assert all(by.keys() == PATTERNS.keys() for by in sweep.bytes_per_s.values())
    assert all(by.keys() == set(CHAINS) for by in sweep.chain_latency_s.values())
    assert sweep.latency_s.keys() == sweep.bytes_per_s.keys()
    trees = (sweep.flop_per_s, sweep.operations_per_s, sweep.bytes_per_s)
    assert all(figures.keys() == threads for tree in trees for by in tree.values() for figures in by.values())
    Ceilings.from_dict(sweep.as_dict())  # which refuses what is no positive number
    assert (sweep.machine_id, sweep.remarks) == (fingerprint().machine_id, ())


def test_ceilings_stand_in_the_order_that_any_machine_has(sweep):
    reads = [by["read"]["1"] for by in sweep.bytes_per_s.values()]
    assert reads[0] > 1.2 * reads[1] > 1.2 * reads[-1]
    assert disorder(sweep) == []
    assert list(sweep.latency_s)[-1] == "DRAM"
    assert sweep.latency_s["DRAM"] > 3 * sweep.latency_s["L1"]
    single, double = (sweep.flop_per_s[dtype] for dtype in ("float32", "float64"))
    assert 1.5 < single["mul"]["1"] / double["mul"]["1"] < 2.7
    if {"fma", "neon"} & set(fingerprint().features):
        assert 1.5 < single["fma"]["1"] / double["fma"]["1"] < 2.7
        assert 1.4 < double["fma"]["1"] / double["mul"]["1"] < 2.8


def test_a_dependent_operation_takes_cycles_and_division_the_most(sweep):
    for latency_s in sweep.chain_latency_s.values():
        cycles = {name: value * sweep.clock_hz for name, value in latency_s.items()}
        assert all(1 < cycles[name] < 20 for name in ("add", "mul", "fma"))
        assert cycles["div"] > 1.5 * cycles["add"]


def test_shared_caches_hold_between_their_working_set_and_what_the_system_says(sweep):
    for cache in fingerprint().caches:
        if cache.level in sweep.capacity_bytes:
            assert cache.shared_by > 1
            assert cache.bytes // 4 <= sweep.capacity_bytes[cache.level] <= cache.bytes


@pytest.mark.skipif("avx2" not in fingerprint().features, reason="needs more than SSE2")
def test_narrower_instruction_sets_are_slower(sweep):
    wide, sse2 = sweep.flop_per_s["float64"], sweep.by_isa["sse2"]
    assert sse2["flop_per_s"].keys() == sse2["operations_per_s"].keys() == set(DTYPES)
    assert sse2["flop_per_s"]["float64"]["add"]["1"] < 0.8 * wide["add"]["1"]
    assert sse2["flop_per_s"]["float64"]["fma"]["1"] > 0.1 * wide["add"]["1"]  # no call of a library
    if "avx512f" in fingerprint().features:
        avx2 = sweep.by_isa["avx2"]["flop_per_s"]["float64"]
        assert sse2["flop_per_s"]["float64"]["fma"]["1"] < 0.8 * avx2["fma"]["1"]
        assert avx2["fma"]["1"] < 1.3 * wide["fma"]["1"]  # no more: a Zen 4 runs 512 bits as two halves


def test_a_brief_sweep_measures_what_was_asked_for(folder, alone, monkeypatch):
    wanted = needed(Work({"fma": 100}, 2000, 1000), "float64", threads=2)
    monkeypatch.setattr(peaks, "PASSES", 2)
    told, before = [], os.sched_getaffinity(0)
    found = ceilings.measure(told.append, folder, only=wanted)
    assert os.sched_getaffinity(0) == before
    assert told[0] == "ceilings: loading"
    assert any("traffic, pass 2 of 2" in text for text in told)
    assert found.flop_per_s.keys() == {"float64"}
    assert found.flop_per_s["float64"].keys() == {"fma", "fma_add"}
    assert found.flop_per_s["float64"]["fma"].keys() == {"1", "2"}
    assert all(by.keys() == {"triad", "triad_stream", "update"} for by in found.bytes_per_s.values())
    assert not found.operations_per_s
    assert not found.latency_s


def test_a_sweep_without_permission_for_affinity_says_so(folder, monkeypatch):
    def refused(_pid, _cpus):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setaffinity", refused)
    wanted = Needed(("1", "2"), ("float64",), ("fma",), (), (), (), with_loads=False, with_plateau=False)
    found = ceilings.measure(None, folder, only=wanted)
    assert found.remarks == ("not bound to cores: Operation not permitted",)
    assert found.flop_per_s["float64"]["fma"].keys() == {"1", "2"}


def test_an_instruction_set_whose_process_dies_is_left_out_and_remarked_on(tmp_path, monkeypatch):
    monkeypatch.setattr(isa, "environment", lambda _name: {"NUMBA_CPU_NAME": "nonsense", "NUMBA_OPT": "nonsense"})
    monkeypatch.setattr(narrow.sys, "executable", "/bin/false")
    processes = narrow.NarrowProcesses(["sse2"], tmp_path)
    processes.wait()
    assert list(processes.measure_pass()) == []
    assert processes.rates() == {}
    assert processes.remarks == ["sse2 was not measured: its process failed"]
    processes.close()


# ---- what bounds a problem


def test_what_is_needed_follows_the_work():
    softmax = needed(Work({"exp": 8, "add": 8, "div": 8}, 64, 64), "float32")
    assert softmax.mixes == ("add", "fma_add")
    assert softmax.functions == ("exp", "div")
    assert set(softmax.patterns) == {"copy", "copy_stream", "update", "triad"}
    assert (softmax.dtypes, softmax.threads, softmax.instruction_sets) == (("float32",), ("1",), ())
    transpose = needed(Work({}, 64, 64), "float64", threads=4)
    assert (transpose.mixes, transpose.functions, transpose.threads) == ((), (), ("1", "4"))
    assert needed(Work({"add": 1, "mul": 1}, 0, 0), "float64").mixes == ("add", "mul", "fma_add", "mul_add")
    assert needed(Work({"fma": 1}, 0, 0), "float64").patterns == ()


# ---- records


def ceilings_of(**changes):
    values = {
        "flop_per_s": {"float64": {"fma": {"1": 10.0, "2": 20.0}}},
        "bytes_per_s": {"L1": {"read": {"1": 8.0}}, "L2": {"read": {"1": 4.0}}, "DRAM": {"read": {"1": 2.0}}},
        "operations_per_s": {"float64": {"exp": {"1": 3.0}}},
        "latency_s": {"L1": 2e-9},
        "clock_hz": 1e9,
        "measured_at": "2026-01-01T00:00:00+00:00",
    }
    return Ceilings(**{**values, **changes})


def test_json_round_trip(sweep):
    assert Ceilings.from_dict(json.loads(json.dumps(sweep.as_dict()))) == sweep


def test_ceilings_of_an_older_version_are_read():
    old = {name: value for name, value in ceilings_of().as_dict().items() if name in _FIRST_VERSION}
    read = Ceilings.from_dict(old, "abc")
    assert read == ceilings_of()


_FIRST_VERSION = ("flop_per_s", "bytes_per_s", "operations_per_s", "latency_s", "clock_hz", "measured_at")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"flop_per_s": {"float64": {"fma": {"1": -1.0}}}}, "flop_per_s float64 fma 1 is -1.0"),
        ({"flop_per_s": {"float64": {"fma": {"1": float("nan")}}}}, "fma 1 is nan"),
        ({"latency_s": {"L1": None}}, "latency_s L1 is None"),
        ({"latency_s": 5}, "latency_s is 5"),
        ({"by_isa": {"sse2": {"flop_per_s": {"float64": {"fma": {"1": "fast"}}}}}}, "is 'fast'"),
        ({"clock_hz": True}, "clock_hz is True"),
        ({"machine_id": "xyz"}, "ceilings of machine xyz say nothing of machine abc"),
    ],
)
def test_damaged_ceilings_and_those_of_another_machine_are_refused(changes, message):
    with pytest.raises(DamagedCeilingsError, match=message):
        Ceilings.from_dict({**ceilings_of().as_dict(), **changes}, "abc")


def test_another_tools_json_is_refused():
    with pytest.raises(DamagedCeilingsError, match="these are no ceilings: flop_per_s, bytes_per_s"):
        Ceilings.from_dict({"benchmarks": []})


def test_spreads_are_of_the_figures_that_all_sweeps_have():
    other = dataclasses.replace(ceilings_of(), flop_per_s={"float64": {"fma": {"1": 8.0}}}, latency_s={"L1": 4e-9})
    found = spreads([ceilings_of(), other])
    assert found["flop_per_s float64 fma 1"] == pytest.approx(0.2)
    assert found["latency_s L1"] == pytest.approx(0.5)
    assert found["bytes_per_s L1 read 1"] == 0
    assert "flop_per_s float64 fma 2" not in found


def test_levels_out_of_order_are_named():
    assert disorder(ceilings_of()) == []
    wrong = {"L1": {"read": {"1": 8.0}}, "L2": {"read": {"1": 9.0}}, "DRAM": {"read": {"1": 9.0}}}
    assert disorder(ceilings_of(bytes_per_s=wrong)) == ["L2 > L1", "DRAM > L2"]


@pytest.mark.parametrize(
    ("rates", "end"),
    [([10, 9, 9.5, 5, 9], 3), ([10, 10, 10, 10, 10], 5), ([10, 3, 2, 2, 2], 1), ([8.5, 10, 7.9, 5, 5], 2)],
)
def test_a_cache_ends_where_reads_first_fall_from_its_plateau(rates, end):
    paths = {("plateau", "L3", str(k + 1)): rate for k, rate in enumerate(rates)}
    assert capacities(dict(reversed(paths.items()))) == {"L3": end}
    assert capacities({("flop_per_s", "float64"): np.float64(1)}) == {}
