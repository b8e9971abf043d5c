"""Every kernel: plain loop, rivals, default schedule and champions, each proven before and after it is timed.

The fixture's times are real seconds, one contestant after the other in one process; they say how long a call takes. Who
is faster, and by how much, is said by ``extra_info["speedups"]`` alone: paired, interleaved samples in fresh processes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from threadpoolctl import threadpool_limits

import kernels
from benchmarks.contestant import Task, callable_of
from benchmarks.fresh import AGAINST_PEER, AGAINST_PLAIN, LAUNCHES, Opponent, against
from benchmarks.harness import Harness
from benchmarks.race import CHEAP_S, Rules, loops_for, warm_up
from benchmarks.suites.entries import BASELINE, Entry, entries, read_champions
from benchmarks.verify import Case, WrongError
from kernels.language import SourceFolder

LEAST_ROUNDS, MOST_ROUNDS = 3, 100
TIMING_S, QUICK_TIMING_S = 1.0, 0.05
QUICK_LAUNCHES = 2
QUICK = Rules(most_rounds=6, least_rounds=3, most_s=0.1, may_drop=False)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One benchmark for each contestant of each problem."""
    path, names = (metafunc.config.getoption(option) for option in ("--champions", "--kernels"))
    wanted = names.split(",") if names else kernels.names()
    found = entries(wanted, read_champions(path) if path else [])
    metafunc.parametrize("entry", found, ids=[f"{entry.problem}-{entry.name}" for entry in found])


@pytest.mark.usefixtures("own_core")
def bench_kernel(benchmark: BenchmarkFixture, entry: Entry, folder: SourceFolder, pytestconfig: pytest.Config) -> None:
    """Seconds a call of one contestant; of a problem's leader, its speedup over all others too."""
    is_quick = bool(pytestconfig.getoption("--quick"))
    if entry.schedule is not None and (reason := entry.task.definition.space.is_legal(entry.schedule)):
        pytest.skip(f"the schedule is no longer legal: {reason}")
    benchmark.group = entry.problem
    benchmark.extra_info |= entry.facts()
    _time(benchmark, entry, folder, QUICK_TIMING_S if is_quick else TIMING_S)
    if entry.is_leader and benchmark.enabled:
        benchmark.extra_info |= _comparison(entry, folder, is_quick=is_quick)


def _time(benchmark: BenchmarkFixture, entry: Entry, folder: SourceFolder, timing_s: float) -> None:
    contestant = entry.contestant(folder)
    try:
        function, extra = callable_of(folder, entry.task, contestant)
    except kernels.Unavailable as missing:
        pytest.skip(str(missing))
    case = _case(entry.task)
    call = functools.partial(function, *case.arguments(contestant), *extra)
    # only now: limits do not reach libraries that are loaded later
    with threadpool_limits(entry.task.threads):
        _prove(entry, case, call)
        _pedantic(benchmark, call, timing_s)
        case.check()


def _prove(entry: Entry, case: Case, call: Callable[[], Any]) -> None:
    """A rival that is wrong here is left out; what is wrong and ours is a failure."""
    try:
        case.verify(call)
    except WrongError as error:
        if not entry.is_rival:
            raise
        pytest.skip(f"{entry.name} is wrong: {error}")


def _pedantic(benchmark: BenchmarkFixture, call: Callable[[], Any], timing_s: float) -> None:
    """Samples as long as those of a race, and at least three of a loop that takes seconds."""
    call_s = warm_up([call])
    loops = loops_for(call_s)
    rounds = max(LEAST_ROUNDS, min(MOST_ROUNDS, int(timing_s / (loops * call_s))))
    benchmark.pedantic(call, rounds=rounds, iterations=loops, warmup_rounds=int(call_s < CHEAP_S))  # type: ignore[no-untyped-call]


@functools.lru_cache(maxsize=1)
def _case(task: Task) -> Case:
    """The same arrays for all contestants of a problem; the truth about them is worth keeping."""
    return Case(task, task.size, task.seed)


def _comparison(entry: Entry, folder: SourceFolder, *, is_quick: bool) -> dict[str, Any]:
    """Speedups over all other contestants from fresh processes, and the fraction of the bound where that is known."""
    launches = QUICK_LAUNCHES if is_quick else LAUNCHES
    opponents = _opponents(entry, folder, is_quick=is_quick)
    with Harness(entry.task, folder) as harness:
        fresh = against(harness, entry.contestant(folder), opponents, launches)
    speedups = fresh.speedups(np.random.default_rng(entry.task.seed))
    return {
        "time_s": fresh.time_s,
        "launches": launches,
        "rounds": {name: [len(launch.candidate_s) for launch in samples] for name, samples in fresh.samples.items()},
        "bound_fraction": entry.bound["time_s"] / fresh.time_s if entry.bound else None,
        "speedups": {name: speedup.as_dict() for name, speedup in speedups.items()},
    }


def _opponents(entry: Entry, folder: SourceFolder, *, is_quick: bool) -> dict[str, Opponent]:
    champions = [entry.champion] if entry.champion else []
    others = [other for other in entries([entry.task.kernel], champions) if other.name != entry.name]
    return {other.name: Opponent(other.contestant(folder), _rules(other, is_quick=is_quick)) for other in others}


def _rules(opponent: Entry, *, is_quick: bool) -> Rules:
    if is_quick:
        return QUICK
    return AGAINST_PLAIN if opponent.name == BASELINE else AGAINST_PEER
