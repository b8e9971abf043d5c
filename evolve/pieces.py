"""A long measurement in pieces: one kernel after the other, each kept as it ends, so that what interrupts it costs one.

A piece that was kept before may stand for a measurement as long as it measured the same: these champions, on this
machine, by the same versions of everything, in the same manner. Time of day is the user's to judge.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import kernels
from benchmarks import rivals
from benchmarks.contestant import source_of
from benchmarks.machine import fingerprint
from benchmarks.suites.entries import Champion, default_task
from evolve.bench import Measured, Request, run_suites, saved
from evolve.errors import EvolveError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Told = dict[str, Any]

BESIDE = ("bench_startup.py", "bench_door.py")
"""Suites of no kernel, which belong to a measurement of all of them."""


def gathered(
    champions: Sequence[Told], facts: Mapping[str, Any], machine: str, request: Request, within_s: float = 0.0
) -> Measured:
    """Measure each kernel in a process of its own, or take what was kept of it, and put all of it into one file.

    Args:
        champions: see ``evolve.bench.run_suites``.
        facts: likewise.
        machine: likewise.
        request: likewise.
        within_s: what was measured so many seconds ago at most need not be measured again.

    Raises:
        EvolveError: a contestant was wrong or failed, or the file cannot be written; what was measured is kept.
    """
    kept = _kept(machine, request, within_s)
    pieces = []
    for name in _wanted(request):
        own = [one for one in champions if one["kernel"] == name]
        known = next((found for one in kept if (found := _of_kernel(one, name, own, request))), None)
        pieces.append(known or run_suites(own, facts, machine, replace(request, names=(name,))))
    if not request.names:
        pieces.append(run_suites([], facts, machine, request, *BESIDE))
    return pieces[0] if len(pieces) == 1 else _joined(pieces)


def _wanted(request: Request) -> list[str]:
    found = request.names or kernels.names()
    return [name for name in found if request.threads == 1 or kernels.get(name).split]


# ---- what was kept


def _kept(machine: str, request: Request, within_s: float) -> list[Measured]:
    """Measurements in the same manner, by the same versions of everything, the latest first."""
    since = (datetime.now(UTC) - timedelta(seconds=within_s)).isoformat()
    manner = {"policy": request.policy, "threads": request.threads, "is_quick": request.is_quick}
    found = [one for one in saved(machine, since) if _is_like(one.suites, manner)] if within_s else []
    return found[::-1]


def _is_like(suites: Mapping[str, Any], manner: Mapping[str, Any]) -> bool:
    known, info = suites.get("evolve", {}), suites.get("machine_info", {})
    if "began_at" in known:  # put together from pieces that are kept too, each with its own time of day
        return False
    return (
        {name: known.get(name) for name in manner} == manner
        and info.get("fingerprint", {}).get("versions") == dict(fingerprint().versions)
        and suites.get("rivals", {}).get("versions") == rivals.versions()
    )


def _of_kernel(one: Measured, name: str, champions: Sequence[Told], request: Request) -> Measured | None:
    """The part of a measurement that is a kernel's; None where it has none, or of other contestants."""
    own = [found for found in one.suites["benchmarks"] if found["extra_info"].get("kernel") == name]
    has_guests = any("home" in champion for champion in champions) or any("home" in told["extra_info"] for told in own)
    if has_guests or _leaders(own) != _expected(name, champions, request):
        return None
    left_out = [found for found in one.suites["evolve"]["left_out"] if found["kernel"] == name]
    told = {**one.suites, "benchmarks": own, "evolve": {**one.suites["evolve"], "left_out": left_out}}
    return Measured(told, one.file)


def _leaders(benchmarks: Sequence[Mapping[str, Any]]) -> set[tuple[Any, ...]]:
    infos = [one["extra_info"] for one in benchmarks]
    return {(one["dtype"], *one["size"], one["source_hash"]) for one in infos if "speedups" in one}


def _expected(name: str, champions: Sequence[Told], request: Request) -> set[tuple[Any, ...]]:
    """Whose figures a measurement of these has; what is no longer legal is left out there too."""
    found = [Champion.from_json(one, request.policy) for one in champions]
    default = default_task(kernels.get(name), request.policy, request.threads)
    leaders = [(one.task, one.schedule) for one in found] or [(default, default.definition.space.schedule())]
    return {
        (task.dtype, *task.size, source_of(task, schedule).identity)
        for task, schedule in leaders
        if not task.definition.space.is_legal(schedule)
    }


# ---- put together


def _joined(pieces: Sequence[Measured]) -> Measured:
    """All pieces as one measurement, in a file of its own behind theirs."""
    last = max(pieces, key=lambda one: one.suites["datetime"])
    parts = [one.suites for one in pieces]
    told = {
        **last.suites,
        "benchmarks": [one for part in parts for one in part["benchmarks"]],
        "evolve": {
            **last.suites["evolve"],
            "left_out": [one for part in parts for one in part["evolve"]["left_out"]],
            "began_at": min(part["datetime"] for part in parts),
        },
        "rivals": {**last.suites["rivals"], "libraries": _libraries(parts)},
    }
    return _filed(told, pieces)


def _libraries(parts: Sequence[Mapping[str, Any]]) -> list[Told]:
    """Each library once, in the order in which it was met."""
    found: list[Told] = []
    for one in (library for part in parts for library in part["rivals"]["libraries"]):
        found += [] if one in found else [one]
    return found


def _filed(told: Told, pieces: Sequence[Measured]) -> Measured:
    last = max((one.file for one in pieces), key=lambda path: path.name)
    number = max(int(path.name[:4]) for path in last.parent.glob("[0-9]*.json"))
    path = last.with_name(f"{number + 1:04}_bench.json")
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        unfinished.write_text(json.dumps(told), encoding="utf-8")
        return Measured(told, unfinished.replace(path))
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise EvolveError(f"{path} cannot be written ({error.strerror})", "make room; the pieces are kept") from error
