"""What a faster kernel does for the whole program: Amdahl's law, from the kernel to the program.

A program that spends the share f of its time in a kernel runs 1 / ((1 - f) + f / s) times as fast once the kernel is s
times faster, and never more than 1 / (1 - f) times (Amdahl, "Validity of the single processor approach to achieving
large scale computing capabilities", AFIPS 1967). A kernel 23 % faster that is 5.3 % of a program: 1 %.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.inference import Estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True)
class Step:
    """One level of the waterfall.

    Attributes:
        name: ``champion``, ``bound`` (the kernel at the machine's limit) or ``free`` (the kernel takes no time at all).
        kernel: the kernel's speedup; inf where it is free.
        program: the whole program's speedup.
        saved: share of the program's time that is saved, 0 to 1; negative where the kernel is slower.
    """

    name: str
    kernel: Estimate
    program: Estimate
    saved: Estimate

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        estimates = {"kernel": self.kernel, "program": self.program, "saved": self.saved}
        return {"name": self.name, **{name: value.as_dict() for name, value in estimates.items()}}


@dataclass(frozen=True)
class Waterfall:
    """From the kernel to the whole program.

    Attributes:
        share: of the program's time that it spends in the kernel, 0 to 1, before anything is faster.
        steps: the champion, the bound where it is known, and a kernel for nothing.
        share_left: of the faster program's time that the champion still takes: what the next search can work on.
    """

    share: float
    steps: tuple[Step, ...]
    share_left: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "steps": [step.as_dict() for step in self.steps], "says": self.says}

    @property
    def says(self) -> str:
        """The waterfall in one sentence."""
        champion, limit = self.steps[0], self.steps[-1]
        return (
            f"of a program that spends {self.share:.3g} of its time in this kernel the champion saves "
            f"{_percent(champion.saved.estimate)} ({_percent(champion.saved.low)} to {_percent(champion.saved.high)}); "
            f"a kernel that took no time at all would save {_percent(limit.saved.estimate)}"
        )


def waterfall(speedup: Estimate, share: float, cap: float | None = None) -> Waterfall:
    """What a kernel's speedup is worth to a program.

    Args:
        speedup: t_baseline / t_champion, positive.
        share: of the program's time that the plain kernel takes, above 0 and below 1.
        cap: the greatest speedup of the kernel that the machine allows; None where it is not known.

    Raises:
        ValueError: the share is out of range, or a speedup is not positive.
    """
    if not 0 < share < 1:
        raise ValueError(f"a share of {share} is not above 0 and below 1: 0.053 is 5.3 % of the program's time")
    if not (speedup.low >= 0 and speedup.estimate > 0):
        raise ValueError(f"a speedup is positive; got {speedup.estimate} ({speedup.low} to {speedup.high})")
    levels = [("champion", speedup), ("bound", _exactly(cap)) if cap else None, ("free", _exactly(math.inf))]
    steps = tuple(_step(*level, share) for level in levels if level)
    kernel = share / speedup.estimate
    return Waterfall(share, steps, kernel / (1 - share + kernel))


def program_speedup(speedup: float, share: float) -> float:
    """Amdahl's law; ``speedup`` may be inf."""
    return 1 / time_left(speedup, share)


def speedup_of_all(kernels: Iterable[tuple[float, float]]) -> float:
    """Amdahl's law for several kernels that become faster together, 1 / (1 - sum f (1 - 1 / s)); inf at f = 1, s = inf.

    Args:
        kernels: of each its share of the program's time, and its speedup, which may be inf.
    """
    left = 1 - sum(share * (1 - 1 / speedup) for share, speedup in kernels)
    return 1 / left if left > 0 else math.inf


def time_left(speedup: float, share: float) -> float:
    """The program's time after the kernel became faster, in units of its time before."""
    return 1 - share + (share / speedup if speedup else math.inf)


def _step(name: str, kernel: Estimate, share: float) -> Step:
    program = _mapped(kernel, lambda s: program_speedup(s, share))
    return Step(name, kernel, program, _mapped(kernel, lambda s: 1 - time_left(s, share)))


def _mapped(estimate: Estimate, rising: Callable[[float], float]) -> Estimate:
    centre, low, high = (rising(end) for end in (estimate.estimate, estimate.low, estimate.high))
    return Estimate(centre, low, high, estimate.level)


def _exactly(value: float) -> Estimate:
    return Estimate(value, value, value)


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if math.isfinite(share) else "nothing that is known"
