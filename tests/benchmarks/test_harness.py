"""Planted faults: each ends as the outcome that it is, and the run goes on."""

from __future__ import annotations

import dataclasses
import itertools
import math
import os

import psutil
import pytest

from benchmarks.contestant import Contestant, Task
from benchmarks.harness import Built, Harness
from benchmarks.race import Rules
from benchmarks.worker import Limits

pytestmark = pytest.mark.measuring

RULES = Rules(most_rounds=6, most_s=1.0)
LIMITS = Limits(call_s=1.0, memory_bytes=1 << 29)
LATE = 10_000

ON_AWKWARD_SIZES = {
    "wrong": ("Wrong", "relative error 0.001, allowed 0"),
    "wrong at the end": ("Wrong", "relative error"),
    "nan": ("Wrong", "relative error inf"),
    "forgotten": ("Wrong", "relative error 1"),
    "beyond": ("Wrong", "behind out"),
    "page beyond": ("Crashed", "SIGSEGV"),
    "workspace beyond": ("Wrong", "behind workspace 0"),
    "segfault": ("Crashed", "SIGSEGV"),
    "endless": ("TimedOut", "over 1 s"),
    "hungry": ("OutOfMemory", "MemoryError"),
    "raises": ("Crashed", "ValueError: planted"),
    "damages": ("Crashed", "SIGSEGV"),
    "stale": ("Wrong", "relative error"),
    "leftover": ("Wrong", "relative error"),
    "untyped": ("CompileFailed", "Typing"),
    "unrolled": ("IllegalSchedule", "static(n)"),
}
ON_THE_PROBLEM = ("nan", "beyond", "segfault", "endless", "hungry", "damages", "stale", "leftover", "done already")


@pytest.fixture(scope="module")
def harness(task, folder):
    with Harness(task, folder, rules=RULES, limits=LIMITS) as made:
        yield made


def planned(harness, **genes):
    return harness.plan(harness.task.definition.space.schedule(**genes))


def honest(harness, passes=1):
    return planned(harness, passes=passes)


def built(harness, *plans):
    """In the order of the plans."""
    found = {one.plan: one for one in harness.build(plans)}
    return [found[plan] for plan in plans]


def alternating(harness, deeds, least=0):
    """A misbehaving schedule and an honest one in turns."""
    bad = [planned(harness, deed=deed, least=least, scratch=30_000) for deed in deeds]
    return [
        *itertools.chain(*((one, honest(harness, passes)) for one, passes in zip(bad, itertools.cycle([1, 2, 50]))))
    ]


@pytest.fixture(scope="module")
def builds(harness):
    """What came of building every misdeed, honest schedules between them."""
    plans = dict.fromkeys(alternating(harness, ON_AWKWARD_SIZES))
    return {one.plan: one for one in harness.build(list(plans))}


@pytest.mark.parametrize("deed", ON_AWKWARD_SIZES)
def test_a_misdeed_on_awkward_sizes_is_a_typed_outcome(harness, builds, deed):
    failure = builds[planned(harness, deed=deed, scratch=30_000)].failure
    kind, reason = ON_AWKWARD_SIZES[deed]
    assert failure is not None
    assert failure.kind == kind, failure.reason
    assert reason in failure.reason


def test_honest_schedules_between_misdeeds_are_built(harness, builds):
    for passes in (1, 2, 50):
        assert builds[honest(harness, passes)].failure is None


@pytest.mark.parametrize("deed", ["honest copy", "honest workspace"])
def test_honest_use_of_memory_is_no_misdeed(harness, deed):
    (one,) = built(harness, planned(harness, deed=deed, scratch=30_000))
    assert one.failure is None, one.failure
    assert harness.measure(one, harness.first_incumbent()).is_measured


@pytest.fixture(scope="module")
def measured(harness):
    """What came of measuring what misbehaves on the problem itself only, and of the honest one after it."""
    before = ["honest copy" if deed == "stale" else "honest workspace" for deed in ON_THE_PROBLEM]
    first = [planned(harness, deed=deed, scratch=30_000) for deed in before]
    bad = [planned(harness, deed=deed, least=LATE, scratch=30_000) for deed in ON_THE_PROBLEM]
    good = honest(harness)
    proven = {one.plan: one for one in harness.build([*dict.fromkeys(first), *bad, good])}
    incumbent = harness.first_incumbent()
    return {
        deed: [harness.measure(proven[plan], incumbent) for plan in (one, other, good)]
        for deed, one, other in zip(ON_THE_PROBLEM, first, bad, strict=True)
    }


@pytest.mark.parametrize("deed", ON_THE_PROBLEM)
def test_a_misdeed_on_the_problem_alone_is_a_typed_outcome_and_the_run_goes_on(measured, deed):
    before, failure, after = measured[deed]
    assert before.is_measured, before
    assert failure.kind == ON_AWKWARD_SIZES.get(deed, ("Wrong", ""))[0], failure.reason
    assert after.is_measured, after


def test_a_measured_schedule_has_its_samples(harness, measured):
    *_, outcome = measured["nan"]
    assert outcome.samples.loops > 1
    assert len(outcome.samples.candidate_s) == len(outcome.samples.incumbent_s) <= RULES.most_rounds
    assert outcome.time_s in outcome.samples.candidate_s or len(outcome.samples.candidate_s) % 2 == 0
    assert outcome.max_error == 0
    assert outcome.verify_s > 0
    assert outcome.measure_s > 0


def test_more_work_is_slower(harness):
    one, fifty = built(harness, honest(harness), honest(harness, 50))
    incumbent = dataclasses.replace(harness.first_incumbent(), contestant=one.plan.contestant)
    outcome = harness.measure(fifty, incumbent)
    assert outcome.log_ratio < -math.log(5)
    assert len(outcome.samples.candidate_s) == 1, "it is not worth a second round"


def test_what_beats_the_hardware_is_impossible(task, folder):
    with Harness(task, folder, reject_s=1.0, rules=RULES) as harness:
        (one,) = built(harness, honest(harness))
        outcome = harness.measure(one, harness.first_incumbent())
    assert outcome.kind == "Impossible"
    assert "at the very least" in outcome.reason


def test_schedules_that_run_the_same_code_with_the_same_values_share_a_key(harness):
    one, same, other = (honest(harness), planned(harness, label=1), honest(harness, 2))
    assert one.key == same.key
    assert one.source_hash == other.source_hash
    assert one.key != other.key
    assert one.key != planned(harness, least=LATE, deed="wrong").key


def test_an_illegal_schedule_has_no_source(harness):
    plan = harness.plan(harness.task.definition.space.default.replace(passes=3))
    assert plan.contestant is None
    (one,) = built(harness, plan)
    assert one.failure.kind == "IllegalSchedule"
    assert "passes=3" in one.failure.reason


def test_all_builders_have_their_share(harness):
    before = [child.answered for child in harness._builders]
    list(harness.build([honest(harness, passes) for passes in (1, 2, 50) * len(before)]))
    assert all(child.answered > earlier for child, earlier in zip(harness._builders, before, strict=True))


def test_what_is_left_to_compile_decides_who_is_built_first(harness):
    plan = honest(harness)
    long, short, sharing, known = (
        dataclasses.replace(plan, pieces=pieces)
        for pieces in ((("a", 9),), (("b", 1),), (("a", 9), ("c", 2)), (("d", 99),))
    )
    harness._compiled.add("d")
    assert harness._longest_first([known, short, long, sharing]) == [long, sharing, short, known]


def test_an_abandoned_build_leaves_no_answer_behind(harness):
    plans = [planned(harness, deed="nan"), *[honest(harness, passes) for passes in (1, 2, 50)]]
    next(iter(harness.build(plans)))
    for one in built(harness, *reversed(plans)):
        assert (one.failure is None) == (one.plan.schedule.deed == "nothing")


def test_a_baseline_that_fails_ends_it_all(task, folder, monkeypatch):
    with Harness(Task(task.kernel, (20_001,), task.dtype), folder, rules=RULES) as harness:
        harness.baseline = planned(harness, deed="wrong").contestant
        with pytest.raises(RuntimeError, match=r"baseline of .* failed: Wrong: size 20001: relative error"):
            harness.first_incumbent()


def test_a_launch_is_a_process_of_its_own_with_inputs_of_its_own(harness):
    (one,) = built(harness, honest(harness))
    with harness.launch(seed=99) as launch:
        samples = launch.pair(one.plan.contestant, harness.baseline, RULES)
        child = psutil.Process(launch.child.pid)
        assert child.ppid() == os.getpid(), "not a fork of the server"
        assert len(samples.candidate_s) == len(samples.incumbent_s) > 0
        found = {
            name: launch.pair(one.plan.contestant, Contestant(None, rival=name), RULES) is not None
            for name in harness.task.definition.rivals
        }
    assert found == {"numpy": True, "missing": False, "mistaken": False, "threads": True}
    assert not child.is_running()


def test_nothing_is_left_running(task, folder):
    with Harness(task, folder, limits=LIMITS) as harness:
        plans = [honest(harness), planned(harness, deed="endless"), planned(harness, deed="segfault")]
        list(harness.build(plans))
        harness.measure(Built(plans[0]), harness.first_incumbent())
        pids = [child.pid for child in (*harness._builders, harness._measurer)]
        assert any(pids)
    assert not any(psutil.pid_exists(pid) for pid in pids if pid)
    assert not [child for child in psutil.Process().children(recursive=True) if child.status() == psutil.STATUS_ZOMBIE]
