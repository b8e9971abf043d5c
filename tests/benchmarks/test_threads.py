"""Contestants that threads share: built, proven, raced and launched as any other."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import audit, timing, worker
from benchmarks.contestant import Contestant, Task, of_baseline, of_schedule, source_of, workspace_counts
from benchmarks.harness import Harness
from benchmarks.race import Rules
from benchmarks.timing import Watched
from benchmarks.verify import WrongError
from kernels.language import TemplateError

TASK = Task("matmul", (96, 80, 64), "float64", threads=2)
RULES = Rules(most_rounds=4, least_rounds=2, most_s=0.5, may_drop=False)


@pytest.fixture(scope="module")
def harness(folder, alone):
    with Harness(TASK, folder, rules=RULES) as made:
        yield made


@pytest.fixture(scope="module")
def built(harness):
    (one,) = harness.build([harness.plan(TASK.definition.space.default)])
    return one


def test_a_schedule_is_built_and_proven_on_two_threads(built):
    assert built.failure is None, built.failure


def test_it_is_raced_against_the_baseline_on_two_threads(harness, built):
    samples = harness.pair(built.plan.contestant, harness.baseline, RULES)
    assert len(samples.candidate_s) == len(samples.incumbent_s) > 1


def test_a_fresh_process_races_it_against_libraries_on_two_threads(harness, built):
    with harness.launch(seed=1) as launch:
        assert launch.pair(built.plan.contestant, Contestant(None, rival="numpy"), RULES) is not None


def test_all_schedules_of_a_signature_share_one_caller(folder):
    space = TASK.definition.space
    one, other = (
        of_schedule(folder, source_of(TASK, schedule), schedule)
        for schedule in (space.default, space.default.replace(mr=2, nv=1))
    )
    assert one.handle.key == other.handle.key
    assert one.handle.pointers != other.handle.pointers
    assert one.driver == other.driver


def test_each_thread_has_scratch_memory_of_its_own(folder):
    schedule = TASK.definition.space.default
    contestant = of_schedule(folder, source_of(TASK, schedule), schedule)
    alone = TASK.definition.workspace(schedule, TASK.size)
    assert all(both >= 2 * one for one, both in zip(alone, workspace_counts(TASK, contestant, TASK.size), strict=True))


def test_what_says_nothing_of_threads_cannot_be_shared(folder, task):
    with pytest.raises(TemplateError, match="nothing says how threads could share"):
        of_baseline(folder, Task(task.kernel, task.size, task.dtype, threads=2))


@pytest.mark.parametrize(
    ("threads", "others_s", "is_caught"),
    [(1, 0.0, False), (1, 1.0, True), (2, 2.0, False), (2, 3.0, True), (3, 3.0, False)],
)
def test_more_threads_than_allowed_are_caught(monkeypatch, threads, others_s, is_caught):
    """Of seconds on the wall and seconds of other threads, as clocks tell them."""
    wall_ns, worked_ns = iter([0, 1_000_000_000]), iter([0, int(others_s * 1e9)])
    monkeypatch.setattr(worker.time, "perf_counter_ns", lambda: next(wall_ns))
    monkeypatch.setattr(worker, "others_ns", lambda: next(worked_ns))
    monkeypatch.setattr(worker, "settle", lambda _look_s: None)
    with pytest.raises(WrongError) if is_caught else contextlib.nullcontext(), worker._alone(threads):
        pass


class Counted:
    """A timing that notes how many calls each sample had."""

    def __init__(self):
        self.out = np.zeros(1)
        self.loops = []

    def time_ns(self, loops):
        self.loops.append(loops)
        self.out[0] = 1.0
        return loops


def test_before_a_sample_all_come_to_rest_and_its_own_threads_are_woken(monkeypatch):
    rests, timed = [], Counted()
    monkeypatch.setattr(timing, "settle", lambda: rests.append(len(timed.loops)))
    side = Watched(timed, np.ones(1), np.zeros(1), np.random.default_rng(1))
    side.sample(7)
    side.is_settling = True
    side.sample(7)
    assert timed.loops == [7, 1, 7]
    assert rests == [1]


def test_two_threads_really_share_the_work(folder, alone):
    """Both have used their processors; the second by more than waking takes."""
    schedule = TASK.definition.space.default
    contestant = of_schedule(folder, source_of(TASK, schedule), schedule)
    compiled = folder.load(contestant.handle)
    size = (512, 512, 512)
    inputs, out = TASK.definition.problem(size, "float64", np.random.default_rng(1)), np.empty(size[:2])
    scratch = [np.empty(count) for count in workspace_counts(TASK, contestant, size)]
    for calls in (10, 50):  # the first ones wake the second thread, which may take the system 10 ms
        before_ns, start_ns = timing.others_ns(), timing.now_ns()
        for _ in range(calls):
            compiled.function(*inputs, out, *scratch, *contestant.runtime, *compiled.pointers)
        wall_ns = timing.now_ns() - start_ns
        timing.settle()  # who sleeps is accounted for to the last
    assert timing.others_ns() - before_ns > 0.3 * wall_ns


@pytest.mark.parametrize(
    ("threads", "passed_s", "own_s"),
    [
        (1, (3.0, 1.0, 0.0), 1.0),
        (2, (1.0, 2.0, 0.0), 1.0),
        (2, (4.0, 2.0, 3.0), 1.0),
        (2, (4.0, 6.0, 3.9), 3.0),
        (2, (4.0, 4.0, 0.0), 4.0),
    ],
    ids=["alone", "quiet", "busy", "too many threads", "one works for both"],
)
def test_an_audit_leaves_out_what_threads_waited_for_processors(monkeypatch, threads, passed_s, own_s):
    """Of seconds on the wall, on processors, and waiting for them."""
    view = object.__new__(audit._View)
    view.task = replace(TASK, threads=threads)
    monkeypatch.setattr(audit._View, "now", lambda _view: passed_s)
    assert view.since((0.0, 0.0, 0.0)) == own_s
