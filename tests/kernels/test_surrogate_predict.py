"""What the contract's random inputs do not show of surrogate_predict."""

from itertools import product

import numpy as np
import pytest

import kernels
from kernels.language import SourceFolder, specialise

PREDICT = kernels.get("surrogate_predict")
GENES = {name: PREDICT.space.by_name[name].values for name in ("distances", "passes", "scaling")}
VARIANTS = pytest.mark.parametrize(
    "genes", [dict(zip(GENES, values, strict=True)) for values in product(*GENES.values())], ids=str
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return SourceFolder(tmp_path_factory.mktemp("sources"))


def predicted(folder, pool, known, weights, **genes):
    schedule = PREDICT.space.schedule(rows=2, vectors=1, lanes=4, block=2, degree=6, **genes)
    source = specialise(PREDICT.template(schedule), schedule, pool.dtype.name)
    compiled = folder.load(folder.write(source))
    out = np.full(len(pool), np.nan, pool.dtype)
    counts = PREDICT.workspace(schedule, PREDICT.size_of(pool, known, weights))
    scratch = (np.full(count, np.nan, pool.dtype) for count in counts)
    compiled.function(pool, known, weights, out, *scratch, *(int(schedule[name]) for name in source.runtime))
    return out


@VARIANTS
def test_a_known_genome_counts_with_its_whole_weight(folder, genes):
    # products of these leave less than nothing of the distance
    x = np.random.default_rng(0).uniform(-3, 3, (7, 5))
    out = np.concatenate([predicted(folder, row[np.newaxis], row[np.newaxis], np.array([2.5]), **genes) for row in x])
    np.testing.assert_allclose(out, 2.5, rtol=1e-13)


@VARIANTS
def test_weights_of_both_signs_and_far_genomes(folder, genes):
    rng = np.random.default_rng(1)
    pool, known = rng.uniform(-1, 1, (9, 4)), rng.uniform(-1, 1, (30, 4))
    pool[4], known[3] = 1e3, -1e3
    weights = rng.uniform(-1, 1, 30)
    out = predicted(folder, pool, known, weights, **genes)
    np.testing.assert_allclose(out, PREDICT.reference(pool, known, weights), rtol=0, atol=1e-14)
    assert out[4] == 0


@VARIANTS
def test_nan_stays_in_its_row(folder, genes):
    rng = np.random.default_rng(2)
    pool, known, weights = rng.uniform(-1, 1, (3, 4)), rng.uniform(-1, 1, (30, 4)), rng.uniform(0, 1, 30)
    pool[1, 2] = np.nan
    out = predicted(folder, pool, known, weights, **genes)
    assert np.isnan(out[1])
    np.testing.assert_allclose(out[[0, 2]], PREDICT.reference(pool[[0, 2]], known, weights), rtol=1e-13)
