"""Lap after lap: say what it will give, have it made, keep what it gave, and only then begin the next."""

from __future__ import annotations

import dataclasses
import importlib
import os
import secrets
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from evolve.errors import EvolveError, Interrupted, UsageError
from evolve.gate import gate
from evolve.loops.protocol import Around, LapFailedError, Turned
from evolve.machines import known_machine
from evolve.progress import StopRequest
from evolve.run import POLITE, Admission, refuse_other_machine, versions
from evolve.store import Forecast, Lap, Loop, LoopSpec, Store, utc_now
from evolve.tracker.status import status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from evolve.loops.protocol import ClosedLoop, LoopObserver
    from evolve.store.records import Value

_FILES, _FOLDERS = ("kernels", "batching", "replicators"), ("engine", "policy", "search", "model", "tricks")
LOOPS = {
    **{kind: f"evolve.loops.{kind}" for kind in _FILES},
    **{kind: f"evolve.loops.{kind}.loop" for kind in _FOLDERS},
}
"""Where the loops are made: each module has ``make(around)``."""
_CLOCKLESS = ("search", "model")
"""Loops on recordings, to which it is all one how well this machine measures."""


def spec(
    store: Store,
    kind: str,
    options: Mapping[str, Value | float],
    *,
    laps: int,
    seed: int | None = None,
    name: str | None = None,
) -> LoopSpec:
    """What starts a loop on this machine; a seed that is not given is drawn."""
    return LoopSpec(
        kind=kind,
        laps=laps,
        seed=secrets.randbits(31) if seed is None else seed,
        machine=known_machine(store).id,
        versions=versions(),
        options=dict(options),
        name=name,
    )


def start(store: Store, asked: LoopSpec, observer: LoopObserver, admission: Admission = POLITE) -> Loop:
    """Open a loop and carry it to its last lap.

    Raises:
        Interrupted: the user asked to stop; ``resume`` goes on.
        NoisyMachineError: nothing can be told from noise here and now; there is no loop.
        EvolveError: another evolve measures on this machine, a lap came to nothing, ...
    """
    with admission.lock(f"loop {asked.kind}"):
        line = _admitted(asked.kind, observer, admission)
        loop = store.create_loop(asked)
        store.add_loop_event(loop.id, "started", line)
        _carry_on(store, loop, observer, admission)
    return loop


def resume(
    store: Store, key: str, observer: LoopObserver, admission: Admission = POLITE, laps: int | None = None
) -> Loop:
    """Go on with a loop behind the last lap that is kept.

    Args:
        store: where it is.
        key: as ``Store.loop`` takes it.
        observer: is told how it goes.
        admission: on which terms it measures.
        laps: go on up to this lap, though fewer were asked for at first.

    Raises:
        UsageError: it is finished, belongs to another machine or another profile of this one, or was begun by other
            versions of the libraries that make or measure code.
        NoisyMachineError: nothing can be told from noise here and now.
    """
    loop = store.loop(key)
    loop = dataclasses.replace(loop, laps=max(loop.laps, laps or 0))
    if len(store.laps(loop.id)) > loop.laps and status(store.loop_events(loop.id)) == "finished":
        raise UsageError(
            f"loop {loop.id} is finished after {loop.laps} laps",
            f"look at it with `evolve loop show {loop.id}`, or go on with --laps {loop.laps + 4}",
        )
    with admission.lock(f"loop {loop.id}"):
        refuse_other_machine(store, "loop", loop)
        _refuse_other_versions(loop)
        line = _admitted(loop.kind, observer, admission)
        store.add_loop_event(loop.id, "resumed", line)
        _carry_on(store, loop, observer, admission)
    return loop


def _refuse_other_versions(loop: Loop) -> None:
    """A lap made by another compiler would be held against a lap 0 that this one cannot make."""
    here = versions()
    changed = [f"{name} {was}, now {here.get(name)}" for name, was in loop.versions.items() if here.get(name) != was]
    if changed:
        raise UsageError(
            f"loop {loop.id} was begun with {'; '.join(changed)}",
            "laps of two versions do not compare; install those again, or start a new loop",
        )


def _admitted(kind: str, observer: LoopObserver, admission: Admission) -> str:
    """Ask whether the machine can be trusted to measure, where that matters; returns what was found, in one line."""
    if kind in _CLOCKLESS:
        return "no clock is involved"
    found = gate(None, observer.says, anyway=admission.anyway)
    if admission.on_gate:
        admission.on_gate(found.line)
    return found.line


def _carry_on(store: Store, loop: Loop, observer: LoopObserver, admission: Admission) -> None:
    stop = StopRequest()
    within = dataclasses.replace(admission, is_held=True, on_gate=None)
    around = Around(store, loop, observer.says, stop, within)
    with _events(store, loop), stop.on_interrupt(), closing(make(around)) as closed:
        drive(store, loop, closed, observer, stop)


def make(around: Around) -> ClosedLoop:
    """The closed loop of that kind.

    Raises:
        UsageError: this version has none.
    """
    kind = around.loop.kind
    if kind not in LOOPS:
        raise UsageError(f"no loop {kind!r} in this version", f"it has {', '.join(LOOPS)}")
    made: ClosedLoop = importlib.import_module(LOOPS[kind]).make(around)
    return made


@contextmanager
def _events(store: Store, loop: Loop) -> Iterator[None]:
    """Keep how the session ended; what interrupted a run inside a lap has interrupted the loop."""
    try:
        yield
    except (Interrupted, KeyboardInterrupt) as error:
        store.add_loop_event(loop.id, "interrupted")
        if isinstance(error, Interrupted):
            raise Interrupted(loop.id, "loop") from error
        raise
    except Exception as error:
        store.add_loop_event(loop.id, "failed", f"{type(error).__name__}: {error}"[:500])
        raise
    store.add_loop_event(loop.id, "finished")


def drive(store: Store, loop: Loop, closed: ClosedLoop, observer: LoopObserver, stop: StopRequest) -> None:
    """Make the laps that are missing, up to ``loop.laps``.

    Each lap begins from what the store holds of those before it, so that one that was killed goes on the same way.

    Raises:
        Interrupted: the user asked to stop; the lap that was under way is kept.
        EvolveError: a lap came to nothing, now or before.
    """
    while len(laps := _whole(store.laps(loop.id))) <= loop.laps:
        if stop.is_set:
            raise Interrupted(loop.id, "loop")
        forecast = _foretold(loop, closed, laps) if laps else None
        if forecast:
            store.add_forecast(forecast)
            observer.forecast(forecast)
        lap = _made(loop, closed, laps)
        store.add_lap(lap)
        observer.lap(lap, forecast)


def _whole(laps: list[Lap]) -> list[Lap]:
    """The laps themselves, provided that a further one can follow."""
    broken = next((lap for at, lap in enumerate(laps) if lap.fault or lap.lap != at), None)
    if broken is None:
        return laps
    why = broken.fault or f"lap {broken.lap} follows where another is missing"
    raise EvolveError(f"loop {broken.loop} ends with lap {broken.lap}: {why}", "start a new loop")


def _foretold(loop: Loop, closed: ClosedLoop, laps: Sequence[Lap]) -> Forecast:
    expected = closed.forecast(laps)
    return Forecast(loop.id, len(laps), utc_now(), expected.gain, expected.reason)


def _made(loop: Loop, closed: ClosedLoop, laps: Sequence[Lap]) -> Lap:
    """The next lap, measured, or with the reason why it came to nothing."""
    began_at, began_s = utc_now(), _cpu_s()
    try:
        turned = closed.turn(laps, np.random.default_rng([loop.seed, len(laps)])) if laps else closed.start()
        gives: dict[str, Any] = {f.name: getattr(turned, f.name) for f in dataclasses.fields(Turned)}
    except LapFailedError as error:
        gives = {"gain": None, "inputs": laps[-1].inputs if laps else 1.0, "fault": str(error)}
    return Lap(
        loop=loop.id,
        lap=len(laps),
        started_at=began_at,
        finished_at=utc_now(),
        machine=loop.machine,
        cpu_s=_cpu_s() - began_s,
        **gives,
    )


def _cpu_s() -> float:
    """Processor time of this process, and of all that it started and that has ended."""
    from benchmarks.isolation import served_cpu_s  # noqa: PLC0415 - imports numba

    times = os.times()
    return times.user + times.system + times.children_user + times.children_system + served_cpu_s()
