"""What the kernel suite measures: problems, and who takes part in each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kernels
from benchmarks.contestant import Contestant, Task, of_baseline, of_schedule, source_of
from benchmarks.machine import fingerprint
from kernels import Kernel
from kernels.language import Schedule, SourceFolder

BASELINE, DEFAULT, CHAMPION = "baseline", "default", "champion"


@dataclass(frozen=True)
class Champion:
    """A schedule that a run found, here or on another machine.

    Attributes:
        task: the problem that it won.
        schedule: its values.
        home: ``machine``, ``profile`` and ``policy`` where it leads; empty for this machine's own.
        origin: whatever else is known of it (run, budget, evaluations, bound, …), to be passed on.
    """

    task: Task
    schedule: Schedule
    home: Mapping[str, str] = field(default_factory=dict)
    origin: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any], policy: str = "hot") -> Champion:
        """The champion from plain values: those of its task, ``schedule``, ``home`` of a guest, and others."""
        known = {name: data[name] for name in ("kernel", "size", "dtype", "threads")}
        origin = {name: value for name, value in data.items() if name not in {*known, "schedule", "home"}}
        task = Task.from_json({**known, "policy": policy})
        return cls(task, Schedule(data["schedule"]), data.get("home", {}), origin)

    @property
    def name(self) -> str:
        """``champion``, or of a guest ``champion of`` its machine."""
        if not self.home:
            return CHAMPION
        policy = "" if self.home["policy"] == "hot" else f" {self.home['policy']}"
        return f"{CHAMPION} of {self.home['machine']}{policy}"


@dataclass(frozen=True)
class Entry:
    """One benchmark: a contestant of a problem.

    Attributes:
        task: the problem.
        name: ``baseline``, a rival's name, ``default``, ``champion`` or ``champion of`` another machine.
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
        policy = f"-{self.task.policy}" if self.task.policy != "hot" else ""
        return f"{self.task.kernel}-{self.task.dtype}-{size}{threads}{policy}"

    @property
    def schedule(self) -> Schedule | None:
        """Its values; None for baseline and rivals."""
        if self.champion is not None:
            return self.champion.schedule
        return self.task.definition.space.schedule() if self.name == DEFAULT else None

    @property
    def is_rival(self) -> bool:
        """True for a library's answer."""
        return self.name in self.task.definition.rivals

    @property
    def is_guest(self) -> bool:
        """True for the champion of another machine."""
        return self.champion is not None and bool(self.champion.home)

    @property
    def objection(self) -> str:
        """Why it may not run on this machine; empty where it may."""
        kernel, cores = self.task.definition, fingerprint().logical_cores
        if self.task.dtype not in kernel.dtypes or len(self.task.size) != len(kernel.dims):
            return f"{kernel.name} has no such problem here"
        if self.task.threads > cores:
            return f"{self.task.threads} threads on {cores} core{'s' * (cores > 1)}"
        if self.task.threads > 1 and kernel.split is None:
            return f"threads cannot share {kernel.name}"
        return "" if self.schedule is None else kernel.space.is_legal(self.schedule) or ""

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
            "policy": self.task.policy,
            "contestant": self.name,
            "flop": work.flop,
            "moved_bytes": work.moved_bytes,
        }
        if self.schedule is not None:
            facts |= {"schedule": dict(self.schedule), "source_hash": source_of(self.task, self.schedule).identity}
        if self.is_guest:
            facts["home"] = dict(self.champion.home) if self.champion else {}
        return {**(self.champion.origin if self.champion else {}), **facts}


def read_champions(path: Path, policy: str = "hot") -> list[Champion]:
    """The champions of a JSON file, which holds a list of objects; see ``Champion.from_json``."""
    return [Champion.from_json(data, policy) for data in json.loads(path.read_text(encoding="utf-8"))]


def entries(names: Iterable[str], champions: Iterable[Champion], policy: str = "hot", threads: int = 1) -> list[Entry]:
    """All benchmarks of some kernels: the champions' problems, or the default one where a kernel has no champion."""
    found = list(champions)
    made: list[Entry] = []
    for name in names:
        tasks = dict.fromkeys(champion.task for champion in found if champion.task.kernel == name)
        for task in tasks or [default_task(kernels.get(name), policy, threads)]:
            made += of_problem(task, found)
    return made


def default_task(kernel: Kernel, policy: str = "hot", threads: int = 1) -> Task:
    """The problem that ``evolve run KERNEL`` takes."""
    dtype = "float64" if "float64" in kernel.dtypes else kernel.dtypes[0]
    return Task(kernel.name, kernel.default_size, dtype, threads, policy=policy)


def of_problem(task: Task, champions: Iterable[Champion]) -> list[Entry]:
    """All contestants of a problem, its leader last; a guest with the leader's own schedule is not made to race it."""
    own = [champion for champion in champions if champion.task == task and not champion.home]
    others = [Entry(task, name) for name in (BASELINE, *task.definition.rivals)]
    if own:
        others.append(Entry(task, DEFAULT))
        leader = Entry(task, CHAMPION, own[-1], is_leader=True)
    else:
        leader = Entry(task, DEFAULT, is_leader=True)
    return [*others, *_guests(task, champions, leader), leader]


def _guests(task: Task, champions: Iterable[Champion], leader: Entry) -> list[Entry]:
    found = [champion for champion in champions if champion.task == task and champion.home]
    by_name = {one.name: Entry(task, one.name, one) for one in found if one.schedule != leader.schedule}
    return list(by_name.values())
