"""replicators: robots whose finished work buys more robots, until the cores run out: compounding, then capped.

A robot keeps a core busy with a piece of work, then is on its way for ``workers_per_core`` - 1 times as long: one core
can keep so many of them at work. n robots finish n v pieces a second, so that each lap doubles robots and work, until m
cores that finish V a second each have no time left: f(n) = min(n v, m V), the asymptotic bound of operational analysis
(Denning and Buzen, Computing Surveys 10, 1978, section 4). Robots that come at random times wait for a core before all
cores are busy: that is the finite-source queue M/M/m//n (Kleinrock, Queueing Systems 1, 1975, section 3.8), which bends
earlier. The ceiling is what the cores finish one by one, measured before lap 1.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

import kernels
from benchmarks.inference import Estimate
from benchmarks.peaks import without_lock
from benchmarks.team import bind_to
from benchmarks.throughput import Compared, Producer, Rules, compared, rate_of, relative_width, until_known
from evolve.loops import reinvestment
from evolve.loops.protocol import Expectation, LapFailedError, Turned
from evolve.paths import source_folder
from evolve.tracker.evidence import NEAR
from kernels.language import specialise

if TYPE_CHECKING:
    from evolve.loops.protocol import Around
    from evolve.store import Lap
    from kernels.language import SourceFolder

KERNEL, DTYPE, ELEMENTS = "horner", "float64", 4096
CHUNK_S = 1e-3
"""Time of a piece of work: a hundred times what starting and ending it in Python takes, and within one time slice."""
WORKERS_PER_CORE = 32
MOST_CORES = 8
"""Robots pass the interpreter's lock on twice for a piece of work; 8 cores ask for it 16,000 times a second."""
SAMPLE_S = 0.1
"""Least time of a sample: three pieces of work of a robot that is alone, where those take longer."""
RULES = Rules(blocks=6, rounds=2, pause_s=0.05, known_to=0.15, most=2)

Piece = Callable[[], object]
"""One piece of work, done without the interpreter's lock."""


def make(around: Around) -> Replicators:
    """The loop that ``around.loop`` describes, on up to ``MOST_CORES`` cores; its option is ``workers_per_core``."""
    workers_per_core = int(around.loop.options.get("workers_per_core", WORKERS_PER_CORE))
    hall = Hall(source_folder(), sorted(os.sched_getaffinity(0))[:MOST_CORES], workers_per_core)
    return Replicators(hall, around.look, around.say)


class Hall:
    """Where robots work.

    Args:
        folder: of generated sources.
        cpus: the cores that they share.
        workers_per_core: robots that one core keeps at work.
        rules: how a lap is measured.
    """

    def __init__(
        self, folder: SourceFolder, cpus: Sequence[int], workers_per_core: int = WORKERS_PER_CORE, rules: Rules = RULES
    ) -> None:
        self.cpus, self.rules = list(cpus), rules
        self._new_piece, self.chunk_s = work(folder)
        self.rest_s = (workers_per_core - 1) * self.chunk_s

    @property
    def period_s(self) -> float:
        """From one piece of work to the next, of a robot that is alone."""
        return self.chunk_s + self.rest_s

    def crew(self, robots: int, rng: np.random.Generator) -> Producer:
        """So many robots, who share all cores: pieces of work a second."""
        # of many robots each waits its turn
        cycle_s = max(self.period_s, robots * self.chunk_s / len(self.cpus))
        starts_s = rng.uniform(0, self.period_s, robots)
        pieces = [self._new_piece() for _ in range(robots)]
        window = Window(warm_s=1.5 * cycle_s, sample_s=max(SAMPLE_S, 3 * self.period_s))

        def sample() -> float:
            work = [partial(self._work, *each) for each in zip(pieces, starts_s, strict=True)]
            return window.rate(work, set(self.cpus))

        return sample

    def _work(self, piece: Piece, start_s: float, until_ns: int) -> list[int]:
        """What a robot does; when it began, and when it finished each piece."""
        ends_ns = [time.perf_counter_ns()]
        time.sleep(start_s)
        while ends_ns[-1] < until_ns:
            piece()
            ends_ns.append(time.perf_counter_ns())
            if self.rest_s:
                time.sleep(self.rest_s)
        return ends_ns

    def compared(
        self, frozen: int, present: int, rng: np.random.Generator, between: Callable[[], None] | None = None
    ) -> Compared:
        """Pieces of work a second of one number of robots against another."""

        def sides() -> Sequence[Producer]:
            return self.crew(frozen, rng), self.crew(present, rng), self._cores_alone

        try:
            return compared(sides, self.rules, between)
        except RuntimeError as error:  # what Python says where the system has no thread left
            raise LapFailedError(f"{present} robots are more threads than this system gives: {error}") from error

    def most_per_s(self) -> Estimate:
        """Pieces of work a second that the cores finish one by one, without a pause, together."""
        return until_known(self._cores_together, relative_width, self.rules)

    def _cores_together(self) -> Estimate:
        return rate_of([[self._cores_alone() for _ in range(self.rules.rounds)] for _ in range(self.rules.blocks)])

    def _cores_alone(self) -> float:
        window, piece = Window(warm_s=2 * self.chunk_s, sample_s=20 * self.chunk_s), self._new_piece()
        return sum(window.rate([partial(_without_rest, piece)], {cpu}) for cpu in self.cpus)


def _without_rest(piece: Piece, until_ns: int) -> list[int]:
    ends_ns = [time.perf_counter_ns()]
    while ends_ns[-1] < until_ns:
        piece()
        ends_ns.append(time.perf_counter_ns())
    return ends_ns


@dataclass(frozen=True)
class Window:
    """The time in which finished work counts.

    Attributes:
        warm_s: before it.
        sample_s: of it.
    """

    warm_s: float
    sample_s: float

    def rate(self, work: Sequence[Callable[[int], list[int]]], cpus: set[int]) -> float:
        """Pieces a second that all finish together, each in a thread of its own on some of these processors."""
        together = threading.Barrier(len(work) + 1)
        until_ns = [0]

        def run(one: Callable[[int], list[int]]) -> list[int]:
            bind_to(cpus)
            together.wait()
            return one(until_ns[0])

        with ThreadPoolExecutor(len(work)) as pool:
            try:
                futures = [pool.submit(run, one) for one in work]
                start_ns = time.perf_counter_ns() + int(self.warm_s * 1e9)
                until_ns[0] = start_ns + int(self.sample_s * 1e9)
                together.wait()
            except BaseException:
                together.abort()  # or those who are there already would wait for ever
                raise
            return finished([future.result() for future in futures], start_ns, until_ns[0]) / self.sample_s


def finished(ends_ns: Sequence[Sequence[int]], start_ns: int, until_ns: int) -> float:
    """Pieces of work done between two moments, those under way at either end by their share.

    Args:
        ends_ns: of each worker when it began, then the end of each piece.
        start_ns: the first moment.
        until_ns: the second.
    """
    return sum(float(np.diff(np.interp([start_ns, until_ns], one, np.arange(len(one))))[0]) for one in ends_ns)


def work(folder: SourceFolder) -> tuple[Callable[[], Piece], float]:
    """Makes pieces of work, and the seconds that one takes: a polynomial of such a degree that it is ``CHUNK_S``."""
    kernel = kernels.get(KERNEL)
    schedule = kernel.space.schedule()
    compiled = folder.load(folder.write(without_lock(specialise(kernel.template(schedule), schedule, DTYPE))))

    def piece(degree: int) -> Piece:
        given, coefficients = np.linspace(0.5, 0.9, ELEMENTS), np.full(degree + 1, 0.5)
        return partial(compiled.function, given, coefficients, np.empty(ELEMENTS), *compiled.pointers)

    trial_degree = 1024
    degree = max(1, round(trial_degree * CHUNK_S / _least_s(piece(trial_degree))))
    return partial(piece, degree), _least_s(piece(degree))


def _least_s(piece: Piece) -> float:
    found = []
    for _ in range(10):
        start_ns = time.perf_counter_ns()
        piece()
        found.append(time.perf_counter_ns() - start_ns)
    return min(found) * 1e-9


# ---- the loop


class Replicators:
    """The closed loop; see the module.

    Args:
        hall: where it is measured.
        between: called between measurements.
        say: is told what is being done.
    """

    kind: ClassVar[str] = "replicators"

    def __init__(self, hall: Hall, between: Callable[[], None], say: Callable[[str], None]) -> None:
        self.hall, self._between, self._say = hall, between, say

    def start(self) -> Turned:
        """See ``ClosedLoop``: what the cores can do, then a robot against itself."""
        self._say("what each core finishes by itself")
        most = self.hall.most_per_s()
        self._say("one robot against itself")
        same = self.hall.compared(1, 1, np.random.default_rng(0), self._between)
        cores = len(self.hall.cpus)
        ceiling = reinvestment.ratio_to(most, same.frozen_per_s).estimate
        limit = f"{cores} cores" if cores > 1 else "1 core"
        return reinvestment.frozen(most, same, {"limit": limit, "cores": cores, "expected": expected(ceiling)})

    def forecast(self, laps: Sequence[Lap]) -> Expectation:
        """See ``ClosedLoop``."""
        return forecast(laps)

    def turn(self, laps: Sequence[Lap], rng: np.random.Generator) -> Turned:
        """See ``ClosedLoop``."""
        capital = reinvestment.next_capital(laps)
        robots = reinvestment.units(capital)
        self._say(f"{robots} robots against one")
        found = self.hall.compared(1, robots, rng, self._between)
        assert found.left is not None
        return reinvestment.turned(capital, found, {"left": found.left.as_dict()})

    def close(self) -> None:
        """Nothing is held: robots go when a sample is taken."""


def forecast(laps: Sequence[Lap]) -> Expectation:
    """The gain between that of robots who come at random and the bound, as near to the bound as the last lap came."""
    assert laps[0].ceiling is not None
    assert laps[-1].gain is not None
    most, cores = math.exp(laps[0].ceiling.estimate), int(laps[0].details["cores"])
    before, robots = (reinvestment.units(c) for c in (laps[-1].inputs, reinvestment.next_capital(laps)))
    bound, waiting = min(robots, most), queue(robots, cores, most)
    likely = bound * min(1.0, math.exp(laps[-1].gain.estimate) / min(before, most))
    law = Estimate(*map(math.log, (likely, min(waiting, likely), max(bound, likely))))
    kept = "more than the cores keep at work" if robots > most else "the cores keep them all at work"
    return reinvestment.foretold(laps, law, f"{robots} robots: {kept}")


def expected(ceiling: float) -> dict[str, int | None]:
    """The last lap before the bound is reached, as nearly as it counts, and the lap that reaches it."""
    return reinvestment.expected(lambda robots, _lap: min(math.log(robots), ceiling), lambda _lap: ceiling - NEAR)


def queue(robots: int, cores: int, most: float) -> float:
    """S of n robots by M/M/m//n, in which both the work and the way take random times (Kleinrock 1975, 3.8).

    Args:
        robots: n.
        cores: m.
        most: m V / v, the throughput of busy cores over that of one robot.
    """
    if most <= cores:
        return min(float(robots), most)
    load = cores / (most - cores)  # work over way
    at_work = np.arange(1, robots + 1)
    steps = np.log((robots - at_work + 1) * load / np.minimum(at_work, cores))
    log_weights = np.concatenate([[0.0], np.cumsum(steps)])
    weights = np.exp(log_weights - log_weights.max())
    busy = float(weights @ np.minimum(np.arange(robots + 1), cores) / weights.sum())
    return busy * most / cores
