"""What every rival is: a package's tuner that asks an objective for times until its budget is spent."""

from __future__ import annotations

import importlib
import importlib.metadata
import io
import logging
import math
import random
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from kernels.language.space import Schedule, Space, Value

MOST_IDLE = 2000
"""Turns in a row without anything new: a tuner that repeats itself, or meets nothing legal, has come to its end."""

_LARGEST_SEED = 2**32
"""Of NumPy's global generator, which most packages draw from."""


class Recorded(Protocol):
    """A recorded space, as much of it as rivals see."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def space(self) -> Space:
        """Its legal schedules."""
        ...

    @property
    def times_s(self) -> Mapping[Schedule, float | None]:
        """The time of each of them; None where it failed."""
        ...


class Spent(BaseException):
    """The budget is spent, the space is exhausted, or nothing new is asked for any more.

    No ``Exception``: packages catch those round a cost function.
    """


class Objective:
    """The time of a configuration, paid for once; what is illegal, or known already, is free.

    A configuration is a mapping from the names in ``values`` to one of their values each. A parameter that has no
    meaning there may say anything: a user's own function would not read it.

    Args:
        recorded: the space.
        budget: of new legal configurations.

    Attributes:
        values: by name the values of the parameters that have a choice.
        times_s: what was paid for, in order; None where it failed.
    """

    def __init__(self, recorded: Recorded, budget: int) -> None:
        self.recorded = recorded
        self.budget = min(budget, len(recorded.times_s))
        self.values = {p.name: p.values for p in recorded.space.parameters if len(p.values) > 1}
        self.times_s: list[float | None] = []
        self._known: dict[Schedule, float | None] = {}
        self._idle = 0

    def is_legal(self, values: Mapping[str, Value]) -> bool:
        """True where a configuration has a time, or failed."""
        return self._schedule(values) in self.recorded.times_s

    def ask(self, values: Mapping[str, Value]) -> float | None:
        """Seconds, infinity where the configuration failed; None where it is illegal.

        Raises:
            Spent: this was the last one that the budget pays for, or one repeat too many.
        """
        schedule = self._schedule(values)
        if schedule not in self.recorded.times_s:
            self.wait()
            return None
        if schedule in self._known:
            self.wait()
        else:
            self._pay(schedule)
        time_s = self._known[schedule]
        return math.inf if time_s is None else time_s

    def wait(self) -> None:
        """A turn of the tuner that brought nothing new.

        Raises:
            Spent: one too many in a row.
        """
        self._idle += 1
        if self._idle >= MOST_IDLE:
            raise Spent

    def _schedule(self, values: Mapping[str, Value]) -> Schedule:
        space = self.recorded.space
        return space.canonical({**space.default, **values})

    def _pay(self, schedule: Schedule) -> None:
        self._idle = 0
        self._known[schedule] = self.recorded.times_s[schedule]
        self.times_s.append(self._known[schedule])
        if len(self.times_s) >= self.budget:
            raise Spent


Made = TypeVar("Made")


def remembering(make: Callable[[Recorded], Made]) -> Callable[[Recorded], Made]:
    """Make something of a space once, and keep it until another space comes: seeds of one follow each other."""
    last: list[tuple[Recorded, Made]] = []

    def made(recorded: Recorded) -> Made:
        if not last or last[0][0] is not recorded:
            last[:] = [(recorded, make(recorded))]
        return last[0][1]

    return made


@remembering
def _beginnings(recorded: Recorded) -> list[set[tuple[Value, ...]]]:
    names = list(Objective(recorded, 1).values)
    legal = [tuple(schedule[name] for name in names) for schedule in recorded.times_s]
    return [{values[:k] for values in legal} for k in range(1, len(names) + 1)]


def beginnings(objective: Objective) -> list[set[tuple[Value, ...]]]:
    """Of the first value, the first two, … all values: which of them begin a legal configuration.

    So packages that choose value after value are told of constraints as early as they can be told.
    """
    return _beginnings(objective.recorded)


@dataclass(frozen=True)
class Rival:
    """A package's tuner.

    Attributes:
        name: as in ``--rivals``.
        distribution: that installs it.
        module: of this folder, which drives it.
        setting: which of the package's strategies; "" for its only one.
    """

    name: str
    distribution: str
    module: str
    setting: str = ""

    @property
    def version(self) -> str:
        """Of its package; "" where that is not installed."""
        try:
            return importlib.metadata.version(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            return ""

    def missing(self) -> str:
        """Why it cannot play, and what to do about it, in one line; "" where it can."""
        if self.version:
            return ""
        return f"{self.name}: {self.distribution} is not installed (pip install 'evolve-kernels[rivals-search]')"

    def run(self, recorded: Recorded, budget: int, seed: int) -> list[float | None]:
        """The times of the new legal schedules that it asks for, in order; None where one failed.

        Fewer than ``budget`` where it stalls or has tried them all.

        Args:
            recorded: the space.
            budget: of new legal schedules.
            seed: of all its random draws.
        """
        objective = Objective(recorded, budget)
        with _quiet(), _own_random(seed), suppress(Spent):
            driver = importlib.import_module(f"{__package__}.{self.module}")
            driver.search(objective, seed, self.setting)
        return objective.times_s


@contextmanager
def _own_random(seed: int) -> Iterator[None]:
    """Python's and NumPy's global generators begin at ``seed`` inside, and go on as before afterwards."""
    before = random.getstate(), np.random.get_state()  # noqa: NPY002 - the packages draw from it
    random.seed(seed)
    np.random.seed(seed % _LARGEST_SEED)  # noqa: NPY002 - as above
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002 - as above


@contextmanager
def _quiet() -> Iterator[None]:
    """Neither prints, warnings nor logs: some packages tell of every evaluation."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
