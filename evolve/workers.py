"""Work that is shared out among processes, and ends with them: at Ctrl-C, at an error, at the parent's own death."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, TypeVar

from evolve.errors import EvolveError

if TYPE_CHECKING:
    from types import FrameType

Task = TypeVar("Task")
Found = TypeVar("Found")

_kept: list[nullcontext[ProcessPoolExecutor]] = []
"""Of the blocks that keep their processes, the innermost last."""
_THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def cores() -> int:
    """That this process may run on."""
    return len(os.sched_getaffinity(0))


def spread(function: Callable[[Task], Found], tasks: Sequence[Task], processes: int) -> Iterator[Found]:
    """What the function makes of each task, in the order of completion.

    Args:
        function: at the top level of its module.
        tasks: plain data.
        processes: that share them; 1 does it here.

    Raises:
        EvolveError: a process died.
        Exception: whatever the function raises.
    """
    if processes == 1:
        yield from map(function, tasks)
        return
    with _kept[-1] if _kept else _pool(min(processes, len(tasks) or 1)) as pool:
        waiting = [pool.submit(function, task) for task in tasks]
        try:
            yield from (one.result() for one in as_completed(waiting))
        except BrokenProcessPool as error:
            raise EvolveError("a worker process died", "out of memory, or killed: see the system's log") from error
        finally:
            for one in waiting:
                one.cancel()


@contextmanager
def kept(processes: int) -> Iterator[None]:
    """Let all that is spread within the block have the same processes: to start some costs a second.

    Args:
        processes: that share each of its tasks; they are started as they are needed.
    """
    with _pool(processes) as pool:
        _kept.append(nullcontext(pool))
        try:
            yield
        finally:
            _kept.pop()


@contextmanager
def in_time(limit_s: float) -> Iterator[None]:
    """Let a block take so long and no longer, where it may be interrupted: in the main thread, as a worker's is.

    Raises:
        TimeoutError: it took longer.
    """

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"no end after {limit_s:g} s")

    try:
        before = signal.signal(signal.SIGALRM, ring)
    except ValueError:
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _pool(processes: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that are ended at once where the block ends in an exception: a task may take minutes."""
    others = set(multiprocessing.active_children())
    # forked children would share the parent's threads and locks in an unknown state
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=_begin)
    try:
        yield pool
    except BaseException:
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """Set a worker up: one thread, for there are others; Ctrl-C, which reaches all of a terminal, is the parent's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(dict.fromkeys(_THREAD_SETTINGS, "1"))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for its next task for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
