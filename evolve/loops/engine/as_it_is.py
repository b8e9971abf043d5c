"""The engine as it is used: what of a run's time is search at all, and what a faster engine is worth there.

Compiling and measuring take most of a run's time, and no part of the engine shortens either. What they take is seen in
a short real run; what a generation takes by the usual settings is timed apart, as in ``generations``. By Amdahl's law
the engine is then worth 1 / ((1 - f) + f / s) to a run, where f is the generation's share and s how much faster it is.
That, and no more, is what a lap of the loop returns to the next lap, whose search is such a run. By the usual settings
a brood is small enough to be scored without the engine's kernels while outcomes are few: s is 1 there, what real runs
differ by is noise, and the cap is there to be seen before lap 1.
"""

from __future__ import annotations

import itertools
import math
import os
import tempfile
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

import kernels
from benchmarks.inference import Estimate
from benchmarks.throughput import Rules, compared
from evolve import deployed
from evolve.budget import Budget
from evolve.engine import PARTS
from evolve.loops.engine.generations import HELD_OUT, Generations
from evolve.loops.lap_runs import unpublished
from evolve.paths import source_folder
from evolve.replay.play import BATCH
from evolve.run import Request
from evolve.search.settings import Settings
from evolve.tracker.amdahl import program_speedup

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.throughput import Compared, Producer
    from evolve.engine import Manifest, Part
    from evolve.loops.lap_runs import LapRuns
    from evolve.store import Run

DTYPE = "float32"
EVALUATIONS = 24
"""Of a real run that is there for its times."""
_SEARCHES = Rules(blocks=4, rounds=4, pause_s=0.0, known_to=0.1, most=2)
"""Generations of the usual settings take some 50 ms."""
_RUNS = Rules(blocks=3, rounds=2, pause_s=0.0, known_to=math.inf, most=1)
"""Real runs take some 20 s each."""
_FIGURES = 10
"""Intervals that are resampled for a publication: two for every opponent."""
_CALLS = 8


class AsItIs:
    """What engines are worth to real runs.

    Args:
        runs: of the loop.
        seed: of everything.
    """

    def __init__(self, runs: LapRuns, seed: int) -> None:
        self._runs, self._seed = runs, seed

    def surveyed(self, frozen: Manifest) -> dict[str, Any]:
        """Lap 0: where the time of a short real run goes, and the share of it that an engine could save at all."""
        store = self._runs.around.store
        run = self._run(frozen, 0, self._seed, f"{self._runs.around.loop.id}-lap-0-as-it-is")
        phases_s = store.phases(run.id)
        rest_s = sum(phases_s.values()) - phases_s["search"]
        batch_s = rest_s * BATCH / max(1, sum(store.counts(run.id).values()))
        total_s, parts_s = self._generation(frozen)
        share = total_s / (batch_s + total_s)
        shares = {name: share * seconds / total_s for name, seconds in parts_s.items()}
        return {
            "run": run.id,
            "phases_s": phases_s,
            "search_share": share,
            "parts": shares,
            "cap": program_speedup(math.inf, sum(shares.values())),
            "judging": _judging(sum(phases_s.values())),
        }

    def _generation(self, manifest: Manifest) -> tuple[float, dict[str, float]]:
        """Seconds of a generation by the usual settings, in all and by part."""
        generations = self.generations(manifest)
        for _ in range(_SEARCHES.rounds):
            generations()
        count = len(generations.spent) * len(HELD_OUT)
        total_s = sum(one.total_s for one in generations.spent) / count
        return total_s, {name: seconds / count for name, seconds in generations.engine.by_part.items()}

    def generations(self, manifest: Manifest) -> Generations:
        """Searches by the usual settings, warm."""
        return Generations(manifest, Settings(), self._seed).warmed()

    def worth(self, frozen: Manifest, present: Manifest, share: float) -> Estimate:
        """The ln G of real runs, from a generation's gain and its share of a run's time.

        Args:
            frozen: of lap 0.
            present: held against it.
            share: of a run with the frozen engine that is search.
        """
        sides = self.generations(frozen), self.generations(present)
        found = compared(lambda: sides, _SEARCHES, partial(self._runs.say, "generations by the usual settings")).gain
        ends = (math.log(program_speedup(math.exp(end), share)) for end in (found.estimate, found.low, found.high))
        return Estimate(*ends)

    def compared(self, frozen: Manifest, present: Manifest, lap: int) -> Compared:
        """Real runs of held-out kernels, an engine against the other: evaluations a second, with equal seeds."""
        sides = self._producer(frozen, lap), self._producer(present, lap)
        return compared(lambda: sides, _RUNS, partial(self._runs.say, "real runs of held-out kernels"))

    def _producer(self, manifest: Manifest, lap: int) -> Producer:
        turns = itertools.count()

        def produced() -> float:
            turn, store = next(turns), self._runs.around.store
            seed = int(np.random.default_rng([self._seed, lap, turn]).integers(1 << 31))
            with _cold_cache():
                run = self._run(manifest, turn % len(HELD_OUT), seed, None)
            return sum(store.counts(run.id).values()) / sum(store.phases(run.id).values())

        return produced

    def _run(self, manifest: Manifest, kernel: int, seed: int, name: str | None) -> Run:
        definition = kernels.get(HELD_OUT[kernel])
        request = Request(
            kernel=definition.name,
            size=definition.default_size,
            dtype=DTYPE,
            threads=1,
            budget=Budget.parse(f"{EVALUATIONS}evals"),
            seed=seed,
            name=name,
            options=deployed.working_with(deployed.keep(self._runs.around.store, manifest)),
        )
        return self._runs.carried(request, unpublished, f"a real run of {definition.name}")


def _judging(run_s: float) -> dict[str, float]:
    """Of a short run's time, about what its publication spends in each part that judges, and that no lap replaces."""
    return {part.name: _FIGURES * _call_s(part) / run_s for part in PARTS if not part.steers}


def _call_s(part: Part) -> float:
    """Processor seconds of a call by the default schedule."""
    tuned = part.tuned(part.definition.space.default, source_folder())
    inputs = part.definition.problem(part.size, part.dtype, np.random.default_rng(0))
    tuned(*inputs)
    start_s = time.process_time()
    for _ in range(_CALLS):
        tuned(*inputs)
    return (time.process_time() - start_s) / _CALLS


@contextmanager
def _cold_cache() -> Iterator[None]:
    """A cache folder that is empty: of two runs with equal seeds the second would find what the first one compiled."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="evolve-cold-", ignore_cleanup_errors=True) as folder:
        os.environ["EVOLVE_CACHE"] = folder
        try:
            yield
        finally:
            os.environ.pop("EVOLVE_CACHE")
            os.environ |= before


def seconds_by_phase(told: Mapping[str, float]) -> str:
    """In words, the longest first."""
    total = sum(told.values()) or 1.0
    shown = sorted(told.items(), key=lambda one: -one[1])
    return ", ".join(f"{name} {seconds / total:.0%}" for name, seconds in shown)
