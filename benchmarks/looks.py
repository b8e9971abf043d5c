"""What can be told of a delay in another process, on a machine where either process may have had to wait."""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks import reach

LEAST_SHARE = 0.8  # of a delay, for this process to have been at work all the time
TICK_S = 0.01  # the clock of a process at work is as old as the last tick of its processor


@dataclass(frozen=True)
class Moment:
    """Clocks: on the wall; of this thread; of the child; and for how long the child has waited for a processor."""

    wall_s: float
    own_s: float
    child_s: float
    waited_s: float

    @classmethod
    def of(cls, pid: int) -> Moment:
        """Now."""
        return cls(time.perf_counter(), time.thread_time(), reach.processor_s(pid), reach.waited_s(pid))


@dataclass(frozen=True)
class Look:
    """What came of waiting for the output to show a change.

    Attributes:
        delay_s: seconds for which it certainly did not, though the child was at work.
        most_s: seconds until it did, whoever was at work.
        is_seen: whether it did at last.
        is_exact: both processes were at work all the time.
    """

    delay_s: float
    most_s: float
    is_seen: bool
    is_exact: bool

    @classmethod
    def between(cls, before: Moment, after: Moment, late_s: float, *, is_seen: bool) -> Look:
        """The look between two moments, of which the first ``late_s`` seconds did not show it."""
        most_s = after.wall_s - before.wall_s
        is_exact = after.waited_s == before.waited_s and after.own_s - before.own_s >= LEAST_SHARE * most_s
        certain_s = late_s if is_exact else min(late_s, after.child_s - before.child_s - TICK_S)
        return cls(certain_s, most_s, is_seen, is_exact)
