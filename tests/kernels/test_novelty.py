"""What the contract's random inputs do not show of novelty."""

import numpy as np
import pytest

import kernels
from kernels.language import SourceFolder, specialise

NOVELTY = kernels.get("novelty")
VARIANTS = pytest.mark.parametrize("variant", NOVELTY.space.by_name["variant"].values)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return SourceFolder(tmp_path_factory.mktemp("sources"))


def novelty(folder, pool, archive, **genes):
    schedule = NOVELTY.space.schedule(rows=2, vectors=2, lanes=4, block=2, **genes)
    source = specialise(NOVELTY.template(schedule), schedule, pool.dtype.name)
    compiled = folder.load(folder.write(source))
    out = np.full(len(pool), np.nan, pool.dtype)
    counts = NOVELTY.workspace(schedule, NOVELTY.size_of(pool, archive))
    scratch = (np.full(count, np.nan, pool.dtype) for count in counts)
    compiled.function(pool, archive, out, *scratch, *(int(schedule[name]) for name in source.runtime))
    return out


def line(*values):
    """Genomes of one gene."""
    return np.array(values, np.float64)[:, np.newaxis]


@VARIANTS
@pytest.mark.parametrize("order", [1, -1], ids=["nearest first", "nearest last"])
def test_the_nearest_are_found_in_any_order(folder, variant, order):
    archive = line(*range(100))[::order].copy()
    expected = [np.mean(range(15)), (sum(range(8)) + sum(range(1, 8))) / 15, np.mean(range(1, 16))]
    np.testing.assert_allclose(novelty(folder, line(0, 50, 100), archive, variant=variant), expected, rtol=1e-15)


@VARIANTS
def test_equal_genomes_are_at_no_distance(folder, variant):
    archive = np.full((40, 3), 0.7)
    np.testing.assert_array_equal(novelty(folder, archive[:5].copy(), archive, variant=variant), 0)
    np.testing.assert_allclose(novelty(folder, archive[:5] + 0.5, archive, variant=variant), 0.5 * 3**0.5, rtol=1e-15)


@VARIANTS
def test_close_genomes_lose_no_digits(folder, variant):
    near = np.random.default_rng(0).integers(1, 9, (20, 3)) * 2.0**-40
    pool, archive = np.ones((1, 3)), 1 + near
    np.testing.assert_allclose(novelty(folder, pool, archive, variant=variant), NOVELTY.reference(pool, archive), 1e-15)
    assert NOVELTY.reference(pool, archive)[0] < 1e-11


@VARIANTS
@pytest.mark.parametrize("size", [1, 2, 14, 15, 16])
def test_a_small_archive_counts_as_a_whole(folder, variant, size):
    archive = line(*range(1, size + 1))
    expected = np.mean(range(1, min(15, size) + 1))
    np.testing.assert_allclose(novelty(folder, line(0), archive, variant=variant), expected, rtol=1e-15)


@VARIANTS
def test_what_is_not_a_number_is_infinitely_far(folder, variant):
    archive = line(*range(30))
    archive[[0, 3, 29], 0] = np.nan, np.inf, -np.inf
    out = novelty(folder, line(0, np.nan, np.inf), archive, variant=variant)
    np.testing.assert_allclose(out, [(sum(range(1, 17)) - 3) / 15, np.inf, np.inf], rtol=1e-15)
    np.testing.assert_allclose(out, NOVELTY.reference(line(0, np.nan, np.inf), archive), rtol=1e-15)


@VARIANTS
def test_what_is_not_a_number_hides_none_beside_it(folder, variant):
    for strange in range(40):
        archive = line(*range(40))
        archive[strange] = np.nan
        out = novelty(folder, line(0, 17, 39), archive, variant=variant)
        np.testing.assert_allclose(out, NOVELTY.reference(line(0, 17, 39), archive), rtol=1e-15)


@pytest.mark.parametrize("scan", NOVELTY.space.by_name["scan"].values)
def test_more_than_can_be_written_down_at_once_is_near(folder, scan):
    archive = np.repeat(line(3, 2, 1), 100, axis=0)
    out = novelty(folder, line(0, 1), archive, variant="twice", scan=scan)
    np.testing.assert_array_equal(out, [1, 0])
