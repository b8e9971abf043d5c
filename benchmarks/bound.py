"""The attainable time of a piece of work: what the measured ceilings allow, whatever the schedule.

The roofline of the work as its kernel declares it, in two versions. ``efficiency_bound`` is what a champion is held
against: each limit from the ceiling whose operations or traffic match. ``reject_bound`` is what a record is doubted by:
each limit from the most optimistic ceiling, with a tenth on top, so that what is faster is a fault. Of a shared cache
``efficiency_bound`` counts what was seen of it, ``reject_bound`` all that the machine says there is: a guest that is
told 32 MiB read 16 to 20 of them at the cache's rate, and more in another hour.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.ceilings import Ceilings
    from benchmarks.machine import Cache
    from kernels.contract import Work

PATTERNS_BY_READ_SHARE = (
    (0.8, ("read",)),
    (0.6, ("triad", "triad_stream")),
    (0.2, ("copy", "copy_stream")),
    (0.0, ("write", "stream")),
)
"""From which share of reads on, traffic counts as which pattern: 1 is a read, 2/3 a triad, 1/2 a copy, 0 a write."""

REJECT_MARGIN = 1.10
HOT, ROTATE, FLUSH = "hot", "rotate", "flush"
"""Names of ``benchmarks.contestant.POLICIES``."""
ROTATED_SHARE = 0.5
"""Of the calls' data that the last cache may still hold while buffers of twice its size rotate, whatever it evicts."""
EXP_FREEDOM = 2.0
"""A kernel's tolerance may allow a polynomial of lower degree than the one whose ceiling was measured."""

_FLOP = {"fma": 2, "add": 1, "mul": 1}
_FUNCTIONS = {"exp": EXP_FREEDOM, "div": 1.0, "sqrt": 1.0}
"""By how much the measured rate of a function may be beaten."""


@dataclass(frozen=True)
class Bound:
    """The least time that the machine allows, and what sets it.

    Attributes:
        limit: in words, as in ``"bandwidth (DRAM, triad)"``.
        time_s: seconds a call.
    """

    limit: str
    time_s: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Roof:
    """What bounds are calculated from.

    Attributes:
        latest: ceilings of this session, for efficiency.
        best: the best that was ever seen on this machine, for rejection.
        caches: of one core, smallest first. Each holds what it can of the arrays from the call before.
    """

    latest: Ceilings
    best: Ceilings
    caches: Sequence[Cache]


@dataclass(frozen=True)
class Bounds:
    """Both versions: what is attainable, and what is faster than can be."""

    efficiency: Bound
    reject: Bound


def bounds(work: Work, dtype: str, roof: Roof, threads: int = 1, policy: str = HOT) -> Bounds:
    """Both bounds of a piece of work.

    Args:
        work: operations and compulsory bytes.
        dtype: ``"float32"`` or ``"float64"``.
        roof: what the machine can do.
        threads: cores at work; see ``rate_of`` for numbers that were not measured.
        policy: ``"hot"``: the caches hold what they can of the arrays from the call before; ``"rotate"``, ``"flush"``:
            all comes from memory.

    Raises:
        ValueError: the work has operations of a class that has no ceiling, or none at all and no bytes; there is no
            such policy.
    """
    if policy not in (HOT, ROTATE, FLUSH):
        raise ValueError(f"no cache policy {policy!r}; there are {HOT}, {ROTATE}, {FLUSH}")
    seen = effective(roof.caches, roof.latest.capacity_bytes) if policy == HOT else ()
    told = {HOT: roof.caches, ROTATE: rotated(roof.caches, work.moved_bytes), FLUSH: ()}[policy]
    return Bounds(
        efficiency_bound(work, dtype, roof.latest, seen, threads=threads),
        reject_bound(work, dtype, roof.best, told, threads=threads),
    )


def effective(caches: Sequence[Cache], capacity_bytes: Mapping[str, int]) -> tuple[Cache, ...]:
    """Caches with the capacity that was seen of them, where it was measured."""
    return tuple(
        replace(cache, bytes=min(cache.bytes, capacity_bytes.get(cache.level, cache.bytes))) for cache in caches
    )


def rotated(caches: Sequence[Cache], moved_bytes: int) -> tuple[Cache, ...]:
    """What may be left of a call's data in the last cache, where calls rotate through buffers of twice its size."""
    return tuple(replace(cache, bytes=int(moved_bytes * ROTATED_SHARE)) for cache in caches[-1:])


def efficiency_bound(work: Work, dtype: str, ceilings: Ceilings, caches: Sequence[Cache], *, threads: int = 1) -> Bound:
    """The bound that a champion is held against; for arguments and errors see ``bounds``. No caches: all is cold."""
    arithmetic = _arithmetic(work, dtype, ceilings, threads)
    limits = [
        *arithmetic,
        *_functions(work, dtype, ceilings, threads, max((one.time_s for one in arithmetic), default=0.0)),
        *_bandwidth(work, ceilings, together(caches, threads), threads),
    ]
    return _slowest(limits)


def reject_bound(work: Work, dtype: str, ceilings: Ceilings, caches: Sequence[Cache], *, threads: int = 1) -> Bound:
    """The time below which a measurement is a fault and no record; for arguments and errors see ``bounds``.

    Every operation at the best mix's rate, functions side by side, bytes at the best pattern's rate from the innermost
    level that can hold them, and all ceilings a tenth higher than was ever measured.
    """
    _check(work)
    peak = max(rate_of(figures, threads) for figures in ceilings.flop_per_s[dtype].values())
    best = {
        level: max(rate_of(figures, threads) for figures in by.values()) for level, by in ceilings.bytes_per_s.items()
    }
    cores = max(threads, *map(int, next(iter(ceilings.flop_per_s[dtype].values()))))
    moved_s, level = transfer(work.moved_bytes, best.__getitem__, together(caches, threads, cores))
    limits = [
        Bound(f"arithmetic (any mix, {dtype})", _simple_flop(work) / peak),
        *(
            Bound(f"functions ({name}, {dtype})", _function_s(work, name, dtype, ceilings, threads) / freedom)
            for name, freedom in _FUNCTIONS.items()
            if work.operations.get(name)
        ),
        Bound(f"bandwidth ({level}, any pattern)", moved_s),
    ]
    slowest = _slowest([limit for limit in limits if limit.time_s > 0])
    return Bound(slowest.limit, slowest.time_s / REJECT_MARGIN)


def _slowest(limits: Sequence[Bound]) -> Bound:
    if not limits:
        raise ValueError("the work has neither operations nor bytes: nothing bounds it")
    return max(limits, key=lambda limit: limit.time_s)


def _arithmetic(work: Work, dtype: str, ceilings: Ceilings, threads: int) -> list[Bound]:
    """Each class at its own peak, those that multiply one after the other, and all together at the peak of their mix.

    Fused multiply-adds and products are done by the same units, sums by others on some cores: Fog, "Instruction tables"
    (2025). Two of Zen 5's four vector pipes multiply, so that 4 products and 9 fused take 6.5 cycles, with sums or not.
    """
    _check(work)
    flop = {name: work.operations[name] * each for name, each in _FLOP.items() if work.operations.get(name)}
    figures = ceilings.flop_per_s[dtype] if flop else {}
    taken_s = {name: count / _peak((name,), figures, threads) for name, count in flop.items()}
    groups: list[tuple[tuple[str, ...], float]] = [((name,), time_s) for name, time_s in taken_s.items()]
    if {"fma", "mul"} <= flop.keys():
        groups.append((("fma", "mul"), taken_s["fma"] + taken_s["mul"]))
    if len(flop) > 1:
        groups.append((tuple(flop), _simple_flop(work) / _peak(tuple(flop), figures, threads)))
    return [Bound(f"arithmetic ({' and '.join(names)}, {dtype})", time_s) for names, time_s in groups]


def _peak(names: tuple[str, ...], figures: Mapping[str, Mapping[str, float]], threads: int) -> float:
    if len(names) == 1:
        return rate_of(figures[names[0]], threads)
    mixes = ("fma", "fma_add", "mul_add") if "fma" in names else ("mul_add",)
    return max(rate_of(figures[mix], threads) for mix in mixes)


def _functions(work: Work, dtype: str, ceilings: Ceilings, threads: int, arithmetic_s: float) -> list[Bound]:
    """Exponentials on the units of arithmetic, and beside them what the divider does.

    On a Zen 5 an element of exp took 0.39 ns, of exp and 16 fused multiply-adds 0.09 ns more, as those take by
    themselves; with a root, which takes 0.24 ns, 0.43 ns, with a quotient of 0.13 ns 0.43 ns; both of these 0.38 ns.
    """
    units = ([name for name in unit if work.operations.get(name)] for unit in (("exp",), ("div", "sqrt")))
    exp_s, divider_s = (sum(_function_s(work, name, dtype, ceilings, threads) for name in unit) for unit in units)
    return [
        *([Bound(f"functions (exp and arithmetic, {dtype})", exp_s + arithmetic_s)] if exp_s else []),
        *([Bound(f"functions (div and sqrt, {dtype})", divider_s)] if divider_s else []),
    ]


def _function_s(work: Work, name: str, dtype: str, ceilings: Ceilings, threads: int) -> float:
    return work.operations.get(name, 0) / rate_of(ceilings.operations_per_s[dtype][name], threads)


def _bandwidth(work: Work, ceilings: Ceilings, caches: Sequence[Cache], threads: int) -> list[Bound]:
    if work.moved_bytes == 0:
        return []
    patterns = matching_patterns(work.read_bytes, work.write_bytes)

    def rate(level: str) -> float:
        return max(rate_of(ceilings.bytes_per_s[level][pattern], threads) for pattern in patterns)

    time_s, level = transfer(work.moved_bytes, rate, caches)
    return [Bound(f"bandwidth ({level}, {patterns[0]})", time_s)]


def matching_patterns(read_bytes: int, write_bytes: int) -> tuple[str, ...]:
    """The measured traffic patterns nearest to this ratio of reads to writes: the plain one, then the streaming one."""
    share = read_bytes / (read_bytes + write_bytes)
    return next(patterns for least, patterns in PATTERNS_BY_READ_SHARE if share >= least)


def together(caches: Sequence[Cache], threads: int, cores: int | None = None) -> tuple[Cache, ...]:
    """Caches as large as all instances of them that threads can use: one that they share counts once.

    Args:
        caches: of one core.
        threads: cores at work.
        cores: of the machine, over which the threads may be spread; by default they are neighbours.
    """

    def instances(cache: Cache) -> int:
        return min(threads, -(-(cores or threads) // cache.shared_by))

    return tuple(replace(cache, bytes=cache.bytes * instances(cache)) for cache in caches)


def transfer(moved_bytes: int, rate: Callable[[str], float], caches: Sequence[Cache]) -> tuple[float, str]:
    """The least time to move arrays that the caches hold as far as they can, from the innermost outwards.

    A rule of thumb, all at the rate of the smallest cache that holds 3/4 of its size, is no bound: a set just above
    that was read 1.6 times faster.

    Returns:
        Seconds, and the outermost level that is needed.
    """
    left, time_s = moved_bytes, 0.0
    for cache in caches:
        held = min(left, cache.bytes)
        time_s += held / rate(cache.level)
        left -= held
        if left == 0:
            return time_s, cache.level
    return time_s + left / rate("DRAM"), "DRAM"


def rate_of(figures: Mapping[str, float], threads: int) -> float:
    """What so many cores reach together: as measured, else as often one core's rate as there are threads.

    That is no more than the best of any larger number that was measured: cores share memory, and the way to it.
    """
    if str(threads) in figures:
        return max(figures[str(threads)], figures["1"])
    more = [rate for number, rate in figures.items() if int(number) > threads]
    return min([threads * figures["1"], max(more)] if more else [threads * figures["1"]])


def _simple_flop(work: Work) -> int:
    return sum(work.operations.get(name, 0) * flop for name, flop in _FLOP.items())


def _check(work: Work) -> None:
    if unknown := set(work.operations) - set(_FLOP) - set(_FUNCTIONS):
        known = " ".join((*_FLOP, *_FUNCTIONS))
        raise ValueError(f"no ceiling is measured for {' '.join(sorted(unknown))}; classes of operations: {known}")
