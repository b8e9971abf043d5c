"""What the contract's random inputs do not show of attention."""

import numpy as np
import pytest

import kernels
from kernels.language import SourceFolder, specialise

ATTENTION = kernels.get("attention")
GENES = [{"block": 32}, {"block": 32, "group": 4, "pack_k": True}, {"offline": True, "score_rows": 5}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return SourceFolder(tmp_path_factory.mktemp("sources"))


@pytest.fixture
def given():
    """Two heads of 100 keys, the last of which do not fill a block, a tile or a panel."""
    return [value.copy() for value in ATTENTION.problem((2, 100, 20), "float32", np.random.default_rng(0))[:3]]


def attention(folder, q, k, v, causal, **genes):
    schedule = ATTENTION.space.schedule(**genes)
    source = specialise(ATTENTION.template(schedule), schedule, q.dtype.name)
    compiled = folder.load(folder.write(source))
    out = np.full_like(q, np.nan)
    scratch = (np.full(count, np.nan, q.dtype) for count in ATTENTION.workspace(schedule, q.shape))
    extra = (*(int(schedule[name]) for name in source.runtime), *compiled.pointers)
    compiled.function(q, k, v, causal, out, *scratch, *extra)
    return out


@pytest.mark.parametrize("genes", GENES, ids=str)
@pytest.mark.parametrize("causal", [0, 1])
class TestAttention:
    def test_maxima_that_rise_from_block_to_block_are_corrected(self, folder, given, genes, causal):
        q, k, v = given
        k *= np.geomspace(1e-3, 30, 100, dtype=np.float32)[:, np.newaxis]
        truth = ATTENTION.reference(q, k, v, causal)
        np.testing.assert_allclose(attention(folder, q, k, v, causal, **genes), truth, rtol=1e-4)

    def test_keys_beyond_the_last_raise_no_maximum(self, folder, given, genes, causal):
        q, k, v = given
        q[...], k[...] = 50, -50  # exp(-11180) is 0 beside exp(0)
        truth = ATTENTION.reference(q, k, v, causal)
        np.testing.assert_allclose(attention(folder, q, k, v, causal, **genes), truth, rtol=1e-5)

    def test_a_first_block_of_keys_that_nobody_wants_leaves_no_trace(self, folder, given, genes, causal):
        q, k, v = given
        q[:, :, 0], k[:, :40, 0] = 1, -np.inf
        out = attention(folder, q, k, v, causal, **genes)
        with np.errstate(invalid="ignore"):
            truth = ATTENTION.reference(q, k, v, causal)
        assert np.isnan(truth[:, :40]).all() == bool(causal)
        np.testing.assert_allclose(out, truth, rtol=1e-4)

    def test_nan_reaches_those_who_see_the_key(self, folder, given, genes, causal):
        q, k, v = given
        k[0, 70, 3] = np.nan
        truth = ATTENTION.reference(q, k, v, causal)
        assert np.isnan(truth[0]).all(axis=1).sum() == (30 if causal else 100)
        np.testing.assert_allclose(attention(folder, q, k, v, causal, **genes), truth, rtol=1e-4)


def test_a_causal_query_is_the_last_of_a_shorter_problem(folder, given):
    q, k, v = given
    out = attention(folder, q, k, v, 1)
    for n in (1, 9, 64, 77):
        shorter = [np.ascontiguousarray(x[:, :n]) for x in given]
        np.testing.assert_allclose(attention(folder, *shorter, 0)[:, -1], out[:, n - 1], rtol=1e-5)


def test_the_causal_kernel_has_about_half_the_work():
    causal = kernels.get("attention_causal")
    size = causal.default_size
    whole, half = ATTENTION.work(size, "float32"), causal.work(size, "float32")
    assert half.operations["exp"] * 2 == whole.operations["exp"] + size[0] * size[1]
    assert half.moved_bytes == whole.moved_bytes


@pytest.mark.parametrize("shapes", [[(2, 3)] * 3, [(1, 2, 3), (1, 2, 3), (1, 2, 4)]], ids=str)
def test_arrays_of_other_shapes_are_refused(shapes):
    with pytest.raises(ValueError, match="shape"):
        ATTENTION.size_of(*map(np.ones, shapes), 0)
