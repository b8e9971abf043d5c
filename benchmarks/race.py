"""Paired, interleaved samples, and when to stop taking them.

A round is one sample of each contestant, all of as many calls. Within a block of as many rounds as there are
contestants everyone stands once in every place of the order (a cyclic Latin square; ABBA or BAAB for two), and each
block is drawn anew. Same function against itself, 20 samples a side: the median ratio spread over 0.905 to 1.075 when
measured one after the other, over 0.989 to 1.029 interleaved.
"""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from benchmarks.inference import log_ratios, sign_test_interval
from benchmarks.outcome import Retake
from benchmarks.timing import HEATING_S, now_ns

SAMPLE_S = 200e-6  # shorter samples drown in the clock's own cost and in interrupts
MOST_LOOPS = 100_000
WARM_S = 5e-3
RETAKES = 3
LONG_S = 0.05  # longer rounds are not retaken: that is dear, and what disturbs them is a small part of them
LEAST_SHARE = 0.98  # of a sample's wall time that must have been ours
LEAST_GAIN = 0.005  # ln units, that take a title: eight compiles of one source differ by -0.3 to +0.9 %


class Sampler(Protocol):
    """A contestant, as a race sees it."""

    def sample(self, loops: int) -> float:
        """Seconds a call, of so many calls."""


@dataclass(frozen=True)
class Rules:
    """When a race ends.

    Candidates are dropped early, which costs at worst a gain that would have been within the noise, and as soon as
    their interval holds no gain of ``LEAST_GAIN``; only a gain that is ``clear`` wins early, so that looking often
    makes no winner of noise.

    Attributes:
        most_rounds: it is over after so many rounds in any case.
        least_rounds: fewer support no interval.
        hopeless: a contestant whose first two rounds are both slower by this factor is dropped.
        ruinous: one whose very first round is slower by this factor is dropped at once.
        clear: one whose interval lies above this factor has won; the small gains need all the rounds.
        most_s: no block begins after so many seconds, once there are ``least_rounds``.
        may_drop: end early for a candidate that will not win; off for what is reported.
        patience_s: after so many seconds it is over, however few rounds there were: whose call takes a minute is known
            well enough by one.
        futile: share of ``most_rounds`` from which on one whose middle is below the incumbent is dropped: a gain left
            to find would be under the noise.
        sample_s: a sample lasts at least so long.
    """

    most_rounds: int = 30
    least_rounds: int = 6
    hopeless: float = 1.05
    ruinous: float = 3.0
    clear: float = 1.1
    most_s: float = 4.0
    may_drop: bool = True
    patience_s: float = 30.0
    futile: float = 0.5
    sample_s: float = SAMPLE_S


@dataclass(frozen=True)
class Raced:
    """What a race yielded.

    Attributes:
        seconds: a call; ``seconds[c][k]`` is contestant ``c`` in round ``k``.
        loops: calls in a sample.
        contended: rounds that stayed disturbed after all retakes.
        retakes: rounds that were thrown away.
    """

    seconds: list[list[float]]
    loops: int
    contended: int
    retakes: list[Retake]


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
    no_gain = rounds >= int(rules.futile * rules.most_rounds) and low < 0 and float(np.median(ratios)) < 0
    return high < LEAST_GAIN or no_gain


def loops_for(call_s: float, sample_s: float = SAMPLE_S) -> int:
    """Calls in a sample, so that it lasts at least ``sample_s``; the same for all sides."""
    return max(1, min(MOST_LOOPS, math.ceil(sample_s / max(call_s, 1e-9))))


def warm_up(sides: Sequence[Sampler]) -> float:
    """Run each until two samples agree within 2 %, ``WARM_S`` at most; returns the shortest seconds a call.

    A call of ``HEATING_S`` is warm behind itself.
    """
    return min(_warm(side) for side in sides)


def _warm(side: Sampler) -> float:
    start, before = now_ns(), side.sample(1)
    while before < HEATING_S:
        now = side.sample(loops_for(before))
        if abs(now - before) <= 0.02 * before or now_ns() - start > WARM_S * 1e9:
            return min(now, before)
        before = min(now, before)
    return before


def race(
    sides: Sequence[Sampler], loops: int, rules: Rules, rng: np.random.Generator, *, is_parallel: bool = False
) -> Raced:
    """Rounds of all sides until it is decided; the candidate is the first, and the incumbent the second.

    Args:
        sides: the contestants, two at least, warm.
        loops: calls in a sample.
        rules: when it ends.
        rng: of the order.
        is_parallel: contestants wait for threads of their own, so that waiting is no disturbance.

    Raises:
        Exception: whatever a side raises.
    """
    under_way = _Race(sides, loops, is_parallel)
    start = time.perf_counter()
    for order in _orders(len(sides), rng):
        under_way.round(order)
        rounds = len(under_way.seconds[0])
        is_whole = rounds % len(sides) == 0
        taken_s = time.perf_counter() - start
        is_late = rounds >= rules.least_rounds and is_whole and taken_s > rules.most_s
        is_over = is_late or taken_s > rules.patience_s
        if is_over or is_decided(log_ratios(under_way.seconds[0], under_way.seconds[1]).tolist(), rules):
            break
    return Raced(under_way.seconds, under_way.loops, under_way.contended, under_way.retakes)


def _orders(count: int, rng: np.random.Generator) -> Iterator[list[int]]:
    """Rows of cyclic Latin squares, for ever."""
    while True:
        first = rng.permutation(count).tolist()
        yield from (first[k:] + first[:k] for k in range(count))


class _Race:
    """A race under way."""

    def __init__(self, sides: Sequence[Sampler], loops: int, is_parallel: bool) -> None:
        self.sides, self.loops = sides, loops
        self.least_share = 0.0 if is_parallel else LEAST_SHARE
        self.seconds: list[list[float]] = [[] for _ in sides]
        self.contended = 0
        self.retakes: list[Retake] = []

    def round(self, order: Sequence[int]) -> None:
        """Take one round, and take it anew, whole, where the cause of a disturbance is known; never by its values."""
        seconds, reason = self.attempt(order)
        for _ in range(RETAKES):
            if not reason or sum(seconds) * self.loops > LONG_S:
                break
            self.retakes.append(Retake(reason, tuple(seconds)))
            seconds, reason = self.attempt(order)
        self.contended += bool(reason)
        for times, value in zip(self.seconds, seconds, strict=True):
            times.append(value)

    def attempt(self, order: Sequence[int]) -> tuple[list[float], str]:
        seconds, reason = [0.0] * len(self.sides), ""
        for side in order:
            switches = resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw
            cpu_ns, start = time.thread_time_ns(), now_ns()
            seconds[side] = self.sides[side].sample(self.loops)
            wall_ns, cpu_ns = now_ns() - start, time.thread_time_ns() - cpu_ns
            if resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw != switches:
                reason = "preempted"
            elif cpu_ns < self.least_share * wall_ns:
                reason = "waited"
        return seconds, reason
