"""How ceilings are measured: every loop a little, in several passes over all of them, and the best of all samples.

A neighbour on a shared machine is busy for seconds: samples that are spread over the whole sweep find a quiet moment
for every figure, where one long sample a figure finds it for some. How much that takes was measured on a guest with two
cores of a Zen 5: the clock came and went between 3.2 and 3.7 GHz, and both cores together read 44 GB/s from memory as a
rule, and 87 to 96 in one moment of twenty. The best of 60 samples spread over 15 s agreed within 1 % for fma and within
5 % for a read by one core; the six passes that all figures have in such a time leave 4 % and, for both cores at memory,
a half. Patience does not mend that here: of 157 passes in five minutes, five minutes' fifths still differed by 7 % for
fma by both cores and by 48 % for their traffic to memory, and three thirds by 3 % and 32 %, as moments in which
neighbours leave both cores alone come seldom and in clusters. So what is kept of a machine is the best ever seen.
After two passes only the variants near the best of their figure go on.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from benchmarks import microkernels
from benchmarks.arena import Arena
from benchmarks.machine import Cache, Fingerprint
from benchmarks.points import (
    BLOCK_ELEMENTS,
    CHAIN_LINKS,
    EXP_DEGREE,
    FUNCTION_ELEMENTS,
    FUNCTION_REGISTERS,
    LINE_BYTES,
    MIXES,
    PATTERNS,
    STORING_SHAPES,
    STREAMING_SHAPES,
    UNROLLS,
    Needed,
    plateau_sets,
    working_sets,
)
from benchmarks.team import Call, Team
from kernels.language import Source, SourceFolder, Template, specialise

SAMPLE_S = 4e-4
PASS_S = 2e-3
"""Time of one sample, and of all samples of one variant in one pass."""
PASSES = 6
TRIAL_PASSES = 2
"""With all variants: on a busy machine memory gave one of them 8 GB/s and, a pass later, 31."""
NEAR_BEST = 0.7
"""One of five sweeps lost the best loop for good, whose first two passes had come to 0.73 of what it reached later."""
WARM_STEPS = 1 << 18
"""Of a pointer chase, before it is timed: two laps of 8 MiB."""

Path = tuple[str, ...]


@dataclass
class Variant:
    """One loop for a figure, and the highest rate that it showed.

    Attributes:
        run: runs the loop a number of times; repeats per second, all threads together.
        alone: the loop on one thread, for calibrating.
        amount: what one repeat does.
        repeats: of a sample; 0 until it is calibrated.
        rate: amount per second, the best so far.
    """

    run: Callable[[int], float]
    alone: Call
    amount: float
    repeats: int = 0
    rate: float = 0.0

    def sample(self, for_s: float) -> None:
        """Take samples for a while, two at least: of the largest sets one takes longer than that."""
        deadline = time.perf_counter() + for_s
        self.repeats = self.repeats or repeats_of(self.alone)
        self._take()
        self._take()
        while time.perf_counter() < deadline:
            self._take()

    def _take(self) -> None:
        self.rate = max(self.rate, self.amount * self.run(self.repeats))


@dataclass
class Figure:
    """A peak to be found: where it stands among the ceilings, and the loops that may reach it."""

    path: Path
    variants: list[Variant]
    passes: int = 0

    @property
    def rate(self) -> float:
        """The best of all variants, amount per second."""
        return max(variant.rate for variant in self.variants)

    def sample(self) -> None:
        """Sample the variants that may still be the best."""
        if self.passes >= TRIAL_PASSES:
            self.variants = [variant for variant in self.variants if variant.rate >= NEAR_BEST * self.rate]
        self.passes += 1
        for variant in self.variants:
            variant.sample(PASS_S)


def repeats_of(call: Call) -> int:
    """How many repeats of a loop make a sample."""
    repeats = 1
    while _seconds(call, repeats) < SAMPLE_S / 2:
        repeats *= 2
    return repeats


def _seconds(call: Call, repeats: int) -> float:
    before = time.perf_counter_ns()
    call(repeats)
    return (time.perf_counter_ns() - before) * 1e-9


def run_alone(call: Call, repeats: int) -> float:
    """Repeats per second of a loop on this thread."""
    return repeats / _seconds(call, repeats)


class Peaks:
    """Buffers, compiled loops and figures of one measurement.

    Args:
        machine: what it is measured on.
        arena: where the buffers come from.
        folder: keeps the compiled loops.
        needed: which figures.
    """

    def __init__(self, machine: Fingerprint, arena: Arena, folder: SourceFolder, needed: Needed) -> None:
        self.machine, self.arena, self.folder, self.needed = machine, arena, folder, needed
        self.cpus = sorted(os.sched_getaffinity(0), reverse=True)
        self.working_sets = working_sets(machine.caches, machine.memory_bytes)
        self.teams: dict[int, Team] = {}
        most = max(map(int, needed.threads))
        self.small = {dtype: _ones(arena, (most + 1, FUNCTION_ELEMENTS), dtype) for dtype in needed.dtypes}
        self.large = self._large_buffers() if needed.patterns or needed.with_plateau else []
        self.groups: dict[str, list[Figure]] = {
            "arithmetic": list(self._arithmetic()),
            "functions": list(self._functions()),
            "dependent chains": list(self._chains()),
            "traffic": list(self._traffic()),
            "cache capacity": list(self._plateau()),
            "dependent loads": list(self._loads()),
        }

    def _large_buffers(self) -> list[Any]:
        largest = self.working_sets["DRAM"] // 8
        return [_ones(self.arena, elements, "float64") for elements in (largest, largest // 3, largest)]

    def measure_pass(self) -> Iterator[str]:
        """Sample every figure once; yields the name of each group before it comes."""
        for name, figures in self.groups.items():
            if figures:
                yield name
            for figure in figures:
                figure.sample()

    def forget(self) -> None:
        """Begin anew, with the loops that are left: what the next pass finds is what there is at that moment."""
        for variant in chain.from_iterable(figure.variants for figures in self.groups.values() for figure in figures):
            variant.rate = 0.0

    @property
    def rates(self) -> dict[Path, float]:
        """The best rate of every figure so far."""
        return {figure.path: figure.rate for figures in self.groups.values() for figure in figures}

    def close(self) -> None:
        """End the threads."""
        for team in self.teams.values():
            team.close()

    # ---- arithmetic

    def _arithmetic(self) -> Iterator[Figure]:
        for dtype in self.needed.dtypes:
            for mix in self.needed.mixes:
                for threads in self.needed.threads:
                    shapes = itertools.product(MIXES[mix], UNROLLS)
                    variants = [self._mix(dtype, counts, unroll, threads) for counts, unroll in shapes]
                    yield Figure(("flop_per_s", dtype, mix, threads), variants)

    def _mix(self, dtype: str, counts: tuple[int, int, int], unroll: int, threads: str) -> Variant:
        fma, add, mul = counts
        lanes = self.machine.native_lanes(dtype)
        values = {"fma_lanes": fma * lanes, "add_lanes": add * lanes, "mul_lanes": mul * lanes, "unroll": unroll}
        loop = self._loop(microkernels.arithmetic, dtype, values)
        return self._in_l1(loop, dtype, threads, (), unroll * lanes * (2 * fma + add + mul))

    def _functions(self) -> Iterator[Figure]:
        for dtype in self.needed.dtypes:
            for name in self.needed.functions:
                for threads in self.needed.threads:
                    yield Figure(("operations_per_s", dtype, name, threads), self._function(dtype, name, threads))

    def _function(self, dtype: str, name: str, threads: str) -> list[Variant]:
        native = self.machine.native_lanes(dtype)
        values = {"name": name, "degree": EXP_DEGREE[dtype]}
        lanes = [native * registers for registers in FUNCTION_REGISTERS[name]]
        loops = [self._loop(microkernels.function, dtype, {**values, "lanes": count}) for count in lanes]
        return [self._in_l1(loop, dtype, threads, (FUNCTION_ELEMENTS,), FUNCTION_ELEMENTS) for loop in loops]

    def _chains(self) -> Iterator[Figure]:
        for dtype in self.needed.dtypes:
            for name in self.needed.chains:
                yield Figure(("chain_latency_s", dtype, name), [self._chain(dtype, name)])

    def _chain(self, dtype: str, name: str) -> Variant:
        values = {"name": name, "links": CHAIN_LINKS, "lanes": self.machine.native_lanes(dtype)}
        return self._in_l1(self._loop(microkernels.chain, dtype, values), dtype, "1", (), CHAIN_LINKS)

    def _in_l1(self, loop: Any, dtype: str, threads: str, extra: tuple[int, ...], amount: float) -> Variant:
        """On arrays that stay in L1; each thread writes to an array of its own."""
        a, *outs = self.small[dtype]
        return self._variant([partial(loop, a, out, *extra) for out in outs[: int(threads)]], amount)

    # ---- traffic

    def _traffic(self) -> Iterator[Figure]:
        for level in self.working_sets:
            for pattern in self.needed.patterns:
                for threads in self.needed.threads:
                    yield Figure(("bytes_per_s", level, pattern, threads), self._pattern(level, pattern, int(threads)))

    def _pattern(self, level: str, pattern: str, threads: int) -> list[Variant]:
        template, arrays, moved = PATTERNS[pattern]
        total = self.working_sets[level] // 8 // arrays
        elements = total // self._sharers(level, threads) & -BLOCK_ELEMENTS
        is_streaming = pattern.endswith("stream")
        shapes = STREAMING_SHAPES if is_streaming else STORING_SHAPES
        loops = [self._traffic_loop(template, shape, is_streaming=is_streaming) for shape in shapes]
        return [self._walk(loop, elements, threads, elements * 8 * moved) for loop in loops]

    def _sharers(self, level: str, threads: int) -> int:
        """Threads that have to share one cache, or memory."""
        shared_by = {cache.level: cache.shared_by for cache in self.machine.caches}
        return min(threads, shared_by.get(level, threads))

    def _traffic_loop(self, template: Template, shape: tuple[int, int, int], *, is_streaming: bool) -> Any:
        registers, unroll, parts = shape
        lanes = self.machine.native_lanes("float64") * registers
        values = {"lanes": lanes, "unroll": unroll, "parts": parts, "is_streaming": is_streaming}
        return self._loop(template, "float64", values)

    def _walk(self, loop: Any, elements: int, threads: int, amount: float) -> Variant:
        """Each thread has a part of its own of the large buffers, as far as they reach."""
        most = min(len(array) // elements for array in self.large if len(array) >= elements)
        starts = [k % most * elements for k in range(threads)]
        return self._variant([partial(loop, *self._parts(at, elements), elements) for at in starts], amount)

    def _parts(self, at: int, elements: int) -> list[Any]:
        """From ``at`` on; of a buffer that is too short its start, for no loop that long walks it."""
        return [array[at if at + elements <= len(array) else 0 :][:elements] for array in self.large]

    def _plateau(self) -> Iterator[Figure]:
        """Reads of more and more of the last cache: where they slow down, it is full."""
        cache = last_shared(self.machine.caches)
        if not self.needed.with_plateau or cache is None:
            return
        loop = self._traffic_loop(microkernels.read, STORING_SHAPES[-1], is_streaming=False)
        for size in plateau_sets(self.working_sets[cache.level], min(cache.bytes, self.large[0].nbytes)):
            yield Figure(("plateau", cache.level, str(size)), [self._walk(loop, size // 8, 1, size)])

    def _loads(self) -> Iterator[Figure]:
        for level, size in self.working_sets.items() if self.needed.with_loads else ():
            loop = self._loop(microkernels.chase, "float64", {})
            following = self.arena.allocate(size // 8, np.intp)
            at = self.arena.allocate(1, np.intp)
            at[0] = fill_with_cycle(following, np.random.default_rng(0))
            loop(following, at, WARM_STEPS)
            yield Figure(("latency_s", level), [self._variant([partial(loop, following, at)], 1)])

    # ---- loops

    def _variant(self, calls: Sequence[Call], amount: float) -> Variant:
        if len(calls) == 1:
            return Variant(partial(run_alone, calls[0]), calls[0], amount)
        return Variant(partial(self._team(len(calls)).run, calls), calls[0], amount)

    def _team(self, threads: int) -> Team:
        if threads not in self.teams:
            self.teams[threads] = Team([self.cpus[k % len(self.cpus)] for k in range(threads)])
        return self.teams[threads]

    def _loop(self, template: Template, dtype: str, values: Mapping[str, Any]) -> Any:
        return self.folder.load(self.folder.write(without_lock(specialise(template, values, dtype)))).function


def without_lock(source: Source) -> Source:
    """The same source, compiled so that threads can run it at once."""
    text = source.text.replace("cache=True", "cache=True, nogil=True")
    return dataclasses.replace(source, text=text, key=hashlib.sha256(text.encode()).hexdigest())


def last_shared(caches: Sequence[Cache]) -> Cache | None:
    """The last cache, where other cores use it too, and other guests of the machine may."""
    return caches[-1] if caches and caches[-1].shared_by > 1 else None


def tree(rates: Mapping[Path, float]) -> dict[str, Any]:
    """Nested mappings from paths."""
    made: dict[str, Any] = {}
    for path, rate in rates.items():
        inner = made
        for name in path[:-1]:
            inner = inner.setdefault(name, {})
        inner[path[-1]] = rate
    return made


def _ones(arena: Arena, elements: int | tuple[int, int], dtype: str) -> np.ndarray[Any, Any]:
    array = arena.allocate(elements, dtype)
    array.fill(1)
    return array


def fill_with_cycle(following: np.ndarray[Any, Any], rng: np.random.Generator) -> int:
    """Make one random cycle of the cache lines of ``following``: the first element of each is the index of the next's.

    Returns:
        An index on the cycle.
    """
    step = LINE_BYTES // following.itemsize
    order = rng.permutation(len(following) // step) * step
    following[order] = np.roll(order, -1)
    return int(order[0])
