"""Threads that run compiled loops at the same time, each on a core of its own, and the rate they reach together."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

CHUNKS = 6
"""Calls of each thread in one sample: ends of chunks tell how much was done in the time that all were at work."""

LEAST_COMMON = 0.7

Call = Callable[[int], object]
"""Runs a loop, without the interpreter's lock, the number of times that it is given."""


class Team:
    """Threads that are bound to a core each, where the system permits it.

    Args:
        cpus: one for every thread.
    """

    def __init__(self, cpus: Sequence[int]) -> None:
        self._cpus = list(cpus)
        self._barrier = threading.Barrier(len(cpus))
        self._pool = ThreadPoolExecutor(len(cpus), initializer=self._bind)

    def _bind(self) -> None:
        bind_to({self._cpus.pop()})

    def run(self, calls: Sequence[Call], repeats: int) -> float:
        """Repeats per second of all threads together, while all of them were at work; one call for each thread."""
        futures = [self._pool.submit(self._chunks, call, repeats) for call in calls]
        return common_rate([future.result() for future in futures], repeats)

    def _chunks(self, call: Call, repeats: int) -> list[int]:
        self._barrier.wait()
        ends_ns = [time.perf_counter_ns()]
        for _ in range(CHUNKS):
            call(repeats)
            ends_ns.append(time.perf_counter_ns())
        return ends_ns

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()


def common_rate(ends_ns: Sequence[Sequence[int]], repeats: int) -> float:
    """Repeats per second of several threads in the time that they have in common; over all of it where that is short.

    A thread that is alone before the others start, or after they end, would count at a rate that all together never
    reach: of two that hardly met each ran at its rate alone, and memory seemed to give twice what it does. So of
    threads that met for less than ``LEAST_COMMON`` of their time, all the work in all the time is what was shown.

    Args:
        ends_ns: for each thread the time of its start, then of the end of each chunk.
        repeats: in a chunk.
    """
    start, end = max(one[0] for one in ends_ns), min(one[-1] for one in ends_ns)
    first, last = min(one[0] for one in ends_ns), max(one[-1] for one in ends_ns)
    if end - start < LEAST_COMMON * (last - first):
        start, end = first, last
    done = sum(float(np.diff(np.interp([start, end], one, np.arange(len(one))))[0]) for one in ends_ns)
    return done * repeats / ((end - start) * 1e-9)


def bind_to(cpus: set[int]) -> str | None:
    """Bind the calling thread to processors; why not, where the system does not permit it."""
    try:
        os.sched_setaffinity(0, cpus)
    except OSError as error:
        return f"not bound to cores: {error.strerror}"
    return None


@contextmanager
def bound_to_last_core() -> Iterator[str | None]:
    """Bind this thread to the last of its cores for a while; yields why not, where that is not permitted."""
    before = os.sched_getaffinity(0)
    refused = bind_to({max(before)})
    try:
        yield refused
    finally:
        bind_to(before)
