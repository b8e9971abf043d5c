"""What the contract's random clouds do not show of nbody."""

import numpy as np
import pytest

import kernels
from kernels.language import SourceFolder, specialise

NBODY = kernels.get("nbody")
WAYS = [
    {"variant": variant, "roots": roots, "vectors": 1}
    for variant in ("targets", "sources")
    for roots in ("e", "d", "ed")
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return SourceFolder(tmp_path_factory.mktemp("sources"))


def nbody(folder, targets, sources, masses, softening, **genes):
    schedule = NBODY.space.schedule(**genes)
    dtype = targets.dtype.name
    source = specialise(NBODY.template(schedule), schedule, dtype)
    compiled = folder.load(folder.write(source))
    out = np.full_like(targets, np.nan)
    scratch = (np.full(n, np.nan, dtype) for n in NBODY.workspace(schedule, (len(targets), len(sources))))
    runtime = (int(schedule[name]) for name in source.runtime)
    compiled.function(targets, sources, masses, softening, out, *scratch, *runtime)
    return out


@pytest.mark.parametrize("genes", WAYS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_pull_is_right_from_near_and_from_far(folder, genes, dtype):
    """One source and many distances: no sum hides the error of a root."""
    distances = np.geomspace(1e-4, 1e5, 2001)
    targets = np.stack([distances, np.zeros(2001), np.zeros(2001)], axis=1).astype(dtype)
    one = (np.zeros((1, 3), dtype), np.ones(1, dtype), np.dtype(dtype).type(1e-6))
    out, truth = nbody(folder, targets, *one, **genes), NBODY.reference(targets, *one)
    np.testing.assert_allclose(out[:, 0], truth[:, 0], rtol=16 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(out[:, 1:], 0)


@pytest.mark.parametrize("genes", WAYS, ids=str)
def test_a_body_does_not_pull_itself(folder, genes):
    """Nor do the massless copies of the last one that fill up the packed sources."""
    bodies = np.random.default_rng(0).uniform(0.5, 2, (5, 3)).astype(np.float32)
    masses = np.ones(5, np.float32)
    out = nbody(folder, bodies, bodies, masses, np.float32(1e-9), **genes)
    np.testing.assert_allclose(out, NBODY.reference(bodies, bodies, masses, 1e-9), rtol=1e-4)
    alone = nbody(folder, bodies[:1], bodies[:1], masses[:1], np.float32(1e-9), **genes)
    np.testing.assert_array_equal(alone, 0)


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_more_terms_of_the_series_are_no_less_right(folder, degree):
    rng = np.random.default_rng(1)
    targets, sources, masses = rng.uniform(0, 1, (9, 3)), rng.uniform(2, 3, (40, 3)), rng.uniform(0.5, 2, 40)
    out = nbody(folder, targets, sources, masses, 0.1, degree=degree, lanes=2)
    np.testing.assert_allclose(out, NBODY.reference(targets, sources, masses, 0.1), rtol=5e-15)


def test_pieces_of_a_long_sum_lose_fewer_digits(folder):
    """Terms of one sign and size, of which a running sum of 2**17 drops what is below its last digit."""
    n = 1 << 17
    sources = np.broadcast_to(np.float32([1, 0, 0]), (n, 3)).copy()
    given = np.zeros((1, 3), np.float32), sources, np.full(n, 1 / 3, np.float32), np.float32(0.5)
    truth = NBODY.reference(*given)[0, 0]
    short, long = (abs(nbody(folder, *given, lanes=2, chunk=chunk)[0, 0] / truth - 1) for chunk in (512, 16384))
    assert 4 * short < long


@pytest.mark.parametrize("shapes", [((4,), (4, 3), (4,)), ((4, 2), (4, 2), (4,)), ((4, 3), (4, 3), (5,))], ids=str)
def test_what_are_no_bodies_is_refused(shapes):
    with pytest.raises(ValueError, match="shape"):
        NBODY.size_of(*map(np.ones, shapes), 1.0)
