"""All-things-considered growth: verified work per processor second of a whole life, the cost of improving included.

Once lap k of a loop stands, C_k processor seconds have gone into improving, proving and measuring, lap 0 included, and
work goes S_k times as fast as it did at lap 0. Whoever has L processor seconds in all, makes k laps first and works for
the rest, does

    W_k(L) = S_k (L - C_k) / L

of work a second, where lap 0 without any laps does 1: the integral of S over the life divided by its length, with S = 0
while laps are made. It is what exploring first and then committing yields (Garivier, Lattimore and Kaufmann, On
Explore-Then-Commit Strategies, NeurIPS 2016), with hindsight: ``all_in`` takes the number of laps that was best for L.
No life is so long that more than the best S comes out of it: W is bounded by S, and S by the ceiling. A lap that cost c
and gained the factor m has paid for itself after c / (m - 1) seconds of use (``breakeven``); where laps are capped m
goes to 1, and that time beyond all bounds.

In the plane of what was spent and what the ceiling leaves each lap is a step to the right, and down where it gained.
It *moved* the front where the engine that it leaves is better than the one it found, beyond noise: whatever is reached
from there on is reached for less. It walked *along* the front where it came nearer to the ceiling with the engine that
was there. The same laps would have cost the frozen engine each lap's seconds times the G of the engine that made it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from benchmarks.inference import Estimate, exponential
from evolve.tracker.breakeven import break_even
from evolve.tracker.evidence import difference
from evolve.tracker.front import LEAST_MOVE
from evolve.tracker.laps import left_of, series
from evolve.tracker.rule import word
from evolve.tracker.status import status
from evolve.tracker.turns import step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evolve.store import Lap, Loop, Store

Move = Literal["moved", "along", "nothing"]

SCHEMA = 1
"""Raised when a field of ``Grown.as_dict`` changes its meaning; fields may be added without."""


@dataclass(frozen=True)
class Stage:
    """A lap, by what it cost and what stands after it.

    Attributes:
        lap: its number, from 1 on.
        cost_s: processor seconds that it took; those of lap 1 hold lap 0's too, which nobody makes for its own sake.
        spent_s: of all laps so far.
        frozen_s: what the frozen engine would have spent to come as far.
        gain: ln S of what is in use from here on: the lap's own, or the one before where it came to nothing.
        left: ln of what the ceiling leaves; None where no ceiling is known.
        pays_s: seconds of use after which it has paid for itself, against stopping a lap earlier; inf where it never
            does.
        move: what it did to the front.
        fault: why it came to nothing; "" where it did not.
    """

    lap: int
    cost_s: float
    spent_s: float
    frozen_s: float
    gain: Estimate
    left: Estimate | None
    pays_s: Estimate
    move: Move
    fault: str = ""

    def rate(self, life_s: float) -> Estimate:
        """W of a life that stops improving here; 0 where nothing is left of it."""
        share = 1 - self.spent_s / life_s
        if share <= 0:
            return _exactly(0.0)
        found = exponential(self.gain)
        return Estimate(share * found.estimate, share * found.low, share * found.high, found.level)

    @property
    def pays_from_s(self) -> float:
        """The length of life from which these laps do more work than none; inf where they never do."""
        factor = _exp(self.gain.estimate)
        return self.spent_s * factor / (factor - 1) if factor > 1 else math.inf

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; never is None."""
        return {
            "lap": self.lap,
            "cost_cpu_s": self.cost_s,
            "spent_cpu_s": self.spent_s,
            "frozen_cpu_s": _finite(self.frozen_s),
            "factor": exponential(self.gain).as_dict(),
            "left": exponential(self.left).as_dict() if self.left else None,
            "pays_after_s": self.pays_s.as_dict(),
            "move": self.move,
            "fault": self.fault,
        }


@dataclass(frozen=True)
class AllIn:
    """The most that a life of some length does a second.

    Attributes:
        life_s: its length in processor seconds.
        laps: how many are made first; 0 where no lap pays.
        rate: W.
    """

    life_s: float
    laps: int
    rate: Estimate

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"life_s": self.life_s, "laps": self.laps, "rate": self.rate.as_dict()}


def stages(laps: Sequence[Lap]) -> tuple[Stage, ...]:
    """A loop's laps as stages; none where there is only the start.

    Args:
        laps: from lap 0 on, in order. One that came to nothing has cost what it has cost, and nothing changes.
    """
    if len(laps) < 2:
        return ()
    made: list[Stage] = []
    spent_s = frozen_s = start_s = laps[0].cpu_s
    for before, after in pairwise(_carried(laps)):
        cost_s = after.cpu_s + (0.0 if made else start_s)
        spent_s += after.cpu_s
        frozen_s += after.cpu_s * _exp(before.engine.estimate if before.engine else 0.0)
        made.append(_stage(before, after, (cost_s, spent_s, frozen_s)))
    return tuple(made)


def _stage(before: Lap, after: Lap, costs_s: tuple[float, float, float]) -> Stage:
    """A lap beside the one before; ``costs_s`` are its own, all so far, and the frozen engine's."""
    assert after.gain is not None
    gained = step(before, after)
    assert gained is not None
    pays_s = break_even(costs_s[0], 1.0, exponential(gained)).calls
    return Stage(after.lap, *costs_s, after.gain, _left(after), pays_s, _move(gained, before, after), after.fault)


def all_in(made: Sequence[Stage], life_s: float) -> AllIn:
    """The most that a life does a second, over how many of these laps are made first.

    Args:
        made: the laps.
        life_s: processor seconds in all, positive.
    """
    best = max(made, key=lambda stage: stage.rate(life_s).estimate, default=None)
    if best is None or best.rate(life_s).estimate <= 1:
        return AllIn(life_s, 0, _exactly(1.0))
    return AllIn(life_s, best.lap, best.rate(life_s))


def pays_from_s(made: Sequence[Stage]) -> float:
    """The shortest life in which any number of these laps does more work than none; inf where there is none."""
    return min((stage.pays_from_s for stage in made), default=math.inf)


def _carried(laps: Sequence[Lap]) -> list[Lap]:
    """The laps, where each that came to nothing goes on with gain, engine and ceiling of the one before."""
    nothing = _exactly(0.0)
    carried = [replace(laps[0], gain=laps[0].gain or nothing, engine=laps[0].engine or nothing)]
    for lap in laps[1:]:
        last = carried[-1]
        stands = lap if lap.gain is not None else replace(lap, gain=last.gain, engine=last.engine, details={})
        carried.append(replace(stands, ceiling=lap.ceiling or last.ceiling))
    return carried


def _move(gained: Estimate, before: Lap, after: Lap) -> Move:
    """What a lap did to the front.

    Args:
        gained: ln of what it gained.
        before: the lap whose engine made it.
        after: the lap itself.
    """
    if before.engine is not None and after.engine is not None:
        # what was measured side by side is known better than the difference of two laps
        is_same = after.engine == after.gain and before.engine == before.gain
        if _is_more(gained if is_same else difference(after.engine, before.engine)):
            return "moved"
    return "along" if _is_more(gained) else "nothing"


def _is_more(gained: Estimate) -> bool:
    return gained.low > 0 and gained.estimate > LEAST_MOVE


def _left(lap: Lap) -> Estimate | None:
    """As the lap itself measured it, or else from the ceiling."""
    if (found := left_of(lap)) is not None or lap.ceiling is None or lap.gain is None:
        return found
    return difference(lap.ceiling, lap.gain)


# ---- loops of a store


@dataclass(frozen=True)
class Grown:
    """A loop of the store, by what it cost and gave.

    Attributes:
        loop: which.
        status: how it stands.
        verdict: what its laps show.
        start_s: processor seconds of lap 0.
        stages: its further laps.
    """

    loop: Loop
    status: str
    verdict: str
    start_s: float
    stages: tuple[Stage, ...]

    @property
    def spent_s(self) -> float:
        """Processor seconds of all its laps."""
        return self.stages[-1].spent_s if self.stages else self.start_s

    @property
    def factor(self) -> Estimate:
        """S now."""
        return exponential(self.stages[-1].gain) if self.stages else _exactly(1.0)

    def that(self, move: Move) -> list[int]:
        """The laps that did so to the front."""
        return [stage.lap for stage in self.stages if stage.move == move]

    def as_dict(self, life_s: float) -> dict[str, Any]:
        """Plain values for JSON, with what a life of that length gets out of it."""
        return {
            "loop": self.loop.id,
            "name": self.loop.name,
            "kind": self.loop.kind,
            "machine": self.loop.machine,
            "status": self.status,
            "verdict": self.verdict,
            "laps": len(self.stages),
            "spent_cpu_s": self.spent_s,
            "factor": self.factor.as_dict(),
            "all_in": all_in(self.stages, life_s).as_dict(),
            "with_all_laps": self.stages[-1].rate(life_s).as_dict() if self.stages else None,
            "pays_from_s": _finite(pays_from_s(self.stages)),
            "moved": self.that("moved"),
            "along": self.that("along"),
            "nothing": self.that("nothing"),
            "stages": [stage.as_dict() for stage in self.stages],
        }


def grown(store: Store, key: str) -> Grown:
    """A loop of the store, by what it cost and gave.

    Raises:
        UsageError: there is no such loop.
        EvolveError: the store cannot be read.
    """
    loop = store.loop(key)
    laps = store.laps(loop.id)
    how = status(store.loop_events(loop.id))
    return Grown(loop, how, word(series(laps)), laps[0].cpu_s if laps else 0.0, stages(laps))


def newest(store: Store) -> list[str]:
    """Of each kind the newest loop that has a lap to show; ids.

    Seconds of two machines do not compare: only loops of the machine of the newest one are among them.
    """
    shown = [loop for loop in store.loops() if len(store.laps(loop.id)) > 1]
    here = [loop for loop in shown if loop.machine == shown[-1].machine]
    return [*{loop.kind: loop.id for loop in here}.values()]


# ---- numbers


def _exactly(value: float) -> Estimate:
    return Estimate(value, value, value)


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf  # beyond it there is no float64


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
