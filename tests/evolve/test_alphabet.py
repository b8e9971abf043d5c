"""Genomes by the thousand mean what single ones mean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.genome import genome_of
from evolve.search.alphabet import Alphabet, firsts
from evolve.search.archive import Archive
from evolve.search.protocol import Result
from evolve.search.testing import SYNTHETIC, TINY
from kernels.language.space import Space, integer

DEEP = Space([integer(f"x{k}", range(2), "") for k in range(80)], [(lambda x0, x79: x0 <= x79, "")])
"""More schedules than 64 bits can number."""


def drawn(space, count, seed=0):
    rng = np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(count)]


def anyhow(space, count, seed=0):
    """Rows that may break anything."""
    counts = [len(p.values) for p in space.parameters]
    return np.random.default_rng(seed).integers(counts, size=(count, len(counts)))


@pytest.mark.parametrize("space", [SYNTHETIC, TINY, DEEP])
def test_rows_say_what_schedules_say(space):
    alphabet, schedules = Alphabet(space), drawn(space, 20)
    rows = alphabet.rows(schedules)
    assert [alphabet.schedule(row) for row in rows] == schedules
    assert alphabet.legal(rows).all()
    assert (alphabet.canonical(rows) == rows).all()


@pytest.mark.parametrize("space", [SYNTHETIC, TINY])
def test_rows_are_made_canonical_and_judged_as_schedules_are(space):
    alphabet, rows = Alphabet(space), anyhow(space, 300)
    expected = [
        space.canonical({p.name: p.values[k] for p, k in zip(space.parameters, row, strict=True)}) for row in rows
    ]
    canonical = alphabet.canonical(rows)
    assert [alphabet.schedule(row) for row in canonical] == expected
    verdicts = [space.is_legal(schedule) is None for schedule in expected]
    assert alphabet.legal(canonical).tolist() == verdicts
    assert alphabet.legal(canonical).tolist() == verdicts  # from memory
    assert any(verdicts)


def test_active_genes_are_those_with_a_meaning():
    alphabet = Alphabet(TINY)
    assert alphabet.active(alphabet.rows([TINY.default, TINY.schedule(variant="tiled")])).tolist() == [
        [True, False],
        [True, True],
    ]


@pytest.mark.parametrize("space", [SYNTHETIC, DEEP])
def test_keys_tell_genomes_apart_and_never_change(space):
    alphabet = Alphabet(space)
    rows = np.unique(anyhow(space, 2000), axis=0)
    keys = alphabet.keys(rows)
    assert len(set(keys.tolist())) == len(rows)
    assert (Alphabet(space).keys(rows[::-1]) == keys[::-1]).all()


@given(st.lists(st.integers(0, 9)), st.sampled_from([0, 32, 60]))
def test_of_equal_keys_the_first_is_kept_also_where_others_share_their_slot(drawn_keys, bits):
    keys = np.array(drawn_keys, dtype=np.uint64) << np.uint64(bits)
    assert sorted(firsts(keys).tolist()) == sorted({key: keys.tolist().index(key) for key in keys.tolist()}.values())


def test_random_rows_are_legal_and_reach_every_value():
    alphabet = Alphabet(SYNTHETIC)
    rows = alphabet.random(np.random.default_rng(0), 4000)
    assert 500 < len(rows) <= 4000
    assert all(SYNTHETIC.is_legal(alphabet.schedule(row)) is None for row in rows[:200])
    assert rows.max(axis=0).tolist() == (alphabet.counts - 1).tolist()


@pytest.mark.parametrize("schedule", drawn(SYNTHETIC, 10, seed=3))
def test_neighbours_are_those_of_the_space(schedule):
    alphabet = Alphabet(SYNTHETIC)
    near = alphabet.neighbours(alphabet.rows([schedule])[0])
    assert {alphabet.schedule(row) for row in near} == set(SYNTHETIC.neighbours(schedule))


def test_an_archive_keeps_the_newest_result_of_each_schedule():
    archive, schedules = Archive(Alphabet(SYNTHETIC)), list(dict.fromkeys(drawn(SYNTHETIC, 150)))
    archive.add([Result(schedule, float(k)) for k, schedule in enumerate(schedules)])
    archive.add([Result(schedules[2], None), Result(schedules[5], 50.5)])
    assert len(archive) == len(schedules)
    assert archive.rows.tolist() == [list(genome_of(SYNTHETIC, s)) for s in schedules]
    assert np.isnan(archive.fitness[2])
    assert archive.fitness[[0, 5, 149]].tolist() == [0.0, 50.5, 149.0]
    other = next(s for s in drawn(SYNTHETIC, 9, seed=8) if s not in schedules)
    rows = Alphabet(SYNTHETIC).rows([schedules[7], other])
    assert archive.known(Alphabet(SYNTHETIC).keys(rows)).tolist() == [True, False]
