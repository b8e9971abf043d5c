"""The parent's audit: what holds and what does not, whatever the child says of it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks import audit as audits
from benchmarks import sandbox
from benchmarks.audit import UnseenError, audit
from benchmarks.contestant import Contestant, Task, of_baseline
from benchmarks.isolation import Child
from benchmarks.reach import Memory, processor_s
from benchmarks.worker import Limits, Place
from kernels.language import SourceFolder

pytestmark = [
    pytest.mark.measuring,
    pytest.mark.skipif(
        not all(one.is_active for one in sandbox.active() if one.name == "audit"),
        reason="the system lets no process look into its children",
    ),
]
LIARS = str(Path(__file__).with_name("liars.py"))
LONG_S = 200e-6  # longer than any honest call here


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return SourceFolder(tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="module")
def task():
    return Task(LIARS, (5000,), "float32")


@pytest.fixture
def child(task, folder):
    cpus = (max(os.sched_getaffinity(0)),)
    made = Child(Place(folder.path, task, (task.size, task.size), cpus, limits=Limits(call_s=5.0)))
    yield made
    made.stop()


def outcome(child, task, name, claimed_s, *, is_proven=True):
    contestant = Contestant(None, rival=name)
    if is_proven:
        assert "failed" not in child.call({"do": "try", "candidate": contestant}, 5.0)
    return audited(child, task, contestant, claimed_s)


def audited(child, task, contestant, claimed_s):
    try:
        return audit(child, task, contestant, claimed_s, np.random.default_rng())
    except UnseenError as error:
        pytest.skip(str(error))


def test_who_is_right_and_as_fast_as_it_says_holds(child, task):
    assert outcome(child, task, "honest", LONG_S) is None


def test_a_compiled_contestant_holds(child, task, folder):
    baseline = of_baseline(folder, task)
    assert "failed" not in child.call({"do": "try", "candidate": baseline}, 5.0)
    assert audited(child, task, baseline, LONG_S) is None


def test_an_audit_leaves_the_child_as_it_was(child, task, folder):
    for contestant in (Contestant(None, rival="honest"), of_baseline(folder, task)):
        assert audited(child, task, contestant, LONG_S) is None
        assert "failed" not in child.call({"do": "try", "candidate": contestant}, 5.0)


def test_a_child_is_not_replaced_during_its_audit(child, task):
    assert "failed" not in child.call({"do": "try", "candidate": Contestant(None, rival="honest")}, 5.0)
    before = child.pid
    child.answered = child.place.limits.answers - 1
    assert audited(child, task, Contestant(None, rival="honest"), LONG_S) is None
    assert child.pid == before
    assert child.answered == child.place.limits.answers - 1


@pytest.mark.parametrize(
    ("name", "claimed_s", "reason"),
    [
        ("honest", 3e-7, "s a call by the parent's clock"),
        ("memoised", LONG_S, "on inputs that only the parent knows: relative error"),
        ("skipping", LONG_S, "calls of it took no time"),
        ("sparing", LONG_S, "the output followed"),
        ("dying", LONG_S, "asked to call it again: Crashed: died of SIGABRT"),
    ],
)
def test_a_lie_comes_out(child, task, name, claimed_s, reason):
    assert reason in outcome(child, task, name, claimed_s)


@pytest.mark.parametrize(("name", "reason"), [("imprecise", "relative error 0.01"), ("damaging", "changed its inputs")])
def test_the_parent_compares_for_itself(child, task, name, reason):
    """Where the child's own comparison would have found nothing."""
    assert reason in outcome(child, task, name, LONG_S, is_proven=False)


def test_addresses_that_mean_nothing_are_no_exception(child, task, monkeypatch):
    told = audits._asked(child, {"do": "arrays", "candidate": Contestant(None, rival="honest")})
    for forged in ({"out": 8}, {"inputs": told["inputs"][:1]}, {"inputs": [8, 8, 0]}, {"out": 1 << 80}):
        monkeypatch.setattr(audits, "_asked", lambda *_arguments, forged=forged: {**told, **forged})
        assert outcome(child, task, "honest", LONG_S) is not None


def test_where_the_system_forbids_to_look_nobody_is_condemned(child, task, monkeypatch):
    def refused(*_arguments):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(audits.reach, "Memory", refused)
    assert "cannot be looked at" in outcome(child, task, "honest", LONG_S)
    missing = (sandbox.Protection("audit", is_active=False, reason="forbidden"),)
    monkeypatch.setattr(audits.sandbox, "active", lambda: missing)
    assert outcome(child, task, "honest", LONG_S) is None


def test_memory_is_written_past_its_protection(child, task):
    told = audits._asked(child, {"do": "arrays", "candidate": Contestant(None, rival="honest")})
    values, found = np.arange(5000, dtype=np.float32), np.empty(5000, np.float32)
    memory = Memory(child.pid)
    memory.write(told["inputs"][0], values)
    memory.read(told["inputs"][0], found)
    memory.close()
    assert (found == values).all()


def test_the_processor_time_of_another_process_is_seen(child, task):
    outcome(child, task, "honest", LONG_S)
    before = processor_s(child.pid)
    request = {"do": "calls", "candidate": Contestant(None, rival="honest"), "calls": 20_000, "scalars": []}
    start = time.process_time()
    assert child.call(request, 60.0) == {"calls": 20_000}
    assert processor_s(child.pid) - before > time.process_time() - start
