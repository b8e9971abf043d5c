"""The loop: ask, build, prove, race, tell; every outcome kept before the next ask."""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import kernels
from benchmarks.bound import Roof, bounds
from benchmarks.contestant import Task
from benchmarks.harness import Harness
from evolve.errors import Interrupted, UsageError
from evolve.lock import MeasuringLock
from evolve.machines import known_machine, this_machine
from evolve.paths import source_folder
from evolve.progress import Observer, Progress, StopRequest
from evolve.publish import publish
from evolve.session import Session, Surroundings
from evolve.store import Run, RunSpec, Store
from evolve.tracker.status import status

if TYPE_CHECKING:
    from evolve.budget import Budget
    from evolve.lock import Holder

VERSIONED = ("evolve-kernels", "numba", "llvmlite", "numpy", "deap")
SOURCES_BYTES = 2 << 30
"""What generated sources with their compiled code may take in the cache folder."""

OnWait = Callable[["Holder"], None]


@dataclass(frozen=True)
class Request:
    """What a user asks for.

    Attributes:
        kernel: its name.
        size: extents of the problem.
        dtype: ``"float32"`` or ``"float64"``.
        threads: that the kernel may use.
        budget: of the search; ceilings before and publication after it come on top.
        seed: of the search and of the inputs.
        strategy: as ``search.make`` takes it.
        control_share: share of the evaluations that are independent random draws.
        batch_size: schedules asked for, and built, at once.
        name: the user's own word for the run.
    """

    kernel: str
    size: kernels.Size
    dtype: str
    threads: int
    budget: Budget
    seed: int
    strategy: str = "genetic"
    control_share: float = 0.15
    batch_size: int = 8
    name: str | None = None


def start(
    store: Store, request: Request, observer: Observer, *, wait: bool = False, on_wait: OnWait | None = None
) -> Run:
    """Make a run, carry it to the end of its budget, publish its champion.

    Raises:
        Interrupted: the user asked to stop; ``resume`` goes on.
        EvolveError: another run measures on this machine, a folder or the store cannot be written, …
    """
    _check(request)
    spec = RunSpec(
        kernel=request.kernel,
        size=request.size,
        dtype=request.dtype,
        threads=request.threads,
        strategy=request.strategy,
        control_share=request.control_share,
        seed=request.seed,
        budget=request.budget.text,
        batch_size=request.batch_size,
        machine=known_machine(store).id,
        versions={name: _version(name) for name in VERSIONED},
        name=request.name,
    )
    with MeasuringLock(f"run of {request.kernel}", wait=wait, on_wait=on_wait):
        roof = _roof(store, spec, observer)
        run = store.create_run(spec)
        store.add_event(run.id, "started")
        _carry_on(store, run, roof, observer)
    return run


def resume(store: Store, key: str, observer: Observer, *, wait: bool = False, on_wait: OnWait | None = None) -> Run:
    """Go on with a run exactly where it stopped.

    Raises:
        UsageError: it is finished, or belongs to another machine.
    """
    run = store.run(key)
    if status(store.events(run.id)) == "finished":
        raise UsageError(f"run {run.id} is finished", f"look at it with: evolve show {run.id}")
    with MeasuringLock(f"run {run.id}", wait=wait, on_wait=on_wait):
        here = known_machine(store)
        if here.id != run.machine:
            raise UsageError(
                f"run {run.id} was measured on machine {run.machine}, this is {here.id}",
                "times of two machines do not mix; start a new run here",
            )
        store.add_event(run.id, "resumed")
        _carry_on(store, run, _roof(store, run, observer), observer)
    return run


def _roof(store: Store, spec: RunSpec, observer: Observer) -> Roof:
    return this_machine(store, lambda doing: observer(Progress.before(spec, "ceilings", doing))).roof


def _carry_on(store: Store, run: Run, roof: Roof, observer: Observer) -> None:
    task = Task(run.kernel, run.size, run.dtype, run.threads, run.seed)
    limits = bounds(task.definition.work(run.size, run.dtype), run.dtype, roof, run.threads)
    stop, folder = StopRequest(), source_folder()
    folder.trim(SOURCES_BYTES)
    with (
        _events(store, run),
        stop.on_interrupt(),
        Harness(task, folder, limits.reject.time_s) as harness,
    ):
        session = Session(run, Surroundings(store, harness, limits.efficiency, observer, stop))
        session.keep_bound()
        search(session)
        publish(session)


def search(session: Session) -> None:
    """Ask, evaluate, tell, until the budget is used up or the space is exhausted."""
    evaluations = session.replay() or session.ask()
    while evaluations and session.evaluate(evaluations):
        session.tell(session.batch(evaluations))
        if session.is_over:
            break
        evaluations = session.ask()


@contextmanager
def _events(store: Store, run: Run) -> Iterator[None]:
    """Keep how the session ended."""
    try:
        yield
    except (Interrupted, KeyboardInterrupt):
        store.add_event(run.id, "interrupted")
        raise
    except Exception as error:
        store.add_event(run.id, "failed", f"{type(error).__name__}: {error}"[:500])
        raise
    store.add_event(run.id, "finished")


def _check(request: Request) -> None:
    kernel = kernels.get(request.kernel)
    if request.dtype not in kernel.dtypes:
        raise UsageError(f"{kernel.name} has no dtype {request.dtype!r}", f"it has {', '.join(kernel.dtypes)}")
    if request.threads != 1:
        raise UsageError(f"{kernel.name} has single-threaded schedules only", "leave --threads at 1")


@functools.cache
def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
