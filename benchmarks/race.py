"""Paired, interleaved samples, and when to stop taking them.

A round is one sample of each contestant, in an order that alternates (ABBA or BAAB at random), with the same number of
calls in each sample. Same function against itself, 20 samples a side: the median ratio spread over 0.905 to 1.075 when
measured one after the other, over 0.989 to 1.029 interleaved.
"""

from __future__ import annotations

import itertools
import math
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.inference import log_ratios, sign_test_interval

Call = Callable[[], Any]

SAMPLE_S = 200e-6  # shorter samples drown in the clock's own cost and in interrupts
MOST_LOOPS = 100_000
CHEAP_S = 5e-3
RETAKES = 3
LONG_S = 0.05  # longer samples are not retaken: that is dear, and what disturbs them is a small part of them
LEAST_SHARE = 0.98  # of a sample's wall time that must have been ours


@dataclass(frozen=True)
class Rules:
    """When a race ends.

    Attributes:
        most_rounds: it is over after so many rounds in any case.
        least_rounds: fewer support no interval.
        hopeless: a contestant whose first two rounds are both slower by this factor is dropped.
        ruinous: one whose very first round is slower by this factor is dropped at once.
        clear: one whose interval lies above this factor has won; the small gains need all the rounds.
        most_s: no round begins after so many seconds, once there are ``least_rounds``.
        may_drop: end early for a candidate that will not win; off for what is reported.
    """

    most_rounds: int = 30
    least_rounds: int = 6
    hopeless: float = 1.25
    ruinous: float = 3.0
    clear: float = 1.1
    most_s: float = 4.0
    may_drop: bool = True


def is_decided(ratios: Sequence[float], rules: Rules) -> bool:
    """True where more rounds would not change what is done with the candidate.

    Args:
        ratios: ``(rounds,)`` values of ln(t_incumbent / t_candidate).
        rules: when a race ends.
    """
    rounds = len(ratios)
    if rounds >= rules.most_rounds or not rules.may_drop:
        return rounds >= rules.most_rounds
    if rounds == 0 or rounds % 2:  # only whole blocks are balanced
        return rounds == 1 and ratios[0] < -math.log(rules.ruinous)
    if max(ratios[:2]) < -math.log(rules.hopeless):
        return True
    if rounds < rules.least_rounds:
        return False
    low, high = sign_test_interval(ratios)
    if low > math.log(rules.clear):
        return True
    slower = high < 0
    # half of the rounds seen and the middle still below the incumbent: a gain left to find would be under the noise
    no_gain = rounds >= rules.most_rounds // 2 and low < 0 and float(np.median(ratios)) < 0
    return slower or no_gain


def loops_for(call_s: float) -> int:
    """Calls in a sample, so that it lasts at least ``SAMPLE_S``; the same for both sides of a pair."""
    return max(1, min(MOST_LOOPS, math.ceil(SAMPLE_S / max(call_s, 1e-9))))


def sample(call: Call, loops: int) -> float:
    """Seconds per call of one undisturbed sample, retaken where the cause of a disturbance is known, never by value."""
    for _ in range(RETAKES):
        seconds, is_clean = _sample_once(call, loops)
        if is_clean or seconds * loops > LONG_S:
            break
    return seconds


def _sample_once(call: Call, loops: int) -> tuple[float, bool]:
    switches = resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw
    cpu = time.thread_time_ns()
    start = time.perf_counter_ns()
    for _ in itertools.repeat(None, loops):
        call()
    wall = time.perf_counter_ns() - start
    cpu = time.thread_time_ns() - cpu
    is_clean = cpu >= LEAST_SHARE * wall and resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw == switches
    return wall / loops / 1e9, is_clean


def warm_up(calls: Sequence[Call]) -> float:
    """Call each once, and again where that is cheap; returns the shortest seconds a call, for calibration."""
    shortest = min(sample(call, 1) for call in calls)
    return shortest if shortest > CHEAP_S else min(shortest, *(sample(call, 1) for call in calls))


def race(
    candidate: Call, incumbent: Call, rules: Rules, rng: np.random.Generator
) -> tuple[list[float], list[float], int]:
    """Rounds of candidate and incumbent until it is decided.

    Returns:
        Seconds per call of each, one value a round, and the calls in a sample.
    """
    loops = loops_for(warm_up([candidate, incumbent]))
    times: tuple[list[float], list[float]] = ([], [])
    start = time.perf_counter()
    candidate_first = bool(rng.integers(2))
    while True:
        for side in (0, 1) if candidate_first else (1, 0):
            times[side].append(sample((candidate, incumbent)[side], loops))
        # ABBA: the order turns within a block of two rounds and is drawn anew for each block
        candidate_first = not candidate_first if len(times[0]) % 2 else bool(rng.integers(2))
        is_late = len(times[0]) >= rules.least_rounds and time.perf_counter() - start > rules.most_s
        if is_late or is_decided(log_ratios(times[0], times[1]).tolist(), rules):
            return times[0], times[1], loops
