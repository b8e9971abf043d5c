from __future__ import annotations

import dataclasses
import json
import os
import re

import numpy as np
import pytest

from benchmarks import ceilings, microkernels
from benchmarks.ceilings import DTYPES, MIXES, PATTERNS, Ceilings, best_rate, fill_with_cycle, merge_best, working_sets
from benchmarks.machine import Cache, fingerprint
from kernels.language import SourceFolder, specialise

CACHES = (Cache("L1", 48 << 10, 64, 1), Cache("L2", 1 << 20, 64, 1), Cache("L3", 32 << 20, 64, 2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return SourceFolder(tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="module")
def measured(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ceilings, "POINT_S", 0.002)
        told = []
        before = os.sched_getaffinity(0)
        found = ceilings.measure(told.append, folder)
        assert os.sched_getaffinity(0) == before
        assert len(told) == len(DTYPES) * (len(MIXES) + 3) + len(found.latency_s) * (len(PATTERNS) + 1)
        return found


def test_working_sets_lie_inside_their_level_and_beyond_the_one_before():
    assert working_sets(CACHES, 24 << 30) == {"L1": 24 << 10, "L2": 512 << 10, "L3": 8 << 20, "DRAM": 128 << 20}


def test_working_sets_of_odd_machines():
    small_last = (Cache("L1", 64 << 10, 64, 1), Cache("L2", 2 << 20, 64, 1), Cache("L3", 6 << 20, 64, 4))
    assert working_sets(small_last, 24 << 30)["L3"] == 4 << 20
    huge = (*CACHES[:2], Cache("L3", 384 << 20, 64, 8))
    assert working_sets(huge, 256 << 30)["DRAM"] == 768 << 20
    assert working_sets(CACHES, 256 << 20)["DRAM"] == 32 << 20
    assert working_sets((), 8 << 30) == {"DRAM": 64 << 20}


def test_cycle_visits_every_line_once():
    following = np.full(64 * 8, -1, dtype=np.intp)
    at = start = fill_with_cycle(following, np.random.default_rng(1))
    visited = []
    while True:
        visited.append(at // 8)
        at = following[at]
        if at == start:
            break
    assert sorted(visited) == list(range(64))
    assert visited != sorted(visited)


def test_rate_is_of_the_fastest_sample(monkeypatch):
    durations = {1: 100_000, 2: 200_000, 4: 400_000}
    clock = {"now": 0}
    spans = iter([1.0, 1.0, 1.0, 3.0, 0.5, 2.0, *[9.0] * 10_000])

    def call(repeats):
        clock["now"] += durations[repeats] * next(spans)

    monkeypatch.setattr(ceilings.time, "perf_counter_ns", lambda: clock["now"])
    monkeypatch.setattr(ceilings.time, "perf_counter", lambda: clock["now"] * 1e-9)
    assert best_rate(call, 10) == pytest.approx(4 * 10 / 200e-6)


def _assembly(folder, template, dtype, **values):
    function = folder.load(folder.write(specialise(template, values, dtype))).function
    return "\n".join(function.inspect_asm().values())


def _hottest_block(assembly, pattern):
    blocks = re.split(r"(?m)^\.LBB\S+:", assembly)
    return max(blocks, key=lambda block: len(re.findall(pattern, block)))


needs_x86 = pytest.mark.skipif("sse2" not in fingerprint().features, reason="reads x86 assembly")


@needs_x86
@pytest.mark.parametrize("dtype", DTYPES)
def test_arithmetic_loops_hold_vector_instructions_and_touch_no_memory(tmp_path, dtype):
    # a folder of its own: code that comes from Numba's cache has no assembly
    native = fingerprint().native_lanes(dtype)
    values = {"fma_lanes": 8 * native, "add_lanes": 4 * native, "mul_lanes": 0, "unroll": 4}
    block = _hottest_block(_assembly(SourceFolder(tmp_path), microkernels.arithmetic, dtype, **values), "vfmadd")
    register = {64: "zmm", 32: "ymm", 16: "xmm"}[fingerprint().vector_bytes]
    if "fma" not in fingerprint().features:
        pytest.skip("no fma on this CPU")
    suffix = "ps" if dtype == "float32" else "pd"
    fma = len(re.findall(rf"vfn?madd\w*{suffix}\s+%{register}", block))
    add = len(re.findall(rf"vadd{suffix}\s+%{register}", block))
    assert fma == 2 * add >= 32
    assert "(%r" not in block


@needs_x86
def test_streaming_loops_go_past_the_caches_and_plain_ones_do_not(tmp_path):
    native = fingerprint().native_lanes("float64")
    values = {"lanes": native, "unroll": 4, "parts": 1}
    folder = SourceFolder(tmp_path)
    streaming = _assembly(folder, microkernels.triad, "float64", **values, is_streaming=True)
    assert "movnt" in streaming
    assert "mfence" in streaming or "lock" in streaming
    assert "movnt" not in _assembly(folder, microkernels.triad, "float64", **values, is_streaming=False)


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("is_streaming", [False, True])
def test_traffic_loops_touch_every_element(folder, parts, is_streaming):
    lanes = fingerprint().native_lanes("float64")
    values = {"lanes": lanes, "unroll": 2, "parts": parts, "is_streaming": is_streaming}
    with ceilings.Arena() as arena:
        a, b, out = (arena.allocate(512, "float64") for _ in range(3))

        def run(template, repeats=1):
            a[:], b[:], out[:] = np.arange(512), 2.0, -1.0
            a[0] = 3.0
            function = folder.load(folder.write(specialise(template, values, "float64"))).function
            function(a, b, out, 256, repeats)
            assert (out[256:] == -1).all()
            assert arena.damage() is None
            return out[:256].copy()

        expected = np.arange(256.0)
        expected[0] = 3
        assert (run(microkernels.copy) == expected).all()
        assert (run(microkernels.triad) == 3 * expected + 2).all()
        assert (run(microkernels.update, 2) == -9).all()
        assert (run(microkernels.write).reshape(-1, lanes) == expected[:lanes]).all()
        assert run(microkernels.read)[:lanes].sum() == pytest.approx(expected.sum() + 2 * lanes)


def test_every_figure_is_a_positive_number(measured):
    leaves = list(_leaves({k: v for k, v in measured.as_dict().items() if k != "measured_at"}))
    assert len(leaves) == 2 * (len(MIXES) + 3) + len(measured.bytes_per_s) * (len(PATTERNS) + 1) + 1
    assert all(np.isfinite(leaf) and leaf > 0 for leaf in leaves)


def _leaves(tree):
    if isinstance(tree, dict):
        for value in tree.values():
            yield from _leaves(value)
    else:
        yield tree


def test_ceilings_stand_in_the_order_that_any_machine_has(measured):
    reads = [by["read"]["1"] for by in measured.bytes_per_s.values()]
    assert reads[0] > 1.2 * reads[1] > 1.2 * reads[-1]
    assert list(measured.latency_s)[-1] == "DRAM"
    assert measured.latency_s["DRAM"] > 3 * measured.latency_s["L1"]
    single, double = (measured.flop_per_s[dtype] for dtype in ("float32", "float64"))
    assert 1.5 < single["mul"]["1"] / double["mul"]["1"] < 2.7
    if {"fma", "neon"} & set(fingerprint().features):
        assert 1.5 < single["fma"]["1"] / double["fma"]["1"] < 2.7
        assert 1.4 < double["fma"]["1"] / double["mul"]["1"] < 2.8


def test_json_round_trip(measured):
    assert Ceilings.from_dict(json.loads(json.dumps(measured.as_dict()))) == measured


def test_merging_keeps_the_best_of_each(measured):
    better = {"fma": {"1": 1e30}}
    other = dataclasses.replace(
        measured,
        flop_per_s={**measured.flop_per_s, "float64": {**measured.flop_per_s["float64"], **better}},
        latency_s=dict.fromkeys(measured.latency_s, 1e-30),
        bytes_per_s={level: {name: {"1": 1.0} for name in by} for level, by in measured.bytes_per_s.items()},
        measured_at="2999-01-01T00:00:00+00:00",
    )
    for merged in (merge_best(measured, other), merge_best(other, measured)):
        assert merged.flop_per_s["float64"]["fma"]["1"] == 1e30
        assert merged.flop_per_s["float64"]["add"] == measured.flop_per_s["float64"]["add"]
        assert merged.latency_s["L1"] == 1e-30
        assert merged.bytes_per_s == measured.bytes_per_s
        assert merged.measured_at.startswith("2999")


def test_merging_takes_figures_that_only_one_side_has(measured):
    fewer = dataclasses.replace(measured, bytes_per_s={})
    assert merge_best(fewer, measured).bytes_per_s == measured.bytes_per_s == merge_best(measured, fewer).bytes_per_s
