"""The stop rule on runs whose every score is known: how often does it stop with something left, and what does it save?

A run searches scores that carry the noise of a race. Where the rule stops it, it goes on for its whole budget again all
the same: the stop was *false* where the champion then turns out over 2 % better, by its true score.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

import kernels
from benchmarks.aa import binomial_estimate
from benchmarks.outcome import Crashed, Measured
from evolve.controls.searches import SPACE, dome, endless, scattered, triangular
from evolve.replay.read import read, spaces
from evolve.search import make
from evolve.search.protocol import CONTROL_SHARE, Result
from evolve.search.testing import SYNTHETIC, synthetic_fitness
from evolve.store.records import Evaluation, Individual, OutcomeRecord
from evolve.tracker.gain import WORTH
from evolve.tracker.stopping import is_flat
from evolve.workers import cores, spread

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.inference import Estimate
    from evolve.search.protocol import Proposal
    from kernels.language.space import Schedule, Space

BUDGET = 1200
"""Evaluations of a run."""
NOISE = 0.01
"""Standard error of one race, in ln units."""
MOST_FALSE = 0.05
LEAST_SAVED = 1 / 3
BATCH = 8
_SEED = 4
_HEIGHT = 1.5
_ROUGHNESS = 0.1

Surface = Callable[["Schedule"], float | None]
"""The true ln S of every schedule; None where it fails."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Ground:
    """Where planted runs search.

    Attributes:
        name: for programs.
        what: in words.
        plant: makes space and surface.
        strategy: the search's name.
    """

    name: str
    what: str
    plant: Callable[[np.random.Generator], tuple[Space, Surface]]
    strategy: str = "genetic"


def over(kernel: str, rng: np.random.Generator) -> tuple[Space, Surface]:
    """A kernel's own space, and a rough dome over it: its genes count differently, its top is somewhere."""
    space = kernels.get(kernel).space
    top = space.encode(space.sample(rng))
    weights = rng.gamma(1.0, size=len(top))
    salt, weights = int(rng.integers(2**31)), weights / weights.sum()

    def fitness(schedule: Schedule) -> float:
        distance = float(weights @ (space.encode(schedule) - top) ** 2)
        return _HEIGHT * (1 - 3 * distance) + _ROUGHNESS * zlib.crc32(f"{salt} {schedule}".encode()) / 2**32

    return space, fitness


GROUNDS: tuple[Ground, ...] = (
    Ground("triad", "the genetic search of triad's schedules, scores planted", partial(over, "triad")),
    Ground("softmax", "the genetic search of softmax's schedules, scores planted", partial(over, "softmax")),
    Ground("dome", "the genetic search of a rough dome", lambda rng: (SPACE, dome(rng))),
    Ground("blocks", "the genetic search of an imaginary matrix product", lambda _: (SYNTHETIC, synthetic_fitness)),
    Ground("climber", "the hill climber on a rough dome", lambda rng: (SPACE, dome(rng)), "local"),
    Ground("random", "random draws from a rough dome", lambda rng: (SPACE, dome(rng)), "random"),
    Ground("bounded", "scores without any order, bounded", lambda rng: (SPACE, scattered(rng, triangular))),
    Ground("endless", "scores without any order or end", lambda rng: (SPACE, scattered(rng, endless))),
)


@dataclass(frozen=True)
class Stop:
    """What the rule did with one run.

    Attributes:
        evaluations: after which the run stopped; its budget where it did not.
        budget: evaluations that it might have taken.
        missed: ln units by which its champion would have been better with its budget again; 0 where it did not stop.
    """

    evaluations: int
    budget: int
    missed: float

    @property
    def is_false(self) -> bool:
        """True where over 2 % was still to be gained."""
        return self.missed > WORTH


@dataclass(frozen=True)
class Stops:
    """What the rule did with several runs.

    Attributes:
        runs: how many.
        stopped: of them before their budget was used up.
        false_stops: of them with over 2 % left.
        saved: mean share of the evaluations that was saved, over all runs.
    """

    runs: int
    stopped: int
    false_stops: int
    saved: float

    @classmethod
    def of(cls, stops: Sequence[Stop]) -> Stops:
        """Counted."""
        early = sum(stop.evaluations < stop.budget for stop in stops)
        saved = float(np.mean([1 - stop.evaluations / stop.budget for stop in stops])) if stops else 0.0
        return cls(len(stops), early, sum(stop.is_false for stop in stops), saved)

    @property
    def rate(self) -> Estimate:
        """Share of all runs that were stopped falsely, with its exact interval."""
        return binomial_estimate(self.false_stops, self.runs)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**vars(self), "rate": self.rate.as_dict()}


class Replay:
    """A search of known scores, as far as it was asked for: what a store would hold of it, and the truth.

    Args:
        space: the legal schedules.
        surface: their true scores.
        strategy: the search's name.
        rng: of the search and of the noise.
        noise: standard error of a score that the search hears, ln units.
    """

    def __init__(
        self, space: Space, surface: Surface, strategy: str, rng: np.random.Generator, noise: float = NOISE
    ) -> None:
        self.individuals: list[Individual] = []
        self.evaluations = 0
        self._surface, self._rng, self._noise = surface, rng, noise
        self._strategy = make(strategy, space, rng.spawn(1)[0], CONTROL_SHARE)
        self._known: dict[Schedule, Individual] = {}
        self._is_over = False

    def to(self, evaluations: int) -> bool:
        """Go on until that many evaluations are paid for; False where the space is exhausted before."""
        while self.evaluations < evaluations and not self._is_over:
            proposals = self._strategy.ask(BATCH)
            results = [Result(p.schedule, self._outcome(p).fitness) for p in proposals]
            self._strategy.tell(results)
            self._is_over = not proposals
        return not self._is_over

    def champion(self) -> float:
        """The true score of what the search holds for the best."""
        best = max(self._known.items(), key=lambda pair: -math.inf if pair[1].fitness is None else pair[1].fitness)
        found = self._surface(best[0])
        return -math.inf if found is None else found

    def _outcome(self, proposal: Proposal) -> Individual:
        original, number = self._known.get(proposal.schedule), len(self.individuals) + 1
        record = original.record if original else self._measured(number, self._surface(proposal.schedule))
        made = Individual(
            Evaluation(
                run="",
                number=number,
                batch=0,
                position=0,
                arm="control" if proposal.operator == "control" else "search",
                operator=proposal.operator,
                schedule=proposal.schedule,
                duplicate_of=original.evaluation.number if original else None,
            ),
            record,
        )
        self._known.setdefault(proposal.schedule, made)
        self.individuals.append(made)
        self.evaluations += made.is_paid
        return made

    def _measured(self, number: int, truth: float | None) -> OutcomeRecord:
        if truth is None:
            return OutcomeRecord("", number, Crashed(""), "")
        fitness = truth + self._noise * float(self._rng.standard_normal())
        return OutcomeRecord("", number, Measured(time_s=math.exp(-fitness)), "", fitness)


def stop_of(replay: Replay, budget: int = BUDGET, every: int = 4 * BATCH) -> Stop:
    """Where the rule stops a run, and what it would have found with its whole budget again.

    Args:
        replay: that has not begun.
        budget: evaluations.
        every: so many evaluations the rule is asked.
    """
    for evaluations in range(every, budget, every):
        if not replay.to(evaluations):
            break
        if is_flat(replay.individuals).is_flat:
            stopped, found = replay.evaluations, replay.champion()
            replay.to(stopped + budget)
            return Stop(stopped, budget, max(0.0, replay.champion() - found))
    return Stop(budget, budget, 0.0)


def planted(runs: int, say: Say = lambda _line: None, budget: int = BUDGET) -> dict[str, Stops]:
    """What the rule does with planted runs, so many of each kind; equal counts are equal runs.

    Args:
        runs: of each kind.
        say: is told how far it is.
        budget: evaluations of a run.
    """
    return {ground.name: counted(ground, range(runs), say, budget) for ground in GROUNDS}


def recorded(
    folder: Path,
    say: Say = lambda _line: None,
    runs: int = 20,
    budget: int = BUDGET,
    processes: int | None = None,
) -> dict[str, Stops]:
    """What the rule does with the default search of every recorded space of a folder.

    Args:
        folder: of files that ``replay.read`` takes.
        say: is told how far it is.
        runs: of each space.
        budget: evaluations of a run.
        processes: that share the work; one a core where none is said.

    Raises:
        EvolveError: a file is no recorded space.
    """
    tasks = [_Recorded(path, number, budget) for path in spaces(folder) for number in range(runs)]
    found: dict[str, list[Stops]] = {}
    for done, (name, stops) in enumerate(spread(_replayed, tasks, processes or cores()), start=1):
        say(f"stop rule, {name}: run {done} of {len(tasks)}")
        found.setdefault(name, []).append(stops)
    return {name: together(found[name]) for name in sorted(found)}


@dataclass(frozen=True)
class _Recorded:
    space: Path
    number: int
    budget: int


def _replayed(task: _Recorded) -> tuple[str, Stops]:
    ground = _recorded_ground(task.space)
    return ground.name, counted(ground, range(task.number, task.number + 1), budget=task.budget)


@lru_cache(maxsize=1)
def _recorded_ground(space: Path) -> Ground:
    known = read(space)
    return Ground(known.name, known.name, lambda _rng: (known.space, lambda schedule: known.result(schedule).fitness))


def together(found: Iterable[Stops]) -> Stops:
    """Several kinds of runs as one; ``saved`` is the mean over all runs."""
    known = [stops for stops in found if stops.runs]
    runs = sum(stops.runs for stops in known)
    saved = sum(stops.saved * stops.runs for stops in known) / max(1, runs)
    return Stops(runs, sum(s.stopped for s in known), sum(s.false_stops for s in known), saved)


def counted(ground: Ground, numbers: range, say: Say = lambda _line: None, budget: int = BUDGET) -> Stops:
    """What the rule does with the runs of one kind that have these numbers."""
    stops = []
    for number in numbers:
        say(f"stop rule, {ground.what}: run {number + 1} of {len(numbers)}")
        rng = np.random.default_rng([_SEED, zlib.crc32(ground.name.encode()), number])
        stops.append(stop_of(Replay(*ground.plant(rng), ground.strategy, rng), budget))
    return Stops.of(stops)
