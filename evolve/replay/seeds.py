"""Many searches: strategies, landscapes and seeds, on all cores."""

from __future__ import annotations

import functools
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evolve.errors import EvolveError
from evolve.replay.play import BATCH, Trace, play
from evolve.replay.read import read
from evolve.replay.score import Score, chance, score
from evolve.report.quantities import clock
from evolve.search import make
from evolve.workers import cores, in_time, spread

if TYPE_CHECKING:
    from evolve.replay.landscape import Landscape
    from evolve.search.protocol import Strategy
    from kernels.language.space import Space

Say = Callable[[str], None]

_CHUNK = 5
"""Seeds of one task: enough of them to be worth handing over, few enough to see the end come nearer."""
_PATIENCE_S = 60.0
"""Of a search, and a second more for each evaluation: what is still not done then will never be."""


@dataclass(frozen=True)
class Terms:
    """The same for all.

    Attributes:
        seeds: searches of each strategy on each landscape; their generators have the seeds 0, 1, ...
        budget: legal schedules that each may try.
        control_share: of the evaluations that are independent random draws, as in a run; 0 for none.
        batch: schedules asked for at once.
    """

    seeds: int
    budget: int
    control_share: float
    batch: int = BATCH


@dataclass(frozen=True)
class Ground:
    """A landscape that is searched, and the file that workers read it from."""

    path: Path
    landscape: Landscape

    @classmethod
    def of(cls, path: Path, budget: int) -> Ground:
        """The ground in a file.

        Raises:
            EvolveError: it cannot be read, or there is nothing to search for.
        """
        landscape = read(path)
        chance(landscape, budget)
        return cls(path, landscape)


@dataclass(frozen=True)
class Entry:
    """What a strategy did on one landscape.

    Attributes:
        strategy: by name.
        space: the landscape's name.
        score: None where it failed.
        fault: why it failed.
        ends: how often searches ended for which reason.
        repeats: schedules asked for again, over all seeds.
        illegal: schedules that do not exist, over all seeds.
        seconds_per_evaluation: what searching took, for each evaluation.
    """

    strategy: str
    space: str
    score: Score | None = None
    fault: str = ""
    ends: Mapping[str, int] | None = None
    repeats: int = 0
    illegal: int = 0
    seconds_per_evaluation: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        found = {"strategy": self.strategy, "space": self.space}
        if self.score is None:
            return {**found, "fault": self.fault}
        counts = {"ends": dict(self.ends or {}), "repeats": self.repeats, "illegal": self.illegal}
        return {**found, **self.score.as_dict(), "seconds_per_evaluation": self.seconds_per_evaluation, **counts}


def searched(
    grounds: Sequence[Ground], strategies: Sequence[str], terms: Terms, say: Say, processes: int | None = None
) -> list[Entry]:
    """Let each strategy search each landscape with every seed.

    The searches follow from their seeds alone: neither the processes nor the order of their work changes a score.

    Args:
        grounds: where.
        strategies: as ``search.make`` takes them.
        terms: the same for all.
        say: is told how far it is.
        processes: that share the work; by default one a core.

    Raises:
        EvolveError: a landscape lacks a schedule that is legal, or a process died.
    """
    tasks = [
        _Task(str(ground.path), strategy, replace(terms, seeds=min(_CHUNK, terms.seeds - first)), first)
        for first in range(0, terms.seeds, _CHUNK)
        for ground in grounds
        for strategy in strategies
    ]
    found = _gathered(tasks, say, processes or cores())
    return [
        _entry(ground, strategy, found[str(ground.path), strategy], terms.budget)
        for ground in grounds
        for strategy in strategies
    ]


def _entry(ground: Ground, strategy: str, chunks: Mapping[int, _Played], budget: int) -> Entry:
    played = [chunks[first] for first in sorted(chunks)]
    space = ground.landscape.name
    if fault := next((one.fault for one in played if one.fault), ""):
        return Entry(strategy, space, fault=fault)
    traces = [trace for one in played for trace in one.traces]
    tried = sum(len(trace.times_s) for trace in traces)
    return Entry(
        strategy,
        space,
        score(ground.landscape, [trace.times_s for trace in traces], budget),
        ends=Counter(trace.end for trace in traces),
        repeats=sum(trace.repeats for trace in traces),
        illegal=sum(trace.illegal for trace in traces),
        seconds_per_evaluation=sum(trace.search_s for trace in traces) / max(1, tried),
    )


# ---- the work


@dataclass(frozen=True)
class _Task:
    path: str
    strategy: str
    terms: Terms
    first: int


@dataclass(frozen=True)
class _Played:
    task: _Task
    traces: tuple[Trace, ...] = ()
    fault: str = ""


def _gathered(tasks: Sequence[_Task], say: Say, processes: int) -> dict[tuple[str, str], dict[int, _Played]]:
    """What came of all tasks: by file and strategy, by first seed."""
    found: dict[tuple[str, str], dict[int, _Played]] = {}
    began_s = time.monotonic()
    say(f"{len(tasks)} searches of up to {_CHUNK} seeds to be made, {processes} at a time")
    for done, played in enumerate(spread(_played, tasks, processes), 1):
        task = played.task
        found.setdefault((task.path, task.strategy), {})[task.first] = played
        left_s = (time.monotonic() - began_s) / done * (len(tasks) - done)
        say(f"replayed, {done / len(tasks):.0%} of all searches, {clock(left_s)} left")
    return found


def _played(task: _Task) -> _Played:
    """Search with each seed of a chunk; what is wrong with the strategy is told, and stops no other."""
    landscape, terms = _known(task.path, Path(task.path).stat().st_mtime_ns), task.terms
    traces = []
    for seed in range(task.first, task.first + terms.seeds):
        try:
            with in_time(_PATIENCE_S + terms.budget):
                traces.append(play(landscape, _maker(task), terms.budget, np.random.default_rng(seed), terms.batch))
        except EvolveError:
            raise
        except Exception as error:  # noqa: BLE001 - a strategy may be anybody's
            what = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            return _Played(task, fault=f"{task.strategy} failed on {landscape.name} with seed {seed} ({what})")
    return _Played(task, tuple(traces))


def _maker(task: _Task) -> Callable[[Space, np.random.Generator], Strategy]:
    return lambda space, rng: make(task.strategy, space, rng, task.terms.control_share)


@functools.lru_cache(maxsize=8)
def _known(path: str, _changed_ns: int) -> Landscape:
    return read(Path(path))
