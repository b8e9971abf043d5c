"""What a session of the suites knows beside its times: the machine's ceilings, and who was left out and why."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import pytest

from benchmarks.bound import Bound, Roof, bounds, effective
from benchmarks.ceilings import Ceilings
from benchmarks.machine import Cache, fingerprint
from benchmarks.suites.entries import Entry

SCHEMA = 1
"""Of what our JSON holds beside pytest-benchmark's own fields; raised when a field changes its meaning."""


@dataclass(frozen=True)
class LeftOut:
    """A contestant that was not measured.

    Attributes:
        kernel: the problem's.
        dtype: the problem's.
        size: the problem's.
        threads: the problem's.
        contestant: its name.
        schedule: its values; empty for what has none.
        home: of a guest, the machine where it leads.
        kind: ``illegal``, ``unavailable``, ``wrong``, ``too slow`` or ``failed``.
        reason: in words.
    """

    kernel: str
    dtype: str
    size: tuple[int, ...]
    threads: int
    contestant: str
    schedule: Mapping[str, Any]
    home: Mapping[str, str]
    kind: str
    reason: str


@dataclass
class Record:
    """The session's.

    Attributes:
        machine: what is known of the machine: ``ceilings``, ``aa``, ``protections``; empty without ``--machine``.
        left_out: in order.
        times_s: seconds a call of those that were timed, by problem and contestant.
    """

    machine: Mapping[str, Any] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    times_s: dict[tuple[str, str], float] = field(default_factory=dict)

    def bound(self, entry: Entry) -> Bound | None:
        """The least time of the problem here, by this session's ceilings, or as the champion's run knew it."""
        if roof := self._roof:
            task = entry.task
            work = task.definition.work(task.size, task.dtype)
            return bounds(work, task.dtype, roof, task.threads, task.policy).efficiency
        known = entry.champion.origin.get("bound") if entry.champion and not entry.is_guest else None
        return Bound(**known) if known else None

    @property
    def caches(self) -> tuple[Cache, ...] | None:
        """What was seen of the caches of one core; None where this session has no ceilings."""
        return effective(self._roof.caches, self._roof.latest.capacity_bytes) if self._roof else None

    @cached_property
    def _roof(self) -> Roof | None:
        if not (ceilings := self.machine.get("ceilings")):
            return None
        read = Ceilings.from_dict
        return Roof(read(ceilings["latest"]), read(ceilings["best"]), fingerprint().caches)

    def leave_out(self, entry: Entry, kind: str, reason: str) -> NoReturn:
        """Note why a contestant is not measured, and skip it."""
        self._note(entry, kind, reason)
        pytest.skip(f"{entry.name} is {kind} here: {reason}")

    def leave_out_unmet(self, others: Iterable[Entry], met: Container[str]) -> None:
        """Note who was timed alone, but not to be had in the fresh processes."""
        for other in others:
            if other.name not in met:
                self._note(other, "failed", "it could not be measured in a fresh process")

    def _note(self, entry: Entry, kind: str, reason: str) -> None:
        task, schedule = entry.task, dict(entry.schedule or {})
        home = dict(entry.champion.home) if entry.champion else {}
        problem = (task.kernel, task.dtype, task.size, task.threads)
        self.left_out.append(LeftOut(*problem, entry.name, schedule, home, kind, reason))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"schema": SCHEMA, "left_out": [asdict(one) for one in self.left_out]}


_KEY = pytest.StashKey[Record]()


def record_of(config: pytest.Config) -> Record:
    """The record of a session, opened when it is first asked for."""
    if _KEY not in config.stash:
        path: Path | None = config.getoption("--machine")
        config.stash[_KEY] = Record(json.loads(path.read_text(encoding="utf-8")) if path else {})
    return config.stash[_KEY]
