"""What the contract's random inputs do not show of dominance."""

import numpy as np
import pytest

import kernels
from kernels.language import SourceFolder, specialise

DOMINANCE = kernels.get("dominance")
GENES = [
    {},
    {"variant": "earlier", "rows": 8, "vectors": 1, "lanes": 4, "passes": 1, "bits": 5, "gap": 23},
]


@pytest.fixture(scope="module", params=GENES, ids=str)
def ranks(request, tmp_path_factory):
    """A schedule's function of points."""
    folder = SourceFolder(tmp_path_factory.mktemp("sources"))
    schedule = DOMINANCE.space.schedule(**request.param)
    source = specialise(DOMINANCE.template(schedule), schedule, "float64")
    function = folder.load(folder.write(source)).function

    def call(points, **changed):
        scratch = (np.full(count, np.nan) for count in DOMINANCE.workspace(schedule, points.shape))
        out = np.full(len(points), -7.0)
        function(points, out, *scratch, *(int(changed.get(name, schedule[name])) for name in source.runtime))
        return out

    return call


@pytest.mark.parametrize("objectives", [1, 2, 3, 4, 6])
def test_ties_repeats_infinities_and_signed_zeros(ranks, objectives):
    rng = np.random.default_rng(objectives)
    points = rng.integers(-3, 4, (200, objectives)).astype(float)
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


@pytest.mark.parametrize(("passes", "bits"), [(0, 5), (1, 12), (2, 8), (4, 12)])
def test_numbers_of_all_magnitudes_are_put_in_order(ranks, passes, bits):
    rng = np.random.default_rng(2)
    points = rng.normal(size=(300, 2)) * 10.0 ** rng.integers(-300, 300, (300, 2))
    np.testing.assert_array_equal(ranks(points, passes=passes, bits=bits), DOMINANCE.reference(points))


def test_points_that_are_no_matrix_are_refused():
    for points in (np.ones(3), np.ones((0, 2)), np.ones((3, 0))):
        with pytest.raises(ValueError, match="shape"):
            DOMINANCE.size_of(points)
