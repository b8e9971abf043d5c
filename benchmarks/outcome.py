"""What can come of evaluating a schedule: one closed set. Only ``Measured`` has a fitness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Retake:
    """A round that was thrown away because its cause was known, never because of its value.

    Attributes:
        reason: as in ``"preempted"``.
        seconds: per call of each contestant.
    """

    reason: str
    seconds: tuple[float, ...]


@dataclass(frozen=True)
class Conditions:
    """What the machine did during a race: what the system counts, and what only sentinels see.

    Attributes:
        contended: rounds that stayed disturbed after all retakes.
        retakes: rounds that were thrown away.
        steal_share: of all core time, taken by the hypervisor; 0 where the system does not tell.
        clock_hz: of the core, before the race and after it; empty where it was not looked at.
        memory_bytes_per_s: read past the caches, before the race and after it.
        flags: what is wrong, in single words; empty where nothing is.
    """

    contended: int = 0
    retakes: tuple[Retake, ...] = ()
    steal_share: float = 0.0
    clock_hz: tuple[float, ...] = ()
    memory_bytes_per_s: tuple[float, ...] = ()
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Samples:
    """Raw paired samples of one race: round ``k`` timed both, in an order that alternates.

    Attributes:
        candidate_s: seconds per call, one value a round.
        incumbent_s: the same for the incumbent.
        loops: calls in a sample, the same for both.
        floor_s: seconds of a call that does nothing, made the same way.
        conditions: what the machine did meanwhile.
    """

    candidate_s: tuple[float, ...]
    incumbent_s: tuple[float, ...]
    loops: int
    floor_s: float = 0.0
    conditions: Conditions = Conditions()


@dataclass(frozen=True)
class Rounds:
    """Raw samples of a race of several contestants.

    Attributes:
        seconds: per call; ``seconds[c][k]`` is contestant ``c`` in round ``k``.
        loops: calls in a sample, the same for all.
        floor_s: seconds of a call that does nothing, made the same way.
        conditions: what the machine did meanwhile.
    """

    seconds: tuple[tuple[float, ...], ...]
    loops: int
    floor_s: float = 0.0
    conditions: Conditions = Conditions()

    def pair(self, candidate: int, incumbent: int) -> Samples:
        """Two of the contestants, paired."""
        return Samples(self.seconds[candidate], self.seconds[incumbent], self.loops, self.floor_s, self.conditions)


@dataclass(frozen=True)
class Outcome:
    """Base of the closed set; ``seconds`` says where the harness' time went, by phase."""

    reason: str = ""
    verify_s: float = 0.0
    measure_s: float = 0.0
    is_measured: ClassVar[bool] = False

    @property
    def kind(self) -> str:
        """The outcome's name, as stored and shown."""
        return type(self).__name__


@dataclass(frozen=True)
class Measured(Outcome):
    """Right, and timed against the incumbent.

    Attributes:
        time_s: median seconds per call.
        log_ratio: median of ln(t_incumbent / t_candidate): above 0 it is faster than the incumbent.
        low: lower end of the 95 % sign-test interval of ``log_ratio``; -inf with fewer than 6 rounds, unless the gain
            is beyond any doubt (``judge``).
        high: upper end; inf where ``low`` is -inf.
        samples: what that was calculated from.
        max_error: largest elementwise error found, relative to the tolerance (1 is the limit).
    """

    time_s: float = 0.0
    log_ratio: float = 0.0
    low: float = 0.0
    high: float = 0.0
    samples: Samples = Samples((), (), 1)
    max_error: float = 0.0
    is_measured: ClassVar[bool] = True


class IllegalSchedule(Outcome):
    """The space forbids it, or its template does not specialise."""


class CompileFailed(Outcome):
    """Numba or LLVM refused it, or took too long."""


class Wrong(Outcome):
    """A result beyond tolerance, damaged inputs, or a write outside the output."""


class Crashed(Outcome):
    """The child died of a signal."""


class TimedOut(Outcome):
    """Killed at its time limit."""


class OutOfMemory(Outcome):
    """Stopped at its memory limit."""


@dataclass(frozen=True)
class Impossible(Outcome):
    """Faster than the hardware: a fault, never a record; ``samples`` is what claims to be."""

    samples: Samples = Samples((), (), 1)


@dataclass(frozen=True)
class Noisy(Outcome):
    """Measured, but the machine was too unquiet to say anything; ``samples`` is what was seen."""

    samples: Samples = Samples((), (), 1)


KINDS: dict[str, type[Outcome]] = {
    kind.__name__: kind
    for kind in (Measured, IllegalSchedule, CompileFailed, Wrong, Crashed, TimedOut, OutOfMemory, Impossible, Noisy)
}
