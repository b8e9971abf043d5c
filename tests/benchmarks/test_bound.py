from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from benchmarks.bound import (
    Bound,
    Roof,
    bounds,
    efficiency_bound,
    matching_patterns,
    rate_of,
    reject_bound,
    together,
    transfer,
)
from benchmarks.ceilings import Ceilings
from benchmarks.contestant import POLICIES
from benchmarks.machine import Cache
from kernels.contract import Work

CACHES = (Cache("L1", 1000, 64, 1), Cache("L2", 10_000, 64, 1), Cache("L3", 100_000, 64, 4))
RATES = {"L1": 1000.0, "L2": 500.0, "L3": 100.0, "DRAM": 10.0}


def _ceilings(**changes):
    patterns = {
        "read": 1.0,
        "write": 0.5,
        "stream": 0.8,
        "copy": 0.6,
        "copy_stream": 0.9,
        "triad": 0.7,
        "triad_stream": 0.6,
        "update": 2.0,
    }
    peaks = {"fma": 100.0, "add": 50.0, "mul": 40.0, "fma_add": 120.0, "mul_add": 60.0}
    values = {
        "flop_per_s": {
            dtype: {mix: {"1": peak * k} for mix, peak in peaks.items()}
            for dtype, k in (("float64", 1), ("float32", 2))
        },
        "bytes_per_s": {
            level: {pattern: {"1": rate * k} for pattern, k in patterns.items()} for level, rate in RATES.items()
        },
        "operations_per_s": {
            dtype: {"exp": {"1": 4.0}, "div": {"1": 8.0}, "sqrt": {"1": 2.0}} for dtype in ("float32", "float64")
        },
        "latency_s": dict.fromkeys(RATES, 1e-9),
        "clock_hz": 1e9,
        "measured_at": "2026-01-01T00:00:00+00:00",
    }
    return Ceilings(**{**values, **changes})


def _bound(operations=None, read=0, write=0, dtype="float64", **options):
    return efficiency_bound(Work(operations or {}, read, write), dtype, _ceilings(), CACHES, **options)


@pytest.mark.parametrize(
    ("operations", "dtype", "limit", "time_s"),
    [
        ({"fma": 500}, "float64", "arithmetic (fma, float64)", 1000 / 100),
        ({"fma": 500}, "float32", "arithmetic (fma, float32)", 1000 / 200),
        ({"add": 500}, "float64", "arithmetic (add, float64)", 500 / 50),
        ({"fma": 100, "add": 100}, "float64", "arithmetic (fma and add, float64)", 300 / 120),
        ({"add": 100, "mul": 100}, "float64", "arithmetic (add and mul, float64)", 200 / 60),
        ({"fma": 90, "mul": 40}, "float64", "arithmetic (fma and mul, float64)", 180 / 100 + 40 / 40),
        ({"fma": 90, "mul": 40, "add": 10}, "float64", "arithmetic (fma and mul, float64)", 180 / 100 + 40 / 40),
        # mostly adds: their own pipes are full before the mix is
        ({"fma": 1, "add": 1000}, "float64", "arithmetic (add, float64)", 1000 / 50),
        # exponentials are made of arithmetic; the divider works beside it
        ({"exp": 8, "div": 8}, "float64", "functions (exp and arithmetic, float64)", 8 / 4),
        ({"exp": 8, "fma": 1000}, "float64", "functions (exp and arithmetic, float64)", 8 / 4 + 2000 / 100),
        ({"exp": 8, "div": 24}, "float64", "functions (div and sqrt, float64)", 24 / 8),
        ({"div": 8, "fma": 1000}, "float64", "arithmetic (fma, float64)", 2000 / 100),
    ],
)
def test_arithmetic_is_bound_by_the_peak_of_its_mix(operations, dtype, limit, time_s):
    found = _bound(operations, dtype=dtype)
    assert found == Bound(limit, pytest.approx(time_s))


@pytest.mark.parametrize(
    ("read", "write", "pattern", "rate"),
    [
        (800, 0, "read", 1000),
        (0, 800, "write", 800),  # the streaming store is the faster one
        (400, 400, "copy", 900),
        (600, 300, "triad", 700),
        (800, 100, "read", 1000),
        (100, 800, "write", 800),
    ],
)
def test_traffic_is_bound_by_the_pattern_of_its_reads_and_writes(read, write, pattern, rate):
    assert _bound({}, read, write) == Bound(f"bandwidth (L1, {pattern})", pytest.approx((read + write) / rate))


@pytest.mark.parametrize(
    ("moved", "level", "time_s"),
    [
        (1000, "L1", 1),
        (1001, "L2", 1 + 1 / 500),
        (11_000, "L2", 1 + 20),
        (51_000, "L3", 1 + 20 + 400),
        (211_000, "DRAM", 1 + 20 + 1000 + 10_000),
    ],
)
def test_caches_hold_what_they_can_from_the_innermost_outwards(moved, level, time_s):
    assert _bound({}, moved) == Bound(f"bandwidth ({level}, read)", pytest.approx(time_s))


def test_cold_traffic_comes_from_memory():
    found = efficiency_bound(Work({}, 1000, 0), "float64", _ceilings(), ())
    assert found == Bound("bandwidth (DRAM, read)", pytest.approx(100))


def test_threads_multiply_one_core_unless_they_were_measured():
    assert _bound({"fma": 500}, threads=4).time_s == pytest.approx(10 / 4)
    assert _bound({}, 4000, threads=4).limit == "bandwidth (L1, read)"
    measured = _ceilings(flop_per_s={"float64": {"fma": {"1": 100.0, "4": 250.0}}})
    work = Work({"fma": 500}, 0, 0)
    assert efficiency_bound(work, "float64", measured, CACHES, threads=4).time_s == pytest.approx(4)


def test_threads_that_were_not_measured_reach_no_more_than_a_larger_number_did():
    figures = {"1": 10.0, "8": 30.0}
    assert [rate_of(figures, threads) for threads in (1, 2, 4, 8)] == [10, 20, 30, 30]
    assert rate_of(figures, 16) == 160
    # a busy moment for all cores does not make two of them slower than one
    assert rate_of({"1": 10.0, "2": 8.0}, 2) == 10


def test_a_cache_that_threads_share_counts_once():
    def sizes(threads, cores=None):
        return [cache.bytes for cache in together(CACHES, threads, cores)]

    assert sizes(1) == [1000, 10_000, 100_000]
    assert sizes(2) == [2000, 20_000, 100_000]
    assert sizes(4) == [4000, 40_000, 100_000]
    assert sizes(6) == [6000, 60_000, 200_000]
    assert sizes(2, cores=8) == [2000, 20_000, 200_000]
    assert sizes(2, cores=4) == [2000, 20_000, 100_000]


def test_several_threads_are_held_against_what_several_reached():
    both = {level: {"read": {"1": rate, "2": 1.5 * rate}} for level, rate in RATES.items()}
    ceilings = _ceilings(bytes_per_s=both, flop_per_s={"float64": {"fma": {"1": 100.0, "2": 180.0}}})
    found = bounds(Work({"fma": 1}, 122_000, 0), "float64", Roof(ceilings, ceilings, CACHES), threads=2)
    seconds = 2000 / 1500 + 20_000 / 750 + 100_000 / 150
    assert found.efficiency == Bound("bandwidth (L3, read)", pytest.approx(seconds))
    assert found.reject == Bound("bandwidth (L3, any pattern)", pytest.approx(seconds / 1.10))
    found = bounds(Work({"fma": 900}, 0, 0), "float64", Roof(ceilings, ceilings, CACHES), threads=2)
    assert found.efficiency.time_s == pytest.approx(10)


def _bounds(read, policy="hot", **changes):
    return bounds(Work({}, read, 0), "float64", Roof(_ceilings(**changes), _ceilings(), CACHES), policy=policy)


def test_efficiency_counts_what_was_seen_of_a_shared_cache_and_rejection_all_of_it():
    seen = _bounds(111_000, capacity_bytes={"L3": 40_000})
    whole = _bounds(111_000)
    assert seen.reject == whole.reject
    assert whole.efficiency == Bound("bandwidth (L3, read)", pytest.approx(1 + 20 + 1000))
    assert seen.efficiency == Bound("bandwidth (DRAM, read)", pytest.approx(1 + 20 + 400 + 6000))


def test_what_is_flushed_comes_from_memory():
    found = _bounds(1000, "flush")
    assert found.efficiency == Bound("bandwidth (DRAM, read)", pytest.approx(1000 / 10))
    assert found.reject == Bound("bandwidth (DRAM, any pattern)", pytest.approx(1000 / 20 / 1.10))


def test_of_what_rotates_the_last_cache_may_still_hold_half():
    found = _bounds(1000, "rotate")
    assert found.efficiency == Bound("bandwidth (DRAM, read)", pytest.approx(1000 / 10))
    assert found.reject == Bound("bandwidth (DRAM, any pattern)", pytest.approx((500 / 200 + 500 / 20) / 1.10))


def test_policies_are_those_of_a_task_and_others_are_refused():
    assert {_bounds(1000, policy).efficiency.time_s for policy in POLICIES} == {1.0, 100.0}
    with pytest.raises(ValueError, match="no cache policy 'cold'"):
        _bounds(1000, "cold")


def test_the_slowest_limit_is_the_bound():
    assert _bound({"fma": 10}, 1000).limit == "bandwidth (L1, read)"
    assert _bound({"fma": 1000}, 1000).limit == "arithmetic (fma, float64)"


def test_reject_takes_the_most_optimistic_ceilings():
    def rejected(operations, read=0):
        return reject_bound(Work(operations, read, 0), "float64", _ceilings(), CACHES)

    assert rejected({"fma": 500}) == Bound("arithmetic (any mix, float64)", pytest.approx(1000 / 120 / 1.10))
    assert rejected({}, 800) == Bound("bandwidth (L1, any pattern)", pytest.approx(800 / 2000 / 1.10))
    assert rejected({"exp": 8, "div": 8}) == Bound("functions (exp, float64)", pytest.approx(1 / 1.10))
    assert rejected({"exp": 8, "div": 9}) == Bound("functions (div, float64)", pytest.approx(9 / 8 / 1.10))


def test_efficiency_is_of_the_latest_ceilings_and_rejection_of_the_best():
    best = _ceilings(flop_per_s={"float64": {"fma": {"1": 1000.0}}})
    found = bounds(Work({"fma": 500}, 0, 0), "float64", Roof(_ceilings(), best, CACHES), threads=2)
    assert found.efficiency.time_s == pytest.approx(1000 / 200)
    assert found.reject.time_s == pytest.approx(1000 / 2000 / 1.10)


counts = st.integers(0, 10**6)


@given(
    st.fixed_dictionaries({"fma": counts, "add": counts, "mul": counts, "exp": counts, "div": counts, "sqrt": counts}),
    st.integers(1, 10**7),
    st.integers(0, 10**7),
    st.integers(1, 9),
    st.sampled_from(POLICIES),
)
@example(dict.fromkeys(("fma", "add", "mul", "exp", "div", "sqrt"), 0), 1, 13300, 9, "hot")
def test_nothing_at_its_bound_is_rejected(operations, read, write, threads, policy):
    work = Work(operations, read, write)
    for dtype in ("float32", "float64"):
        found = bounds(work, dtype, Roof(_ceilings(), _ceilings(), CACHES), threads, policy)
        assert found.reject.time_s <= found.efficiency.time_s / 1.0999


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_more_bytes_never_take_less_time(a, b):
    (less, _), (more, _) = (transfer(moved, RATES.__getitem__, CACHES) for moved in sorted((a, b)))
    assert less <= more


def test_patterns_follow_the_share_of_reads():
    assert matching_patterns(1, 0) == ("read",)
    assert matching_patterns(2, 1)[0] == "triad"
    assert matching_patterns(1, 1)[0] == "copy"
    assert matching_patterns(0, 1) == ("write", "stream")


def test_operations_without_a_ceiling_are_refused():
    for check in (efficiency_bound, reject_bound):
        with pytest.raises(ValueError, match="no ceiling is measured for tanh"):
            check(Work({"tanh": 1}, 0, 0), "float64", _ceilings(), CACHES)


def test_nothing_to_do_has_no_bound():
    for check in (efficiency_bound, reject_bound):
        with pytest.raises(ValueError, match="nothing bounds it"):
            check(Work({}, 0, 0), "float64", _ceilings(), CACHES)


def test_bound_is_plain_json():
    assert json.loads(json.dumps(_bound({"fma": 500}).as_dict())) == {
        "limit": "arithmetic (fma, float64)",
        "time_s": 10.0,
    }
