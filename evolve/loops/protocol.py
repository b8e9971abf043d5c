"""What a closed loop offers to whatever drives it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from evolve.errors import EvolveError, Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    from benchmarks.inference import Estimate
    from evolve.progress import StopRequest
    from evolve.run import Admission
    from evolve.store import Forecast, Lap, Loop, Store


class LapFailedError(EvolveError):
    """A lap came to nothing, and would again: nothing was right, the champion cannot be measured, ..."""


class Expectation(NamedTuple):
    """What is said of a lap before it begins: ln S of that lap with an interval for it, and from what it follows."""

    gain: Estimate
    reason: str


@dataclass(frozen=True, kw_only=True)
class Turned:
    """What a lap gave; the fields mean what they mean in ``evolve.store.Lap``."""

    gain: Estimate
    engine: Estimate | None = None
    inputs: float = 1.0
    ceiling: Estimate | None = None
    endpoint: Estimate | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Around:
    """What a closed loop works with and does not own.

    Attributes:
        store: for loops whose laps are runs.
        loop: its own options stand there.
        say: is told in plain words what is being done; called between measurements only.
        stop: set by the first Ctrl-C; a lap that takes long looks at it, by ``look``.
        admission: on which terms its runs begin; the machine is held already.
    """

    store: Store
    loop: Loop
    say: Callable[[str], None]
    stop: StopRequest
    admission: Admission

    def look(self) -> None:
        """Called between measurements: ends the lap where the user asked for it.

        Raises:
            Interrupted: the user did.
        """
        if self.stop.is_set:
            raise Interrupted(self.loop.id, "loop")


class LoopObserver(Protocol):
    """Is told how a loop goes; called between measurements, never during one."""

    def says(self, doing: str) -> None:
        """What is being done, in plain words."""

    def forecast(self, forecast: Forecast) -> None:
        """What is said of the lap that begins now."""

    def lap(self, lap: Lap, forecast: Forecast | None) -> None:
        """What a lap gave, and what had been said of it; nothing is said of lap 0."""


class ClosedLoop(Protocol):
    """A loop whose laps are made one by one.

    All that a lap needs to know of those before it is in their ``details``, which went through JSON: a loop that was
    killed is made anew from its options and goes on with the laps that are kept. No method is called during another.
    """

    kind: ClassVar[str]

    def start(self) -> Turned:
        """Lap 0: measure the ceilings and the frozen start; its gain is 0 by definition."""

    def forecast(self, laps: Sequence[Lap]) -> Expectation:
        """Say what the next lap will give, from laps 0 to k - 1. Measures nothing that the lap measures."""

    def turn(self, laps: Sequence[Lap], rng: np.random.Generator) -> Turned:
        """Make the next lap and measure it against lap 0.

        Raises:
            LapFailedError: it came to nothing, which is kept as what the lap gave.
            Interrupted: the user asked to stop; nothing of the lap is kept.
        """

    def close(self) -> None:
        """Let go of processes and threads."""
