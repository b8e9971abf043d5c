"""What runs say of the search, from the store alone: how fast it is, how soon it is there, what a start is worth.

Intervals are over seeds. A run that ends before it reached a target is counted as if it had reached it at its end, and
said to be one: for a slower side that makes the advantage a lower bound, for the faster side an upper one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from evolve.errors import EvolveError
from evolve.live.course import Course
from evolve.live.footprint import bytes_an_evaluation
from evolve.live.intervals import geometric_mean, geometric_ratio, mean
from evolve.live.make import finished
from evolve.store.rows import plain

if TYPE_CHECKING:
    from benchmarks.inference import Estimate
    from evolve.live.course import Holder, Leg
    from evolve.live.lineup import Group, Lineup
    from evolve.store import Run, Store

SCHEMA = 2
NEAR_BEST = 0.95
"""Of the speed of the best champion known: who has it is there."""
NEAR_COLD = 0.98
"""The same of the cold run's own champion."""


@dataclass(frozen=True)
class Pace:
    """How runs of a group spent their time.

    Attributes:
        part: for which they were made.
        problem: what they evolve.
        label: the group's.
        budget: of each.
        evaluations: mean over seeds.
        per_s: evaluations a second of wall time, from the beginning to the last outcome.
        busy: share of the cores that was busy while sources were built; None where that was not kept.
        search: share of the wall time that the strategy took, its surrogate included.
        engine: the same with all that is neither building nor verifying nor measuring.
        stored_bytes: an evaluation in the store, raw samples left out.
    """

    part: str
    problem: str
    label: str
    budget: str
    evaluations: float
    per_s: Estimate
    busy: Estimate | None
    search: Estimate
    engine: Estimate
    stored_bytes: Estimate

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dict(plain(self))


@dataclass(frozen=True)
class Way:
    """How a group of runs came to its targets, one leg a seed."""

    label: str
    legs: tuple[Leg, ...]

    @property
    def elapsed_s(self) -> Estimate:
        """Wall time, the geometric mean."""
        return geometric_mean([leg.elapsed_s for leg in self.legs])

    @property
    def evaluations(self) -> Estimate:
        """The same in evaluations."""
        return geometric_mean([leg.evaluations for leg in self.legs])

    @property
    def arrived(self) -> int:
        """Runs that were there before they ended."""
        return sum(leg.is_there for leg in self.legs)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "label": self.label,
            "elapsed_s": self.elapsed_s.as_dict(),
            "evaluations": self.evaluations.as_dict(),
            "arrived": self.arrived,
            "runs": len(self.legs),
        }


@dataclass(frozen=True)
class Speed:
    """The search against random draws.

    Attributes:
        problem: what both evolve.
        budget: of each run of the search.
        best_s: seconds a call of the best champion of all these runs.
        ours: the way of the search to ``NEAR_BEST`` of it.
        random: that of random draws.
        sooner: how many times sooner the search is there.
        fewer: with how many times fewer evaluations.
    """

    problem: str
    budget: str
    best_s: float
    ours: Way
    random: Way
    sooner: Estimate
    fewer: Estimate

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "problem": self.problem,
            "budget": self.budget,
            "best_s": self.best_s,
            "strategies": [self.ours.as_dict(), self.random.as_dict()],
            "sooner": self.sooner.as_dict(),
            "fewer": self.fewer.as_dict(),
        }


@dataclass(frozen=True)
class Start:
    """What beginning at a champion of another problem is worth, seed by seed against the cold run of the same seed.

    Attributes:
        way: of the warm runs, to ``NEAR_COLD`` of the cold run's champion.
        sooner: how many times sooner they are there.
        fewer: with how many times fewer evaluations.
        faster: speed of their last champion over the cold run's; None where one has none.
    """

    way: Way
    sooner: Estimate
    fewer: Estimate
    faster: Estimate | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        faster = self.faster.as_dict() if self.faster else None
        return {**self.way.as_dict(), "sooner": self.sooner.as_dict(), "fewer": self.fewer.as_dict(), "faster": faster}


@dataclass(frozen=True)
class Warm:
    """Cold runs, and runs that begin elsewhere."""

    problem: str
    budget: str
    cold: Way
    starts: tuple[Start, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "problem": self.problem,
            "budget": self.budget,
            "cold": self.cold.as_dict(),
            "starts": [start.as_dict() for start in self.starts],
        }


@dataclass
class Figures:
    """All of them; a part whose runs are not all there is left out.

    Attributes:
        paces: one a group.
        speed: None where it is left out.
        warm: None where it is left out.
        left_out: one line for each part, and why.
        is_quick: problems so small that nothing is to be quoted.
    """

    paces: list[Pace] = field(default_factory=list)
    speed: Speed | None = None
    warm: Warm | None = None
    left_out: list[str] = field(default_factory=list)
    is_quick: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "schema": SCHEMA,
            "is_quick": self.is_quick,
            "paces": [pace.as_dict() for pace in self.paces],
            "speed": self.speed.as_dict() if self.speed else None,
            "warm": self.warm.as_dict() if self.warm else None,
            "left_out": self.left_out,
        }


def figures_of(store: Store, lineups: Iterable[Lineup], *, is_quick: bool = False) -> Figures:
    """The figures of those parts whose runs are all there."""
    found = Figures(is_quick=is_quick)
    for lineup in lineups:
        missing = [one.name for one in lineup.runs if finished(store, one) is None]
        if missing:
            found.left_out.append(f"{lineup.part}: {len(missing)} runs are missing, the first of them {missing[0]}")
            continue
        try:
            _add(found, store, lineup)
        except EvolveError as error:
            found.left_out.append(f"{lineup.part}: {error}")
    return found


def _add(found: Figures, store: Store, lineup: Lineup) -> None:
    courses = [_courses(store, group) for group in lineup.groups]
    if lineup.part == "speed":
        found.speed = speed_of(lineup, courses)
    if lineup.part == "warm":
        found.warm = warm_of(lineup, courses)
    found.paces += [pace_of(store, lineup.part, group, own) for group, own in zip(lineup.groups, courses, strict=True)]


def _courses(store: Store, group: Group) -> list[Course]:
    runs = [finished(store, one) for one in group.runs]
    found = [Course(store, run) for run in runs if run]
    if empty := next((course.run.id for course in found if not course.evaluations), ""):
        raise EvolveError(f"run {empty} evaluated nothing", "give it more with --budget")
    return found


# ---- how time was spent


def pace_of(store: Store, part: str, group: Group, courses: Sequence[Course]) -> Pace:
    """How the runs of a group spent their time."""
    runs, first = [course.run for course in courses], group.runs[0]
    phases = [store.phases(run.id) for run in runs]
    busy = [share for run in runs if (share := _busy(store, run)) is not None]
    return Pace(
        part=part,
        problem=first.problem,
        label=group.label,
        budget=first.budget,
        evaluations=mean([course.evaluations for course in courses]).estimate,
        per_s=geometric_mean([course.evaluations / course.searching_s for course in courses]),
        busy=mean(busy) if len(busy) == len(runs) else None,
        search=mean([_share(spent, "search") for spent in phases]),
        engine=mean([_share(spent, "search", "other") for spent in phases]),
        stored_bytes=mean([bytes_an_evaluation(store, run) for run in runs]),
    )


def _share(phases_s: Mapping[str, float], *names: str) -> float:
    return sum(phases_s[name] for name in names) / sum(phases_s.values())


def _busy(store: Store, run: Run) -> float | None:
    wall_s, processor_s = store.building(run.id).values()
    machine = store.machine(run.machine)
    cores = machine.fingerprint.get("logical_cores") if machine else None
    return processor_s / (wall_s * cores) if wall_s and cores else None


# ---- how soon


def speed_of(lineup: Lineup, courses: Sequence[Sequence[Course]]) -> Speed:
    """The search against random draws: time until ``NEAR_BEST`` of the speed of the best champion of both.

    Raises:
        EvolveError: nothing beat the plain loop in any of the runs.
    """
    champions = [course.champion for own in courses for course in own if course.champion]
    if not champions:
        raise EvolveError("nothing beat the plain loop in any run", "give them more with --budget")
    best_s = min(champion.time_s for champion in champions)
    ours, random = (
        Way(group.label, tuple(course.until(best_s / NEAR_BEST) for course in own))
        for group, own in zip(lineup.groups, courses, strict=True)
    )
    first = lineup.groups[0].runs[0]
    return Speed(
        problem=first.problem,
        budget=first.budget,
        best_s=best_s,
        ours=ours,
        random=random,
        sooner=geometric_ratio(_times_s(random), _times_s(ours)),
        fewer=geometric_ratio(_evaluations(random), _evaluations(ours)),
    )


def _times_s(way: Way) -> list[float]:
    return [leg.elapsed_s for leg in way.legs]


def _evaluations(way: Way) -> list[float]:
    return [float(leg.evaluations) for leg in way.legs]


# ---- warm starts


def warm_of(lineup: Lineup, courses: Sequence[Sequence[Course]]) -> Warm:
    """Warm runs against the cold one of the same seed.

    Raises:
        EvolveError: nothing beat the plain loop in a cold run.
    """
    cold, *others = courses
    champions = [_champion(course) for course in cold]
    targets = [champion.time_s / NEAR_COLD for champion in champions]
    labels = [group.label for group in lineup.groups]
    way = Way(labels[0], _legs(cold, targets))
    ways = [Way(label, _legs(own, targets)) for label, own in zip(labels[1:], others, strict=True)]
    first = lineup.groups[0].runs[0]
    starts = [_start(way, one, champions, own) for one, own in zip(ways, others, strict=True)]
    return Warm(first.problem, first.budget, way, tuple(starts))


def _start(cold: Way, warm: Way, champions: Sequence[Holder], courses: Sequence[Course]) -> Start:
    ends = [course.champion for course in courses]
    known = [end for end in ends if end is not None]
    ratios = [before.time_s / end.time_s for before, end in zip(champions, known, strict=False)]
    return Start(
        way=warm,
        sooner=_paired(cold, warm, _times_s),
        fewer=_paired(cold, warm, _evaluations),
        faster=geometric_mean(ratios) if len(known) == len(ends) else None,
    )


def _paired(cold: Way, warm: Way, of: Callable[[Way], list[float]]) -> Estimate:
    return geometric_mean([before / after for before, after in zip(of(cold), of(warm), strict=True)])


def _legs(courses: Sequence[Course], targets_s: Sequence[float]) -> tuple[Leg, ...]:
    return tuple(course.until(target_s) for course, target_s in zip(courses, targets_s, strict=True))


def _champion(course: Course) -> Holder:
    if course.champion is None:
        raise EvolveError(f"nothing beat the plain loop in run {course.run.id}", "give it more with --budget")
    return course.champion
