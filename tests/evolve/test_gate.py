"""What a run asks first, on planted races."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.contestant import Task
from benchmarks.outcome import Samples
from benchmarks.quiet import Disturbance, Finding
from evolve import gate as module
from evolve.errors import NoisyMachineError
from evolve.gate import gate


@pytest.fixture
def planted(monkeypatch):
    """Plants the spread of races of equals, one value an attempt, and what disturbs; returns what was raced."""
    asked = []

    def plant(*spreads, disturbing=()):
        waiting = iter(spreads)

        def same(harness, _contestant, trials):
            rng = np.random.default_rng(1)
            asked.append(harness.task)
            gains = next(waiting) * rng.standard_normal(trials)
            noise = np.exp(0.005 * rng.standard_normal((trials, 24)))
            return [Samples(tuple(r * np.exp(-g)), (1.0,) * 24, 1) for g, r in zip(gains, noise, strict=True)]

        monkeypatch.setattr("benchmarks.aa.same", same)
        monkeypatch.setattr("benchmarks.aa.itself", lambda _harness: None)
        monkeypatch.setattr(module, "wait_until_quiet", lambda _limit_s: list(disturbing))
        return asked

    return plant


def test_a_quiet_machine_lets_a_run_begin_and_says_what_it_can_find(planted):
    planted(0.0)
    said = []
    found = gate(None, said.append)
    assert found.flags == ()
    assert found.spread < 0.01
    assert 0 < found.smallest_gain < 0.01
    assert found.line.startswith("machine can be trusted: ")
    assert "\n" not in found.line
    assert said


def test_a_machine_that_stays_busy_is_noted(planted):
    planted(0.0, disturbing=[Finding(Disturbance.BUSY, "half of the cores")])
    found = gate(None, lambda _: None)
    assert found.flags == ("busy_start",)
    assert "though others use it" in found.line


def test_noise_is_given_a_second_chance(planted):
    asked = planted(0.06, 0.0)
    assert gate(None, lambda _: None).flags == ()
    assert len(asked) == 2


def test_noise_that_stays_is_refused_unless_the_user_insists(planted):
    planted(0.06, 0.06)
    with pytest.raises(NoisyMachineError, match="differs from itself") as error:
        gate(None, lambda _: None)
    assert error.value.exit_code == 4
    assert "--anyway" in str(error.value)
    planted(0.06, 0.06)
    found = gate(None, lambda _: None, anyway=True)
    assert found.flags == ("noisy",)
    assert found.spread > 0.05


def test_equals_are_raced_under_the_cache_policy_of_the_run(planted):
    asked = planted(0.0)
    gate(Task("matmul", (64, 64, 64), "float64", policy="rotate"), lambda _: None)
    assert asked[0].policy == "rotate"


def test_the_real_races_take_about_a_second(monkeypatch):
    """Through the real harness; how it comes out is the machine's affair."""
    monkeypatch.setattr(module, "wait_until_quiet", lambda _limit_s: [])
    found = gate(None, lambda _: None, anyway=True)
    assert found.spread >= 0
    assert f"of {module.TRIALS} races" in found.line
