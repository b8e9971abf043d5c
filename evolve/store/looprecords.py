"""The facts of closed loops that a store keeps, each a frozen value; times are as in ``records``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.inference import Estimate
    from evolve.store.records import Turn, Value


@dataclass(frozen=True, kw_only=True)
class LoopSpec:
    """Everything that determines a closed loop, given what its laps measure.

    Attributes:
        kind: which loop, as in ``"batching"``.
        laps: how many are asked for.
        seed: of the loop's generator; a lap draws from ``[seed, lap]``.
        machine: id of the machine that measures.
        versions: of the libraries whose change could change a result.
        options: the loop's own settings.
        name: the user's own word for the loop, unique in the store, or None.
    """

    kind: str
    laps: int
    seed: int
    machine: str
    versions: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Value | float] = field(default_factory=dict)
    name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Loop(LoopSpec):
    """A closed loop as the store knows it; ``id`` is short and unique, as in ``batching-3f9a``."""

    id: str
    created_at: str


@dataclass(frozen=True)
class LoopEvent:
    """A turn in a loop's life; the process that wrote it is named, as in ``RunEvent``."""

    loop: str
    kind: Turn
    at: str
    detail: str = ""
    pid: int = 0
    host: str = ""


@dataclass(frozen=True)
class Forecast:
    """What was said of a lap before it began.

    Attributes:
        loop: the loop's id.
        lap: 1 is the first.
        at: when.
        gain: ln S of that lap, with the interval that it is to fall into.
        reason: from what it follows, in words.
    """

    loop: str
    lap: int
    at: str
    gain: Estimate
    reason: str


@dataclass(frozen=True, kw_only=True)
class Lap:
    """One turn of a closed loop, measured. Lap 0 is the frozen start that all others are held against.

    Attributes:
        loop: the loop's id.
        lap: 0, 1, 2, ...
        started_at: when.
        finished_at: when.
        machine: id of the machine that measured it.
        gain: ln S_k: how much better than lap 0, measured afresh and interleaved with it; None where it failed.
        engine: ln G_k: input gained a second by this lap's engine over that of the frozen lap-0 engine, the same way;
            None where the loop leaves its engine as it is.
        inputs: research input used up to here, lap 0's included: draws, or capital. Positive.
        ceiling: ln of the greatest S that the machine allows, measured apart from the loop; None where not known.
        endpoint: ln of the greatest S in the space that is searched, from the tail of its scores; None where unknown.
        cpu_s: processor time of the lap.
        details: plain values with which the next lap begins, and what else is to be shown.
        fault: why there is no gain; "" where there is one.
    """

    loop: str
    lap: int
    started_at: str
    finished_at: str
    machine: str
    gain: Estimate | None
    engine: Estimate | None = None
    inputs: float = 1.0
    ceiling: Estimate | None = None
    endpoint: Estimate | None = None
    cpu_s: float = 0.0
    details: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""
