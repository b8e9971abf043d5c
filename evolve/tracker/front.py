"""Search cost against remaining gap, over all runs of one problem: did another run move the front, or walk along it?

A run leaves a trace: by so many processor seconds the champion was so far, in ln units, above the bound. The *front* is
the least gap that any run had reached by each cost (the Pareto front of two quantities to be small: Pareto 1896; for
optimisers over time as in Hansen et al., "COCO: Performance assessment", arXiv 1605.03560). A run *moves* the front
where it had a smaller gap than every earlier run at a cost that they had spent too. Beyond the cost that earlier runs
spent nobody knows what they would have found: a run that is better only there *walked along* the front.

One run is one seed. Of k + 1 runs that are alike the last is the best with probability 1 / (k + 1), whatever their
distribution (Renyi 1962, as for records): that is how often luck alone moves the front so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from benchmarks.inference import Estimate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evolve.store import Checkpoint, Publication, Run, Store

Move = Literal["first", "moved", "along", "behind"]
LEAST_MOVE = 0.01
"""In ln units: sessions of one machine differ by 1 %, so a smaller difference between two runs is none."""
ALIKE = 0.9
"""Runs of one budget do not spend the same to the last second: this share of a cost counts as that cost."""


@dataclass(frozen=True)
class Mark:
    """A champion of a moment.

    Attributes:
        cpu_s: processor seconds that the run had spent.
        gap: ln(t_champion / t_bound), measured afresh.
    """

    cpu_s: float
    gap: Estimate


@dataclass(frozen=True)
class Trace:
    """A run in the plane of cost and gap.

    Attributes:
        run: its id.
        marks: its champions in turn.
        spent_s: processor seconds of the whole run, the last champion's long wait included.
    """

    run: str
    marks: tuple[Mark, ...]
    spent_s: float

    def by(self, cpu_s: float) -> Mark | None:
        """The best champion that it had by that cost; None where it had none."""
        known = [mark for mark in self.marks if mark.cpu_s <= cpu_s]
        return min(known, key=lambda mark: mark.gap.estimate, default=None)


@dataclass(frozen=True)
class Front:
    """What a run did to the front of the runs before it.

    Attributes:
        run: its id.
        traces: of all runs of the problem that have a fresh figure, this one's included.
        points: the front: ``(run, mark)``, the cheapest first.
        move: ``first`` of its problem; ``moved`` the front; went ``along`` it; stayed ``behind`` it.
        gain: ln units by which its gap is smaller than the front's, at the greatest cost that it shares with an
            earlier run; None where there is no such pair of champions.
        rivals: earlier runs that spent about as much.
        chance: that luck alone moves the front so, were all runs alike; None unless it moved.
    """

    run: str
    traces: tuple[Trace, ...]
    points: tuple[tuple[str, Mark], ...]
    move: Move
    gain: Estimate | None
    rivals: int
    chance: float | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "move": self.move,
            "gain": self.gain.as_dict() if self.gain else None,
            "rivals": self.rivals,
            "chance": self.chance,
            "points": [{"run": run, **_plain(mark)} for run, mark in self.points],
            "traces": [{"run": t.run, "spent_s": t.spent_s, "marks": [*map(_plain, t.marks)]} for t in self.traces],
            "says": self.says,
        }

    @property
    def says(self) -> str:
        """What it did, in one sentence."""
        if self.move == "first":
            return "it is the first run of this problem here: there was no front to move"
        if self.gain is None:
            found = "it walked along the front: " if self.move == "along" else "it stayed behind the front: "
            return found + "it had no champion yet when the runs before it had spent all that they did"
        less = f"{-math.expm1(-abs(self.gain.estimate)):.1%}"
        if self.move == "moved":
            return (
                f"it moved the front: at equal cost its champion takes {less} less time than the best of "
                f"{self.rivals} before it, which luck alone does with probability {self.chance:.2g}"
            )
        if self.move == "along":
            return "it walked along the front: what it has over the runs before it, it has for more cost"
        return f"it stayed behind the front: at equal cost a champion before it takes {less} less time"


def front(store: Store, run_id: str) -> Front | None:
    """What a run did to the front of its problem, among the runs of its machine that began before it.

    Returns:
        None where the run has no champion that was measured afresh, or no bound.

    Raises:
        UsageError: there is no such run.
        EvolveError: the store cannot be read.
    """
    run = store.run(run_id)
    alike = [other for other in store.runs() if problem(other) == problem(run)]
    bounds = [bound.time_s for other in alike if (bound := store.bound(other.id)) is not None]
    found = [made for other in alike if bounds and (made := trace(store, other, min(bounds))) is not None]
    before = [made for made in found if made.run in _earlier(alike, run)]
    mine = next((made for made in found if made.run == run.id), None)
    return placed(mine, before, found) if mine else None


def problem(run: Run) -> tuple[object, ...]:
    """What runs must share for their times to be compared."""
    return run.kernel, run.size, run.dtype, run.threads, run.policy, run.machine


def trace(store: Store, run: Run, bound_s: float) -> Trace | None:
    """A run's champions against one bound for all; None without any that was measured afresh."""
    own, checkpoints, publication = store.bound(run.id), store.checkpoints(run.id), store.publication(run.id)
    if own is None or not checkpoints:
        return None
    marks = (Mark(c.cpu_s, _gap(c, publication, own.baseline_s, bound_s)) for c in checkpoints)
    last = checkpoints[-1]
    rate = last.cpu_s / last.elapsed_s if last.elapsed_s else 1.0
    return Trace(run.id, tuple(marks), max(last.cpu_s, rate * sum(store.phases(run.id).values())))


def placed(mine: Trace, before: Sequence[Trace], found: Sequence[Trace]) -> Front:
    """How a run stands to those before it, at the greatest cost that it shares with one of them.

    That cost is fixed by what was spent, not by where the run looks best.

    Args:
        mine: the run's trace.
        before: of the runs that began before it.
        found: of all runs, for the picture.
    """
    if not before:
        return Front(mine.run, tuple(found), tuple(pareto(found)), "first", None, 0, None)
    shared_s = min(mine.spent_s, max(one.spent_s for one in before))
    gain = _ahead(shared_s, mine, before)
    move = _move(gain, is_nearest=_is_nearest(mine, before))
    rivals = sum(one.spent_s >= ALIKE * shared_s for one in before)
    chance = 1 / (rivals + 1) if move == "moved" else None
    return Front(mine.run, tuple(found), tuple(pareto(found)), move, gain, rivals, chance)


def pareto(traces: Iterable[Trace]) -> list[tuple[str, Mark]]:
    """The marks that no other beats in both cost and gap, the cheapest first."""
    marks = sorted(((t.run, m) for t in traces for m in t.marks), key=lambda p: (p[1].cpu_s, p[1].gap.estimate))
    kept: list[tuple[str, Mark]] = []
    for run, mark in marks:
        if not kept or mark.gap.estimate < kept[-1][1].gap.estimate:
            kept.append((run, mark))
    return kept


def _ahead(cpu_s: float, mine: Trace, before: Sequence[Trace]) -> Estimate | None:
    """By how much its gap was smaller than that of the best earlier run by that cost."""
    own, others = mine.by(cpu_s), [mark for one in before if (mark := one.by(cpu_s)) is not None]
    if own is None or not others:
        return None
    return _difference(min(others, key=lambda mark: mark.gap.estimate).gap, own.gap)


def _difference(a: Estimate, b: Estimate) -> Estimate:
    """What two independent measurements differ by: their half-widths added in quadrature."""
    centre = a.estimate - b.estimate
    down = math.hypot(a.estimate - a.low, b.high - b.estimate)
    up = math.hypot(a.high - a.estimate, b.estimate - b.low)
    return Estimate(centre, centre - down, centre + up, a.level)


def _move(gain: Estimate | None, *, is_nearest: bool) -> Move:
    if gain is not None and gain.low > 0 and gain.estimate > LEAST_MOVE:
        return "moved"
    is_level = gain is not None and gain.high >= -LEAST_MOVE
    return "along" if is_nearest or is_level else "behind"


def _is_nearest(mine: Trace, before: Sequence[Trace]) -> bool:
    """True where it came nearer to the bound than any run before it, at whatever cost."""
    least = [min(mark.gap.estimate for mark in one.marks) for one in (mine, *before)]
    return least[0] < min(least[1:]) - LEAST_MOVE


def _earlier(alike: Sequence[Run], run: Run) -> set[str]:
    names = [other.id for other in alike]
    return set(names[: names.index(run.id)])


def _gap(checkpoint: Checkpoint, publication: Publication | None, baseline_s: float, bound_s: float) -> Estimate:
    """ln(t_champion / t_bound); of the published champion by its final measurement."""
    is_published = publication is not None and publication.evaluation == checkpoint.evaluation
    speedup = publication.speedup if publication is not None and is_published else checkpoint.speedup
    cap = math.log(baseline_s / bound_s)
    centre, low, high = (cap - _log(end) for end in (speedup.estimate, speedup.high, speedup.low))
    return Estimate(centre, low, high, speedup.level)


def _log(speedup: float) -> float:
    return math.log(speedup) if speedup > 0 else -math.inf


def _plain(mark: Mark) -> dict[str, Any]:
    return {"cpu_s": mark.cpu_s, "gap": mark.gap.as_dict()}
