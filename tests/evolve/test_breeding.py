"""Broods are closed, typed, and a function of their generator."""

import itertools

import numpy as np
import pytest

from evolve.genome import genome_of
from evolve.search.alphabet import Alphabet
from evolve.search.breeding import NOBODY, OPERATORS, Breeder, joined
from evolve.search.testing import SYNTHETIC, TINY
from kernels.language.space import Space, choice, integer, permutation

FREE = Space(SYNTHETIC.parameters)
TILES = Space(
    [*(integer(n, range(40), "") for n in "abcd"), choice("e", "xyz", "")], [(lambda a, b: a + b < 99, "one tile")]
)


def population(space, count=12, seed=1):
    rng = np.random.default_rng(seed)
    return Alphabet(space).rows(space.sample(rng) for _ in range(count))


def breeder(space, seed=0):
    return Breeder(Alphabet(space), np.random.default_rng(seed))


def broods(space, seed=0):
    made, parents = breeder(space, seed), population(space)
    mothers, fathers = np.random.default_rng(seed).integers(len(parents), size=(2, 400))
    return [
        made.mutants(parents, mothers),
        made.crosses(parents, mothers, fathers),
        made.neighbours(parents, range(3)),
        made.strangers(400),
    ]


@pytest.mark.parametrize("space", [SYNTHETIC, TINY, FREE])
def test_broods_are_legal_and_canonical(space):
    alphabet, brood = Alphabet(space), joined(broods(space))
    for row in brood.rows:
        schedule = alphabet.schedule(row)
        assert space.is_legal(schedule) is None
        assert genome_of(space, schedule) == tuple(row)


def test_broods_say_where_they_come_from():
    for operator, brood in zip(OPERATORS, broods(SYNTHETIC), strict=True):
        assert len(brood)
        assert {OPERATORS[k] for k in brood.operators} == {operator}
        assert ((brood.parents[:, 0] == NOBODY) == (operator == "random")).all()
        assert ((brood.parents[:, 1] == NOBODY) == (operator != "crossover")).all()
    whole = joined(broods(SYNTHETIC))
    assert len(whole) == sum(map(len, broods(SYNTHETIC)))
    assert len(whole.taken(whole.operators == 0)) == (whole.operators == 0).sum()


def test_equal_generators_breed_equal_broods():
    one, other, third = (joined(broods(SYNTHETIC, seed)).rows for seed in (0, 0, 1))
    assert np.array_equal(one, other)
    assert not np.array_equal(one, third)


def test_mutation_changes_one_and_a_half_genes_at_least_one():
    parents = population(FREE)
    mothers = np.zeros(4000, dtype=int)
    changed = (breeder(FREE).mutants(parents, mothers).rows != parents[0]).sum(axis=1)
    assert changed.min() == 1
    assert 1.5 < changed.mean() < 2.1  # 1.5 expected, and one more where that is none


def test_mutation_steps_as_far_as_the_scale_says():
    space = Space([integer("fine", range(101), "", default=50), integer("coarse", range(5), "", default=2)])
    parents = Alphabet(space).rows([space.default])
    rows = breeder(space).mutants(parents, np.zeros(20000, dtype=int)).rows
    fine = np.abs(rows[:, 0] - 50)[rows[:, 0] != 50]
    coarse = np.abs(rows[:, 1] - 2)[rows[:, 1] != 2]
    assert 5 < np.median(fine) < 15  # a tenth of the scale
    assert np.mean(coarse == 1) > 0.65
    assert set(rows[:, 1]) == set(range(5))


def test_mutation_takes_ratios_for_a_scale_where_numbers_span_some():
    space = Space([integer("tile", (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64), "", default=8)])
    rows = breeder(space).mutants(Alphabet(space).rows([space.default]), np.zeros(20000, dtype=int)).rows
    count = np.bincount(rows[:, 0], minlength=12)
    assert count[5] == 0
    assert 1.2 < count[4] / count[6] < 2.2  # 6 is nearer to 8 than 12 is, by ratios
    assert 0.8 < count[3] / count[7] < 1.25  # 4 is as near as 16


def test_mutation_of_an_order_swaps_two():
    space = Space([permutation("order", "ijkl", "")])
    rows = breeder(space).mutants(Alphabet(space).rows([space.default]), np.zeros(3000, dtype=int)).rows
    orders = [space.parameters[0].values[k] for k in rows[:, 0]]
    moved = np.array([sum(a != b for a, b in zip(order, "ijkl", strict=True)) for order in orders])
    assert np.mean(moved == 2) > 0.85
    assert moved.max() == 4


def test_crossover_takes_genes_of_either_parent():
    parents = np.array([[0, 0, 0, 0, 0], [9, 9, 9, 9, 1]])
    zeros, ones = np.zeros(2000, dtype=int), np.ones(2000, dtype=int)
    rows = breeder(TILES).crosses(parents, zeros, ones).rows
    pure = rows[np.isin(rows[:, :4], (0, 9)).all(axis=1)]
    assert len(pure) > 900  # half are mutated too
    assert set(map(tuple, (pure > 0).tolist())) == set(itertools.product((False, True), repeat=5))


def test_neighbours_are_of_the_places_asked_for():
    brood = breeder(SYNTHETIC).neighbours(population(SYNTHETIC), [4, 2])
    alphabet = Alphabet(SYNTHETIC)
    for place in (4, 2):
        near = {alphabet.schedule(row) for row in brood.rows[brood.parents[:, 0] == place]}
        assert near == set(SYNTHETIC.neighbours(alphabet.schedule(population(SYNTHETIC)[place])))
