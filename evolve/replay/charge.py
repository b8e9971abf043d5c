"""Searches of recorded spaces, and what they would have cost: processor seconds until a schedule is near the optimum.

Every evaluation is charged what it would have taken: its build, as recorded, once for schedules that share their code;
its proofs, measured once for each space; and the rounds of its race against the incumbent, by the very decisions that a
race takes (``benchmarks.race.is_decided``) on ratios that are drawn from the recorded time and spread. Searching is
charged the processor time that ask and tell took here and now. A search that is not near the optimum when its budget is
used up is begun anew, as its user would do (the simulated restarts of Hansen et al., COCO: Performance Assessment,
arXiv 1605.03560): so every cost has an end.
"""

from __future__ import annotations

import functools
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.race import Rules, is_decided, loops_for
from evolve.engine import STEERING, Engine, Manifest
from evolve.replay.play import play
from evolve.replay.read import recording
from evolve.replay.score import NEAR
from evolve.search import make
from evolve.search.settings import Settings

if TYPE_CHECKING:
    from evolve.replay.landscape import Landscape
    from evolve.replay.recording import Recording, Timing
    from evolve.search.protocol import Proposal, Result, Strategy
    from kernels.language.space import Schedule

BUDGET = 200
"""Evaluations after which a search that is not near the optimum is begun anew."""
ATTEMPTS = 5
"""So many times at most; what is not found then is charged as if it had been."""
HALF_RANGE = 0.6745
"""Of a normal distribution half the interquartile range, in standard deviations."""
_MOST_ROUNDS = 64
_WARM_SEED, _WARM_BUDGET = 1 << 31, 40


@dataclass(frozen=True)
class Searching:
    """With what a search is made; plain data, which travels to a worker process.

    Attributes:
        settings: of the genetic search.
        engine: of its engine the manifest, as JSON text; "" for the usual one.
    """

    settings: Settings
    engine: str = ""


@dataclass(frozen=True)
class Way:
    """One way to evolve a kernel: a search, and the rules by which its candidates are raced."""

    searching: Searching
    rules: Rules


@dataclass(frozen=True)
class Attempt:
    """A search until it was near the optimum, or its budget was used up.

    Attributes:
        timings: of what it evaluated, in order.
        search_s: processor time of ask and tell.
        is_near: it came near the optimum, with the last one.
    """

    timings: tuple[Timing, ...]
    search_s: float
    is_near: bool


@dataclass(frozen=True)
class Charge:
    """What coming near the optimum costs, in processor seconds.

    Attributes:
        search_s: for ask and tell.
        built_s: for compiling.
        proven_s: for proofs, and all else beside the samples of races.
        raced_s: for the samples of races.
        evaluations: that it took.
        is_near: False where it never came near.
    """

    search_s: float
    built_s: float
    proven_s: float
    raced_s: float
    evaluations: int
    is_near: bool

    @property
    def total_s(self) -> float:
        """All of it."""
        return self.search_s + self.built_s + self.proven_s + self.raced_s


@dataclass(frozen=True)
class Block:
    """Ways that are held against each other, by the same seed on the same space.

    Attributes:
        space: the file of the recording.
        seed: of searches and races.
        built_s: what a build takes of which the recording does not tell.
        proven_s: what an evaluation takes beside its build and its samples.
        ways: that are gone.
    """

    space: Path
    seed: int
    built_s: float
    proven_s: float
    ways: tuple[Way, ...]


def charges(block: Block) -> list[Charge]:
    """What each way of a block costs. Ways that differ in their rules alone share one search: no rule steers it.

    Raises:
        EvolveError: the space cannot be read, or lacks a schedule that is legal.
    """
    space = _space(block.space, block.space.stat().st_mtime_ns)
    order = [*dict.fromkeys(way.searching for way in block.ways)]
    # in another order in each block, so that a machine that slows down slows all of them
    turned = np.random.default_rng(block.seed).permutation(len(order)).tolist()
    found: dict[Searching, list[Attempt]] = {}
    for at in turned:
        _warm(order[at], space)
        found[order[at]] = [*attempts(space, order[at], block.seed)]
    return [charged(found[way.searching], way.rules, space, block) for way in block.ways]


# ---- searching


@dataclass(frozen=True, eq=False)
class Space:
    """A recorded space, ready to be searched."""

    recording: Recording
    landscape: Landscape

    @functools.cached_property
    def builds_s(self) -> dict[str, float]:
        """By code what compiling it took, as far as that was recorded."""
        timings = self.recording.timings.values()
        return {timing.code: timing.build_s for timing in timings if timing.code and timing.build_s is not None}


@functools.lru_cache(maxsize=4)
def _space(path: Path, _changed_ns: int) -> Space:
    found = recording(path)
    return Space(found, found.landscape(path.name.partition(".")[0]))


@functools.cache
def engine_from(manifest: str) -> Engine | None:
    """The engine that a manifest describes, compiled; None for the usual one.

    Raises:
        ValueError: it describes none.
        Exception: whatever compiling it raises.
    """
    if not manifest:
        return None
    engine = Engine(Manifest.from_dict(json.loads(manifest)))
    for part in STEERING:
        engine.part(part)
    return engine


@functools.lru_cache(maxsize=64)
def _warm(searching: Searching, space: Space) -> None:
    """Search once for nothing: what is imported and compiled then is no part of a search's time."""
    _attempt(space, searching, np.random.default_rng(_WARM_SEED), _WARM_BUDGET)


def attempts(space: Space, searching: Searching, seed: int) -> Iterator[Attempt]:
    """Searches, one after the other, until one comes near the optimum."""
    for number in range(ATTEMPTS):
        made = _attempt(space, searching, np.random.default_rng([seed, number]), BUDGET)
        yield made
        if made.is_near:
            return


def _attempt(space: Space, searching: Searching, rng: np.random.Generator, budget: int) -> Attempt:
    landscape = space.landscape
    engine = engine_from(searching.engine)
    strategy = make("genetic", landscape.space, rng, settings=searching.settings, engine=engine)
    watched = _Watched(strategy, landscape)
    play(landscape, lambda _space, _rng: watched, budget, rng)
    timings = tuple(space.recording.timings[schedule] for schedule in watched.tried)
    return Attempt(timings, watched.search_s, watched.is_near)


class _Watched:
    """A strategy whose time is taken, and that asks for nothing more once it is near the optimum.

    Attributes:
        tried: schedules that it was told of, up to the first that is near.
        search_s: processor time of ask and tell.
        is_near: one of them is.
    """

    def __init__(self, strategy: Strategy, landscape: Landscape) -> None:
        self._strategy, self._times_s = strategy, landscape.times_s
        self._near_s = NEAR * landscape.best_s
        self.tried: dict[Schedule, None] = {}
        self.search_s, self.is_near = 0.0, False

    def ask(self, n: int) -> list[Proposal]:
        """What the strategy proposes; nothing once it has arrived, which ends a game."""
        if self.is_near:
            return []
        start_s = time.process_time()
        proposals = self._strategy.ask(n)
        self.search_s += time.process_time() - start_s
        return proposals

    def tell(self, results: Sequence[Result]) -> None:
        """Pass them on, and look whether one is near."""
        for result in results:
            self._look(result.schedule)
        start_s = time.process_time()
        self._strategy.tell(results)
        self.search_s += time.process_time() - start_s

    def _look(self, schedule: Schedule) -> None:
        if self.is_near or schedule in self.tried or schedule not in self._times_s:
            return
        time_s = self._times_s[schedule]
        self.tried[schedule] = None
        self.is_near = time_s is not None and time_s <= self._near_s


# ---- charging


def charged(made: Sequence[Attempt], rules: Rules, space: Space, block: Block) -> Charge:
    """What attempts cost where candidates are raced by some rules; the seed of the block draws the noise of races."""
    rng = np.random.default_rng([block.seed, ATTEMPTS])
    timings = [timing for one in made for timing in one.timings]
    return Charge(
        search_s=sum(one.search_s for one in made),
        built_s=_built_s(timings, space.builds_s, block.built_s),
        proven_s=len(timings) * block.proven_s,
        raced_s=sum(_raced_s(one.timings, space.recording.baseline_s, rules, rng) for one in made),
        evaluations=len(timings),
        is_near=made[-1].is_near,
    )


def _built_s(timings: Sequence[Timing], builds_s: Mapping[str, float], unknown_s: float) -> float:
    """Of all builds: a code is compiled when it is met first, and found compiled from then on."""
    codes = {timing.code for timing in timings if timing.code}
    anonymous = sum(not timing.code for timing in timings)
    return anonymous * unknown_s + sum(builds_s.get(code, unknown_s) for code in codes)


def _raced_s(timings: Sequence[Timing], baseline_s: float, rules: Rules, rng: np.random.Generator) -> float:
    """Of all races of a search: everybody against the best so far, the first ones against the plain loop."""
    incumbent_s, total_s = baseline_s, 0.0
    for timing in timings:
        # as many draws for each schedule, whatever the rules: so that the next one's noise is the same for all rules
        noise = rng.standard_normal(max(_MOST_ROUNDS, rules.most_rounds)) * timing.spread / HALF_RANGE
        if (time_s := timing.time_s) is None:
            continue
        rounds = rounds_of((math.log(incumbent_s / time_s) + noise).tolist(), rules)
        total_s += rounds * loops_for(min(time_s, incumbent_s), rules.sample_s) * (time_s + incumbent_s)
        incumbent_s = min(incumbent_s, time_s)
    return total_s


def rounds_of(ratios: Sequence[float], rules: Rules) -> int:
    """After how many rounds a race is decided.

    Args:
        ratios: of ln(t_incumbent / t_candidate), as many as the rules may ask for.
        rules: when it ends.
    """
    return next(n for n in range(1, rules.most_rounds + 1) if is_decided(ratios[:n], rules))


def shares(charge: Charge) -> Mapping[str, float]:
    """Of a charge the shares of its parts."""
    parts = {"builds": charge.built_s, "proofs": charge.proven_s, "races": charge.raced_s, "search": charge.search_s}
    return {name: part_s / charge.total_s for name, part_s in parts.items()}
