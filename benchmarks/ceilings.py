"""What this machine can do at the very most: measured peaks of arithmetic, traffic and latency.

Every figure is the best of several variants of a loop and of many samples: a ceiling is a maximum, and a busy neighbour
can only lower it. One peak is not enough: on a Zen 4 fma and add together ran at 66 GFLOP/s against 59 for fma alone,
and memory gave 41 GB/s to an update against 20 to a read, so peaks are kept by mix and by pattern.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import microkernels
from benchmarks.arena import Arena
from benchmarks.clock import core_clock_hz
from benchmarks.machine import Cache, Fingerprint, fingerprint
from kernels.language import SourceFolder, Template, specialise

DTYPES = ("float32", "float64")
THREADS = "1"

MIXES: Mapping[str, tuple[tuple[int, int, int], ...]] = {
    "fma": ((8, 0, 0), (16, 0, 0)),
    "add": ((0, 8, 0), (0, 16, 0)),
    "mul": ((0, 0, 8), (0, 0, 16)),
    "fma_add": ((8, 4, 0), (16, 8, 0), (8, 8, 0)),
    "mul_add": ((0, 4, 4), (0, 8, 8)),
}
"""Variants of each mix: registers that are chains of fma, of add, of mul. Latency 4 on two pipes needs 8 chains; what
exceeds the 16 registers of SSE and AVX2 spills there, and loses."""

PATTERNS: Mapping[str, tuple[Template, int, int]] = {
    "read": (microkernels.read, 1, 1),
    "write": (microkernels.write, 1, 1),
    "stream": (microkernels.write, 1, 1),
    "copy": (microkernels.copy, 2, 2),
    "copy_stream": (microkernels.copy, 2, 2),
    "triad": (microkernels.triad, 3, 3),
    "triad_stream": (microkernels.triad, 3, 3),
    "update": (microkernels.update, 1, 2),
}
"""Loop, arrays, and elements moved an iteration, of each traffic pattern; ``stream`` goes past the caches. Bytes count
as a user sees them: no write-allocate."""

EXP_DEGREE = {"float32": 5, "float64": 11}
"""Degrees that reach about one unit in the last place."""

SAMPLE_S = 5e-4
POINT_S = 0.015
"""Time of one sample, and of all samples of one variant: together about 2 s for the sweep."""

FUNCTION_ELEMENTS = 1024
FUNCTION_REGISTERS = (1, 2, 4)
STORING_SHAPES = ((4, 1, 1), (4, 1, 2), (2, 1, 2))
STREAMING_SHAPES = ((1, 4, 1), (1, 1, 2))
"""Variants of a traffic loop: registers a vector, unroll, parts. A streamed vector is aligned: it is one register."""

UNROLL = 4
BLOCK_ELEMENTS = 512
LINE_BYTES = 64
WARM_STEPS = 1 << 18
"""Of a pointer chase, before it is timed: two laps of 8 MiB."""
MOST_DRAM_BYTES = 512 << 20

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Ceilings:
    """Measured peaks; plain numbers, by names that are the same on every machine.

    Attributes:
        flop_per_s: by dtype, mix (``fma add mul fma_add mul_add``) and threads (a decimal string).
        bytes_per_s: by level (``L1 L2 L3 DRAM``), pattern (``PATTERNS``) and threads.
        operations_per_s: by dtype, function (``exp div sqrt``) and threads.
        latency_s: of one dependent random load, by level; address translation with huge pages included.
        clock_hz: the core's clock during the sweep.
        measured_at: time of day, UTC, ISO 8601.
    """

    flop_per_s: Mapping[str, Mapping[str, Mapping[str, float]]]
    bytes_per_s: Mapping[str, Mapping[str, Mapping[str, float]]]
    operations_per_s: Mapping[str, Mapping[str, Mapping[str, float]]]
    latency_s: Mapping[str, float]
    clock_hz: float
    measured_at: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Ceilings:
        """The ceilings that ``as_dict`` made plain."""
        return cls(**values)


def merge_best(old: Ceilings, new: Ceilings) -> Ceilings:
    """The best that was ever seen of each figure: the highest rates, the lowest latencies, and the newer date."""
    return Ceilings(
        flop_per_s=_merged(old.flop_per_s, new.flop_per_s, max),
        bytes_per_s=_merged(old.bytes_per_s, new.bytes_per_s, max),
        operations_per_s=_merged(old.operations_per_s, new.operations_per_s, max),
        latency_s=_merged(old.latency_s, new.latency_s, min),
        clock_hz=max(old.clock_hz, new.clock_hz),
        measured_at=max(old.measured_at, new.measured_at),
    )


def _merged(old: Any, new: Any, better: Callable[[float, float], float]) -> Any:
    if not isinstance(old, Mapping):
        return better(old, new)
    both = {name: _merged(old[name], new[name], better) for name in old if name in new}
    return {**old, **new, **both}


def measure(progress: Progress | None = None, folder: SourceFolder | None = None) -> Ceilings:
    """Measure all ceilings of one thread: about 4 s, and 5 s more where the loops are not compiled yet.

    Call it before this process is bound to fewer cores than it is going to report, and while nothing else of ours runs.

    Args:
        progress: is told in words what comes next.
        folder: keeps the compiled loops; a temporary one by default.
    """
    machine = fingerprint()
    with tempfile.TemporaryDirectory(prefix="ceilings-") as temporary, _bound_to_last_core(), Arena() as arena:
        sweep = _Sweep(machine, arena, folder or SourceFolder(Path(temporary)), progress or (lambda _text: None))
        return Ceilings(
            clock_hz=core_clock_hz(),
            flop_per_s={dtype: {mix: {THREADS: sweep.flop_per_s(dtype, mix)} for mix in MIXES} for dtype in DTYPES},
            operations_per_s={
                dtype: {name: {THREADS: sweep.operations_per_s(dtype, name)} for name in ("exp", "div", "sqrt")}
                for dtype in DTYPES
            },
            bytes_per_s={
                level: {pattern: {THREADS: sweep.bytes_per_s(level, pattern)} for pattern in PATTERNS}
                for level in sweep.working_sets
            },
            latency_s={level: sweep.latency_s(level) for level in sweep.working_sets},
            measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )


def working_sets(caches: tuple[Cache, ...], memory_bytes: int) -> dict[str, int]:
    """Bytes with which each level is measured: safely inside it, and well beyond the level before.

    Half of a private cache, a quarter of a shared last one, four times that one for memory.
    """
    sizes, inner_bytes = {}, 0
    for cache in caches:
        wanted = cache.bytes // (4 if cache.level >= "L3" else 2)
        sizes[cache.level] = min(max(wanted, 2 * inner_bytes), cache.bytes * 3 // 4)
        inner_bytes = cache.bytes
    largest = max(2 * inner_bytes, min(4 * inner_bytes, MOST_DRAM_BYTES))
    sizes["DRAM"] = min(max(64 << 20, largest), memory_bytes // 8)
    return sizes


@contextmanager
def _bound_to_last_core() -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class _Sweep:
    """Buffers and compiled loops of one measurement."""

    def __init__(self, machine: Fingerprint, arena: Arena, folder: SourceFolder, progress: Progress) -> None:
        self.machine, self.folder, self.progress = machine, folder, progress
        self.working_sets = working_sets(machine.caches, machine.memory_bytes)
        self.small = {dtype: [_ones(arena, FUNCTION_ELEMENTS, dtype) for _ in range(2)] for dtype in DTYPES}
        largest = self.working_sets["DRAM"] // 8
        self.large = [_ones(arena, elements, "float64") for elements in (largest, largest // 3, largest)]

    def flop_per_s(self, dtype: str, mix: str) -> float:
        self.progress(f"arithmetic: {mix} {dtype}")
        return max(self._arithmetic(dtype, registers) for registers in MIXES[mix])

    def _arithmetic(self, dtype: str, registers: tuple[int, int, int]) -> float:
        fma, add, mul = (count * self.machine.native_lanes(dtype) for count in registers)
        values = {"fma_lanes": fma, "add_lanes": add, "mul_lanes": mul, "unroll": UNROLL}
        loop = self._loop(microkernels.arithmetic, dtype, values)
        return best_rate(partial(loop, *self.small[dtype]), UNROLL * (2 * fma + add + mul))

    def operations_per_s(self, dtype: str, name: str) -> float:
        self.progress(f"arithmetic: {name} {dtype}")
        native = self.machine.native_lanes(dtype)
        values = {"name": name, "degree": EXP_DEGREE[dtype]}
        loops = [self._loop(microkernels.function, dtype, {**values, "lanes": native * k}) for k in FUNCTION_REGISTERS]
        return max(best_rate(partial(loop, *self.small[dtype], FUNCTION_ELEMENTS), FUNCTION_ELEMENTS) for loop in loops)

    def bytes_per_s(self, level: str, pattern: str) -> float:
        self.progress(f"traffic: {pattern} {level}")
        template, arrays, moved = PATTERNS[pattern]
        elements = self.working_sets[level] // 8 // arrays & -BLOCK_ELEMENTS
        lanes = self.machine.native_lanes("float64")
        is_streaming = pattern.endswith("stream")
        loops = [
            self._loop(
                template,
                "float64",
                {"lanes": lanes * registers, "unroll": unroll, "parts": parts, "is_streaming": is_streaming},
            )
            for registers, unroll, parts in (STREAMING_SHAPES if is_streaming else STORING_SHAPES)
        ]
        return max(best_rate(partial(loop, *self.large, elements), elements * 8 * moved) for loop in loops)

    def latency_s(self, level: str) -> float:
        self.progress(f"latency: {level}")
        loop = self._loop(microkernels.chase, "float64", {})
        with Arena() as arena:
            following = arena.allocate(self.working_sets[level] // 8, np.intp)
            start = arena.allocate(1, np.intp)
            start[0] = fill_with_cycle(following, np.random.default_rng(0))
            loop(following, start, WARM_STEPS)
            return 1 / best_rate(partial(loop, following, start), 1)

    def _loop(self, template: Template, dtype: str, values: Mapping[str, Any]) -> Callable[..., object]:
        return self.folder.load(self.folder.write(specialise(template, values, dtype))).function


def _ones(arena: Arena, elements: int, dtype: str) -> np.ndarray[Any, Any]:
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


def best_rate(call: Callable[[int], object], amount: float) -> float:
    """The highest rate seen: ``amount`` a repeat, repeats enough for a sample, samples for ``POINT_S``.

    Args:
        call: runs a loop the number of times that it is given.
        amount: what one repeat does.

    Returns:
        Amount per second.
    """
    repeats = 1
    while (best_s := _seconds(call, repeats)) < SAMPLE_S / 2:
        repeats *= 2
    deadline = time.perf_counter() + POINT_S
    while time.perf_counter() < deadline:
        best_s = min(best_s, _seconds(call, repeats))
    return amount * repeats / best_s


def _seconds(call: Callable[[int], object], repeats: int) -> float:
    before = time.perf_counter_ns()
    call(repeats)
    return (time.perf_counter_ns() - before) * 1e-9
