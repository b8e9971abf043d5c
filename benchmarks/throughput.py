"""How much a second: a present configuration against a frozen one, in turns, so that both meet the same machine.

A *sample* is what a producer made in a short time, the price of calling it included. A *round* is one sample of each
side, taken in turn first; one during which the system took the core away is taken again. A *block* is some rounds with
new arrays or threads for both, and blocks are spread over seconds: what drifts, and where memory comes to lie, is then
between blocks, and so in the interval. A neighbour's busy minute makes intervals so wide that they say nothing: what is
not known well enough is measured anew, and the narrowest of the measurements counts, whatever it says.
"""

from __future__ import annotations

import itertools
import math
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.inference import Estimate, across_sessions
from benchmarks.timing import Timing

Found = TypeVar("Found")

Producer = Callable[[], float]
"""Takes one sample: items a second."""

Sides = Callable[[], Sequence[Producer]]
"""Makes the frozen and the present producer anew, warm and ready; a third one is what both can come to at most."""


PAGE_BYTES, LINE_BYTES = 4096, 64
MOST_RETAKES = 2
"""For every round of a block: on a core that is shared with others all the time no more than so many help."""
NEAR_USUAL = 0.1
"""By how much, in ln units, the frozen side's rate may differ from the usual one: quiet blocks differ by 3 %. On a
virtual machine a call from Python took 0.24 us or 0.41 us, seconds at a time, while multiplications took no longer: a
lap that is measured in the other state than those before it looks like a bend of growth."""
PATIENCE_S, PUT_OFF_S = 15.0, 0.5
"""How long a measurement waits in all for the machine it knows, and how long until it looks again."""
LONG_S = 0.05
"""Rounds longer than this are not taken again: what disturbs them is a small part of them."""


@dataclass(frozen=True)
class Rules:
    """How much is measured.

    Attributes:
        blocks: at least 2; a t interval over 10 of them is 1.15 times as wide as one over very many.
        rounds: in a block; their median counts, so that a few disturbed ones do not.
        pause_s: between blocks.
        known_to: width of an interval in ln units from which on all is measured anew: quiet minutes leave 0.04.
        most: measurements in all.
    """

    blocks: int = 10
    rounds: int = 24
    pause_s: float = 0.1
    known_to: float = 0.1
    most: int = 4


@dataclass(frozen=True)
class Compared:
    """What came of it.

    Attributes:
        gain: ln of the present throughput over the frozen one.
        frozen_per_s: items a second, by the blocks' medians.
        present_per_s: the same of the present configuration.
        left: ln of what is possible over the present throughput, where it took part.
        end: the same over the frozen throughput.
        blocks: ln ratios of the rounds, block by block.
    """

    gain: Estimate
    frozen_per_s: Estimate
    present_per_s: Estimate
    left: Estimate | None
    end: Estimate | None
    blocks: tuple[tuple[float, ...], ...]

    @property
    def width(self) -> float:
        """Of the wider one of the intervals that others reckon with, in ln units."""
        return max(self.gain.high - self.gain.low, relative_width(self.frozen_per_s))


def relative_width(rate: Estimate) -> float:
    """Of the interval of a rate, in ln units."""
    return math.log(rate.high / rate.low)


def until_known(measure: Callable[[], Found], width: Callable[[Found], float], rules: Rules) -> Found:
    """The narrowest of ``rules.most`` measurements, or the first that is known to ``rules.known_to``."""
    found = measure()
    for _ in range(rules.most - 1):
        if width(found) <= rules.known_to:
            break
        found = min(found, measure(), key=width)
    return found


def compared(
    sides: Sides, rules: Rules, between: Callable[[], None] | None = None, usual_per_s: float = 0.0
) -> Compared:
    """Measure a present configuration against a frozen one.

    Args:
        sides: makes both, and what they can come to at most where it takes part in every round: once a block.
        rules: how much.
        between: called before each block; what it raises ends the measurement.
        usual_per_s: rate of the frozen side, as it is known; 0 for any.
    """
    block = partial(_block, sides, rules.rounds)
    until_s = time.monotonic() + PATIENCE_S

    def counts(frozen_per_s: float) -> bool:
        return is_usual(frozen_per_s, usual_per_s) or time.monotonic() > until_s

    return until_known(lambda: _compared(block, rules, between, counts), lambda found: found.width, rules)


def is_usual(per_s: float, usual_per_s: float) -> bool:
    """Whether a rate is near enough to the usual one; whatever it is where that is 0."""
    return usual_per_s == 0 or abs(math.log(per_s / usual_per_s)) <= NEAR_USUAL


def _compared(
    block: Callable[[], NDArray[np.float64]],
    rules: Rules,
    between: Callable[[], None] | None,
    counts: Callable[[float], bool],
) -> Compared:
    rates: list[NDArray[np.float64]] = []
    while len(rates) < rules.blocks:
        if between is not None:
            between()
        if rates:
            time.sleep(rules.pause_s)
        found = block()
        if counts(float(np.median(found[:, 0]))):
            rates.append(found)
        else:
            time.sleep(PUT_OFF_S)
    return _summary(rates)


def _summary(rates: Sequence[NDArray[np.float64]]) -> Compared:
    frozen, present, *most = ([rate[:, side] for rate in rates] for side in range(rates[0].shape[1]))
    blocks = _log_ratios(present, frozen)
    left, end = (gain_of(_log_ratios(most[0], side)) if most else None for side in (present, frozen))
    return Compared(gain_of(blocks), rate_of(frozen), rate_of(present), left, end, blocks)


def _log_ratios(
    above: Sequence[NDArray[np.float64]], below: Sequence[NDArray[np.float64]]
) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(map(float, np.log(a / b))) for a, b in zip(above, below, strict=True))


def _block(sides: Sides, rounds: int) -> NDArray[np.float64]:
    """``(rounds, 2)`` rates, or 3 with what is possible; who comes first takes turns."""
    frozen, present, *most = sides()
    left = MOST_RETAKES * rounds
    taken = []
    for is_frozen_first in itertools.islice(itertools.cycle((True, False)), rounds):
        rates, is_disturbed = _round(frozen, present, is_frozen_first)
        while is_disturbed and left > 0:
            left -= 1
            rates, is_disturbed = _round(frozen, present, is_frozen_first)
        taken.append((*rates, *(side() for side in most)))
    return np.array(taken)


def _round(frozen: Producer, present: Producer, is_frozen_first: bool) -> tuple[tuple[float, float], bool]:
    """A sample of each, and whether this thread lost its core meanwhile, for a good part of the round."""
    before, start_s = resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw, time.perf_counter()
    if is_frozen_first:
        rates = frozen(), present()
    else:
        present_per_s = present()
        rates = frozen(), present_per_s
    is_long = time.perf_counter() - start_s > LONG_S
    return rates, not is_long and resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw != before


def gain_of(blocks: Sequence[Sequence[float]] | Sequence[NDArray[np.float64]]) -> Estimate:
    """The mean of the blocks' medians with its t interval: blocks are what is independent, rounds are not.

    Args:
        blocks: ln ratios of the rounds of each; two blocks at least.
    """
    return across_sessions([float(np.median(block)) for block in blocks])


def rate_of(blocks: Sequence[Sequence[float]] | Sequence[NDArray[np.float64]]) -> Estimate:
    """A rate by itself, in the same manner: the machine's own drift is in it, as no partner takes it out."""
    found = gain_of([np.log(block) for block in blocks])
    return Estimate(math.exp(found.estimate), math.exp(found.low), math.exp(found.high), found.level)


# ---- a producer that is timed


class TimedProducer:
    """Calls, one after the other, each of which makes so many items; the price of calling is in its rate.

    Args:
        timing: makes them.
        items: of one call.
        sample_s: time of a sample, roughly: a thousand of the shortest calls there are, and a fraction of the time
            slice that another process gets.
    """

    def __init__(self, timing: Timing, items: int, sample_s: float = 5e-4) -> None:
        self._timing, self._items = timing, items
        self._loops = _loops(timing, sample_s)

    def __call__(self) -> float:
        """One sample: items a second."""
        return self._items * self._loops * 1e9 / self._timing.time_ns(self._loops)


def _loops(timing: Timing, sample_s: float) -> int:
    """How many calls make a sample, from ever longer trials: they warm caches and code as well."""
    loops = 1
    while (taken_ns := timing.time_ns(loops)) < sample_s * 1e9 / 2:
        loops *= 2
    return max(1, round(loops * sample_s * 1e9 / taken_ns))


def placed(values: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """The same values at a cache line drawn from a page: NumPy gives arrays of one size the same places again.

    Where arrays lie to each other decides by which other lines they are evicted, and what stores seem to overtake.
    """
    pool = np.empty(values.nbytes + PAGE_BYTES + LINE_BYTES, np.uint8)
    first = -pool.ctypes.data % LINE_BYTES + LINE_BYTES * int(rng.integers(PAGE_BYTES // LINE_BYTES))
    array = pool[first : first + values.nbytes].view(values.dtype).reshape(values.shape)
    array[...] = values
    return array
