"""Loops in which the project's own strategies search spaces whose every score is known.

A lap is a run of a fixed budget that begins from the champion of the lap before, on scores that carry the noise of a
race; its champion is then measured like any lap. What a lap deploys, and whether the scores mean anything, is what the
controls change.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evolve.controls.planted import CEILING_SPREAD, START, Setting, World, laps_of
from evolve.genome import genome_of, schedule_of
from evolve.operators import mutate
from evolve.search import make
from evolve.search.protocol import CONTROL_SHARE, Result
from evolve.tracker.tail import tail
from kernels.language.space import Schedule, Space, integer

if TYPE_CHECKING:
    import numpy as np

    from benchmarks.inference import Estimate
    from evolve.search.protocol import Proposal

EVALUATIONS = 40
"""Of a lap's search."""
BATCH = 8
RACE = 3.0
"""A race in the search is so many times as noisy as a lap: it has about a tenth of the rounds."""
VALUES = 12
SPACE = Space([integer(name, range(VALUES), "one of the surface's axes", default=VALUES // 2) for name in "abcdef"])
"""Three million schedules."""
HEIGHT = math.log(3)
"""ln of the greatest speedup that the machine allows."""
_ROUGHNESS = 0.1

Surface = Callable[[Schedule], float]
"""ln S of every schedule against the default one."""


# ---- spaces whose scores are known


def dome(rng: np.random.Generator) -> Surface:
    """A dome with a rough skin; its top is ``HEIGHT`` above the default schedule at most, and there for a climber."""
    top = {parameter.name: int(rng.integers(VALUES)) for parameter in SPACE.parameters}
    salt = int(rng.integers(2**31))

    def depth(schedule: Schedule) -> float:
        distance = sum(((int(schedule[name]) - at) / VALUES) ** 2 for name, at in top.items())
        return distance + _ROUGHNESS * _uniform(schedule, salt)

    start = depth(SPACE.default)
    return lambda schedule: HEIGHT * (1 - depth(schedule) / start)


def scattered(rng: np.random.Generator, quantile: Callable[[float], float]) -> Surface:
    """Every schedule an independent draw; ``quantile`` gives ln S by the share of draws below it."""
    salt = int(rng.integers(2**31))
    return lambda schedule: quantile(_uniform(schedule, salt))


def _uniform(schedule: Schedule, salt: int) -> float:
    """A fixed number between 0 and 1 for each schedule, both ends left out."""
    return (zlib.crc32(f"{salt} {schedule}".encode()) + 0.5) / 2**32


def triangular(share: float) -> float:
    """Draws that end at ``HEIGHT``, with a tail of index -1/2."""
    return HEIGHT * (1 - math.sqrt(1 - share))


def endless(share: float) -> float:
    """Draws without an end: S has a Pareto tail of index 1/5."""
    return -0.2 * math.log1p(-share)


def flat(_schedule: Schedule) -> float:
    """All schedules are the same."""
    return 0.0


# ---- loops that search them


def evolved(setting: Setting, *, shuffles: bool = False, deploys: bool = True) -> World:
    """The genetic search of a dome; a placebo deploys none of its champions."""
    surface = dome(setting.rng)
    search = _Search(surface, setting, shuffles=shuffles)
    champions = search.champions()
    return _world([surface(one) if deploys else 0.0 for one in champions], setting, search)


def drawn(setting: Setting, quantile: Callable[[float], float]) -> World:
    """Random draws; the best of all so far is the champion, and the machine would allow ten times as much."""
    surface = scattered(setting.rng, quantile)
    search = _Search(surface, setting, "random")
    gains = [surface(champion) for champion in search.champions()]
    return _world(gains, setting, search, max(gains) + math.log(10))


def equals(setting: Setting) -> World:
    """A/A: whatever is found, it is the same."""
    search = _Search(flat, setting)
    return _world([flat(champion) for champion in search.champions()], setting, search)


def drifting(setting: Setting) -> World:
    """Nothing selects: the champion is a child of a child, for as many generations as a search has."""
    surface = dome(setting.rng)
    genome, gains = genome_of(SPACE, SPACE.default), [0.0]
    for _ in range(setting.laps):
        for _ in range(EVALUATIONS // BATCH):
            genome = mutate(SPACE, genome, setting.rng)
        gains.append(surface(schedule_of(SPACE, genome)))
    return _world(gains, setting)


def _world(gains: Sequence[float], setting: Setting, search: _Search | None = None, ceiling: float = HEIGHT) -> World:
    """Laps measured over fresh processes, held against the first one's own schedule."""
    measured = [setting.launches.around(gain - gains[0], setting.rng) for gain in gains[1:]]
    inputs = [float(EVALUATIONS * (lap + 1)) for lap in range(len(gains))]
    roof = setting.measured(ceiling - gains[0], CEILING_SPREAD)
    endpoint = search.endpoint(roof.estimate) if search else None
    return World(laps_of([START, *measured], inputs, ceiling=roof, endpoint=endpoint))


@dataclass
class _Search:
    """Laps of searches, each from the champion of the one before.

    Attributes:
        surface: the truth.
        setting: the world's.
        strategy: by name.
        shuffles: scores are dealt out anew within each batch before the search hears of them.
    """

    surface: Surface
    setting: Setting
    strategy: str = "genetic"
    shuffles: bool = False

    def __post_init__(self) -> None:
        self._race = self.setting.throughput.times(RACE)
        self._controls: list[float] = []
        self._start = self.surface(SPACE.default)

    def champions(self) -> list[Schedule]:
        """The champion of each lap, lap 0's first."""
        found = [SPACE.default]
        for _ in range(self.setting.laps):
            results = list(self._lap(found[-1]))
            found.append(max(results, key=_fitness).schedule)
        return found

    def endpoint(self, ceiling: float) -> Estimate | None:
        """Where the scores of the control arm end, all laps together, if they show it, as the loop of kernels does."""
        found = tail(self._controls, ceiling)
        return found.endpoint if found and found.is_bounded else None

    def _lap(self, champion: Schedule) -> Iterator[Result]:
        """All that a lap's search hears: of the champion that it begins from, too."""
        search = make(self.strategy, SPACE, self.setting.rng, CONTROL_SHARE, start=champion)
        told = self._scored([champion])
        for _ in range(EVALUATIONS // BATCH):
            yield from told
            search.tell(told)
            proposals = search.ask(BATCH)
            told = self._scored([proposal.schedule for proposal in proposals])
            self._keep(proposals, told)
        yield from told

    def _scored(self, schedules: Sequence[Schedule]) -> list[Result]:
        rng = self.setting.rng
        scores = [self._race.around(self.surface(one) - self._start, rng).estimate for one in schedules]
        if self.shuffles:
            rng.shuffle(scores)
        return [Result(schedule, score) for schedule, score in zip(schedules, scores, strict=True)]

    def _keep(self, proposals: Sequence[Proposal], told: Sequence[Result]) -> None:
        pairs = zip(proposals, told, strict=True)
        self._controls += [_fitness(result) for proposal, result in pairs if proposal.operator == "control"]


def _fitness(result: Result) -> float:
    assert result.fitness is not None
    return result.fitness
