"""Variation is closed, typed, and a function of its generator."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.genome import active_genes, genome_of, schedule_of
from evolve.operators import _restored, changed, mutate, repair, two_point_crossover, uniform_crossover
from evolve.search.testing import SYNTHETIC, TINY
from kernels.language.space import Space, choice, flag, integer, permutation

FREE = Space(SYNTHETIC.parameters)
NARROW = Space(
    [integer(f"x{k}", range(8), "") for k in range(4)],
    [(lambda x0, x1, x2, x3: (x0 + x1 + x2 + x3) % 8 == 0, "the sum must be a multiple of 8")],
)
FOUR = Space([integer(f"x{k}", range(50), "", default=3) for k in range(4)])
CUT = Space([permutation("order", "ijk", ""), flag("on", "")]).restricted({"order": ("ijk", "jki")})
CROSSOVERS = [uniform_crossover, two_point_crossover]

seeds = st.integers(0, 2**32 - 1)
spaces = st.sampled_from([SYNTHETIC, FREE, TINY, NARROW, CUT])


def drawn(space, seed):
    return genome_of(space, space.sample(np.random.default_rng(seed)))


def is_legal(space, genome):
    schedule = schedule_of(space, genome)
    return space.is_legal(schedule) is None and genome_of(space, schedule) == genome


@given(spaces, seeds, seeds)
def test_mutation_is_closed(space, parent, seed):
    assert is_legal(space, mutate(space, drawn(space, parent), np.random.default_rng(seed)))


@given(spaces, seeds, seeds, seeds, st.sampled_from(CROSSOVERS))
def test_crossover_is_closed(space, mother, father, seed, cross):
    child = cross(space, drawn(space, mother), drawn(space, father), np.random.default_rng(seed))
    assert is_legal(space, child)


@given(spaces, seeds, seeds, seeds, st.sampled_from(CROSSOVERS))
def test_operators_are_functions_of_the_seed(space, mother, father, seed, cross):
    a, b = drawn(space, mother), drawn(space, father)
    first, second = np.random.default_rng(seed), np.random.default_rng(seed)
    assert cross(space, a, b, first) == cross(space, a, b, second)
    assert mutate(space, a, first) == mutate(space, a, second)


@given(seeds, seeds)
def test_mutation_changes_something_where_nothing_forbids_it(parent, seed):
    genome = drawn(FREE, parent)
    assert mutate(FREE, genome, np.random.default_rng(seed)) != genome


def test_mutation_changes_about_one_and_a_half_genes():
    space = Space([integer(f"x{k}", range(9), "", default=4) for k in range(10)])
    genome, rng = genome_of(space, space.default), np.random.default_rng(0)
    changes = [sum(a != b for a, b in zip(genome, mutate(space, genome, rng), strict=True)) for _ in range(2000)]
    assert min(changes) == 1
    assert 1.5 < np.mean(changes) < 1.9  # 1.5 + the 20 % of draws that chose none and were given one


def test_a_space_of_one_schedule_has_nothing_to_mutate():
    space = Space([choice("a", ("x",), "")])
    assert mutate(space, (0,), np.random.default_rng(0)) == (0,)


@given(seeds, seeds, seeds, st.sampled_from(CROSSOVERS))
def test_genes_come_from_a_parent(mother, father, seed, cross):
    a, b = drawn(FREE, mother), drawn(FREE, father)
    child = cross(FREE, a, b, np.random.default_rng(seed))
    pinned = genome_of(FREE, FREE.default)
    assert all(gene in {x, y, z} for gene, x, y, z in zip(child, a, b, pinned, strict=True))
    assert all(child[k] in {a[k], b[k]} for k in active_genes(FREE, child))


@given(seeds)
def test_two_point_takes_one_stretch(seed):
    space = Space([flag(f"x{k}", "") for k in range(8)])
    child = two_point_crossover(space, (0,) * 8, (1,) * 8, np.random.default_rng(seed))
    assert "0" not in "".join(map(str, child)).strip("0")


def test_uniform_takes_from_both():
    a, b = (0,) * 10, (1,) * 10
    space = Space([flag(f"x{k}", "") for k in range(10)])
    taken = [sum(uniform_crossover(space, a, b, np.random.default_rng(seed))) for seed in range(400)]
    assert 4.7 < np.mean(taken) < 5.3


@pytest.mark.parametrize("cross", CROSSOVERS)
def test_a_gene_without_meaning_in_one_parent_comes_from_the_other(cross):
    plain, tiled = (0, 0), (1, 2)
    children = {cross(TINY, plain, tiled, np.random.default_rng(seed)) for seed in range(50)}
    assert children == {plain, tiled}


@given(seeds, seeds)
def test_permutations_stay_permutations(parent, seed):
    space = Space([permutation("order", "ijkl", "")])
    before = schedule_of(space, drawn(space, parent)).order
    after = schedule_of(space, mutate(space, drawn(space, parent), np.random.default_rng(seed))).order
    assert sorted(after) == sorted(before)
    assert after != before


def test_permutations_mostly_swap_two_items():
    p = permutation("order", "ijkl", "")
    rng = np.random.default_rng(0)
    moved = [sum(x != y for x, y in zip("ijkl", p.values[changed(p, 0, rng)], strict=True)) for _ in range(500)]
    assert Counter(moved)[2] > 450


@given(seeds, st.integers(0, 15))
def test_a_changed_gene_is_another_value_of_it(seed, index):
    p = integer("x", range(16), "")
    after = changed(p, index, np.random.default_rng(seed))
    assert 0 <= after < 16
    assert after != index


def test_ordered_genes_mostly_take_small_steps_both_ways():
    p, rng = integer("x", range(101), ""), np.random.default_rng(0)
    steps = np.array([changed(p, 50, rng) - 50 for _ in range(2000)])
    assert np.mean(np.abs(steps) <= 2) > 0.7
    assert np.mean(np.abs(steps) > 10) > 0.03  # resets
    assert 0.45 < np.mean(steps > 0) < 0.55


def test_a_flag_flips():
    assert {changed(flag("x", ""), 0, np.random.default_rng(seed)) for seed in range(20)} == {1}


@given(seeds, seeds)
def test_repair_leaves_a_legal_genome_alone(parent, other):
    genome = drawn(SYNTHETIC, parent)
    assert repair(SYNTHETIC, genome, drawn(SYNTHETIC, other), np.random.default_rng(0)) == genome


def test_repair_redraws_only_what_the_constraint_names():
    genome = genome_of(SYNTHETIC, SYNTHETIC.default.replace(mr=16, nr=4, unroll=4, lanes=8))
    for seed in range(50):
        mended = repair(SYNTHETIC, genome, genome_of(SYNTHETIC, SYNTHETIC.default), np.random.default_rng(seed))
        same = {name for name, a, b in zip(SYNTHETIC.names, genome, mended, strict=True) if a == b}
        assert same >= set(SYNTHETIC.names) - {"mr", "nr"}


@given(seeds, seeds)
def test_repair_falls_back_to_the_parent(genome, parent):
    only = {(3, 3, 3, 3), drawn(FOUR, parent)}
    space = Space(FOUR.parameters, [(lambda x0, x1, x2, x3: (x0, x1, x2, x3) in only, "two points are legal")])
    mended = repair(space, drawn(FOUR, genome), drawn(FOUR, parent), np.random.default_rng(0))
    assert mended in only


def test_restoring_takes_the_whole_parent_where_a_condition_hides_its_genes():
    """The parent's block means something only with its variant, which the broken constraint does not name."""
    variant = choice("variant", ("plain", "tiled"), "", default="tiled")
    block = integer("block", range(60), "", when={"variant": ("tiled",)})
    pairs = (lambda block, mr: (block, mr) in {(0, 41), (37, 5)}, "two pairs are legal")
    shut = (lambda variant, mr: variant == "tiled" or mr != 41, "plain has neither")
    space = Space([variant, block, integer("mr", range(60), "", default=41)], [pairs, shut])
    assert _restored(space, (0, 0, 7), parent=(1, 37, 5)) == (1, 37, 5)


def test_repair_restores_only_what_is_broken():
    mr_nr = [integer("mr", range(90), ""), integer("nr", range(90), ""), integer("other", range(90), "")]
    only = {(0, 0), (50, 60)}
    space = Space(mr_nr, [(lambda mr, nr: (mr, nr) in only, "two pairs are legal")])
    rng = np.random.default_rng(0)
    mended = {repair(space, (7, 9, 33), (50, 60, 2), rng) for _ in range(20)}
    assert (50, 60, 33) in mended
    assert all(genome[2] == 33 for genome in mended)
