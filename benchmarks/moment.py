"""How much a kernel takes of what the machine gives at the time: its ceilings and itself, measured in turns.

A bound is made of the best that a machine was seen to do, and where it has neighbours that is a moment of a few
seconds: both cores of a guest read 44 GB/s from memory as a rule, and 87 to 96 in one moment of twenty. A kernel is
called at all other moments too. So each round measures anew what bounds the kernel, then the kernel, and what is told
is the share of the round's own bound: which part of what is missing is the kernel's, and which the hour's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from statistics import median

from benchmarks import peaks
from benchmarks.arena import Arena
from benchmarks.bound import efficiency_bound, matching_patterns
from benchmarks.ceilings import of_rates
from benchmarks.inference import Estimate, exponential, median_estimate
from benchmarks.machine import Cache, fingerprint
from benchmarks.points import Needed, needed
from benchmarks.race import loops_for
from benchmarks.timing import now_ns, uncounted, woken
from kernels.contract import Work
from kernels.language import SourceFolder

ROUNDS, SAMPLES = 15, 5
"""Rounds, and samples of the kernel in each."""


def share_of_the_moment(
    work: Work, dtype: str, caches: Sequence[Cache], threads: int, folder: SourceFolder, sample: Callable[[], float]
) -> Estimate:
    """t_bound / t_kernel, the bound by the ceilings of the same half second; the median of all rounds.

    Args:
        work: of a call.
        dtype: of its arithmetic.
        caches: what they hold of the kernel's arrays from the call before, smallest first.
        threads: at work.
        folder: keeps the loops.
        sample: seconds a call, its caches hot again.
    """
    with Arena() as arena, closing(peaks.Peaks(fingerprint(), arena, folder, _bounding(work, dtype, threads))) as loops:
        for _ in range(peaks.TRIAL_PASSES + 1):  # from then on only the best loops of each figure are left
            _pass(loops)
        logs = []
        for _ in range(ROUNDS):
            loops.forget()
            _pass(loops)
            bound = efficiency_bound(work, dtype, of_rates(loops.rates), caches, threads=threads)
            logs.append(math.log(bound.time_s / sample()))
    return exponential(median_estimate(logs))


def _bounding(work: Work, dtype: str, threads: int) -> Needed:
    """What the bound is made of, and nothing that only doubts records."""
    patterns = matching_patterns(work.read_bytes, work.write_bytes) if work.moved_bytes else ()
    return replace(needed(work, dtype, threads), patterns=patterns, with_plateau=False)


def _pass(loops: peaks.Peaks) -> None:
    for _ in loops.measure_pass():
        pass


class HotCall:
    """Samples of a kernel whose data the ceilings' loops have just driven from the caches: first it brings them back.

    Args:
        call: makes one.
        call_s: seconds of one, roughly.
        threads: that share it.
    """

    def __init__(self, call: Callable[[], object], call_s: float, threads: int = 1) -> None:
        self.call, self.loops = call, loops_for(call_s)
        self.uncounted = max(1, woken(call_s) if threads > 1 else uncounted(call_s))

    def __call__(self) -> float:
        """Seconds a call: the median of a few samples."""
        self._seconds(self.uncounted)
        return median(self._seconds(self.loops) for _ in range(SAMPLES))

    def _seconds(self, loops: int) -> float:
        call, start = self.call, now_ns()
        for _ in range(loops):
            call()
        return (now_ns() - start) / loops / 1e9
