"""What the contract's random grids do not show of jacobi2d."""

import numpy as np
import pytest

import kernels
from kernels.language import SourceFolder, parallel_of, slices, specialise

JACOBI = kernels.get("jacobi2d")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return SourceFolder(tmp_path_factory.mktemp("sources"))


def jacobi2d(folder, u, sweeps, threads=1, **genes):
    schedule = JACOBI.space.schedule(**genes)
    source = specialise(JACOBI.template(schedule), schedule, u.dtype.name)
    compiled = folder.load(folder.write(parallel_of(source, JACOBI.split, threads)))
    out = np.full_like(u, np.nan)
    counts = slices(JACOBI.workspace(schedule, (*u.shape, sweeps)), threads)
    scratch = (np.full(count, np.nan, u.dtype) for count in counts)
    compiled.function(u, sweeps, out, *scratch, *(int(schedule[name]) for name in source.runtime), *compiled.pointers)
    return out


def plane(rows, columns):
    """Whole numbers of which each inner one is the mean of its neighbours."""
    return np.add.outer(3.0 * np.arange(rows), 5.0 * np.arange(columns))


@pytest.mark.parametrize(
    "genes", [{"variant": "loop"}, {"sides": "loaded"}, {"sums": "corners"}, {"fused": 2}], ids=str
)
@pytest.mark.parametrize("sweeps", [1, 6, 7])
def test_a_plane_stays_as_it_is(folder, genes, sweeps):
    u = plane(40, 300)
    np.testing.assert_array_equal(jacobi2d(folder, u, sweeps, **genes), u)


@pytest.mark.parametrize("depth", [1, 2, 3, 5, 16])
@pytest.mark.parametrize("height", [2, 14])
def test_strips_and_waves_leave_no_seams(folder, depth, height):
    u = np.random.default_rng(0).uniform(0.5, 2, (50, 260))
    out = jacobi2d(folder, u, 11, depth=depth, height=height, strip=64, vectors=1, pad=1)
    np.testing.assert_allclose(out, JACOBI.reference(u, 11), rtol=1e-14)


@pytest.mark.parametrize("genes", [{"variant": "loop"}, {"depth": 4, "vectors": 1}], ids=str)
@pytest.mark.parametrize("sweeps", [1, 2, 3, 9, 40])
@pytest.mark.parametrize("rows", [1, 2, 3, 50])
def test_threads_leave_no_seams(folder, genes, sweeps, rows):
    u = np.random.default_rng(3).uniform(0.5, 2, (rows, 70))
    alone = jacobi2d(folder, u, sweeps, **genes)
    np.testing.assert_allclose(alone, JACOBI.reference(u, sweeps), rtol=1e-13)
    for threads in (2, 3, 7):
        np.testing.assert_array_equal(jacobi2d(folder, u, sweeps, threads, **genes), alone)


@pytest.mark.parametrize("sweeps", [1, 4, 9])
def test_nan_spreads_by_one_point_a_sweep(folder, sweeps):
    u = np.ones((30, 90), np.float32)
    u[15, 64] = np.nan
    out = jacobi2d(folder, u, sweeps, depth=4, strip=64, lanes=16, vectors=1)
    steps = np.add.outer(abs(np.arange(30) - 15), abs(np.arange(90) - 64))
    if sweeps == 1:
        np.testing.assert_array_equal(np.isnan(out), steps == 1)
    assert not np.isnan(out[steps > sweeps]).any()
    np.testing.assert_array_equal(np.isnan(out), np.isnan(JACOBI.reference(u, sweeps)))


@pytest.mark.parametrize("shape", [(1, 500), (2, 500), (3, 3), (300, 1), (300, 2)], ids=str)
def test_grids_without_inner_points_keep_their_values(folder, shape):
    u = np.random.default_rng(1).uniform(-1, 1, shape)
    out = jacobi2d(folder, u, 3)
    np.testing.assert_allclose(out, JACOBI.reference(u, 3), rtol=1e-14)


@pytest.mark.parametrize("sums", ["opposite", "corners"])
def test_fusing_additions_with_the_product_changes_no_digit(folder, sums):
    u = np.random.default_rng(2).uniform(0.5, 2, (20, 100))
    results = [jacobi2d(folder, u, 5, sums=sums, fused=fused) for fused in (0, 1, 2)]
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_what_is_no_grid_is_refused():
    with pytest.raises(ValueError, match="shape"):
        JACOBI.size_of(np.ones(4), 1)
    with pytest.raises(ValueError, match="sweeps"):
        JACOBI.size_of(np.ones((4, 4)), -1)
