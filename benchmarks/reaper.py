"""Ending a process with everything that it started, wherever that has hidden."""

from __future__ import annotations

import contextlib
import os
import signal

import psutil

_PASSES = 50  # who forks faster than it is killed is found again


def end(leader: int) -> None:
    """Kill a session's leader, its group, its session and its descendants, until none of them is left.

    Args:
        leader: process id; a process that is the leader of its session, and the reaper of its orphans.
    """
    for _ in range(_PASSES):
        # before its death: afterwards its descendants are somebody else's
        family = _descendants(leader) | _session(leader)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)
        for process in family:
            _kill(process)
        if not family - {leader}:
            break


def _descendants(leader: int) -> set[int]:
    with contextlib.suppress(psutil.Error):
        return {process.pid for process in psutil.Process(leader).children(recursive=True)}
    return set()


def _session(leader: int) -> set[int]:
    """Living processes of its session."""
    return {pid for pid in psutil.pids() if _session_of(pid) == leader and _is_alive(pid)}


def _session_of(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        return os.getsid(pid)
    return None


def _is_alive(pid: int) -> bool:
    with contextlib.suppress(psutil.Error):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)
