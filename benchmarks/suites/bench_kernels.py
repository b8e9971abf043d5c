"""Every kernel: plain loop, rivals, default schedule and champions, each proven before and after it is timed.

The fixture's times are real seconds, one contestant after the other in one process; they say how long a call takes. Who
is faster, and by how much, is said by ``extra_info["speedups"]`` alone: paired, interleaved samples in fresh processes.
"""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from threadpoolctl import threadpool_limits

import kernels
from benchmarks.contestant import Task, callable_of
from benchmarks.flush import flusher
from benchmarks.fresh import SLOWEST_S
from benchmarks.machine import fingerprint
from benchmarks.moment import HotCall, share_of_the_moment
from benchmarks.race import loops_for
from benchmarks.suites.comparison import Other, compare
from benchmarks.suites.entries import Entry, entries, of_problem, read_champions
from benchmarks.suites.record import Record, record_of
from benchmarks.timing import now_ns
from benchmarks.verify import ArraySet, Case, WrongError
from kernels.language import SourceFolder

Call = Callable[[], Any]

LEAST_ROUNDS, MOST_ROUNDS = 3, 100
WARM_NS = 5_000_000
TIMING_S, QUICK_TIMING_S = 1.0, 0.05


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One benchmark for each contestant of each problem."""
    path, names, policy = (metafunc.config.getoption(option) for option in ("--champions", "--kernels", "--policy"))
    threads = metafunc.config.getoption("--threads")
    wanted = (
        names.split(",") if names else [name for name in kernels.names() if threads == 1 or kernels.get(name).split]
    )
    found = entries(wanted, read_champions(path, policy) if path else [], policy, threads)
    metafunc.parametrize("entry", found, ids=[f"{entry.problem}-{entry.name}" for entry in found])


@pytest.mark.usefixtures("own_cores")
def bench_kernel(benchmark: BenchmarkFixture, entry: Entry, folder: SourceFolder, pytestconfig: pytest.Config) -> None:
    """Seconds a call of one contestant; of a problem's leader, its speedup over all others too."""
    record, is_quick = record_of(pytestconfig), bool(pytestconfig.getoption("--quick"))
    if entry.objection:
        record.leave_out(entry, "illegal", entry.objection)
    benchmark.group = entry.problem
    benchmark.extra_info |= entry.facts()
    _time(benchmark, entry, folder, record, QUICK_TIMING_S if is_quick else TIMING_S)
    if not benchmark.enabled or not benchmark.stats:
        return
    record.times_s[entry.problem, entry.name] = median_s = benchmark.stats.stats.median
    bound = record.bound(entry)
    if bound:
        benchmark.extra_info |= {"bound": bound.as_dict(), "bound_fraction": bound.time_s / median_s}
    if entry.is_leader:
        others = [
            Other(other, record.times_s[other.problem, other.name])
            for other in _others(entry, pytestconfig)
            if (other.problem, other.name) in record.times_s
        ]
        benchmark.extra_info |= compare(entry, others, folder, bound, is_quick=is_quick)
        record.leave_out_unmet([other.entry for other in others], benchmark.extra_info["speedups"])


def _others(leader: Entry, config: pytest.Config) -> list[Entry]:
    path, policy = (config.getoption(option) for option in ("--champions", "--policy"))
    found = of_problem(leader.task, read_champions(path, policy) if path else [])
    return [other for other in found if other.name != leader.name]


def _time(benchmark: BenchmarkFixture, entry: Entry, folder: SourceFolder, record: Record, timing_s: float) -> None:
    contestant = entry.contestant(folder)
    try:
        function, extra = callable_of(folder, entry.task, contestant)
    except kernels.Unavailable as missing:
        record.leave_out(entry, "unavailable", str(missing))
    case = _case(entry.task)
    calls = [functools.partial(function, *case.arguments(contestant, which), *extra) for which in range(len(case.sets))]
    # only now: limits do not reach libraries that are loaded later
    with threadpool_limits(entry.task.threads):
        proof_s = _prove(entry, case, calls[0], record)
        if proof_s > SLOWEST_S and not entry.is_leader:
            record.leave_out(entry, "too slow", f"a call and its proof take {proof_s:.0f} s")
        _pedantic(benchmark, calls, case, timing_s)
        if entry.is_leader and benchmark.stats:
            benchmark.extra_info |= _of_the_moment(entry, calls[0], folder, record, benchmark.stats.stats.median)
        case.check()


def _of_the_moment(entry: Entry, call: Call, folder: SourceFolder, record: Record, call_s: float) -> dict[str, Any]:
    """The leader's share of what the machine gives in these seconds, where caches are hot and its ceilings known."""
    task, caches = entry.task, record.caches
    if task.policy != "hot" or caches is None:
        return {}
    work, sample = task.definition.work(task.size, task.dtype), HotCall(call, call_s, task.threads)
    share = share_of_the_moment(work, task.dtype, caches, task.threads, folder, sample)
    return {"moment_fraction": share.as_dict()}


def _prove(entry: Entry, case: Case, call: Call, record: Record) -> float:
    """A rival or a guest that is wrong here is left out; what is wrong and ours is a failure. Returns its seconds."""
    began_s = time.perf_counter()
    try:
        case.verify(call)
    except WrongError as error:
        if not entry.is_rival and not entry.is_guest:
            raise
        record.leave_out(entry, "wrong", str(error))
    return time.perf_counter() - began_s


def _pedantic(benchmark: BenchmarkFixture, calls: Sequence[Call], case: Case, timing_s: float) -> None:
    """Samples as long as those of a race, at least three of a loop that takes seconds; caches as the policy says."""
    is_flushed = case.task.policy == "flush"
    call = calls[0] if len(calls) == 1 else _Rotation(calls)
    call_s = _seconds(call)
    loops = 1 if is_flushed else loops_for(call_s)
    rounds = max(LEAST_ROUNDS, min(MOST_ROUNDS, int(timing_s / (loops * call_s))))
    setup = functools.partial(_flush, case.sets[0]) if is_flushed else None
    benchmark.pedantic(call, setup=setup, rounds=rounds, iterations=loops)  # type: ignore[no-untyped-call]


class _Rotation:
    """Calls on one set of arrays after the other: none of its data is in a cache any more."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self._next = itertools.cycle(calls).__next__

    def __call__(self) -> None:
        self._next()()


def _seconds(call: Call) -> float:
    """Of the shortest of some calls."""
    taken_ns: list[int] = []
    while sum(taken_ns) < WARM_NS:
        start = now_ns()
        call()
        taken_ns.append(now_ns() - start)
    return min(taken_ns) / 1e9


def _flush(arrays: ArraySet) -> None:
    for array in (*arrays.inputs, arrays.out):
        if isinstance(array, np.ndarray):
            flusher()(array)


@functools.lru_cache(maxsize=1)
def _case(task: Task) -> Case:
    """The same arrays for all contestants of a problem; the truth about them is worth keeping."""
    pool_bytes = 2 * fingerprint().caches[-1].bytes if task.policy == "rotate" else 0
    return Case(task, task.size, task.seed, pool_bytes)
