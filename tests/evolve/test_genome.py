"""Genome and schedule say the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.genome import active_genes, genome_of, schedule_of
from evolve.search.testing import SYNTHETIC, TINY

seeds = st.integers(0, 2**32 - 1)


@given(seeds)
def test_round_trip(seed):
    schedule = SYNTHETIC.sample(np.random.default_rng(seed))
    genome = genome_of(SYNTHETIC, schedule)
    assert schedule_of(SYNTHETIC, genome) == schedule
    assert all(type(k) is int for k in genome)


@given(seeds)
def test_any_indices_make_a_canonical_schedule(seed):
    rng = np.random.default_rng(seed)
    schedule = schedule_of(SYNTHETIC, tuple(int(rng.integers(len(p.values))) for p in SYNTHETIC.parameters))
    assert SYNTHETIC.canonical(schedule) == schedule


def test_what_does_not_apply_is_pinned():
    assert schedule_of(TINY, (0, 2)) == TINY.default
    assert genome_of(TINY, schedule_of(TINY, (0, 2))) == (0, 0)
    assert schedule_of(TINY, (1, 2)).tile == 8


def test_active_genes_are_those_that_mean_something():
    assert active_genes(TINY, (0, 0)) == (0,)
    assert active_genes(TINY, (1, 0)) == (0, 1)


def test_a_foreign_value_is_refused():
    with pytest.raises(ValueError, match="not in tuple"):
        genome_of(TINY, TINY.default.replace(tile=3))
