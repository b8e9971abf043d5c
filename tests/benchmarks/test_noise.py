"""Noise and the gains it leaves, on planted series whose truth is known."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from benchmarks.noise import POWERS, Detection, Noise, robust_sd, witnessed
from benchmarks.outcome import Conditions, Retake, Samples


def _races(rng, offsets, noise, rounds=24):
    return [Samples(tuple(np.exp(-o + noise * rng.standard_normal(rounds))), (1.0,) * rounds, 1) for o in offsets]


def test_each_level_has_the_noise_that_was_planted():
    rng = np.random.default_rng(1)
    found = Noise.of(
        _races(rng, np.zeros(200), 0.01),
        _races(rng, rng.normal(0, 0.02, 400), 1e-4),
        _races(rng, rng.normal(0, 0.05, 400), 1e-4),
    )
    assert (found.round, found.build, found.launch) == pytest.approx((0.01, 0.02, 0.05), rel=0.15)


def test_an_offset_of_a_race_is_no_noise_of_its_rounds():
    rng = np.random.default_rng(2)
    races = _races(rng, rng.normal(0, 0.1, 100), 0.005)
    assert Noise.of(races, races, races).round == pytest.approx(0.005, rel=0.15)


def test_a_few_outliers_do_not_move_the_robust_deviation():
    values = np.random.default_rng(3).normal(0, 1, 10_000)
    values[:500] = 100
    assert robust_sd(values) == pytest.approx(1.0, rel=0.15)


@pytest.fixture(scope="module")
def detection():
    rng = np.random.default_rng(4)
    return Detection(rng.normal(0, 0.02, 5000), rng)


def test_the_smallest_gain_is_found_as_often_as_it_says(detection):
    """Counted on new rounds by the race's own code, not by what the gain was calculated with."""
    from benchmarks.inference import sign_test_interval

    for rounds in (8, 15, 30):
        gain = detection.smallest_gain(rounds)
        drawn = np.random.default_rng(5).normal(math.log1p(gain), 0.02, (1500, rounds))
        assert np.mean([sign_test_interval(race)[0] > 0 for race in drawn]) == pytest.approx(0.8, abs=0.05)


def test_more_rounds_find_smaller_gains(detection):
    gains = list(detection.smallest_gains().values())
    assert gains == sorted(gains, reverse=True)
    assert gains[0] > 1.5 * gains[-1]


def test_too_few_rounds_find_nothing(detection):
    assert detection.smallest_gain(5) == math.inf


def test_rounds_are_named_by_what_they_find(detection):
    for gain, power in POWERS.items():
        rounds = detection.rounds_for(gain)
        assert rounds is not None
        assert detection.power(gain, rounds) >= power
    assert detection.rounds_for(1.0) < detection.rounds_for(0.05) < detection.rounds_for(0.02)


def test_where_no_number_of_rounds_will_do_none_is_named():
    rng = np.random.default_rng(6)
    assert Detection(rng.normal(0, 1.0, 2000), rng).rounds_for(0.02) is None


def test_without_noise_six_rounds_find_anything():
    still = Detection(np.zeros(10), np.random.default_rng(7))
    assert still.smallest_gain(6) == 0
    assert still.rounds_for(0.02) == 6


def test_conditions_of_races_are_taken_together():
    quiet = Conditions(clock_hz=(3e9, 3.1e9), memory_bytes_per_s=(3e10,))
    unquiet = Conditions(2, (Retake("preempted", (1.0, 1.0)),) * 3, 0.5, flags=("memory", "clock"))
    races = [Samples((1.0,), (1.0,), 1, conditions=seen) for seen in (quiet, unquiet)]
    found = json.loads(json.dumps(witnessed(races)))
    assert (found["races"], found["contended_rounds"], found["steal_share"]) == (2, 2, 0.25)
    assert found["retakes"] == {"preempted": 3}
    assert found["flags"] == {"memory": 1, "clock": 1}
    assert found["clock_hz"]["median"] == 3.05e9


def test_machines_that_tell_nothing_have_no_range():
    assert witnessed([Samples((1.0,), (1.0,), 1)])["clock_hz"] is None
