"""batching: what a lap's throughput earns makes the next lap's batch larger. A control that compounds, then is capped.

A server evaluates a polynomial for every request, by one call from Python for a batch of n. A call costs t0, whatever
is in it, and a request t1: f(n) = n / (t0 + n t1). While t0 dwarfs n t1, twice the batch is twice the throughput, and
each lap doubles both; then f bends at 1 / t1, which is what the FMA units allow (the roofline; Williams, Waterman and
Patterson, Communications of the ACM 52, 2009). Some of a batch's arithmetic may pass behind a call: on a Zen 4 up to 64
requests cost nothing beside theirs, and larger batches up to a quarter of a call less than the law says, for which
overlapping by a core that works out of order is the likely reason; it was not measured. A call took 0.5 us and a
request of degree 32 half a nanosecond: ten doublings apart. Two limits are known: the ceiling, measured before lap 1 by
loops that have nothing to do with the kernel; and the endpoint, measured in every lap's own rounds: the kernel itself
without calls from Python, so that no batch can exceed it. At degree 32 the kernel takes a tenth longer than its
multiplications alone, for loads, stores and turns of its loops.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from statistics import median_low
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

import kernels
from benchmarks import ceilings
from benchmarks.bound import efficiency_bound
from benchmarks.inference import Estimate
from benchmarks.machine import fingerprint
from benchmarks.team import bound_to_last_core
from benchmarks.throughput import PATIENCE_S, Compared, Producer, Rules, TimedProducer, compared, is_usual, placed
from benchmarks.timing import Called, Driven
from evolve.loops import reinvestment
from evolve.loops.protocol import Expectation, LapFailedError, Turned
from evolve.paths import source_folder
from kernels.language import driver_of, specialise
from kernels.language.simd import address_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from evolve.loops.protocol import Around
    from evolve.store import Lap
    from kernels.language import SourceFolder

KERNEL = "horner"
DEGREE = 32
FULL_BATCH = 4096
"""Requests for which the bound is calculated: few enough for the second cache, so that arithmetic bounds them."""
PEAK_SPREAD = 0.04
"""By how much a sweep of ceilings may miss the peak, in ln units: what six passes leave (``benchmarks.peaks``)."""
RULES = Rules()
_RECENT = 3
"""Laps that tell how fast this machine calls just now."""
BY_ITSELF = "by the kernel without calls"


def make(around: Around) -> Batching:
    """The loop that ``around.loop`` describes: ``degree`` and ``dtype`` are its options."""
    options = around.loop.options
    server = Server(source_folder(), int(options.get("degree", DEGREE)), str(options.get("dtype", "float64")))
    return Batching(server, around.look, around.say)


class Server:
    """Answers requests a batch at a time, with the kernel's default schedule.

    Args:
        folder: of generated sources.
        degree: of the polynomial, the work of a request.
        dtype: ``"float32"`` or ``"float64"``.
        rules: how a lap is measured.
    """

    def __init__(
        self, folder: SourceFolder, degree: int = DEGREE, dtype: str = "float64", rules: Rules = RULES
    ) -> None:
        self.folder, self.degree, self.dtype, self.rules = folder, degree, dtype, rules
        self.kernel = kernels.get(KERNEL)
        schedule = self.kernel.space.schedule()
        source = specialise(self.kernel.template(schedule), schedule, dtype)
        driver = driver_of(source)
        assert driver is not None  # the signature is given
        self._function = folder.load(folder.write(source)).function
        self._drive = folder.load(folder.write(driver)).function

    def called(self, batch: int, rng: np.random.Generator) -> TimedProducer:
        """Answers by one call from Python for each batch.

        Raises:
            LapFailedError: they are wrong.
        """
        x, c, out = self._answered(batch, rng)
        return TimedProducer(Called(partial(self._function, x, c, out), out), batch)

    def driven(self, rng: np.random.Generator) -> TimedProducer:
        """Answers to ``FULL_BATCH`` requests by calls of compiled code, at some 3 ns each."""
        x, c, out = self._answered(FULL_BATCH, rng)
        return TimedProducer(Driven(self._drive, (x, c, out, address_of(self._function)), out), FULL_BATCH)

    def _answered(self, batch: int, rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """New requests, coefficients, and the answers, which have proven right."""
        size = (batch, self.degree)
        x, c = (placed(value, rng) for value in self.kernel.problem(size, self.dtype, rng))
        out = placed(np.full(batch, np.nan, self.dtype), rng)
        self._function(x, c, out)
        if not np.allclose(out, self.kernel.reference(x, c), rtol=self.kernel.tolerance(size, self.dtype), atol=0):
            raise LapFailedError(f"a batch of {batch} was answered wrongly")
        return x, c, out

    def compared(
        self,
        frozen: int,
        present: int,
        rng: np.random.Generator,
        between: Callable[[], None] | None = None,
        usual_per_s: float = 0.0,
    ) -> Compared:
        """Requests a second with batches of one size against another, and what no batch can exceed, on one core."""

        def sides() -> Sequence[Producer]:
            return self.called(frozen, rng), self.called(present, rng), self.driven(rng)

        with bound_to_last_core():
            return compared(sides, self.rules, between, usual_per_s)

    def most_per_s(self, say: Callable[[str], None]) -> tuple[Estimate, str]:
        """Requests a second that the machine allows at most, and what it is that limits them: measured anew."""
        work = self.kernel.work((FULL_BATCH, self.degree), self.dtype)
        needed = replace(ceilings.needed(work, self.dtype), with_plateau=False)
        found = ceilings.measure(say, self.folder, only=needed)
        bound = efficiency_bound(work, self.dtype, found, fingerprint().caches)
        rate = FULL_BATCH / bound.time_s
        spread = math.exp(PEAK_SPREAD)
        return Estimate(rate, rate / spread, rate * spread), bound.limit


class Batching:
    """The closed loop; see the module.

    Args:
        server: what is measured.
        between: called between measurements.
        say: is told what is being done.
    """

    kind: ClassVar[str] = "batching"

    def __init__(self, server: Server, between: Callable[[], None], say: Callable[[str], None]) -> None:
        self.server, self._between, self._say = server, between, say

    def start(self) -> Turned:
        """See ``ClosedLoop``: the ceiling, the endpoint, then batches of one against themselves."""
        rng = np.random.default_rng(0)
        most, limit = self.server.most_per_s(self._say)
        self._say("a batch of 1 against itself, and the kernel without calls")
        same = self.server.compared(1, 1, rng, self._between)
        assert same.end is not None
        shown = {"limit": limit, "endpoint_by": BY_ITSELF, "expected": expected([same.end.estimate])}
        return replace(reinvestment.frozen(most, same, shown), endpoint=same.end)

    def forecast(self, laps: Sequence[Lap]) -> Expectation:
        """See ``ClosedLoop``."""
        return forecast(laps)

    def turn(self, laps: Sequence[Lap], rng: np.random.Generator) -> Turned:
        """See ``ClosedLoop``."""
        capital = reinvestment.next_capital(laps)
        batch = reinvestment.units(capital)
        self._say(f"a batch of {batch} against a batch of 1")
        usual_per_s = _usual_per_s(laps)
        found = self.server.compared(1, batch, rng, self._between, usual_per_s)
        assert found.end is not None
        ends = [end.estimate for end in (*_ends(laps), found.end)]
        shown = {"expected": expected(ends), "notes": [*_notes(found.frozen_per_s.estimate, usual_per_s)]}
        return replace(reinvestment.turned(capital, found, shown), endpoint=found.end)

    def close(self) -> None:
        """Nothing is held."""


def _usual_per_s(laps: Sequence[Lap]) -> float:
    """Batches of one a second, as the last few laps met them: a machine that has changed for good is believed."""
    rates = [lap.details.get("frozen_per_s", lap.details["throughput_per_s"]) for lap in laps[-_RECENT:]]
    return median_low(float(rate["estimate"]) for rate in rates)


def _notes(frozen_per_s: float, usual_per_s: float) -> Iterator[str]:
    """That a lap had to be measured in another state of the machine than those before: it may look like a bend."""
    if not is_usual(frozen_per_s, usual_per_s):
        now_us, usual_us = 1e6 / frozen_per_s, 1e6 / usual_per_s
        yield (
            f"a call took {now_us:.3g} us, {usual_us:.3g} us in the laps before, and stayed so for {PATIENCE_S:.0f} s: "
            "part of what this lap gains or loses is the machine's"
        )


def forecast(laps: Sequence[Lap]) -> Expectation:
    """The gain by f(n) = n / (t0 + n t1), where t1 is the kernel's by itself, or what the last lap shows.

    It may be more, by as much of the work as calls hide: as much as in the last lap, or all where none was seen yet.
    """
    batch = reinvestment.units(reinvestment.next_capital(laps))
    share, source = _share(laps)
    hidden, most_hidden = _hidden(laps[-1], share.estimate)
    law = Estimate(
        gain_of(batch, share.estimate, hidden), gain_of(batch, share.high), gain_of(batch, share.low, most_hidden)
    )
    reason = f"a batch of {batch}, where a call costs as much as {1 / share.estimate - 1:.0f} requests ({source})"
    return reinvestment.foretold(laps, law, reason)


def expected(ends: Sequence[float]) -> dict[str, int | None]:
    """At which laps the loop ceases to compound, and has half of its end: from there on it adds, and no more.

    Args:
        ends: ln of the kernel without calls over batches of one, as each lap found them, from lap 0 on: with a
            neighbour on its core this machine's calls take half as much again and its multiplications no more, so that
            the end itself moves. The last one holds for the laps to come.
    """

    def end(lap: int) -> float:
        return ends[min(lap, len(ends) - 1)]

    return reinvestment.expected(
        lambda batch, lap: gain_of(batch, math.exp(-end(lap))), lambda lap: end(lap) - math.log(2)
    )


def gain_of(batch: float, share: float, hidden: float = 0.0) -> float:
    """The gain ln f(n) / f(1).

    Args:
        batch: n.
        share: t1 / (t0 + t1).
        hidden: time of the requests beyond the first that passes behind the call, in units of t0 + t1.
    """
    return math.log(batch / (1 + max(0.0, (batch - 1) * share - hidden)))


def _hidden(last: Lap, share: float) -> tuple[float, float]:
    """In units of t0 + t1, how much of the requests' time passed behind the last lap's call, and how much may."""
    assert last.gain is not None
    batch = reinvestment.units(last.inputs)
    work = (batch - 1) * share
    found, most = (
        min(work, max(0.0, 1 + work - batch * math.exp(-gain))) for gain in (last.gain.estimate, last.gain.high)
    )
    return found, 1.0 if most == work else most


def _share(laps: Sequence[Lap]) -> tuple[Estimate, str]:
    """t1 / (t0 + t1): what the kernel by itself takes, until the last lap tells it better, or shows more."""
    end, last = _ends(laps)[-1], laps[-1]
    least = Estimate(*map(math.exp, (-end.estimate, -end.high, -end.low)))
    if len(laps) == 1:
        return least, BY_ITSELF
    assert last.gain is not None
    shown = Estimate(*(_shown(reinvestment.units(last.inputs), end) for end in _from_low(last.gain)))
    is_narrower = shown.low > 0 and shown.high / shown.low < least.high / least.low
    if is_narrower or shown.low > least.high:
        return shown, f"by lap {last.lap}"
    return Estimate(least.estimate, least.low, max(shown.high, least.high)), BY_ITSELF


def _ends(laps: Sequence[Lap]) -> list[Estimate]:
    return [lap.endpoint for lap in laps if lap.endpoint is not None]


def _from_low(gain: Estimate) -> tuple[float, float, float]:
    """Estimate and ends for what falls as the gain rises."""
    return gain.estimate, gain.high, gain.low


def _shown(batch: int, gain: float) -> float:
    """The share at which a batch gains so much; below 0 where more was gained than by free calls."""
    return (batch * math.exp(-gain) - 1) / (batch - 1)
