"""What candidate code is kept from, tried out: in a child of the kind that runs it, and one protection at a time."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from benchmarks import landlock, layout, reaper, sandbox, syscalls

ROOT = Path(__file__).parents[2]
needs_landlock = pytest.mark.skipif(not landlock.version(), reason="this kernel has no Landlock")
needs_filter = pytest.mark.skipif(bool(syscalls.why_not()), reason=syscalls.why_not() or "-")
FREE = 'syscalls.why_not = lambda: "missing"\n'
OPEN = "landlock.version = lambda: 0\n"

CONFINED = """
import json, os, resource, signal, socket, subprocess, sys, threading
from pathlib import Path
from benchmarks import landlock, protect, syscalls

own, elsewhere = Path(sys.argv[1]), Path(sys.argv[2])
{change}
protect.protect(own)

def fork():
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)

def compile_and_run():
    import numpy as np
    from numba import njit, prange
    @njit(parallel=True)
    def total(a):
        found = 0.0
        for i in prange(a.size):
            found += a[i]
        return found
    assert total(np.ones(1000)) == 1000

def thread():
    found = []
    one = threading.Thread(target=found.append, args=[1])
    one.start()
    one.join()
    assert found == [1]

def lift():
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

deeds = {{
    "own file": lambda: (own / "mine").write_text("x"),
    "own folder": lambda: (own / "inner").mkdir(),
    "nowhere": lambda: open(os.devnull, "w").write("x"),
    "read": lambda: Path("/proc/self/status").read_text(),
    "thread": thread,
    "compile": compile_and_run,
    "signal itself": lambda: os.kill(os.getpid(), 0),
    "write": lambda: elsewhere.write_text("x"),
    "append": lambda: open(elsewhere, "a"),
    "remove": elsewhere.unlink,
    "rename": lambda: elsewhere.rename(own / "taken"),
    "link": lambda: os.link(elsewhere, own / "linked"),
    "marks": lambda: elsewhere.chmod(0o777),
    "fork": fork,
    "run": lambda: subprocess.run(["/bin/true"], check=False),
    "signal": lambda: os.kill(os.getppid(), 0),
    "datagram": lambda: socket.socket(type=socket.SOCK_DGRAM),
    "connect": lambda: socket.create_connection(("127.0.0.1", 9), timeout=2),
    "parent's memory": lambda: open(f"/proc/{{os.getppid()}}/mem", "rb"),
    "large file": lambda: open(own / "large", "wb").truncate(protect.FILE_BYTES + 1),
    "many files": lambda: [open(os.devnull) for _ in range(1000)],
    "hidden memory": lambda: os.memfd_create("x"),
    "hide": lambda: __import__("ctypes").CDLL(None).prctl(4, 0, 0, 0, 0) and socket.close(-1),
    "affinity": lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)),
    "lift": lift,
}}
done = []
for name, deed in deeds.items():
    try:
        deed()
        done.append(name)
    except PermissionError:
        pass
    except ConnectionRefusedError:
        done.append(name)
    except (OSError, ValueError):
        pass
print(json.dumps(done))
"""

HARMLESS = {"own file", "own folder", "nowhere", "read", "thread", "compile", "signal itself"}


def done(tmp_path, change=""):
    """What a confined process could do."""
    own, elsewhere = tmp_path / "own", tmp_path / "elsewhere"
    own.mkdir()
    elsewhere.write_text("theirs")
    elsewhere.chmod(0o600)
    script = tmp_path / "script.py"
    script.write_text(CONFINED.format(change=change))
    command = [sys.executable, "-W", "ignore", script, own, elsewhere]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    found = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert found.returncode == 0, found.stderr
    return set(json.loads(found.stdout.splitlines()[-1]))


@needs_landlock
@needs_filter
def test_a_confined_process_does_what_kernels_need_and_nothing_else(tmp_path):
    assert done(tmp_path) == HARMLESS
    assert (tmp_path / "elsewhere").read_text() == "theirs"


@needs_landlock
def test_without_a_filter_files_and_tcp_are_still_safe(tmp_path):
    found = done(tmp_path, FREE)
    assert found >= HARMLESS | {"fork", "datagram"}
    assert not found & {"write", "append", "remove", "rename", "link", "run", "large file", "many files"}
    assert ("connect" in found) == (landlock.version() < 4)


@needs_filter
def test_without_landlock_processes_and_network_are_still_safe(tmp_path):
    found = done(tmp_path, OPEN)
    assert found >= HARMLESS | {"append"}
    assert not found & {"fork", "run", "signal", "datagram", "connect", "marks", "hidden memory", "affinity"}


def test_with_neither_limits_hold(tmp_path):
    found = done(tmp_path, FREE + OPEN)
    assert found >= HARMLESS | {"fork", "run", "write"}
    assert not found & {"large file", "many files", "lift"}


def test_protections_are_told_as_they_are():
    found = {one.name: one for one in sandbox.active()}
    assert set(found) == {
        "files", "processes", "programs", "other processes", "network", "file size", "memory", "audit",
    }  # fmt: skip
    assert all(one.reason for one in found.values())
    assert found["file size"].is_active
    assert found["memory"].is_active
    assert found["files"].is_active == bool(landlock.version())
    for name in ("processes", "network"):
        assert found[name].is_active == (not syscalls.why_not())


def test_what_a_child_could_do_is_said_with_what_is_missing(monkeypatch):
    could = dict.fromkeys(("files", "processes", "programs", "other processes", "network", "file size", "memory"))
    could |= {"processes": "it started a process", "files": "it wrote outside its own folder"}
    monkeypatch.setattr(sandbox, "_tried", lambda: {**could, "audit": "forbidden", "layout": False})
    monkeypatch.setattr(landlock, "version", lambda: 0)
    monkeypatch.setattr(syscalls, "why_not", lambda: "the package pyseccomp is not installed")
    found = {one.name: one for one in sandbox.active()}
    assert found["processes"] == sandbox.Protection(
        "processes", is_active=False, reason="it started a process: the package pyseccomp is not installed"
    )
    assert "no Landlock" in found["files"].reason
    assert not found["audit"].is_active
    assert not sandbox.aslr_is_off()


# ---- where memory lies

PLACED = "print(*(line.split('-')[0] for line in open('/proc/self/maps') if '[stack]' in line))"
"""Where the stack lies: programs themselves may be built for one place."""


def placed():
    return subprocess.run([sys.executable, "-c", PLACED], capture_output=True, text=True, check=True).stdout


def may_fix_layout():
    with layout.fixed_layout():
        return layout.is_fixed()


@pytest.mark.skipif(not may_fix_layout(), reason="the system keeps placement random")
def test_processes_are_placed_alike_where_that_is_wanted_and_only_there():
    before = layout.is_fixed()
    with layout.fixed_layout():
        alike = {placed() for _ in range(3)}
    assert len(alike) == 1
    assert layout.is_fixed() == before
    if not before:
        assert len({placed() for _ in range(4)}) > 1


@pytest.mark.skipif(not may_fix_layout(), reason="the system keeps placement random")
def test_children_that_race_are_placed_alike():
    assert sandbox.aslr_is_off()


def test_where_placement_cannot_be_fixed_all_goes_on(monkeypatch):
    monkeypatch.setattr(layout, "_personality", lambda _wanted: -1)
    with layout.fixed_layout():
        assert not layout.is_fixed()


# ---- leaving nothing behind

LEADER = """
import ctypes, os, sys, time
os.setsid()
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
def start(act):
    if not os.fork():
        act()
        time.sleep(1000)
        os._exit(0)
def daemon():
    os.setsid()
    if os.fork():
        os._exit(0)
{act}
print("ready", flush=True)
time.sleep(1000)
"""
ACTS = {
    "a process": "start(lambda: None)",
    "a process with a group of its own": "start(lambda: os.setpgid(0, 0))",
    "a daemon": "start(daemon)",
    "many": "[start(daemon if k % 2 else lambda: None) for k in range(40)]",
    "a process that starts others": "start(lambda: [start(lambda: start(lambda: None)) for _ in range(5)])",
}


@pytest.mark.parametrize("act", ACTS)
def test_ending_a_process_ends_all_that_it_started(act):
    leader = subprocess.Popen([sys.executable, "-c", LEADER.format(act=ACTS[act])], stdout=subprocess.PIPE, text=True)
    assert leader.stdout.readline() == "ready\n"
    time.sleep(0.2)
    family = psutil.Process(leader.pid).children(recursive=True)
    assert family
    reaper.end(leader.pid)
    leader.communicate()
    until = time.monotonic() + 10
    while any(map(is_left, family)) and time.monotonic() < until:
        time.sleep(0.01)
    assert not any(map(is_left, family))


def is_left(process):
    """Not gone, and no zombie, which is for others to take away."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def test_ending_what_has_ended_is_no_fault():
    ended = subprocess.Popen([sys.executable, "-c", ""], start_new_session=True)
    ended.wait()
    reaper.end(ended.pid)
