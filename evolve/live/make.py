"""Making the runs that are not there yet: what is finished stays, what was interrupted goes on."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import kernels
from evolve.budget import Budget
from evolve.errors import EvolveError, Interrupted
from evolve.live.course import Course
from evolve.machines import known_machine
from evolve.report.quantities import clock
from evolve.run import resume, start
from evolve.standard import known
from evolve.starting import fitted, starting_at
from evolve.tracker.status import status

if TYPE_CHECKING:
    from evolve.live.lineup import LiveRun
    from evolve.progress import Observer
    from evolve.run import Admission, Request
    from evolve.session import Session
    from evolve.store import Run, Store

_STOPPED = 130
_BESIDE_S = 20.0
"""What a run takes beside its search: to ask the machine, to measure its ceilings, to start its children."""


@dataclass(frozen=True)
class Making:
    """How runs are made.

    Attributes:
        watch: whoever watches one.
        admission: on which terms each begins to measure.
        say: is told how far it is.
        options: the same terms for a run in a process of its own, as its command line says them.
    """

    watch: Callable[[], AbstractContextManager[Observer]]
    admission: Admission
    say: Callable[[str], None]
    options: tuple[str, ...] = ()


def finished(store: Store, one: LiveRun) -> Run | None:
    """The run of that name, where it is over."""
    run = _named(store, one)
    return run if run and status(store.events(run.id)) == "finished" else None


def complete_all(store: Store, wanted: Sequence[LiveRun], making: Making) -> None:
    """Make the runs that are missing, in order.

    Raises:
        UsageError: a name belongs to a run of another problem, another policy or another machine.
        Interrupted: the user asked to stop; calling this again goes on.
        EvolveError: a run cannot be made.
    """
    missing = [one for one in dict.fromkeys(wanted) if finished(store, one) is None]
    began_s, spent = time.monotonic(), 0.0
    for number, one in enumerate(missing, 1):
        left = _left(missing[number - 1 :], spent, time.monotonic() - began_s)
        making.say(f"run {number} of {len(missing)}: {one.name}{left}")
        _complete(store, one, making)
        spent += _cost(one)


def _left(todo: Sequence[LiveRun], spent: float, taken_s: float) -> str:
    """Time left, at the pace of the runs that are over; where there are none, by budgets of time."""
    if spent:
        return f", {clock(sum(map(_cost, todo)) * taken_s / spent)} left"
    if all(Budget.parse(one.budget).seconds for one in todo):
        return f", some {clock(sum(map(_cost, todo)))} left"
    return ""


def _cost(one: LiveRun) -> float:
    """Seconds where a budget is of time; else evaluations, which no budget of time stands beside."""
    budget = Budget.parse(one.budget)
    return budget.seconds + _BESIDE_S if budget.seconds else float(budget.evaluations or 0)


def _named(store: Store, one: LiveRun) -> Run | None:
    return next((run for run in store.runs() if run.name == one.name), None)


def _complete(store: Store, one: LiveRun, making: Making) -> None:
    if one.isa:
        _complete_restricted(store, one, making)
        return
    run = known(store, one, known_machine(store).id)
    with making.watch() as observer:
        if run is None:
            start(store, _request(store, one), observer, making.admission, _unpublished)
        else:
            resume(store, run.id, observer, making.admission, _unpublished)


def _unpublished(_session: Session) -> None:
    """Nothing after the search: no figure rests on it, and nobody shall take such a champion for wisdom."""


def _complete_restricted(store: Store, one: LiveRun, making: Making) -> None:
    """The same on a lesser machine, which takes a process that is restricted from its start.

    Raises:
        Interrupted: the user asked to stop.
        EvolveError: it failed, and has said why.
    """
    problem = ("--size", one.size, "--dtype", one.dtype, "--budget", one.budget, "--seed", str(one.seed))
    begin = ("run", one.kernel, *problem, "--strategy", one.strategy, "--name", one.name, "--cold")
    what = begin if _named(store, one) is None else ("resume", one.name)
    terms = ("--isa", one.isa, "--store", store.url, "--no-report", *making.options)
    ended = subprocess.run(
        [sys.executable, "-m", "evolve", *what, *terms], stdout=subprocess.DEVNULL, check=False
    ).returncode
    if ended == _STOPPED:
        raise Interrupted(one.name)
    if ended:
        raise EvolveError(f"run {one.name} failed", "its own message stands above")


def _request(store: Store, one: LiveRun) -> Request:
    """What starts a run, at the champion of its source where it has one.

    Raises:
        EvolveError: the source has none, or none that this problem could begin at.
    """
    if one.source is None:
        return one.request
    source = finished(store, one.source)
    champion = Course(store, source).champion if source else None
    if champion is None:
        raise EvolveError(f"run {one.source.name} found no champion to begin at", "give it more with --budget")
    space = kernels.get(one.kernel).space
    schedule = fitted(space, champion.schedule, one.source.dtype, one.dtype)
    if schedule is None:
        raise EvolveError(f"the champion of run {one.source.name} is none of the schedules of {one.problem}")
    return replace(one.request, options=starting_at(schedule, one.source.problem))
