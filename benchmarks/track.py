"""The contestants of a race set up: how each is called on a case, and what a call of nothing costs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.contestant import Contestant, Task, callable_of
from benchmarks.flush import flusher
from benchmarks.race import warm_up
from benchmarks.timing import SHORT_S, Called, Driven, Flushed, Rotating, Timing, Turn, Watched, uncounted, woken
from benchmarks.verify import Case, WrongError
from kernels.language import Handle, SourceFolder
from kernels.language.simd import address_of

SPOT_CALLS = 20
FLOOR_SAMPLES = 5
FLOOR_LOOPS = 200
LAZY, LAZY_S = 2.0, 5e-6  # a call on its own finds branches and caches a little colder than one of many

WAKING_S = 200e-6
"""Who shares a call now and then finds the others asleep: it does all the parts, or waits for one that woke late."""

Function = tuple[Callable[..., Any], tuple[Any, ...]]


class Loader:
    """Functions of contestants and their drivers, each loaded once."""

    def __init__(self, folder: SourceFolder, task: Task) -> None:
        self.folder, self.task = folder, task
        self._functions: dict[Contestant, Function] = {}
        self._helpers: dict[Handle, Callable[..., Any]] = {}

    def function(self, contestant: Contestant) -> Function:
        """See ``callable_of``."""
        if contestant not in self._functions:
            self._functions[contestant] = callable_of(self.folder, self.task, contestant)
        return self._functions[contestant]

    def forget(self, contestant: Contestant) -> None:
        """Let go of a contestant that will not be needed again."""
        self._functions.pop(contestant, None)

    def driver(self, contestant: Contestant) -> tuple[Callable[..., Any], Callable[..., Any]] | None:
        """The driver, and the idle function of the same signature; None for a rival."""
        if contestant.driver is None:
            return None
        return self._helper(contestant.driver[0]), self._helper(contestant.driver[1])

    def _helper(self, handle: Handle) -> Callable[..., Any]:
        if handle not in self._helpers:
            self._helpers[handle] = self.folder.load(handle).function
        return self._helpers[handle]

    def call(self, contestant: Contestant, case: Case, which: int = 0) -> Callable[[], Any]:
        """A contestant's call on one set of a case's arrays, with all arguments bound."""
        function, extra = self.function(contestant)
        return functools.partial(function, *case.arguments(contestant, which), *extra)


class Track:
    """Everything that a race of some contestants on a case needs.

    Attributes:
        sides: the contestants, each watched, and warm.
        call_s: seconds a call of the fastest.
        floor_s: seconds of a call that does nothing, made as theirs are.
    """

    def __init__(self, loader: Loader, case: Case, contestants: Sequence[Contestant], rng: np.random.Generator) -> None:
        self.loader, self.case, self.rng, self.turn = loader, case, rng, Turn()
        timings = [self._timing(contestant) for contestant in contestants]
        self.sides = [self._watched(timing) for timing in timings]
        self.call_s = warm_up(self.sides)
        self.is_driven = self._can_be_driven(contestants) and self.call_s < SHORT_S
        if self.is_driven:
            self.sides = [self._watched(self._driven(contestant)) for contestant in contestants]
            self.call_s = warm_up(self.sides)
        for side in self.sides:
            side.is_settling = self.loader.task.threads > 1 and any(one.rival for one in contestants)
            side.uncounted = uncounted(self.call_s) if loader.task.policy == "hot" else 0
            if side.is_settling:
                side.uncounted = woken(self.call_s)
        self.idle = self._idle(contestants)
        self.floor_s = self._floor_s(FLOOR_LOOPS)

    def _watched(self, timing: Timing) -> Watched:
        return Watched(timing, self.case.expected, self.case.tolerance * self.case.scale, self.rng)

    def _timing(self, contestant: Contestant) -> Timing:
        calls = [self.loader.call(contestant, self.case, which) for which in range(len(self.case.sets))]
        if self.loader.task.policy == "rotate":
            return Rotating(calls, [one.out for one in self.case.sets], self.turn)
        if self.loader.task.policy == "flush":
            return Flushed(calls[0], self._flush, self.case.out)
        return Called(calls[0], self.case.out)

    def _flush(self) -> None:
        flush = flusher()
        for array in (*self.case.sets[0].inputs, self.case.out):
            if isinstance(array, np.ndarray):
                flush(array)

    def _can_be_driven(self, contestants: Sequence[Contestant]) -> bool:
        return self.loader.task.policy == "hot" and all(one.driver is not None for one in contestants)

    def _driven(self, contestant: Contestant) -> Timing:
        drivers = self.loader.driver(contestant)
        assert drivers is not None
        function, extra = self.loader.function(contestant)
        arguments = (*self.case.arguments(contestant), *extra, address_of(function))
        return Driven(drivers[0], arguments, self.case.out)

    def _idle(self, contestants: Sequence[Contestant]) -> Timing | None:
        """A call that does nothing, made as the contestants' are; None where nobody is compiled."""
        compiled = next((c for c in contestants if c.driver is not None), None)
        drivers = self.loader.driver(compiled) if compiled else None
        if compiled is None or drivers is None:
            return None
        drive, idle = drivers
        arguments = (*self.case.arguments(compiled), *self.loader.function(compiled)[1])
        if self.is_driven:
            return Driven(drive, (*arguments, address_of(idle)), self.case.out)
        return Called(functools.partial(idle, *arguments), self.case.out)

    def _floor_s(self, loops: int) -> float:
        """The median of some samples of a call that does nothing."""
        if self.idle is None:
            return 0.0
        return float(np.median([self.idle.time_ns(loops) for _ in range(FLOOR_SAMPLES)])) / loops / 1e9

    def spot_check(self, batch_s: float) -> None:
        """Call the candidate several times singly, each call watched: within a sample only one of the calls is.

        Args:
            batch_s: seconds a call within a sample.

        Raises:
            StaleError: one of them left an element of its output as it was.
            WrongError: a single call takes much longer than one of many: then not all of the many do the work.
        """
        single_s = float(np.median([self.sides[0].sample(1) for _ in range(SPOT_CALLS)])) - self._floor_s(1)
        threads = self.loader.task.threads
        if single_s > LAZY * threads * batch_s + (WAKING_S if threads > 1 else LAZY_S):
            raise WrongError(f"{batch_s:.3g} s a call in a batch, but {single_s:.3g} s on its own: it skips work")
