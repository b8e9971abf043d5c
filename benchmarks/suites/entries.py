"""What the kernel suite measures: problems, and who takes part in each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kernels
from benchmarks.contestant import Contestant, Task, of_baseline, of_schedule, source_of
from kernels import Kernel
from kernels.language import Schedule, SourceFolder

BASELINE, DEFAULT, CHAMPION = "baseline", "default", "champion"


@dataclass(frozen=True)
class Champion:
    """A schedule that a run found.

    Attributes:
        task: the problem that it won.
        schedule: its values.
        origin: whatever else is known of it (run, budget, evaluations, bound, …), to be passed on.
    """

    task: Task
    schedule: Schedule
    origin: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Champion:
        """The champion from plain values: those of its task, ``schedule``, and others."""
        known = {name: data[name] for name in ("kernel", "size", "dtype", "threads")}
        origin = {name: value for name, value in data.items() if name not in {*known, "schedule"}}
        return cls(Task.from_json(known), Schedule(data["schedule"]), origin)


@dataclass(frozen=True)
class Entry:
    """One benchmark: a contestant of a problem.

    Attributes:
        task: the problem.
        name: ``baseline``, a rival's name, ``default`` or ``champion``.
        champion: where it is one.
        is_leader: whose speedup over all others is measured: the champion's, or the default's where there is none.
    """

    task: Task
    name: str
    champion: Champion | None = None
    is_leader: bool = False

    @property
    def problem(self) -> str:
        """The problem in a word that is the same on every machine."""
        size = "x".join(map(str, self.task.size))
        threads = f"-{self.task.threads}threads" if self.task.threads > 1 else ""
        return f"{self.task.kernel}-{self.task.dtype}-{size}{threads}"

    @property
    def schedule(self) -> Schedule | None:
        """Its values; None for baseline and rivals."""
        if self.champion is not None:
            return self.champion.schedule
        return self.task.definition.space.schedule() if self.name == DEFAULT else None

    @property
    def bound(self) -> Mapping[str, Any] | None:
        """The attainable ``time_s`` and its ``limit``, where the champion's file says them."""
        return self.champion.origin.get("bound") if self.champion else None

    @property
    def is_rival(self) -> bool:
        """True for a library's answer."""
        return self.name in self.task.definition.rivals

    def contestant(self, folder: SourceFolder) -> Contestant:
        """The same, ready to be called; a schedule's source is written.

        Raises:
            TemplateError: the schedule does not specialise.
        """
        if self.is_rival:
            return Contestant(None, rival=self.name)
        if self.schedule is None:
            return of_baseline(folder, self.task)
        return of_schedule(folder, source_of(self.task, self.schedule), self.schedule)

    def facts(self) -> dict[str, Any]:
        """What is known before anything is measured."""
        work = self.task.definition.work(self.task.size, self.task.dtype)
        facts = {
            "kernel": self.task.kernel,
            "dtype": self.task.dtype,
            "size": list(self.task.size),
            "threads": self.task.threads,
            "contestant": self.name,
            "flop": work.flop,
            "moved_bytes": work.moved_bytes,
        }
        if self.schedule is not None:
            facts |= {"schedule": dict(self.schedule), "source_hash": source_of(self.task, self.schedule).identity}
        return {**(self.champion.origin if self.champion else {}), **facts}


def read_champions(path: Path) -> list[Champion]:
    """The champions of a JSON file, which holds a list of objects; see ``Champion.from_json``."""
    return [Champion.from_json(data) for data in json.loads(path.read_text(encoding="utf-8"))]


def entries(names: Iterable[str], champions: Iterable[Champion]) -> list[Entry]:
    """All benchmarks of some kernels: their champions' problems, or the default one where a kernel has no champion."""
    found = list(champions)
    made = []
    for name in names:
        own = [champion for champion in found if champion.task.kernel == name]
        for champion in own:
            made += _of_problem(champion.task, champion)
        if not own:
            made += _of_problem(default_task(kernels.get(name)))
    return made


def default_task(kernel: Kernel) -> Task:
    """The problem that ``evolve run KERNEL`` takes."""
    return Task(kernel.name, kernel.default_size, "float64" if "float64" in kernel.dtypes else kernel.dtypes[0])


def _of_problem(task: Task, champion: Champion | None = None) -> list[Entry]:
    others = [Entry(task, name) for name in (BASELINE, *task.definition.rivals)]
    if champion is None:
        return [*others, Entry(task, DEFAULT, is_leader=True)]
    return [*others, Entry(task, DEFAULT), Entry(task, CHAMPION, champion, is_leader=True)]
