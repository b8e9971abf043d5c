from __future__ import annotations

import dataclasses
import json
import os

import pytest

from benchmarks import quiet
from benchmarks.machine import fingerprint
from benchmarks.quiet import Disturbance, Readings, disturbances, standing_disturbances, wait_until_quiet

CALM = Readings(load=0.1, busy_share=0.01, steal_share=0.0, pressure_percent=0.0)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"busy_share": 0.5}, Disturbance.BUSY),
        ({"pressure_percent": 30.0}, Disturbance.PRESSURE),
        ({"steal_share": 0.1}, Disturbance.STEAL),
    ],
)
def test_each_reading_has_its_disturbance(change, kind):
    assert disturbances(CALM) == []
    (found,) = disturbances(dataclasses.replace(CALM, **change))
    assert found.disturbance is kind
    assert kind.remedy in str(found)
    assert json.loads(json.dumps(found.as_dict()))["name"] == kind.name.lower()


def test_what_the_system_does_not_tell_is_no_disturbance():
    assert disturbances(Readings(9.0, None, None, None)) == []


def test_shares_are_of_the_ticks_between_two_readings():
    before = [100, 0, 100, 1000, 0, 0, 0, 10]
    after = [120, 0, 110, 1060, 5, 0, 0, 15]
    assert quiet.shares(before, after) == (pytest.approx(0.3), pytest.approx(0.05))
    assert quiet.shares([], after) == (None, None)


@pytest.mark.parametrize(
    ("change", "clock_step_s", "kind"),
    [
        ({"governor": "powersave"}, 1e-7, Disturbance.GOVERNOR),
        ({"huge_pages": "never"}, 1e-7, Disturbance.HUGE_PAGES),
        ({"logical_cores": 1}, 1e-7, Disturbance.ONE_CORE),
        ({"logical_cores": 8}, 1e-7, Disturbance.HYPER_THREADS),
        ({"caches_assumed": True}, 1e-7, Disturbance.CACHES_UNKNOWN),
        ({}, 1e-5, Disturbance.COARSE_CLOCK),
    ],
)
def test_each_fault_of_the_set_up_is_found_alone(change, clock_step_s, kind):
    good = {"governor": None, "huge_pages": "madvise", "caches_assumed": False, "logical_cores": 4, "physical_cores": 4}
    if change.get("logical_cores") == 1:
        good["physical_cores"] = 1
    machine = dataclasses.replace(fingerprint(), **{**good, **change})
    assert [found.disturbance for found in standing_disturbances(machine, clock_step_s)] == [kind]


@pytest.mark.parametrize(
    ("what", "kind"),
    [({"is_bound": False}, Disturbance.AFFINITY), ({"is_layout_fixed": False}, Disturbance.RANDOM_LAYOUT)],
)
def test_what_the_system_does_not_permit_is_found(what, kind):
    before = {found.disturbance for found in standing_disturbances(fingerprint(), 1e-7)}
    after = {found.disturbance for found in standing_disturbances(fingerprint(), 1e-7, **what)}
    assert after - before == {kind}


def test_flags_of_many_races_are_disturbances_and_those_of_a_passing_moment_are_not():
    found = quiet.race_disturbances(100, {"memory": 30, "clock": 2, "floor": 100})
    assert [one.disturbance for one in found] == [Disturbance.CONTENTION]
    assert "30 of 100" in found[0].detail


def test_asking_for_a_core_leaves_the_process_where_it_was():
    before = os.sched_getaffinity(0)
    quiet.may_be_bound()
    assert os.sched_getaffinity(0) == before


def test_a_refused_affinity_is_seen(monkeypatch):
    def refused(_process, _cpus):
        raise PermissionError

    monkeypatch.setattr("os.sched_setaffinity", refused)
    assert not quiet.may_be_bound()


def test_every_disturbance_has_a_cause_and_a_remedy():
    assert all(kind.cause and kind.remedy for kind in Disturbance)


def test_waiting_ends_with_the_first_quiet_reading(monkeypatch):
    readings = iter([dataclasses.replace(CALM, busy_share=0.9), CALM])
    monkeypatch.setattr(quiet, "read", lambda: next(readings))
    monkeypatch.setattr(quiet, "POLL_S", 0.0)
    assert wait_until_quiet(5) == []


def test_waiting_gives_up_and_says_what_disturbs(monkeypatch):
    monkeypatch.setattr(quiet, "read", lambda: dataclasses.replace(CALM, steal_share=0.9))
    assert [found.disturbance for found in wait_until_quiet(0)] == [Disturbance.STEAL]


def test_readings_of_this_machine_are_shares():
    found = quiet.read(0.05)
    shares = (found.busy_share, found.steal_share)
    assert all(share is None or 0 <= share <= 1 for share in shares)
    assert found.load >= 0
