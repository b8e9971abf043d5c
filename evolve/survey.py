"""What bounds one problem on this machine, measured when a run starts, when in doubt, and when it ends."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks import ceilings
from benchmarks.bound import REJECT_MARGIN, Bounds, bounds
from evolve.machines import this_machine
from evolve.paths import source_folder
from evolve.store import Ceilings, utc_now
from evolve.store.ceilings import best_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.contestant import Task
    from evolve.store import Store

    Say = Callable[[str], None]


class Survey:
    """The bounds of a task. What they rest on is the best that was seen since the survey began.

    A machine's first survey measures all of its ceilings, a later one only those that bound the task, in about 2 s.

    Args:
        store: where sweeps are kept.
        task: what is to be bounded.
        say: is told what is being measured.

    Attributes:
        bounds: as they stand.
    """

    def __init__(self, store: Store, task: Task, say: Say) -> None:
        self._store, self._task = store, task
        here = this_machine(store, say)
        self._machine, self._roof, self._latest = here.machine.id, here.roof, here.ceilings.values
        if not here.is_new:
            sweep = self._measured(say)
            latest = store.latest_ceilings(self._machine)
            self._latest = latest.values if latest else sweep.as_dict()
        self.bounds = self._calculated()

    @property
    def least_s(self) -> float:
        """The reject bound without its margin: seconds a call at the best that was ever seen here."""
        return self.bounds.reject.time_s * REJECT_MARGIN

    def again(self, say: Say) -> bool:
        """Measure once more what bounds the task; True where that moved either bound: the machine is faster."""
        before = self.bounds
        self._latest = best_of([self._latest, self._measured(say).as_dict()])
        self.bounds = self._calculated()
        return self.bounds != before

    def _measured(self, say: Say) -> ceilings.Ceilings:
        definition = self._task.definition
        work = definition.work(self._task.size, self._task.dtype)
        needed = ceilings.needed(work, self._task.dtype, self._task.threads)
        found = ceilings.measure(say, source_folder(), only=needed)
        self._store.add_ceilings(Ceilings(self._machine, utc_now(), found.as_dict()))
        return found

    def _calculated(self) -> Bounds:
        read, task = ceilings.Ceilings.from_dict, self._task
        best = self._store.best_ceilings(self._machine)
        assert best is not None
        roof = replace(self._roof, latest=read(self._latest), best=read(best))
        work = task.definition.work(task.size, task.dtype)
        return bounds(work, task.dtype, roof, task.threads, policy=task.policy)
