"""The loop: ask, build, prove, race, tell; every outcome kept before the next ask."""

from __future__ import annotations

import functools
import importlib.metadata
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import kernels
from benchmarks.contestant import Task
from benchmarks.harness import Harness
from evolve.errors import Interrupted, UsageError
from evolve.gate import NOISY, Gate, gate
from evolve.lock import MeasuringLock
from evolve.machines import described, known_machine, profile_of
from evolve.paths import source_folder
from evolve.progress import Observer, Progress, StopRequest
from evolve.publish import publish
from evolve.racing import rules_for
from evolve.search.protocol import CONTROL_SHARE, PATIENCE
from evolve.session import Session, Surroundings
from evolve.store import Loop, Run, RunSpec, Store
from evolve.survey import Survey
from evolve.tracker.status import status

if TYPE_CHECKING:
    from evolve.budget import Budget
    from evolve.lock import Holder
    from evolve.store.records import Value

VERSIONED = ("evolve-kernels", "numba", "llvmlite", "numpy", "deap")
SOURCES_BYTES = 2 << 30
"""What generated sources with their compiled code may take in the cache folder."""

OnWait = Callable[["Holder"], None]
Ending = Callable[[Session], None]
"""What is done with a search that is over; a run that was killed in it does it again."""


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
        batch_size: schedules asked for, and built, at once; of long runs at least.
        name: the user's own word for the run.
        policy: what the caches hold when a call begins, one of ``benchmarks.contestant.POLICIES``.
        options: further settings, as ``RunSpec`` keeps them.
    """

    kernel: str
    size: kernels.Size
    dtype: str
    threads: int
    budget: Budget
    seed: int
    strategy: str = "genetic"
    control_share: float = CONTROL_SHARE
    batch_size: int = 8
    name: str | None = None
    policy: str = "hot"
    options: Mapping[str, Value | float] = field(default_factory=dict)


@dataclass(frozen=True)
class Admission:
    """On which terms a run begins to measure.

    Attributes:
        wait: where another evolve measures, wait for it.
        on_wait: is told whom it waits for.
        anyway: measure on a machine that is too noisy to judge.
        on_gate: is told in one line what was found of the machine.
        is_held: the caller measures already, and the run is part of that.
    """

    wait: bool = False
    on_wait: OnWait | None = None
    anyway: bool = False
    on_gate: Callable[[str], None] | None = None
    is_held: bool = False

    def lock(self, purpose: str) -> AbstractContextManager[object]:
        """The machine, for oneself."""
        if self.is_held:
            return nullcontext()
        return MeasuringLock(purpose, wait=self.wait, on_wait=self.on_wait)


POLITE = Admission()


def start(
    store: Store, request: Request, observer: Observer, admission: Admission = POLITE, ending: Ending | None = None
) -> Run:
    """Make a run, carry it to the end of its budget, publish its champion, or end it in another way.

    Raises:
        Interrupted: the user asked to stop; ``resume`` goes on.
        NoisyMachineError: nothing can be told from noise here and now; there is no run.
        EvolveError: another run measures on this machine, a folder or the store cannot be written, …
    """
    _check(request)
    spec = spec_of(request, known_machine(store).id)
    with admission.lock(f"run of {request.kernel}"):
        ground = _prepared(store, spec, observer, admission)
        run = store.create_run(spec)
        store.add_event(run.id, "started")
        _carry_on(store, run, ground, observer, ending)
    return run


def spec_of(request: Request, machine: str) -> RunSpec:
    """What the store is told of a run that is asked for."""
    return RunSpec(
        kernel=request.kernel,
        size=request.size,
        dtype=request.dtype,
        threads=request.threads,
        policy=request.policy,
        strategy=request.strategy,
        control_share=request.control_share,
        seed=request.seed,
        budget=request.budget.text,
        batch_size=request.batch_size,
        machine=machine,
        versions=versions(),
        options=request.options,
        name=request.name,
    )


def resume(
    store: Store, key: str, observer: Observer, admission: Admission = POLITE, ending: Ending | None = None
) -> Run:
    """Go on with a run exactly where it stopped.

    Raises:
        UsageError: it is finished, or belongs to another machine or another profile of this one.
        NoisyMachineError: nothing can be told from noise here and now.
    """
    run = store.run(key)
    if status(store.events(run.id)) == "finished":
        raise UsageError(f"run {run.id} is finished", f"look at it with: evolve show {run.id}")
    with admission.lock(f"run {run.id}"):
        refuse_other_machine(store, "run", run)
        ground = _prepared(store, run, observer, admission)
        store.add_event(run.id, "resumed")
        _carry_on(store, run, ground, observer, ending)
    return run


def refuse_other_machine(store: Store, what: str, known: Run | Loop) -> None:
    """Refuse to go on with a ``"run"`` or a ``"loop"`` of another machine.

    Raises:
        UsageError: it belongs to one, or to another profile of this one.
    """
    here = known_machine(store).id
    if here == known.machine:
        return
    is_profile = profile_of(store, here) != profile_of(store, known.machine)
    way_out = "resume it with its own --isa and --cores, or start" if is_profile else "start"
    raise UsageError(
        f"{what} {known.id} was measured on {described(store, known.machine)}, this is {described(store, here)}",
        f"times of two machines do not mix; {way_out} a new {what} here",
    )


@dataclass(frozen=True)
class Ground:
    """What a run stands on: its task, what was found of the machine, and what bounds the task there."""

    task: Task
    gate: Gate
    survey: Survey


def _prepared(store: Store, spec: RunSpec, observer: Observer, admission: Admission) -> Ground:
    """Ask whether the machine can be trusted, then measure its ceilings."""
    task = Task(spec.kernel, spec.size, spec.dtype, spec.threads, spec.seed, spec.policy)
    found = gate(task, lambda doing: observer(Progress.before(spec, "machine", doing)), anyway=admission.anyway)
    if admission.on_gate:
        admission.on_gate(found.line)
    survey = Survey(store, task, lambda doing: observer(Progress.before(spec, "ceilings", doing)))
    return Ground(task, found, survey)


def _carry_on(store: Store, run: Run, ground: Ground, observer: Observer, ending: Ending | None) -> None:
    store.add_event(run.id, "noisy" if NOISY in ground.gate.flags else "trusted", ground.gate.line)
    survey, stop, folder = ground.survey, StopRequest(), source_folder()
    folder.trim(SOURCES_BYTES)
    with (
        _events(store, run),
        stop.on_interrupt(),
        Harness(ground.task, folder, survey.bounds.reject.time_s, rules_for(run)) as harness,
    ):
        around = Surroundings(
            store, harness, survey.bounds.efficiency, observer, stop, survey, spread=ground.gate.spread
        )
        session = Session(run, around)
        session.keep_bound()
        search(session)
        session.checkpoint(is_last=True)
        session.resurvey("measured again at the end")
        (ending or publish)(session)


def search(session: Session) -> None:
    """Ask, evaluate, tell, until the budget is used up, the space is exhausted, or nothing new comes any more."""
    evaluations, idle = session.replay() or session.ask(), 0
    while evaluations and session.evaluate(evaluations):
        batch = session.batch(evaluations)
        session.tell(batch)
        idle = 0 if any(individual.is_paid for individual in batch) else idle + 1
        if session.is_over or idle == PATIENCE:
            break
        evaluations = session.ask()
    if idle == PATIENCE:
        session.store.add_event(session.run.id, "stalled", f"the search asked {idle} times for what it knew")


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
    check_dtype(kernel, request.dtype)
    check_threads(kernel, request.threads)


def check_dtype(kernel: kernels.Kernel, dtype: str) -> None:
    """See that a kernel is defined for a dtype.

    Raises:
        UsageError: it is not.
    """
    if dtype not in kernel.dtypes:
        raise UsageError(f"{kernel.name} has no dtype {dtype!r}", f"it has {', '.join(kernel.dtypes)}")


def check_threads(kernel: kernels.Kernel, threads: int) -> None:
    """See that so many threads can share a kernel here.

    Raises:
        UsageError: its calls cannot be shared, or there are fewer cores.
    """
    cores = len(os.sched_getaffinity(0))
    if threads > 1 and kernel.split is None:
        raise UsageError(f"{kernel.name} has single-threaded schedules only", "leave --threads at 1")
    if threads > cores:
        here = f"{cores} core{'s' * (cores > 1)}"
        raise UsageError(f"{threads} threads on {here}", f"--threads takes at most {cores} here")


def versions() -> dict[str, str]:
    """Of the libraries whose change could change a result."""
    return {name: _version(name) for name in VERSIONED}


@functools.cache
def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
