"""The engine's own work, with nothing measured in it: generations of searches that are told at once what they ask for.

A search of a held-out kernel's space breeds its children, screens them, and hears of a made-up score for each that it
chose. That takes the time of ask and tell alone, counted in processor seconds, so that engines can be held against each
other in seconds, and on spaces that their parts were not evolved for.
"""

from __future__ import annotations

import time
import zlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import numpy as np

import kernels
from benchmarks.inference import Estimate, launches_estimate
from evolve.engine import Engine
from evolve.genome import genome_of
from evolve.replay.play import BATCH
from evolve.search import make
from evolve.search.protocol import Result
from evolve.search.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evolve.engine import Manifest
    from kernels import Size
    from kernels.door import Tuned
    from kernels.language import Schedule, SourceFolder, Space

HELD_OUT = ("conv2d", "matmul")
"""Kernels whose spaces are searched: large ones, of which a brood is not used up, and no part of the engine."""
TOLD = 600
"""Outcomes that a search knows already: twice what its surrogate learns from, as after an hour of measuring."""
_FAILING = 12
"""One in so many schedules fails."""
_ALONE, _TOGETHER = 0.3, 0.15
"""Spread of what one gene, and two that stand side by side, do to ln S."""


class Scores:
    """Made-up scores of a space: what each gene does by itself, and with its neighbour; some schedules fail."""

    def __init__(self, space: Space, rng: np.random.Generator) -> None:
        counts = [len(parameter.values) for parameter in space.parameters]
        self._space, self._salt = space, int(rng.integers(1 << 31))
        self._alone = [rng.normal(0, _ALONE, count) for count in counts]
        self._together = [rng.normal(0, _TOGETHER, pair) for pair in pairwise(counts)]

    def __call__(self, schedule: Schedule) -> Result:
        """What came of a schedule: always the same."""
        genome = genome_of(self._space, schedule)
        if zlib.crc32(f"{self._salt} {genome}".encode()) % _FAILING == 0:
            return Result(schedule, None)
        alone = sum(effects[k] for effects, k in zip(self._alone, genome, strict=True))
        pairs = zip(self._together, pairwise(genome), strict=True)
        return Result(schedule, float(alone + sum(effects[pair] for effects, pair in pairs)))


class Counted(Engine):
    """An engine that counts the processor seconds of its parts.

    Attributes:
        calls: by part and size of a call, how many there were.
        seconds: what they took.
    """

    def __init__(self, manifest: Manifest, folder: SourceFolder | None = None) -> None:
        super().__init__(manifest, folder)
        self.calls: Counter[tuple[str, Size]] = Counter()
        self.seconds: defaultdict[tuple[str, Size], float] = defaultdict(float)

    def part(self, name: str) -> Tuned:
        """A part that is counted whenever it is called."""
        return cast("Tuned", partial(self._counted, name, super().part(name)))

    def _counted(self, name: str, part: Tuned, *inputs: Any) -> Any:
        start_s = time.process_time()
        found = part(*inputs)
        key = name, part.kernel.size_of(*inputs)
        self.seconds[key] += time.process_time() - start_s
        self.calls[key] += 1
        return found

    @property
    def by_part(self) -> dict[str, float]:
        """Processor seconds of each part that was called."""
        total: defaultdict[str, float] = defaultdict(float)
        for (name, _), seconds in self.seconds.items():
            total[name] += seconds
        return total


@dataclass(frozen=True)
class Spent:
    """Processor seconds of one generation in each space.

    Attributes:
        total_s: all of them.
        parts_s: those of the engine's parts, by name.
    """

    total_s: float
    parts_s: Mapping[str, float]


class Generations:
    """Searches of all held-out spaces, a generation of each at a time; what was told is the same for every engine.

    Args:
        manifest: of the engine.
        settings: of the searches.
        seed: of spaces' scores and searches.
        folder: of the engine's compiled code; the user's own by default.

    Attributes:
        engine: at work.
        spent: by each call.
    """

    def __init__(self, manifest: Manifest, settings: Settings, seed: int, folder: SourceFolder | None = None) -> None:
        self.engine = Counted(manifest, folder)
        self.spent: list[Spent] = []
        self._searches = [
            _Search(kernels.get(name).space, np.random.default_rng([seed, place]), settings, self.engine)
            for place, name in enumerate(HELD_OUT)
        ]

    def warmed(self) -> Generations:
        """The same after a generation that does not count: in it parts are compiled, and constraints asked once."""
        self()
        for kept in (self.spent, self.engine.calls, self.engine.seconds):
            kept.clear()
        return self

    def __call__(self) -> float:
        """One generation in each space: generations a processor second."""
        before, start_s = self.engine.by_part, time.process_time()
        for search in self._searches:
            search.turn()
        total_s = time.process_time() - start_s
        parts_s = {name: seconds - before.get(name, 0.0) for name, seconds in self.engine.by_part.items()}
        self.spent.append(Spent(total_s, parts_s))
        return len(self._searches) / total_s

    def share(self, part: str) -> Estimate:
        """Of a generation's time, what a part takes; two generations at least."""
        return launches_estimate([[one.parts_s.get(part, 0.0) / one.total_s] for one in self.spent])


class _Search:
    """One search, and who tells it what came of what it asked for."""

    def __init__(self, space: Space, rng: np.random.Generator, settings: Settings, engine: Engine) -> None:
        self._scores = Scores(space, rng)
        self._strategy = make("genetic", space, rng, control_share=0.0, settings=settings, engine=engine)
        told: dict[Schedule, None] = {}
        while len(told) < TOLD:
            told[space.sample(rng)] = None
        self._tell([*told])

    def turn(self) -> None:
        """One generation."""
        self._tell([proposal.schedule for proposal in self._strategy.ask(BATCH)])

    def _tell(self, schedules: Sequence[Schedule]) -> None:
        self._strategy.tell([self._scores(schedule) for schedule in schedules])
