"""Where policies of races are tried: candidates that a search really met, noise that was really there, and the clock.

All of it goes through the harness as it is. Noise is recorded by races of a function against itself, as short as any
race of a search, since the first rounds of a race are what drops most candidates. Evaluations a second are those of one
fixed list of candidates, each built already and raced against whom the search raced it against, by both policies in
turn (ABBA), in the same children.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.harness import Built, Harness, Incumbent
from benchmarks.inference import Estimate, across_sessions
from benchmarks.outcome import Impossible, Measured, Noisy, Outcome, TimedOut
from benchmarks.race import LEAST_GAIN, Rules
from benchmarks.trials.cost import sampled_s
from evolve.errors import EvolveError
from evolve.loops.policy.replay import Candidate, Trace
from evolve.loops.protocol import LapFailedError
from evolve.racing import MOST_ROUNDS, SAMPLES_US
from evolve.search import make
from evolve.search.protocol import Result
from kernels.language import Schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.contestant import Contestant
    from benchmarks.harness import Plan

_BATCH, _MOST_TRIED = 8, 4
_TRACED_S = 60.0


# ---- candidates


class Exploration:
    """A short search, raced by the harness' own rules: who met whom, and how that ended.

    Races against the plain loop are left out: of hundreds of evaluations two or three are, and where that takes fifty
    times as long as its successor they would be most of the time of a list as short as this. So where nobody of the
    first batch beats it, the fastest of them has the title all the same.

    Attributes:
        candidates: that were measured against one another, in order.
        tried: schedules, those that failed too.
        build_s: wall time of building them.
    """

    def __init__(self, harness: Harness, rng: np.random.Generator) -> None:
        self._harness, self._strategy = harness, make("genetic", harness.task.definition.space, rng)
        self._incumbent, self._fitness = harness.first_incumbent(), 0.0
        self._holder: Schedule | None = None
        self._raced: list[tuple[Plan, Measured, float]] = []
        self.candidates: list[Candidate] = []
        self.tried, self.build_s = 0, 0.0

    def until(self, count: int, look: Callable[[], None]) -> Exploration:
        """Search until so many candidates were measured; returns itself.

        Args:
            count: candidates.
            look: called between measurements; what it raises ends the search.

        Raises:
            LapFailedError: far too many schedules fail.
        """
        while len(self.candidates) < count:
            proposals = self._strategy.ask(min(_BATCH, count - len(self.candidates)))
            if not proposals or self.tried > _MOST_TRIED * count:
                raise LapFailedError(
                    f"{self.tried} schedules of {self._harness.task.kernel} gave no {count} candidates"
                )
            results = [self._told(built, look) for built in self._built([one.schedule for one in proposals])]
            self._strategy.tell(results)
            self._seat()
        return self

    def _seat(self) -> None:
        """Give the title to the fastest that was met, where the plain loop has it still."""
        if self._holder is None and self._raced:
            self._crown(*min(self._raced, key=lambda one: one[1].time_s))

    def _crown(self, plan: Plan, outcome: Measured, fitness: float) -> None:
        self._incumbent = Incumbent(_contestant(plan), outcome.time_s)
        self._fitness, self._holder = fitness, plan.schedule

    def _built(self, schedules: Sequence[Schedule]) -> list[Built]:
        start = perf_counter()
        plans = [self._harness.plan(schedule) for schedule in schedules]
        built = {one.plan: one for one in self._harness.build(plans)}
        self.build_s += perf_counter() - start
        self.tried += len(plans)
        return [built[plan] for plan in plans]

    def _told(self, built: Built, look: Callable[[], None]) -> Result:
        look()
        if built.failure is not None:
            return Result(built.plan.schedule, None)
        outcome, took_s = _evaluated(self._harness, built, self._incumbent)
        if not isinstance(outcome, Measured):
            return Result(built.plan.schedule, None)
        self._note(built.plan.schedule, outcome, took_s)
        fitness = self._fitness + outcome.log_ratio
        self._raced.append((built.plan, outcome, fitness))
        if is_taken(outcome):
            self._crown(built.plan, outcome, fitness)
        return Result(built.plan.schedule, fitness)

    def _note(self, schedule: Schedule, outcome: Measured, took_s: float) -> None:
        if self._holder is None:
            return
        self.candidates.append(
            Candidate(
                schedule=dict(schedule),
                incumbent=dict(self._holder),
                ratio=outcome.log_ratio,
                time_s=outcome.time_s,
                incumbent_s=float(np.median(outcome.samples.incumbent_s)),
                beside_s=max(0.0, took_s - sampled_s(outcome.samples)),
            )
        )


def _evaluated(harness: Harness, built: Built, incumbent: Incumbent) -> tuple[Outcome, float]:
    """An evaluation behind the build, and its wall time."""
    start = perf_counter()
    outcome = harness.measure(built, incumbent)
    return outcome, perf_counter() - start


def is_taken(outcome: Outcome) -> bool:
    """Whether a candidate takes the title, as in ``evolve.champion``."""
    return isinstance(outcome, Measured) and outcome.low > 0 and outcome.log_ratio > LEAST_GAIN


def _contestant(plan: Plan) -> Contestant:
    assert plan.contestant is not None
    return plan.contestant


# ---- noise


def recorded(harness: Harness, contestant: Contestant, races: int, look: Callable[[], None]) -> dict[int, list[Trace]]:
    """Races of a function against itself: by least length of a sample in microseconds, so many each.

    Args:
        harness: of the problem.
        contestant: a proven one.
        races: of each length, in turn.
        look: called before each; what it raises ends them.
    """
    traces: dict[int, list[Trace]] = {length: [] for length in SAMPLES_US}
    for _ in range(races):
        look()
        longest, is_single = _trace(harness, contestant, max(SAMPLES_US))
        for length in SAMPLES_US:
            # where one call outlasts the longest sample there is but one length
            is_same = is_single or length == max(SAMPLES_US)
            traces[length].append(longest if is_same else _trace(harness, contestant, length)[0])
    return traces


def _trace(harness: Harness, contestant: Contestant, sample_us: int) -> tuple[Trace, bool]:
    """A race, and whether its samples are single calls."""
    rules = Rules(MOST_ROUNDS, MOST_ROUNDS, most_s=_TRACED_S, may_drop=False, sample_s=sample_us / 1e6)
    samples = harness.pair(contestant, contestant, rules)
    return Trace(samples.candidate_s, samples.incumbent_s), samples.loops == 1


# ---- evaluations a second


@dataclass(frozen=True)
class Course:
    """A fixed list of evaluations: what is built, and whom each is raced against.

    Attributes:
        harness: of the problem.
        built: candidates, proven.
        incumbents: of each.
    """

    harness: Harness
    built: Sequence[Built]
    incumbents: Sequence[Incumbent]

    @classmethod
    def of(cls, harness: Harness, candidates: Sequence[Candidate]) -> Course:
        """The candidates that a search met, each with the incumbent of its moment.

        Raises:
            EvolveError: one of them took too long to build, as on a machine that is busy.
            LapFailedError: one of them fails otherwise, though it was proven before.
        """
        pairs = [tuple(map(Schedule, (one.schedule, one.incumbent))) for one in candidates]
        plans = {schedule: harness.plan(schedule) for pair in pairs for schedule in pair}
        built = {one.plan: one for one in harness.build([*plans.values()])}
        failed = [one.failure for one in built.values() if one.failure is not None]
        if any(isinstance(failure, TimedOut) for failure in failed):
            raise EvolveError(
                f"a schedule of {harness.task.kernel} took too long to build", "resume on a quiet machine"
            )
        if failed:
            raise LapFailedError(f"a schedule of {harness.task.kernel} that was right is not: {failed[0].reason}")
        incumbents = [
            Incumbent(_contestant(plans[holder]), one.incumbent_s)
            for one, (_, holder) in zip(candidates, pairs, strict=True)
        ]
        return cls(harness, [built[plans[schedule]] for schedule, _ in pairs], incumbents)

    def run(self, rules: Rules) -> Walk:
        """Evaluate all, by some rules."""
        self.harness.rules = rules
        pairs = zip(self.built, self.incumbents, strict=True)
        made = [_evaluated(self.harness, built, incumbent) for built, incumbent in pairs]
        return Walk(
            wall_s=sum(took_s for _, took_s in made),
            sampled_s=sum(_sampled_s(outcome) for outcome, _ in made),
            taken=tuple(is_taken(outcome) for outcome, _ in made),
        )


def _sampled_s(outcome: Outcome) -> float:
    return sampled_s(outcome.samples) if isinstance(outcome, Measured | Noisy | Impossible) else 0.0


@dataclass(frozen=True)
class Walk:
    """What one way through a course took.

    Attributes:
        wall_s: of all evaluations.
        sampled_s: of that, samples.
        taken: by candidate, whether it took the title.
    """

    wall_s: float
    sampled_s: float
    taken: tuple[bool, ...]


Lapped = tuple[Walk, ...]
"""A walk through the course of each problem."""


@dataclass(frozen=True)
class Live:
    """Both policies on the same courses, in turn.

    Attributes:
        frozen: by the hand-set policy, one value a turn.
        present: by the other, beside it.
    """

    frozen: tuple[Lapped, ...]
    present: tuple[Lapped, ...]

    @property
    def gain(self) -> Estimate:
        """Ln of evaluations a second over those of the hand-set policy."""
        turns = zip(self.frozen, self.present, strict=True)
        return across_sessions([math.log(_wall_s(frozen) / _wall_s(present)) for frozen, present in turns])

    @property
    def per_s(self) -> dict[str, float]:
        """Evaluations a second by each policy, over all problems."""
        return {"hand_set": _per_s(self.frozen), "policy": _per_s(self.present)}

    @property
    def share(self) -> float:
        """Of an evaluation by the hand-set policy, the samples."""
        sampled_s = sum(walk.sampled_s for lapped in self.frozen for walk in lapped)
        return sampled_s / sum(map(_wall_s, self.frozen))

    @property
    def samples(self) -> float:
        """Time of samples by the hand-set policy over that by the other."""
        frozen_s, present_s = (
            sum(walk.sampled_s for lapped in side for walk in lapped) for side in (self.frozen, self.present)
        )
        return frozen_s / present_s

    def left(self, needed_s: float) -> float:
        """Ln of how much faster the present policy were, did its samples take but so many seconds a turn."""
        wall_s, sampled_s = (
            float(np.mean([sum(getattr(walk, name) for walk in lapped) for lapped in self.present]))
            for name in ("wall_s", "sampled_s")
        )
        return math.log(wall_s / (wall_s - sampled_s + needed_s))

    def by_problem(self, names: Sequence[str]) -> dict[str, dict[str, float]]:
        """Evaluations a second of both, and how many candidates they decide alike, as most of the turns did."""
        return {name: self._of(at) for at, name in enumerate(names)}

    def _of(self, at: int) -> dict[str, float]:
        frozen, present = ([lapped[at] for lapped in side] for side in (self.frozen, self.present))
        rates = (_per_s([(walk,) for walk in side]) for side in (frozen, present))
        one, other = (np.mean([walk.taken for walk in side], axis=0) > 0.5 for side in (frozen, present))
        decisions = {
            "both": int((one & other).sum()),
            "hand_set_only": int((one & ~other).sum()),
            "policy_only": int((other & ~one).sum()),
            "neither": int((~one & ~other).sum()),
        }
        return {**dict(zip(("hand_set_per_s", "policy_per_s"), rates, strict=True)), **decisions}


def _per_s(side: Sequence[Lapped]) -> float:
    return sum(len(walk.taken) for lapped in side for walk in lapped) / sum(map(_wall_s, side))


def _wall_s(lapped: Lapped) -> float:
    return sum(walk.wall_s for walk in lapped)


def live(courses: Sequence[Course], policy: Rules, turns: int, look: Callable[[], None]) -> Live:
    """Evaluate all candidates of all courses by the hand-set policy and by another, in turn (ABBA).

    Args:
        courses: one a problem.
        policy: the other's rules.
        turns: of both sides, twice each.
        look: called between courses; what it raises ends the measurement.
    """

    def lapped(rules: Rules) -> Lapped:
        walks = []
        for course in courses:
            look()
            walks.append(course.run(rules))
        return tuple(walks)

    hand_set, frozen, present = Rules(), [], []
    lapped(hand_set)  # loads all code: not counted
    for _ in range(turns):
        frozen.append(lapped(hand_set))
        present += [lapped(policy), lapped(policy)]
        frozen.append(lapped(hand_set))
    return Live((*frozen,), (*present,))


def fastest(candidates: Sequence[Candidate]) -> Schedule:
    """The schedule whose calls were the shortest."""
    return Schedule(min(candidates, key=lambda one: one.time_s).schedule)


def told(candidates: Sequence[Candidate]) -> list[dict[str, Any]]:
    """Candidates as plain values."""
    return [dict(vars(one)) for one in candidates]


def heard(candidates: Sequence[Mapping[str, Any]]) -> list[Candidate]:
    """The inverse of ``told``."""
    return [Candidate(**one) for one in candidates]
