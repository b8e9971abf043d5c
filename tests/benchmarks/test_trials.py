"""The trials through the real harness, a few times each; what holds on a quiet machine is the doctor's to say."""

from __future__ import annotations

import time

import numpy as np
import psutil
import pytest

from benchmarks import ceilings
from benchmarks.exchange import ContestantFailedError
from benchmarks.harness import Harness, speedup
from benchmarks.noise import Detection
from benchmarks.promote import Decision, Promotion
from benchmarks.race import Rules
from benchmarks.trials import cost, hog, power, promotion, roof
from benchmarks.trials.equals import under_cold_caches
from benchmarks.trials.planted import STEPS
from benchmarks.trials.verdict import NULL, PLANTED, Setting, built
from kernels.testing import KernelTestCase


@pytest.fixture(scope="module")
def setting(folder, alone):
    rng = np.random.default_rng(1)
    return Setting(folder, Detection(rng.normal(0, 0.01, 1000), rng), 0.01, rng)


def test_a_planted_gain_is_what_was_planted(setting):
    with Harness(PLANTED, setting.folder) as harness:
        fast, slow = (one.plan.contestant for one in built(harness, [STEPS, 2 * STEPS]))
        found = speedup(harness.pair(fast, slow, Rules(most_rounds=12, may_drop=False)))
    assert found.estimate == pytest.approx(2.0, rel=0.1)


def test_schedules_of_the_null_kernel_are_one_code_and_many_candidates(setting):
    with Harness(NULL, setting.folder) as harness:
        space = NULL.definition.space
        one, other = (harness.plan(space.schedule(label=label)) for label in (1, 2))
    assert one.contestant.handle == other.contestant.handle
    assert one.key != other.key


def test_power_counts_the_races_that_find_the_gain(setting):
    small, middle, large = power.power(setting, trials=4)
    assert (large.found.estimate, large.holds) == (1.0, True)
    assert [verdict.details["gain"] for verdict in (small, middle, large)] == [0.02, 0.05, 1.0]
    assert {verdict.trials for verdict in (small, middle, large)} == {4}


def test_power_finds_nothing_where_nothing_is_planted(setting, monkeypatch):
    """With the gain taken away, the trial must fail its bar: it does not hold by construction."""
    monkeypatch.setattr(power, "built", lambda harness, _steps: built(harness, [STEPS] * 4))
    assert not power.power(setting, trials=4)[2].holds


def test_the_harness_cost_leaves_the_samples_out(setting):
    (found,) = cost.beside_samples(setting, trials=8)
    assert found.unit == "s"
    assert 0 < found.found.estimate < 1


def test_racing_costs_less_than_fixed_rounds_and_is_told_whether_the_pick_was_right(setting, monkeypatch):
    monkeypatch.setattr(cost, "CANDIDATES", 16)
    (found,) = cost.racing(setting, trials=1)
    assert 0 < found.found.estimate < 1
    assert found.details["right"] in (0, 1)
    assert found.holds == (found.found.estimate <= cost.MOST_SHARE and found.details["right"] == 1)


@pytest.mark.measuring
def test_a_hog_runs_on_its_core_and_ends_with_its_block():
    cpu = min(psutil.Process().cpu_affinity())
    with hog.hog("cpu", cpu):
        (child,) = (c for c in psutil.Process().children() if "benchmarks.trials.hog" in c.cmdline())
        before = child.cpu_times().user
        time.sleep(0.3)
        assert child.cpu_affinity() == [cpu]
        assert child.cpu_times().user > before
    assert not child.is_running()


@pytest.mark.measuring
def test_a_memory_hog_streams_more_than_any_cache_holds():
    turn = hog.KINDS["memory"]()
    turn()
    assert hog.STREAMED_BYTES == 256 << 20


def test_equals_are_raced_under_the_policies_that_the_doctor_leaves_out(setting):
    """And no side has an advantage in principle: 15 of 20 such races found a winner while one had."""
    found = under_cold_caches(setting, trials=12)
    assert [verdict.name for verdict in found] == ["aa_rotate", "aa_flush"]
    assert all(verdict.details["ratio"]["estimate"] == pytest.approx(1, abs=0.1) for verdict in found)
    assert max(verdict.found.estimate for verdict in found) < 0.6


# ---- promotion


def _promotion(verdict):
    return Promotion((Decision(verdict, reason="planted"),), 0.01, 3, 9, {"memory": 2})


def test_a_promoted_equal_is_counted():
    tally = promotion.Tally()
    for verdict in ("rejected", "undecided", "promoted"):
        tally.count(_promotion(verdict))
    found = tally.verdict("hog_cpu", "equals", 0)
    assert (found.holds, found.trials, found.details["promoted"]) == (False, 3, 1)
    assert found.details["flags"] == {"memory": 6}
    assert tally.verdict("aa_promotion", "equals", 1).holds


def test_an_equal_that_fails_is_no_proof_of_the_rule():
    with pytest.raises(ContestantFailedError, match="planted"):
        promotion.Tally().count(_promotion("failed"))


@pytest.mark.slow
def test_equals_are_not_promoted(setting):
    (found,) = promotion.equals(setting, trials=2)
    assert found.holds
    assert found.trials == 2


# ---- ceilings


@pytest.fixture
def sweeps(monkeypatch):
    """Plants what sweeps find: a function of their number that gives the fma and the DRAM rate."""

    def plant(rates):
        numbers = iter(range(100))

        def measured(**_arguments):
            fma, dram = rates(next(numbers))
            traffic = {level: {"read": {"1": rate}} for level, rate in (("L1", 300e9), ("L2", 100e9), ("DRAM", dram))}
            empty = {name: {} for name in ("operations_per_s", "latency_s")}
            return ceilings.Ceilings(
                flop_per_s={"float64": {"fma": {"1": fma}, "add": {"1": fma}}},
                bytes_per_s=traffic,
                clock_hz=3e9,
                measured_at="2026-01-01T00:00:00+00:00",
                **empty,
            )

        monkeypatch.setattr(ceilings, "measure", measured)

    return plant


def test_ceilings_that_repeat_hold(setting, sweeps):
    sweeps(lambda n: (60e9 * (1 + 0.002 * n), 20e9 * (1 + 0.01 * n)))
    arithmetic, traffic, order = roof.repeated(setting)
    assert all(verdict.holds for verdict in (arithmetic, traffic, order))
    assert arithmetic.found.estimate == pytest.approx(0.008, rel=0.05)
    assert "DRAM" in traffic.remark


def test_ceilings_that_differ_or_stand_in_the_wrong_order_do_not(setting, sweeps):
    sweeps(lambda n: (60e9 * (1 + 0.01 * n), 20e9 if n < 4 else 200e9))
    assert [verdict.holds for verdict in roof.repeated(setting)] == [False, False, False]


class TestPlanted(KernelTestCase):
    kernel = PLANTED.definition


class TestNull(KernelTestCase):
    kernel = NULL.definition
