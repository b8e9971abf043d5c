"""A space of which every schedule's time is known: what a search can be tried on with no clock."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from evolve.errors import EvolveError
from evolve.search.protocol import Result
from kernels.language.space import Parameter, Schedule, Space, Value

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNRECORDED = "it was not recorded"


class ListedSpace(Space):
    """A space whose legal schedules are a list, by whatever rules they came to be.

    Drawing by trial and error, and counting, would take seconds where a list is sparse among all combinations.

    Args:
        parameters: the genes.
        schedules: the legal schedules, canonical and each once; the parameters' defaults are one of them.
    """

    def __init__(self, parameters: Sequence[Parameter], schedules: Sequence[Schedule]) -> None:
        self._listed = tuple(schedules)
        self._known = frozenset(schedules)
        names = [parameter.name for parameter in parameters]
        rows = {tuple(schedule[name] for name in names) for schedule in schedules}
        super().__init__(parameters, [(_listed(names, rows), UNRECORDED)])

    def is_legal(self, schedule: Mapping[str, Value]) -> str | None:
        """None for a listed schedule, else the reason why it is not legal."""
        is_known = isinstance(schedule, Schedule) and schedule in self._known
        return None if is_known else super().is_legal(schedule)

    def sample(self, rng: np.random.Generator) -> Schedule:
        """An independent random schedule; all are equally likely."""
        return self._listed[int(rng.integers(len(self._listed)))]

    @cached_property
    def size(self) -> int | None:
        """The number of legal schedules."""
        return len(self._listed)


def _listed(names: Sequence[str], rows: Collection[tuple[Value, ...]]) -> Callable[..., bool]:
    """A predicate over all parameters; a constraint reads their names from its signature."""

    def is_listed(*values: Value) -> bool:
        return values in rows

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature([inspect.Parameter(name, kind) for name in names])
    is_listed.__signature__ = signature  # type: ignore[attr-defined]
    return is_listed


@dataclass(frozen=True, eq=False)
class Landscape:
    """A space with the times of all its schedules.

    Attributes:
        name: in tables, as in ``matmul-small``.
        space: the legal schedules.
        times_s: seconds a call of each; None where it failed.
        source: where the times come from: problem, machine, file format.

    Raises:
        EvolveError: no schedule has a time.
    """

    name: str
    space: Space
    times_s: Mapping[Schedule, float | None]
    source: str

    def __post_init__(self) -> None:
        if not any(self.times_s.values()):
            raise EvolveError(f"{self.name} has no schedule that was measured")

    @cached_property
    def valid_s(self) -> NDArray[np.float64]:
        """``(n,)`` times of those that did not fail, the shortest first."""
        return np.sort([time_s for time_s in self.times_s.values() if time_s is not None])

    @property
    def best_s(self) -> float:
        """The shortest time of all."""
        return float(self.valid_s[0])

    @property
    def worst_s(self) -> float:
        """The longest; a schedule that failed is held to be as bad."""
        return float(self.valid_s[-1])

    @cached_property
    def median_s(self) -> float:
        """Of those that did not fail."""
        return float(np.median(self.valid_s))

    @property
    def failed(self) -> int:
        """How many schedules failed."""
        return len(self.times_s) - len(self.valid_s)

    def time_s(self, schedule: Schedule) -> float | None:
        """Seconds a call; None where it failed.

        Raises:
            EvolveError: the schedule is legal, but nobody measured it.
        """
        try:
            return self.times_s[schedule]
        except KeyError:
            raise EvolveError(
                f"{self.name} is incomplete: it has no time for {schedule}", "record it from end to end"
            ) from None

    def result(self, schedule: Schedule) -> Result:
        """What a search is told of a schedule: ln(median time of all / its time).

        Raises:
            EvolveError: as ``time_s``.
        """
        time_s = self.time_s(schedule)
        return Result(schedule, None if time_s is None else math.log(self.median_s / time_s))
