"""Which figures there are to be measured, with which variants of a loop, on how much data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks import microkernels
from benchmarks.bound import matching_patterns
from benchmarks.machine import Cache
from kernels import Work
from kernels.language import Template

DTYPES = ("float32", "float64")
FUNCTIONS = ("exp", "div", "sqrt")
CHAINS = ("add", "mul", "fma", "div")

MIXES: Mapping[str, tuple[tuple[int, int, int], ...]] = {
    "fma": ((8, 0, 0), (16, 0, 0)),
    "add": ((0, 8, 0), (0, 16, 0)),
    "mul": ((0, 0, 8), (0, 0, 16)),
    "fma_add": ((8, 4, 0), (16, 8, 0), (8, 8, 0)),
    "mul_add": ((0, 4, 4), (0, 4, 8), (0, 8, 8)),
}
"""Variants of each mix: registers that are chains of fma, of add, of mul. Latency 4 on two pipes needs 8 chains; what
exceeds the 16 registers of SSE and AVX2 spills there, and loses. Where the CPU has no fma, one is two operations."""

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

FASTEST_MIX = "fma_add"
FASTEST_PATTERNS = ("update", "triad")
"""What has been the fastest wherever it was measured: of memory and outer caches, of the innermost."""

EXP_DEGREE = {"float32": 5, "float64": 11}
"""Degrees that reach about one unit in the last place."""

FUNCTION_ELEMENTS = 1024
FUNCTION_REGISTERS: Mapping[str, tuple[int, ...]] = {"exp": (1, 2, 4), "div": (2,), "sqrt": (2,)}
"""Variants of a function's loop: registers a vector. Division and roots keep their one unit busy in any case."""
STORING_SHAPES = ((4, 1, 1), (4, 1, 2), (2, 1, 2))
STREAMING_SHAPES = ((1, 4, 1), (1, 1, 2))
"""Variants of a traffic loop: registers a vector, unroll, parts. A streamed vector is aligned: it is one register."""

UNROLLS = (4, 8)
"""Steps of a repeat: where code of either length comes to lie decides by a quarter, anew in each process."""
CHAIN_LINKS = 32
BLOCK_ELEMENTS = 512
LINE_BYTES = 64
MOST_DRAM_BYTES = 512 << 20
_PLATEAU_STEPS = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0)


@dataclass(frozen=True)
class Needed:
    """Which figures to measure.

    Attributes:
        threads: decimal strings; the aggregate of so many cores.
        dtypes: of arithmetic, functions and chains.
        mixes: of ``MIXES``.
        functions: of ``FUNCTIONS``.
        chains: of ``CHAINS``.
        patterns: of ``PATTERNS``, at every level.
        with_loads: the latency of dependent loads.
        with_plateau: how much the last cache really holds.
        instruction_sets: whose arithmetic to measure too, in processes that are restricted to them.
    """

    threads: tuple[str, ...] = ("1",)
    dtypes: tuple[str, ...] = DTYPES
    mixes: tuple[str, ...] = tuple(MIXES)
    functions: tuple[str, ...] = FUNCTIONS
    chains: tuple[str, ...] = CHAINS
    patterns: tuple[str, ...] = tuple(PATTERNS)
    with_loads: bool = True
    with_plateau: bool = True
    instruction_sets: tuple[str, ...] = ()


def needed(work: Work, dtype: str, threads: int = 1) -> Needed:
    """The figures that bound a piece of work, for a sweep of a second or two: its own, and the most optimistic."""
    mixes = _mixes({"fma", "add", "mul"} & work.operations.keys())
    patterns = matching_patterns(work.read_bytes, work.write_bytes) + FASTEST_PATTERNS if work.moved_bytes else ()
    return Needed(
        threads=tuple(dict.fromkeys(("1", str(threads)))),
        dtypes=(dtype,),
        mixes=mixes,
        functions=tuple(name for name in FUNCTIONS if work.operations.get(name)),
        chains=(),
        patterns=tuple(dict.fromkeys(patterns)),
        with_loads=False,
        with_plateau=bool(work.moved_bytes),
    )


def _mixes(classes: set[str]) -> tuple[str, ...]:
    """The peaks of these classes, of what they make together, and the highest of all."""
    if not classes:
        return ()
    wanted = {*classes, FASTEST_MIX, *(("mul_add",) if len(classes) > 1 else ())}
    return tuple(mix for mix in MIXES if mix in wanted)


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


def plateau_sets(smallest_bytes: int, capacity_bytes: int) -> list[int]:
    """Working sets from the one with which a cache is measured to all that it has."""
    block = 8 * BLOCK_ELEMENTS
    sizes = [int(smallest_bytes * step) // block * block for step in _PLATEAU_STEPS]
    return [size for size in sizes if size <= capacity_bytes]
