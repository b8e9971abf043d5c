"""How a sample is taken: so many calls between two readings of the clock, with what the caches hold as declared.

Who is called from Python, at 0.15 to 0.3 us a call, and lasts a few microseconds only, is measured half for that call;
so what is short, and compiled, is driven by compiled code, at about 3 ns a call.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Call = Callable[[], Any]

now_ns = time.perf_counter_ns

RESTING_NS, LOOK_S, LOOKS = 200_000, 0.011, 50
"""What threads on other cores have used is told at the clock's ticks, 100 a second at least: shorter looks miss it."""
BRIEF_LOOK_S = 0.002
"""Enough where all threads but one have nothing to do: a few ends are to be waited for, and no library's spin."""
WOKEN_S = 0.02
"""In which the system has found a core for each thread that was woken, see ``kernels.language.simd.threads``."""

SHORT_S = 25e-6
"""Calls shorter than this are driven by compiled code where they can be."""
UNCOUNTED_S, MOST_UNCOUNTED, HEATING_S = 1e-3, 8, 2e-3


def others_ns() -> int:
    """Processor time of all threads of this process but this one."""
    return time.process_time_ns() - time.thread_time_ns()


def settle(look_s: float = LOOK_S) -> None:
    """Wait until other threads rest, for 50 looks at most: OpenBLAS' spin for a tenth of a second after their work."""
    for _ in range(LOOKS):
        before_ns = others_ns()
        time.sleep(look_s)
        if others_ns() - before_ns < RESTING_NS:
            return


class Timing(Protocol):
    """Takes samples of one contestant."""

    @property
    def out(self) -> NDArray[Any]:
        """The output that the next call writes."""

    def time_ns(self, loops: int) -> int:
        """Nanoseconds of so many calls."""


class Called:
    """Calls from Python on one set of arrays, which stay in the caches as far as they fit."""

    def __init__(self, call: Call, out: NDArray[Any]) -> None:
        self.call, self.out = call, out

    def time_ns(self, loops: int) -> int:
        """See ``Timing``."""
        call = self.call
        start = now_ns()
        for _ in itertools.repeat(None, loops):
            call()
        return now_ns() - start


class Driven:
    """Calls by a compiled driver, through the function's address."""

    def __init__(self, drive: Callable[..., Any], arguments: tuple[Any, ...], out: NDArray[Any]) -> None:
        self.drive, self.arguments, self.out = drive, arguments, out

    def time_ns(self, loops: int) -> int:
        """See ``Timing``."""
        start = now_ns()
        self.drive(*self.arguments, loops)
        return now_ns() - start


@dataclass
class Turn:
    """Where the next sample of a race begins, whoever takes it.

    With a place of its own each, a contestant that is behind another finds what that one has just left in the caches:
    equals then differed by up to 39 %, and more than half of their races found a winner.
    """

    at: int = 0


class Rotating:
    """Each call on the next of many sets of arrays, so that none of its data is in a cache any more."""

    def __init__(self, calls: Sequence[Call], outs: Sequence[NDArray[Any]], turn: Turn) -> None:
        self.calls, self.outs, self.turn = calls, outs, turn

    @property
    def out(self) -> NDArray[Any]:
        """See ``Timing``."""
        return self.outs[self.turn.at]

    def time_ns(self, loops: int) -> int:
        """See ``Timing``."""
        at = self.turn.at
        calls = list(itertools.islice(itertools.cycle(self.calls), at, at + loops))
        self.turn.at = (at + loops) % len(self.calls)
        start = now_ns()
        for call in calls:
            call()
        return now_ns() - start


class Flushed:
    """Each call after its arrays' cache lines were flushed; the flushing is not timed."""

    def __init__(self, call: Call, flush: Call, out: NDArray[Any]) -> None:
        self.call, self.flush, self.out = call, flush, out

    def time_ns(self, loops: int) -> int:
        """See ``Timing``."""
        total = 0
        for _ in itertools.repeat(None, loops):
            self.flush()
            start = now_ns()
            self.call()
            total += now_ns() - start
        return total


class Watched:
    """A contestant in a race: before each sample one element of its output is spoilt, which it must set right.

    A contestant that knows its arguments again, and returns since its output is there already, has no way to see that
    short of looking at all of it.

    Attributes:
        uncounted: calls before each sample, see ``uncounted``.
        is_settling: before each sample all threads come to rest, and its own are woken by calls that are not timed:
            threads of a library that still wait for its next call take a processor from those of the other side.
    """

    def __init__(
        self, timing: Timing, expected: NDArray[np.float64], allowed: NDArray[np.float64], rng: np.random.Generator
    ) -> None:
        self.timing, self.expected, self.allowed, self.rng = timing, expected, allowed, rng
        self.uncounted, self.is_settling = 0, False

    def sample(self, loops: int) -> float:
        """Seconds a call.

        Raises:
            StaleError: the spoilt element was left as it was.
        """
        if self.is_settling:
            settle()
        if calls := max(self.uncounted, int(self.is_settling)):
            self.timing.time_ns(calls)
        out, at = self.timing.out.reshape(-1), int(self.rng.integers(len(self.expected)))
        out[at] = _wrong(self.expected[at])
        elapsed_ns = self.timing.time_ns(loops)
        if not _is_close(float(out[at]), self.expected[at], self.allowed[at]):
            raise StaleError(at)
        return elapsed_ns / loops / 1e9


def woken(call_s: float) -> int:
    """Calls before each sample, for all threads of a contestant to be at work on cores of their own."""
    return math.ceil(WOKEN_S / max(call_s, 1e-9))


def uncounted(call_s: float) -> int:
    """Calls before each sample of calls on hot caches, for what the contestant before left there is not what is hot.

    A softmax of 4 MiB took 458, 340, 299, 261, 232, 217 us after others' 64 MiB, and 204 us from then on. A call of
    ``HEATING_S`` has brought all caches to its own state before it is well under way: matmuls of 2 to 5 ms took 0.3 to
    0.7 % longer behind one another than behind themselves, both sides alike.
    """
    return 0 if call_s >= HEATING_S else min(MOST_UNCOUNTED, math.ceil(UNCOUNTED_S / max(call_s, 1e-9)))


class StaleError(Exception):
    """A call left an element of its output as it was."""


def _wrong(value: float) -> float:
    """Of the same kind and far off, for a NaN would be found more easily."""
    return 1.5 * value + 1.0 if np.isfinite(value) else 1.0


def _is_close(got: float, expected: float, allowed: float) -> bool:
    if got == expected or (np.isnan(got) and np.isnan(expected)):
        return True
    return bool(np.isfinite(expected) and abs(got - expected) <= allowed)
