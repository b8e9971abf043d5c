from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from benchmarks import isolation
from benchmarks.contestant import of_schedule, source_of
from benchmarks.isolation import Child, share
from benchmarks.worker import Limits, Place

ROOT = Path(__file__).parents[2]
LIMITS = Limits(call_s=1.0, memory_bytes=1 << 29, answers=4)
LONG_S = 100.0


@pytest.fixture(scope="module")
def place(task, folder):
    return Place(folder.path, task, ((64,), (64,)), limits=LIMITS)


@pytest.fixture
def child(place):
    made = Child(place)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def build(task, folder):
    """A request to build a schedule by its genes."""

    def make(**genes):
        schedule = task.definition.space.schedule(**genes)
        return {"do": "build", "candidate": of_schedule(folder, source_of(task, schedule), schedule)}

    return make


def gone(pids, within_s=10.0):
    """True once none of the processes is there any more; a zombie is waited for by nobody and counts as gone."""
    until = time.monotonic() + within_s
    while time.monotonic() < until and any(map(is_alive, pids)):
        time.sleep(0.02)
    return not any(map(is_alive, pids))


def is_alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("deed", ["wrong", "raises", "segfault", "hungry"])
def test_after_a_fault_the_next_request_has_a_new_child(child, build, deed):
    assert "failed" not in child.call(build(), 1.0)
    before = child.pid
    assert "failed" in child.call(build(deed=deed), 1.0)
    assert child.pid is None
    assert gone([before])
    assert "failed" not in child.call(build(), 1.0)
    assert child.pid not in (None, before)


def test_processor_time_of_a_child_is_counted_beyond_its_end(child, build):
    assert child.cpu_s() == 0
    child.call(build(), 1.0)
    first_s = child.cpu_s()
    child.stop()
    ended_s = child.cpu_s()
    assert 0 < first_s <= ended_s == child.cpu_s()
    child.call(build(deed="wrong"), 1.0)
    assert child.cpu_s() > ended_s


def test_what_does_not_compile_is_not_the_childs_fault(child, build):
    child.call(build(), 1.0)
    before = child.pid
    assert child.call(build(deed="untyped"), 1.0)["failed"] == "CompileFailed"
    assert child.pid == before


def test_a_child_is_replaced_after_its_share_of_answers(child, build):
    pids = []
    for _ in range(2 * LIMITS.answers):
        assert "failed" not in child.call(build(), 1.0)
        pids.append(child.pid)
    assert [pid is None for pid in pids] == [False, False, False, True] * 2


def test_compiling_has_a_limit_of_its_own(place, build):
    child = Child(dataclasses.replace(place, limits=dataclasses.replace(LIMITS, build_s=1e-3)))
    answer = child.call(build(passes=2, least=10_000, deed="forgotten"), 60.0)
    assert answer == {"failed": "CompileFailed", "reason": "it took over 0.001 s of processor time"}
    assert child.pid is None


def test_a_child_that_cannot_keep_its_limits_is_killed_from_outside(child, build):
    child.call(build(), 1.0)
    os.kill(child.pid, signal.SIGSTOP)
    child.ask(build(), 1.0)
    child.deadline_s = time.monotonic() + 0.1
    assert child.answer() == {"failed": "TimedOut", "reason": "it had to be killed from outside"}
    assert child.pid is None


@pytest.mark.parametrize(
    ("number", "answer"),
    [
        (signal.SIGKILL, {"failed": "OutOfMemory", "reason": "killed by the system, as a rule for want of memory"}),
        (signal.SIGBUS, {"failed": "Crashed", "reason": "died of SIGBUS"}),
    ],
)
def test_a_signal_from_elsewhere_is_told(child, build, number, answer):
    child.call(build(), 1.0)
    os.kill(child.pid, number)
    assert child.call(build(), 1.0) == answer
    assert "failed" not in child.call(build(), 1.0)


@pytest.fixture
def said(child, build, monkeypatch):
    """What comes of a child that says something else than its answer, byte for byte, and then nothing more."""

    def answer(message):
        child.call(build(), 1.0)
        monkeypatch.setattr(isolation, "_MESSAGE_S", 0.2)
        honest, (ours, theirs) = child._pipe, multiprocessing.Pipe()
        os.write(theirs.fileno(), message)
        child._pipe, child._request = ours, {"do": "build", "token": "t"}
        child.deadline_s = time.monotonic() + 10
        try:
            return child.answer()
        finally:
            honest.close()
            theirs.close()

    return answer


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (struct.pack("!i", 9) + b"\xff nonsense", "what it answered is no answer"),
        (struct.pack("!i", 17) + b'{"token": "else"}', "what it answered is no answer to what it was asked"),
        (struct.pack("!i", 14) + b'{"token": "t"}', "what it answered is no answer to 'build'"),
        (struct.pack("!i", 1000) + b"the half", "it answered by half"),
        (b"\0", "it answered by half"),
        (struct.pack("!i", -1), "what it answered is no answer"),
        (struct.pack("!i", 1 << 30), "what it answered is no answer"),
    ],
)
def test_an_answer_that_is_none_is_a_crash(child, said, message, reason):
    assert said(message) == {"failed": "Crashed", "reason": reason}
    assert child.pid is None


def test_an_unknown_request_is_a_crash_with_its_reason(child):
    assert "do_nonsense" in child.call({"do": "nonsense"}, 1.0)["reason"]


def test_inputs_that_cannot_be_made_fail_with_their_reason(place, build):
    child = Child(dataclasses.replace(place, sizes=((1 << 50,),)))
    answer = child.call(build(), 1.0)
    assert answer["failed"] == "OutOfMemory"
    assert "Unable to allocate" in answer["reason"]
    assert child.pid is None


def test_interrupting_the_wait_leaves_no_answer_behind(child, build, monkeypatch):
    def interrupt(*_arguments):
        raise KeyboardInterrupt

    child.call(build(), 1.0)
    with monkeypatch.context() as patch:
        patch.setattr(child, "_heard", interrupt)
        with pytest.raises(KeyboardInterrupt):
            child.call(build(deed="nan"), 1.0)
    assert child.pid is None
    assert "failed" not in child.call(build(), 1.0)


def test_requests_are_shared_and_every_one_is_answered(place, build):
    children = [Child(place) for _ in range(2)]
    deeds = ["nothing", "segfault", "nothing", "endless", "nothing", "untyped", "nothing"]
    answers = dict(share(children, [(k, build(deed=deed)) for k, deed in enumerate(deeds)], 0.3))
    for child in children:
        child.stop()
    assert [answers[k].get("failed") for k in range(len(deeds))] == [
        None, "Crashed", None, "TimedOut", None, "CompileFailed", None,
    ]  # fmt: skip


def test_a_fork_comes_from_the_server_and_a_fresh_one_does_not(place, build):
    forked, fresh = Child(place), Child(dataclasses.replace(place, is_fresh=True))
    for child in (forked, fresh):
        assert "failed" not in child.call(build(), 1.0)
    parents = [psutil.Process(child.pid).ppid() for child in (forked, fresh)]
    assert parents[0] != os.getpid()
    assert parents[1] == os.getpid()
    for child in (forked, fresh):
        child.stop()


def test_a_child_has_the_processors_it_is_given(place, build):
    last = max(os.sched_getaffinity(0))
    child = Child(dataclasses.replace(place, cpus=(last,)))
    child.call(build(), 1.0)
    assert psutil.Process(child.pid).cpu_affinity() == [last]
    child.stop()


def test_what_a_child_wrote_goes_with_it(child, place, build):
    child.call(build(), 1.0)
    scratch = child._scratch
    assert scratch.is_dir()
    (scratch / "left").write_text("over")
    child.call(build(deed="segfault"), 1.0)
    assert not scratch.exists()
    assert not list(place.folder.glob("child-*"))


def test_what_a_child_compiled_lies_beside_its_source_and_stays_as_it_is(child, place, build):
    request = build(deed="honest copy", least=10_000)
    names = {f"k{handle.key}" for handle in (request["candidate"].handle, *request["candidate"].driver)}
    assert "failed" not in child.call(request, 1.0)
    kept = list(place.folder.glob("__pycache__/*/*.nb[ci]"))
    assert names <= {file.name.partition(".")[0] for file in kept}
    stamps = {file: file.stat().st_mtime_ns for file in kept}
    child.stop()
    assert "failed" not in child.call(request, 1.0)
    assert {file: file.stat().st_mtime_ns for file in kept} == stamps


SCRIPT = """
import sys, time
import psutil
from benchmarks import isolation
from benchmarks.contestant import of_schedule, source_of
from benchmarks.isolation import Child
from benchmarks.worker import Place
from benchmarks.contestant import Task
from kernels.language import SourceFolder
from pathlib import Path

task, folder = Task({planted!r}, (64,), "float64"), SourceFolder(Path({folder!r}))
children = [Child(Place(folder.path, task, ((64,),), is_fresh=is_fresh)) for is_fresh in (False, True)]
schedule = task.definition.space.schedule(deed="endless")
request = {{"do": "build", "candidate": of_schedule(folder, source_of(task, schedule), schedule)}}
{act}
"""
WAIT = """
for child in children:
    child.ask(request, {limit_s})
started = [psutil.Process(child.pid) for child in children]
while any(sum(child.cpu_times()[:2]) < 2.0 for child in started):
    time.sleep(0.05)
print(*(process.pid for process in psutil.Process().children(recursive=True)), flush=True)
time.sleep(1000)
"""
CALL = "print(*(child.call(request, 0.3)['failed'] for child in children), flush=True)"


def run_script(task, folder, act):
    """A program without a guard around what it does."""
    text = SCRIPT.format(planted=task.kernel, folder=str(folder.path), act=act)
    (folder.path / "script.txt").write_text(text)
    return subprocess.Popen(
        [sys.executable, folder.path / "script.txt"],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )


def test_a_killed_parent_takes_its_children_with_it_out_of_an_endless_loop(task, folder):
    parent = run_script(task, folder, WAIT.format(limit_s=LONG_S))
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) == 4, "a fork, a fresh one, the fork server, the resource tracker"
    assert all(map(is_alive, pids))
    parent.kill()
    parent.communicate()
    assert gone(pids)


def test_a_program_needs_no_guard_around_its_main_part(task, folder):
    program = run_script(task, folder, CALL)
    assert program.communicate(timeout=60)[0].split() == ["TimedOut", "TimedOut"]
    assert program.returncode == 0
