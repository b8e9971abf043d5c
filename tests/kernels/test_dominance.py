"""What the contract's random inputs do not show of dominance."""

import numpy as np
import pytest

import kernels
from kernels.language import SourceFolder, specialise

DOMINANCE = kernels.get("dominance")
GENES = [
    {},
    {"lanes": 4, "vectors": 3, "steps": 4, "passes": 3, "bits": 12},
    {"variant": "earlier", "passes": 0, "gap": 23},
    {"variant": "earlier", "rows": 8, "vectors": 1, "lanes": 16, "passes": 1, "bits": 5},
]


@pytest.fixture(scope="module", params=GENES, ids=str)
def ranks(request, tmp_path_factory):
    """A schedule's function of points."""
    folder = SourceFolder(tmp_path_factory.mktemp("sources"))
    schedule = DOMINANCE.space.schedule(**request.param)
    functions = {}

    def call(points):
        dtype = points.dtype.name
        if dtype not in functions:
            source = specialise(DOMINANCE.template(schedule), schedule, dtype)
            functions[dtype] = folder.load(folder.write(source)).function, source.runtime
        function, runtime = functions[dtype]
        scratch = (np.full(count, np.nan, dtype) for count in DOMINANCE.workspace(schedule, points.shape))
        out = np.full(len(points), -7, dtype)
        function(points, out, *scratch, *(int(schedule[name]) for name in runtime))
        return out

    return call


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("objectives", [1, 2, 3, 4, 6])
def test_ties_repeats_infinities_and_signed_zeros(ranks, dtype, objectives):
    rng = np.random.default_rng(objectives)
    points = rng.integers(-3, 4, (200, objectives)).astype(dtype)
    points[rng.random(points.shape) < 0.1] = np.inf
    points[rng.random(points.shape) < 0.1] = -np.inf
    points[rng.random(points.shape) < 0.1] = -0.0
    np.testing.assert_array_equal(ranks(points), DOMINANCE.reference(points))


def test_a_point_with_a_nan_takes_part_in_nothing(ranks):
    points = np.random.default_rng(0).normal(size=(150, 3))
    points[::7, 1] = np.nan
    found = ranks(points)
    assert (found[::7] == 1).all()
    np.testing.assert_array_equal(found, DOMINANCE.reference(points))


def test_all_points_alike_are_one_front_and_a_chain_has_one_each(ranks):
    assert (ranks(np.full((97, 2), 0.25)) == 1).all()
    chain = np.random.default_rng(1).permutation(97).astype(float)
    np.testing.assert_array_equal(ranks(np.stack([chain, 2 * chain, chain - 5], axis=1)), chain + 1)


def test_numbers_of_all_magnitudes_are_put_in_order(ranks):
    rng = np.random.default_rng(2)
    points = rng.normal(size=(300, 2)) * 10.0 ** rng.integers(-300, 300, (300, 2))
    np.testing.assert_array_equal(ranks(points), DOMINANCE.reference(points))


def test_points_that_are_no_matrix_are_refused():
    for points in (np.ones(3), np.ones((0, 2)), np.ones((3, 0))):
        with pytest.raises(ValueError, match="shape"):
            DOMINANCE.size_of(points)
