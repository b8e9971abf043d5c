"""Everybody plays every space with every seed, on all cores; what was played before is read."""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evolve.replay.read import read
from evolve.report.quantities import clock
from evolve.rivalry.kept import Played, Record
from evolve.workers import cores, in_time, spread

if TYPE_CHECKING:
    from evolve.replay.landscape import Landscape
    from evolve.rivalry.entrants import Entrant

Say = Callable[[str], None]

_PATIENCE_S = 60.0
"""Of a run, and a second more for each evaluation: the slowest package takes 0.1 s for one."""


@dataclass(frozen=True)
class Terms:
    """What is the same for all.

    Attributes:
        seeds: everybody plays with 0, 1, … up to so many.
        budget: new legal schedules that each may ask for.
    """

    seeds: int
    budget: int


@dataclass(frozen=True)
class Course:
    """What came of an entrant on a space.

    Attributes:
        played: with each seed, in the order of seeds.
        fault: why it did not play with all of them; "" where it did.
    """

    played: tuple[Played, ...]
    fault: str = ""


Courses = Mapping[tuple[str, Path], Course]
"""By name of the entrant and file of the space."""


@dataclass(frozen=True)
class Pairing:
    """An entrant on a space, and where what it plays is kept."""

    entrant: Entrant
    space: Path
    record: Record

    @classmethod
    def of(cls, entrant: Entrant, space: Path, budget: int, folder: Path) -> Pairing:
        """The one whose record lies in a folder."""
        made_of = (entrant.name, entrant.made_of, _digest(space), str(budget))
        return cls(entrant, space, Record.of(folder, f"{entrant.name} {space.name}", made_of))


@functools.cache
def _digest(space: Path) -> str:
    return hashlib.sha256(space.read_bytes()).hexdigest()


def play_all(
    pairings: Sequence[Pairing], terms: Terms, say: Say = lambda _line: None, processes: int | None = None
) -> Courses:
    """Let everybody play, and keep each run as soon as it is over.

    Args:
        pairings: who plays where, space by space: a process keeps the last one that it read.
        terms: seeds and budget.
        say: is told how far it is.
        processes: that share the work; one a core where none is said.

    Raises:
        EvolveError: a space cannot be read, or a process died.
        OSError: what was played cannot be kept.
    """
    known = {pairing: pairing.record.read() for pairing in pairings}
    faults: dict[Pairing, str] = {}
    tasks = [_Task(p, seed, terms.budget) for p in pairings for seed in range(terms.seeds) if seed not in known[p]]
    for pairing, found in _finished(tasks, processes or cores(), say):
        if isinstance(found, str):
            faults[pairing] = found
        else:
            pairing.record.add(found)
            known[pairing][found.seed] = found
    return {(p.entrant.name, p.space): _course(known[p], terms.seeds, faults.get(p, "")) for p in pairings}


def _course(known: Mapping[int, Played], seeds: int, fault: str) -> Course:
    return Course(tuple(known[seed] for seed in range(seeds) if seed in known), fault)


# ---- the work


@dataclass(frozen=True)
class _Task:
    pairing: Pairing
    seed: int
    budget: int


_Finished = tuple[Pairing, Played | str]


def _finished(tasks: Sequence[_Task], processes: int, say: Say) -> Iterator[_Finished]:
    began_s = time.monotonic()
    for done, (pairing, found) in enumerate(spread(_played, tasks, processes), start=1):
        left_s = (time.monotonic() - began_s) / done * (len(tasks) - done)
        said = f"{pairing.entrant.name} on {pairing.space.name}"
        say(f"{done} of {len(tasks)} runs played, {clock(left_s)} left at this rate ({said})")
        yield pairing, found


def _played(task: _Task) -> _Finished:
    """Play; where the entrant raises, in what words: it must not end the others' games."""
    landscape = _landscape(task.pairing.space)
    began_s = time.process_time()
    try:
        with in_time(_PATIENCE_S + task.budget):
            times_s = task.pairing.entrant.run(landscape, task.budget, task.seed)
    except Exception as error:  # noqa: BLE001 - anybody's package may raise anything
        what = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        return task.pairing, f"seed {task.seed}: {what}"
    return task.pairing, Played.of(task.seed, times_s, time.process_time() - began_s)


@functools.lru_cache(maxsize=1)
def _landscape(space: Path) -> Landscape:
    return read(space)
