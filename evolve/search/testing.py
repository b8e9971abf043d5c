"""The contract of a strategy as tests, and a synthetic kernel to search.

A strategy of one's own is checked by a class that pytest collects::

    class TestMine(StrategyContract):
        def make(self, space, rng):
            return Mine(space, rng)

What the tests hold it to is their names.
"""

# ruff: noqa: D102 - a test's name says what it holds

from __future__ import annotations

import math
import random
import zlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from evolve.search.protocol import Result
from kernels.language.space import Schedule, Space, choice, flag, integer, permutation, power_of_two

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evolve.search.protocol import Proposal, Strategy

    Fitness = Callable[[Schedule], float | None]

BLOCKED = ("tiled", "packed")

TINY = Space([choice("variant", ("plain", "tiled"), ""), power_of_two("tile", 2, 8, "", when={"variant": ("tiled",)})])
"""Four schedules."""

SYNTHETIC = Space(
    [
        permutation("order", "ijk", "loop order"),
        choice("variant", ("plain", *BLOCKED), "algorithm"),
        integer("mr", (1, 2, 3, 4, 6, 8, 10, 12, 14, 16), "rows of the register tile"),
        integer("nr", (1, 2, 3, 4), "vectors in a row of it"),
        power_of_two("lanes", 2, 8, "numbers in a vector"),
        power_of_two("mc", 16, 512, "rows of the cache block", when={"variant": BLOCKED}),
        power_of_two("kc", 32, 1024, "depth of the cache block", when={"variant": BLOCKED}),
        power_of_two("unroll", 1, 8, "unrolling of the innermost loop"),
        integer("prefetch", range(6), "iterations ahead", when={"variant": ("packed",)}),
        flag("stream", "write around the caches"),
    ],
    [
        (lambda mr, nr: mr * nr + nr <= 31, "the register tile needs more than 32 registers"),
        (lambda mc, kc: mc * kc <= 2**17, "the block of A does not fit into a 1 MiB cache"),
        (lambda variant, order: variant != "packed" or order != "kji", "packing needs i or j outside"),
    ],
)
"""The schedule space of an imaginary matrix product: about a million schedules."""


def synthetic_fitness(schedule: Schedule) -> float | None:
    """A rugged but structured surface over ``SYNTHETIC``; one schedule in twenty fails.

    Log-quadratic terms in products of genes (so genes interact), a table for variant and loop order, and a fixed
    jitter of +-0.1 a schedule, which no step can follow.
    """
    jitter = zlib.crc32(str(schedule).encode()) / 2**32
    if jitter < 0.05:
        return None
    s = schedule
    registers = -0.25 * math.log2(s.mr * s.nr / 20) ** 2 - 0.1 * math.log2(s.mr / (2 * s.nr)) ** 2
    vectors = -0.3 * math.log2(8 / s.lanes) - 0.1 * math.log2(s.unroll * s.nr / 8) ** 2
    variant = {"plain": 0.0, "tiled": 0.5, "packed": 0.7}[s.variant] + {"i": 0.2, "j": 0.1, "k": 0.0}[s.order[0]]
    blocks = -0.05 * math.log2(s.mc * s.kc / 2**15) ** 2 - 0.08 * math.log2(s.kc / 256) ** 2
    memory = -0.02 * (s.prefetch - 3) ** 2 - (0.2 if s.stream and s.variant == "packed" else 0.0)
    return float(2.5 + registers + vectors + variant + blocks + memory + 0.2 * (jitter - 0.5))


def search(strategy: Strategy, fitness: Fitness, evaluations: int, batch: int = 8) -> list[Result]:
    """Ask and tell until ``evaluations`` results are there or the strategy has nothing left; the results in order."""
    results: list[Result] = []
    while len(results) < evaluations:
        proposals = strategy.ask(min(batch, evaluations - len(results)))
        if not proposals:
            break
        told = [Result(p.schedule, fitness(p.schedule)) for p in proposals]
        strategy.tell(told)
        results.extend(told)
    return results


def best(results: Sequence[Result]) -> float:
    """The highest fitness; minus infinity if all failed."""
    return max((r.fitness for r in results if r.fitness is not None), default=-math.inf)


class StrategyContract(ABC):
    """What ``protocol.Strategy`` promises, checked for the strategy that ``make`` returns."""

    @abstractmethod
    def make(self, space: Space, rng: np.random.Generator) -> Strategy:
        """A new strategy."""

    def made(self, space: Space = SYNTHETIC, seed: int = 0) -> Strategy:
        """A new strategy with a generator of that seed."""
        return self.make(space, np.random.default_rng(seed))

    def test_asks_for_nothing_when_nothing_is_asked(self) -> None:
        assert self.made().ask(0) == []

    def test_gives_as_many_as_asked(self) -> None:
        strategy = self.made()
        assert [len(strategy.ask(n)) for n in (1, 8, 40)] == [1, 8, 40]

    def test_proposals_are_legal_and_canonical(self) -> None:
        for schedule in _asked(self.made(), 200):
            assert SYNTHETIC.is_legal(schedule) is None
            assert SYNTHETIC.canonical(schedule) == schedule

    def test_says_where_a_proposal_comes_from(self) -> None:
        strategy, known = self.made(), set[Schedule]()
        for proposal in _proposals(strategy, 200):
            assert proposal.operator
            assert known.issuperset(proposal.parents) or set(proposal.parents) <= {SYNTHETIC.default}
            known.add(proposal.schedule)

    def test_never_repeats_itself(self) -> None:
        asked = _asked(self.made(), 300)
        assert len(set(asked)) == len(asked)

    def test_never_repeats_before_it_is_told(self) -> None:
        strategy = self.made()
        asked = [p.schedule for _ in range(10) for p in strategy.ask(10)]
        assert len(set(asked)) == len(asked) == 100

    def test_never_proposes_what_it_was_told(self) -> None:
        strategy, rng = self.made(TINY), np.random.default_rng(1)
        told = {TINY.sample(rng), TINY.default}
        strategy.tell([Result(schedule, 1.0) for schedule in told])
        assert told.isdisjoint(p.schedule for p in strategy.ask(4))

    def test_exhausts_a_small_space_and_stops(self) -> None:
        strategy = self.made(TINY)
        results = search(strategy, lambda schedule: float(len(str(schedule))), 100, batch=3)
        assert len(results) == len({r.schedule for r in results}) == TINY.size
        assert strategy.ask(5) == []

    def test_goes_on_when_everything_fails(self) -> None:
        assert len(search(self.made(), lambda _: None, 100)) == 100

    def test_learns_from_immigrants_without_complaint(self) -> None:
        strategy, rng = self.made(), np.random.default_rng(1)
        strategy.tell([Result(SYNTHETIC.sample(rng), 1.0)])
        strategy.ask(8)
        strategy.tell([Result(SYNTHETIC.sample(rng), None), Result(SYNTHETIC.sample(rng), 9.0)])
        assert len(strategy.ask(8)) == 8

    def test_takes_a_result_again(self) -> None:
        strategy = self.made()
        results = search(strategy, synthetic_fitness, 40)
        strategy.tell(results[:8])
        strategy.tell([Result(r.schedule, None) for r in results])
        assert len(strategy.ask(8)) == 8

    def test_is_resumed_by_replaying(self) -> None:
        first, second = self.made(seed=5), self.made(seed=5)
        search(first, synthetic_fitness, 100)
        random.seed(1)
        search(second, synthetic_fitness, 100)
        assert first.ask(20) == second.ask(20)

    def test_depends_on_the_seed(self) -> None:
        assert _asked(self.made(seed=1), 40) != _asked(self.made(seed=2), 40)

    def test_leaves_global_generators_alone(self) -> None:
        before = random.getstate(), str(np.random.get_state())  # noqa: NPY002 - the global one is what is watched
        search(self.made(), synthetic_fitness, 100)
        assert before == (random.getstate(), str(np.random.get_state()))  # noqa: NPY002 - as above


def _proposals(strategy: Strategy, count: int) -> Iterator[Proposal]:
    for _ in range(count // 8):
        proposals = strategy.ask(8)
        yield from proposals
        strategy.tell([Result(p.schedule, synthetic_fitness(p.schedule)) for p in proposals])


def _asked(strategy: Strategy, count: int) -> list[Schedule]:
    return [proposal.schedule for proposal in _proposals(strategy, count)]
