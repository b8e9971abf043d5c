"""Every legal schedule, once."""

import itertools

import numpy as np
import pytest

from evolve.search.exhaustive import Exhaustive, every
from evolve.search.testing import SYNTHETIC, TINY, StrategyContract, search
from kernels.language.space import Space, choice, flag, integer

SMALL = Space(
    [
        integer("a", range(6), "", when={"kind": ("x", "y")}, default=2),
        choice("kind", ("x", "y", "z"), ""),
        integer("b", range(5), ""),
        flag("f", "", when={"kind": ("z",)}),
    ],
    [(lambda a, b: a * b < 9, ""), (lambda kind, f: kind != "z" or f or kind == "z", "")],
)


class TestExhaustive(StrategyContract):
    def make(self, space, rng):
        return Exhaustive(space, rng)


@pytest.mark.parametrize("space", [SMALL, TINY])
@pytest.mark.parametrize("rng", [None, np.random.default_rng(1)])
def test_every_schedule_comes_once(space, rng):
    points = itertools.product(*(p.values for p in space.parameters))
    canonical = {space.canonical(dict(zip(space.names, point, strict=True))) for point in points}
    legal = {schedule for schedule in canonical if space.is_legal(schedule) is None}
    found = list(every(space, rng))
    assert len(found) == len(set(found)) == space.size
    assert set(found) == legal


def test_a_constraint_that_nothing_keeps_ends_a_branch_at_once():
    wide = Space([integer(f"x{k}", range(10), "") for k in range(12)], [(lambda x0, x1: x0 + x1 == 0, "")])
    first = next(every(wide))
    assert first == wide.default
    assert sum(1 for _ in itertools.islice(every(wide), 1000)) == 1000


def test_it_goes_on_around_what_others_told():
    strategy = Exhaustive(SMALL, np.random.default_rng(0))
    told = search(Exhaustive(SMALL, np.random.default_rng(9)), lambda _: 1.0, 20)
    strategy.tell(told)
    rest = search(strategy, lambda _: 1.0, 1000)
    assert len(rest) == SMALL.size - 20


def test_large_spaces_are_begun_without_being_counted():
    assert len(list(itertools.islice(every(SYNTHETIC), 50))) == 50
