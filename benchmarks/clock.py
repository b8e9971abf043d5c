"""The two clocks: the one that times are read from, and the core's own, which no interface of a guest tells.

``/proc/cpuinfo``, psutil and py-cpuinfo gave the rate of the time-stamp counter, 2.6 GHz, on a core that ran at 3.6.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

CYCLES_PER_STEP = 6
"""Three shifts and three exclusive ors, each waiting for the one before."""

_STEPS = 50_000
_READINGS = 2000


@dataclass(frozen=True)
class Timer:
    """What reading ``time.perf_counter_ns`` costs and resolves, in seconds."""

    overhead_s: float
    resolution_s: float

    @property
    def step_s(self) -> float:
        """The larger of the two: nothing shorter can be told apart."""
        return max(self.overhead_s, self.resolution_s)


def timer() -> Timer:
    """Measure ``time.perf_counter_ns`` by reading it back to back."""
    readings = np.array([time.perf_counter_ns() for _ in range(_READINGS)])
    steps = np.diff(readings)
    return Timer(float(np.median(steps)) * 1e-9, float(steps[steps > 0].min()) * 1e-9)


def core_clock_hz(repeats: int = 10) -> float:
    """The rate at which the core really runs: the best of several chains of dependent instructions, about 0.1 ms each.

    A value 3 % off a run's median means that the frequency changed, or that a neighbour took the core.
    """
    chain = _compiled_chain()
    best_ns = min(_chain_ns(chain) for _ in range(repeats))
    return CYCLES_PER_STEP * _STEPS / (best_ns * 1e-9)


def _chain_ns(chain: Callable[[int, int], Any]) -> int:
    before = time.perf_counter_ns()
    chain(88172645463325252, _STEPS)
    return time.perf_counter_ns() - before


@lru_cache(maxsize=1)
def _compiled_chain() -> Callable[[int, int], Any]:
    """Marsaglia's xorshift64 (2003): LLVM found a closed form for a linear congruential chain and "ran" at 23.6 GHz."""
    from numba import njit, types  # noqa: PLC0415  half a second to import

    @njit(types.uint64(types.uint64, types.intp))
    def chain(state: Any, steps: int) -> Any:
        for _ in range(steps):
            state ^= state << np.uint64(13)
            state ^= state >> np.uint64(7)
            state ^= state << np.uint64(17)
        return state

    return chain
