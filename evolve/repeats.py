"""The same champions measured twice: does each speedup lie within the interval that the other measurement gave?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.inference import Estimate
from evolve.sheet import PLAIN, estimate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True)
class Repeat:
    """One speedup, measured twice.

    Attributes:
        problem: as in the benchmark's group.
        opponent: over whom.
        before: what was measured first.
        now: what was measured then.
    """

    problem: str
    opponent: str
    before: Estimate
    now: Estimate

    @property
    def agrees(self) -> bool:
        """Each within the other's interval."""
        return (
            self.before.low <= self.now.estimate <= self.before.high
            and self.now.low <= self.before.estimate <= self.now.high
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        own = {"before": self.before.as_dict(), "now": self.now.as_dict()}
        return {"problem": self.problem, "opponent": self.opponent, **own, "agrees": self.agrees}


@dataclass(frozen=True)
class Repeats:
    """All speedups that two measurements share.

    Attributes:
        before_at: when the first was made.
        now_at: when the second.
        speedups: those of the same schedule over the same opponent.
    """

    before_at: str
    now_at: str
    speedups: tuple[Repeat, ...]

    def agreeing(self, *, over_plain_loop: bool = False) -> tuple[int, int]:
        """How many agree, and of how many: of all, or of those over the plain loop, one for each problem."""
        counted = [one for one in self.speedups if one.opponent == PLAIN or not over_plain_loop]
        return sum(one.agrees for one in counted), len(counted)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        agree, of = self.agreeing()
        plain_agree, plain_of = self.agreeing(over_plain_loop=True)
        return {
            "before_at": self.before_at,
            "now_at": self.now_at,
            "agreeing": agree,
            "speedups": [one.as_dict() for one in self.speedups],
            "count": of,
            "over_plain_loop": {"agreeing": plain_agree, "count": plain_of},
        }


def repeats(before: Mapping[str, Any], now: Mapping[str, Any]) -> Repeats | None:
    """What two files of ``evolve bench`` from one machine say of the same schedules; None where they share none."""
    first = {one["group"]: one["extra_info"] for one in before["benchmarks"] if "speedups" in one["extra_info"]}
    found = [
        repeat
        for one in now["benchmarks"]
        if "speedups" in one["extra_info"] and one["group"] in first
        for repeat in _shared(one["group"], first[one["group"]], one["extra_info"])
    ]
    return Repeats(before["datetime"], now["datetime"], tuple(found)) if found else None


def _shared(problem: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Repeat]:
    if before["schedule"] != now["schedule"]:
        return
    for name, speedup in now["speedups"].items():
        if name in before["speedups"]:
            yield Repeat(problem, name, estimate(before["speedups"][name]), estimate(speedup))
