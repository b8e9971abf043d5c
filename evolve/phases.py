"""Where the time goes: wall seconds of a run by phase, with nothing counted twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from evolve.store import BUILDING, PHASES


class Phases:
    """Wall time by phase since the start; what no phase claims is ``other``.

    Args:
        before: seconds by phase of earlier sessions of the same run.
    """

    def __init__(self, before: dict[str, float]) -> None:
        self._before = before
        self._flushed = time.perf_counter()
        self._spent = dict.fromkeys(PHASES, 0.0)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the block's time."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._spent[name] += time.perf_counter() - start

    def move(self, source: str, target: str, seconds: float) -> None:
        """Say that some seconds of one phase belonged to another."""
        self._spent[source] -= seconds
        self._spent[target] += seconds

    def flush(self) -> dict[str, float]:
        """The seconds since the last flush, to be stored."""
        now = time.perf_counter()
        self._spent["other"] = max(0.0, now - self._flushed - sum(self._spent.values()))
        spent, self._spent = self._spent, dict.fromkeys(PHASES, 0.0)
        self._flushed = now
        self._before = {name: self._before.get(name, 0.0) + spent[name] for name in PHASES}
        return spent

    def totals(self) -> dict[str, float]:
        """Seconds by phase, earlier sessions included."""
        current = {name: self._before.get(name, 0.0) + self._spent[name] for name in PHASES}
        current["other"] += max(0.0, time.perf_counter() - self._flushed - sum(self._spent.values()))
        return current

    @property
    def elapsed_s(self) -> float:
        """Wall seconds of the run so far."""
        return sum(self._before.values()) + time.perf_counter() - self._flushed


class Load:
    """How busy the cores are while sources are built: wall seconds of that, and processor seconds meanwhile.

    Args:
        children_cpu_s: processor seconds that all child processes have taken so far.
    """

    def __init__(self, children_cpu_s: Callable[[], float]) -> None:
        self._children_cpu_s = children_cpu_s
        self._spent = dict.fromkeys(BUILDING, 0.0)

    @contextmanager
    def building(self) -> Iterator[None]:
        """Count the block."""
        start_s, before_s = time.perf_counter(), self._processor_s()
        try:
            yield
        finally:
            taken = (time.perf_counter() - start_s, self._processor_s() - before_s)
            for name, seconds in zip(BUILDING, taken, strict=True):
                self._spent[name] += seconds

    def flush(self) -> dict[str, float]:
        """What was counted since the last flush, to be stored."""
        spent, self._spent = self._spent, dict.fromkeys(BUILDING, 0.0)
        return spent

    def _processor_s(self) -> float:
        return time.process_time() + self._children_cpu_s()
