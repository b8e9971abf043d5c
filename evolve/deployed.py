"""Which engine a search works with: the one that was put to work on this machine last, or the usual one.

An engine is restored by its manifest, and only exactly: where the kernels have changed since, so that the same
schedules make other code, it is refused and not taken for what it was.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from evolve.errors import UsageError
from evolve.store import Deployment, EngineRecord, utc_now

if TYPE_CHECKING:
    from evolve.engine import Engine, Manifest
    from evolve.run import Request
    from evolve.store import RunSpec, Store
    from evolve.store.records import Value

USUAL = "usual"
"""Asks for the engine of default schedules, whatever was put to work."""
_OPTION = "engine"
_REMEDY = "ask for the usual one"


def keep(store: Store, manifest: Manifest) -> str:
    """Keep what an engine consists of; returns its id."""
    store.add_engine(EngineRecord(manifest.id, manifest.as_dict(), utc_now()))
    return manifest.id


def deploy(store: Store, machine: str, manifest: Manifest, reason: str) -> None:
    """Put an engine to work on a machine, unless it is at work there already.

    Args:
        store: where that is kept.
        machine: id of the machine.
        manifest: of the engine.
        reason: who wants it, and why.
    """
    engine = keep(store, manifest)
    before = deployment(store, machine)
    if before is None or before.engine_id != engine:
        store.add_deployment(Deployment(engine, machine, utc_now(), reason))


def deployment(store: Store, machine: str) -> Deployment | None:
    """What is at work on a machine; None for the usual engine."""
    return next(reversed(store.deployments(machine)), None)


def manifest_of(store: Store, key: str) -> Manifest:
    """The manifest of an engine by its id, or an unambiguous beginning of that, or ``usual``.

    Raises:
        UsageError: there is none, several begin so, or it cannot be made again exactly.
    """
    from evolve.engine import Manifest  # noqa: PLC0415 - imports numba

    if key == USUAL:
        return Manifest.usual()
    record = _record(store, key)
    try:
        manifest = Manifest.from_dict(record.manifest)
    except (KeyError, ValueError) as error:
        raise UsageError(f"engine {record.id} cannot be made here: {error}", _REMEDY) from error
    if manifest.id != record.id:
        raise UsageError(f"engine {record.id} was made of kernels that have changed since", _REMEDY)
    return manifest


def _record(store: Store, key: str) -> EngineRecord:
    found = [engine for engine in store.engines() if key and engine.id.startswith(key)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{key!r} may be {', '.join(engine.id for engine in found[-5:])}", "write more of it")
    raise UsageError(f"no engine {key!r} in this store", "`evolve loop engine` makes some")


def engine_of_lap(store: Store, key: str, lap: int) -> str:
    """The id of a lap's engine.

    Args:
        store: of the loop.
        key: of the loop, as ``Store.loop`` takes it.
        lap: 0 for the frozen engine.

    Raises:
        UsageError: there is no such loop or lap, or its laps have no engines.
    """
    loop = store.loop(key)
    details = next((one.details for one in store.laps(loop.id) if one.lap == lap), None)
    if details is None:
        raise UsageError(f"loop {loop.id} has no lap {lap}", f"`evolve loop show {loop.id}` lists its laps")
    if loop.kind != "engine":
        raise UsageError(f"laps of loop {loop.id} have no engines", "`evolve loop engine` makes laps that have one")
    return str(details["engine"]["id"])


def working_with(engine: str) -> dict[str, Value | float]:
    """The options of a run whose search works with an engine of that id."""
    return {_OPTION: engine}


def equipped(store: Store, request: Request, asked: str | None) -> Request:
    """The same request, whose search works with an engine; the usual one is none of its options.

    Args:
        store: of the run.
        request: what a user asks for.
        asked: an engine as ``manifest_of`` takes it; None for the one that is at work here, or, where that cannot be
            made again, for the usual one.

    Raises:
        UsageError: there is no engine like the one asked for, or it cannot be made again exactly.
    """
    engine = manifest_of(store, asked).id if asked else _at_work(store)
    is_usual = engine is None or asked == USUAL
    return request if is_usual else replace(request, options={**request.options, **working_with(str(engine))})


def _at_work(store: Store) -> str | None:
    """The id of the engine that is at work here, where it can be made; None for the usual one."""
    from evolve.machines import known_machine  # noqa: PLC0415 - reads the machine

    found = deployment(store, known_machine(store).id)
    with contextlib.suppress(UsageError):  # its kernels have changed: nobody who only wants to search need know
        return manifest_of(store, found.engine_id).id if found else None
    return None


def engine_of(store: Store, run: RunSpec) -> Engine | None:
    """The engine that a run's search works with; None for the usual one.

    Raises:
        UsageError: it cannot be made again exactly.
    """
    from evolve.engine import Engine  # noqa: PLC0415 - imports numba

    told = run.options.get(_OPTION)
    return Engine(manifest_of(store, told)) if isinstance(told, str) else None
