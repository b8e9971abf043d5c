"""What a child cannot undo: its limits, its processors, its silence, its end with its parent's."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import multiprocessing
import os
import resource
import select
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil

from benchmarks.protect import limit, protect

_THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def library_threads(threads: int) -> dict[str, str]:
    """The environment that gives libraries so many threads.

    MKL otherwise counts cores by binding itself to each, is refused that where it is confined, and takes one: torch
    multiplied at half its speed.
    """
    return {**dict.fromkeys(_THREAD_SETTINGS, str(threads)), "MKL_DYNAMIC": "FALSE"}


@contextlib.contextmanager
def deadline(seconds: float, timer: int = signal.ITIMER_REAL) -> Iterator[None]:
    """Have the system kill this process where a block takes longer, by SIGALRM, or SIGPROF for processor time.

    Neither has a handler: one in Python would wait for compiled code to return.
    """
    signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        signal.setitimer(timer, 0)


def confine(cpus: tuple[int, ...], threads: int, folder: Path | None = None) -> None:
    """Its own session, no output, its processors; threads of libraries; then everything that ``protect`` takes away.

    Args:
        cpus: processors that it is bound to; empty for any.
        threads: that libraries may use.
        folder: the only place that it may write to; None for none.
    """
    _die_with_parent()
    with contextlib.suppress(OSError):
        os.setsid()
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    # for libraries loaded later, which threadpool_limits does not reach
    os.environ |= library_threads(threads)
    if cpus:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, cpus)
    gc.freeze()
    protect(folder)


def _die_with_parent() -> None:
    """Ask for SIGIO, which kills, once the parent's end of a pipe closes: an endless loop must not outlive its parent.

    The death signal of prctl would not do: a forked child's parent is the fork server, which waits for its children.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    lifeline = parent.sentinel
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([lifeline], [], [], 0)[0]:
        raise SystemExit


def limit_memory(extra_bytes: int) -> None:
    """Let this process map so many bytes more than it does now, and never more again."""
    limit(resource.RLIMIT_AS, psutil.Process().memory_info().vms + extra_bytes)
