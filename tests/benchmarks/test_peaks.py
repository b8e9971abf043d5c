from __future__ import annotations

import re

import numpy as np
import pytest

from benchmarks import microkernels, peaks
from benchmarks.arena import Arena
from benchmarks.machine import Cache, fingerprint
from benchmarks.peaks import Figure, Peaks, Variant, fill_with_cycle, repeats_of, run_alone, without_lock
from benchmarks.points import DTYPES, Needed, plateau_sets, working_sets
from kernels.language import SourceFolder, specialise

CACHES = (Cache("L1", 48 << 10, 64, 1), Cache("L2", 1 << 20, 64, 1), Cache("L3", 32 << 20, 64, 2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return SourceFolder(tmp_path_factory.getbasetemp() / "cache" / "sources")


# ---- how much data


def test_working_sets_lie_inside_their_level_and_beyond_the_one_before():
    assert working_sets(CACHES, 24 << 30) == {"L1": 24 << 10, "L2": 512 << 10, "L3": 8 << 20, "DRAM": 128 << 20}


def test_working_sets_of_odd_machines():
    small_last = (Cache("L1", 64 << 10, 64, 1), Cache("L2", 2 << 20, 64, 1), Cache("L3", 6 << 20, 64, 4))
    assert working_sets(small_last, 24 << 30)["L3"] == 4 << 20
    huge = (*CACHES[:2], Cache("L3", 384 << 20, 64, 8))
    assert working_sets(huge, 256 << 30)["DRAM"] == 768 << 20
    assert working_sets(CACHES, 256 << 20)["DRAM"] == 32 << 20
    assert working_sets((), 8 << 30) == {"DRAM": 64 << 20}


def test_plateaus_are_looked_for_between_the_working_set_and_all_of_a_cache():
    sizes = plateau_sets(8 << 20, 32 << 20)
    assert (sizes[0], sizes[-1]) == (8 << 20, 32 << 20)
    assert sizes == sorted(sizes)
    assert plateau_sets(8 << 20, 9 << 20) == [8 << 20]


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


# ---- samples


class Clock:
    """Stands in for the clock; a repeat takes the next of the given spans."""

    def __init__(self, monkeypatch, *spans_ns):
        self.now_ns, self.spans_ns = 0, iter(spans_ns)
        monkeypatch.setattr(peaks.time, "perf_counter_ns", lambda: self.now_ns)
        monkeypatch.setattr(peaks.time, "perf_counter", lambda: self.now_ns * 1e-9)

    def call(self, repeats):
        self.now_ns += repeats * next(self.spans_ns)


def test_repeats_double_until_they_make_a_sample(monkeypatch):
    clock = Clock(monkeypatch, 50_000, 50_000, 50_000, 50_000)
    assert repeats_of(clock.call) == 4
    assert clock.now_ns == 350_000


def test_rate_is_of_the_fastest_sample(monkeypatch):
    clock = Clock(monkeypatch, 200_000, 300_000, 100_000, 250_000, *[900_000] * 100)
    variant = Variant(lambda repeats: run_alone(clock.call, repeats), clock.call, amount=10)
    variant.sample(for_s=1e-3)
    assert variant.repeats == 1
    assert variant.rate == pytest.approx(10 / 100e-6)
    variant.sample(for_s=0.0)
    assert variant.rate == pytest.approx(10 / 100e-6)


def test_variants_far_from_the_best_are_sampled_in_the_first_passes_only():
    taken = {"slow": 0, "near": 0, "best": 0}
    rates = {"slow": 1.0, "near": 9.0, "best": 10.0}

    def variant(name):
        def run(_repeats):
            taken[name] += 1
            return rates[name]

        return Variant(run, lambda _repeats: None, amount=1, repeats=1)

    figure = Figure(("x",), [variant(name) for name in taken])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peaks, "PASS_S", 0.0)
        for _ in range(5):
            figure.sample()
    assert taken == {"slow": 2 * peaks.TRIAL_PASSES, "near": 10, "best": 10}
    assert figure.rate == 10.0


# ---- loops


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
@pytest.mark.parametrize(("name", "instruction"), [("add", "addpd"), ("mul", "mulpd"), ("div", "divpd")])
def test_chains_are_not_shortened(tmp_path, name, instruction):
    values = {"name": name, "links": 32, "lanes": fingerprint().native_lanes("float64")}
    block = _hottest_block(_assembly(SourceFolder(tmp_path), microkernels.chain, "float64", **values), instruction)
    assert len(re.findall(instruction, block)) >= 32


@needs_x86
def test_streaming_loops_go_past_the_caches_and_plain_ones_do_not(tmp_path):
    native = fingerprint().native_lanes("float64")
    values = {"lanes": native, "unroll": 4, "parts": 1}
    folder = SourceFolder(tmp_path)
    streaming = _assembly(folder, microkernels.triad, "float64", **values, is_streaming=True)
    assert "movnt" in streaming
    assert "mfence" in streaming or "lock" in streaming
    assert "movnt" not in _assembly(folder, microkernels.triad, "float64", **values, is_streaming=False)


def test_loops_let_other_threads_run(folder):
    source = specialise(microkernels.chain, {"name": "add", "links": 4, "lanes": 2}, "float64")
    released = without_lock(source)
    assert "nogil=True" in released.text
    assert released.key != source.key
    assert folder.load(folder.write(released)).function.targetoptions["nogil"] is True


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("is_streaming", [False, True])
def test_traffic_loops_touch_every_element(folder, parts, is_streaming):
    lanes = fingerprint().native_lanes("float64")
    values = {"lanes": lanes, "unroll": 2, "parts": parts, "is_streaming": is_streaming}
    with Arena() as arena:
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


@pytest.mark.parametrize(("name", "expected"), [("add", 9.0), ("mul", 1.0), ("fma", 9.0), ("div", 1.0)])
def test_chains_compute_what_they_say(folder, name, expected):
    source = specialise(microkernels.chain, {"name": name, "links": 4, "lanes": 2}, "float64")
    out = np.zeros(2)
    folder.load(folder.write(source)).function(np.ones(2), out, 2)
    assert (out == expected).all()


# ---- figures


def _peaks(arena, folder, **which):
    nothing = {"dtypes": ("float64",), "mixes": (), "functions": (), "chains": (), "patterns": ()}
    needed = Needed(**{**nothing, "with_loads": False, "with_plateau": False, **which})
    return Peaks(fingerprint(), arena, folder, needed)


def test_threads_write_to_places_of_their_own(folder):
    with Arena() as arena:
        made = _peaks(arena, folder, mixes=("fma",), patterns=("triad", "read"), threads=("1", "3"))
        for figures in made.groups.values():
            for figure in figures:
                for variant in figure.variants:
                    if figure.path[-1] == "3":
                        outs = [call.args[2 if len(call.args) > 3 else 1] for call in variant.run.args[0]]
                        assert len(outs) == 3
                        starts = {out.__array_interface__["data"][0] for out in outs}
                        assert len(starts) == 3 or figure.path[2] == "read"
        assert {figure.path[-1] for figure in made.groups["traffic"]} == {"1", "3"}
        made.close()


def test_shared_levels_are_shared_between_threads_and_private_ones_are_not(folder):
    with Arena() as arena:
        made = _peaks(arena, folder, patterns=("read",), threads=("1", "2"))
        elements = {}
        for figure in made.groups["traffic"]:
            _, level, _, threads = figure.path
            elements[level, threads] = figure.variants[0].alone.args[-1]
        for cache in fingerprint().caches:
            share = min(2, cache.shared_by)
            assert elements[cache.level, "2"] == elements[cache.level, "1"] // share & -512
        assert elements["DRAM", "2"] == elements["DRAM", "1"] // 2 & -512
        made.close()
