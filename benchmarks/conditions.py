"""What a machine does during a race: the system's counters, and sentinels for what no counter sees.

A memory hog on the other core left every counter of the system at rest while a kernel ran 1.25 times longer: contention
for the last cache and for memory shows only in how fast something of known speed runs beside the race.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.clock import core_clock_hz
from benchmarks.outcome import Conditions
from benchmarks.quiet import core_ticks, shares
from benchmarks.race import Raced
from benchmarks.timing import now_ns

SENTINEL_BYTES = 32 << 20
"""Copied by the memory sentinel, from one array to another: together beyond most last caches, and yet some 3 ms."""
COPIES = 2  # one may have been preempted

CLOCK_REPEATS = 4

REMEMBERED = 100

LEAST_CLOCK = 0.95
LEAST_BANDWIDTH = 0.6
MOST_STEAL = 0.02
MOST_CONTENDED = 0.25
MOST_FLOOR = 0.05  # of a call, for the call itself: of what is left, a gain is made to look smaller than it is
STEAL_VISIBLE_S = 0.2
"""Ticks of 10 ms on every core tell of no shorter race."""
RECENT_S = 0.1
"""So old may a look be that stands before a race: the one behind the race before it, with a proof between."""

DISTURBANCES = ("contended", "steal", "clock", "memory", "incumbent")
"""Flags that cast doubt on a race; others describe it."""


@dataclass(frozen=True)
class Look:
    """What was seen at one moment."""

    clock_hz: float
    memory_bytes_per_s: float
    ticks: tuple[int, ...]
    at_ns: int


def _memory() -> deque[float]:
    return deque(maxlen=REMEMBERED)


@dataclass
class Watch:
    """Looks at the machine, and remembers what it saw.

    A race is held against the median: on a quiet Zen 5 the clock came and went between 3.5 and 3.8 GHz, and copies
    between 23 and 41 GB/s, so that the best that was ever seen would cast doubt on every third race.

    Attributes:
        clocks_hz: what the core's clock was, the latest ``REMEMBERED`` looks.
        copies_bytes_per_s: the same of the copies.
    """

    clocks_hz: deque[float] = field(default_factory=_memory)
    copies_bytes_per_s: deque[float] = field(default_factory=_memory)
    _arrays: list[NDArray[np.uint8]] = field(default_factory=list)
    _latest: Look | None = None

    def look(self) -> Look:
        """Some 5 ms."""
        found = Look(core_clock_hz(CLOCK_REPEATS), self._copy_bytes_per_s(), tuple(core_ticks()), now_ns())
        self.clocks_hz.append(found.clock_hz)
        self.copies_bytes_per_s.append(found.memory_bytes_per_s)
        self._latest = found
        return found

    def recent(self) -> Look:
        """The latest look where it is of just now, else another."""
        if self._latest is None or now_ns() - self._latest.at_ns > RECENT_S * 1e9:
            return self.look()
        return self._latest

    def _copy_bytes_per_s(self) -> float:
        if not self._arrays:  # written, or they were all the one page of zeros
            self._arrays = [np.full(SENTINEL_BYTES, k, np.uint8) for k in range(2)]
        return 2 * SENTINEL_BYTES / min(self._copy_ns() for _ in range(COPIES)) * 1e9

    def _copy_ns(self) -> int:
        start = now_ns()
        np.copyto(self._arrays[0], self._arrays[1])
        return now_ns() - start

    def judged(self, before: Look, after: Look, raced: Raced, floor_s: float = 0.0) -> Conditions:
        """What the looks before and after a race, and the race itself, say of it."""
        clocks = (before.clock_hz, after.clock_hz)
        copies = (before.memory_bytes_per_s, after.memory_bytes_per_s)
        steal = shares(list(before.ticks), list(after.ticks))[1] or 0.0
        is_long = (after.at_ns - before.at_ns) * 1e-9 > STEAL_VISIBLE_S
        checks = {
            "contended": raced.contended > MOST_CONTENDED * len(raced.seconds[0]),
            "steal": is_long and steal > MOST_STEAL,
            "clock": min(clocks) < LEAST_CLOCK * np.median(self.clocks_hz),
            "memory": min(copies) < LEAST_BANDWIDTH * np.median(self.copies_bytes_per_s),
            "floor": floor_s > MOST_FLOOR * min(np.median(times) for times in raced.seconds),
        }
        flags = tuple(name for name, is_so in checks.items() if is_so)
        return Conditions(raced.contended, tuple(raced.retakes), steal, clocks, copies, flags)


def disturbances(conditions: Conditions) -> tuple[str, ...]:
    """The flags that cast doubt on a race."""
    return tuple(flag for flag in conditions.flags if flag in DISTURBANCES)
