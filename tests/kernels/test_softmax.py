"""What the contract's random inputs do not show of softmax."""

import numpy as np
import pytest

import kernels
from kernels.language import SourceFolder, specialise

SOFTMAX = kernels.get("softmax")
VARIANTS = SOFTMAX.space.by_name["variant"].values


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return SourceFolder(tmp_path_factory.mktemp("sources"))


def softmax(folder, x, **genes):
    schedule = SOFTMAX.space.schedule(**genes)
    source = specialise(SOFTMAX.template(schedule), schedule, x.dtype.name)
    compiled = folder.load(folder.write(source))
    out = np.full_like(x, np.nan)
    scratch = (np.full(count, np.nan, x.dtype) for count in SOFTMAX.workspace(schedule, x.shape))
    compiled.function(x, out, *scratch, *(int(schedule[name]) for name in source.runtime), *compiled.pointers)
    return out


@pytest.mark.parametrize("variant", VARIANTS)
def test_any_range_of_numbers_is_right(folder, variant):
    x = np.random.default_rng(0).uniform(-60, 60, (3, 75)).astype(np.float32)
    x[0, 5], x[1, :] = -np.inf, 3e38
    np.testing.assert_allclose(softmax(folder, x, variant=variant), SOFTMAX.reference(x), rtol=1e-5, atol=1e-30)


@pytest.mark.parametrize("variant", ["online", "online_buffered"])
@pytest.mark.parametrize("degree", [5, 6])
def test_corrections_add_up_no_error(folder, variant, degree):
    genes = {"variant": variant, "degree": degree, "chunk": 1, "vectors": 1, "lanes": 2}
    level, rising = np.ones((1, 2000), np.float32), np.linspace(0, 1, 2000, dtype=np.float32)[np.newaxis]
    eps = np.finfo(np.float32).eps
    np.testing.assert_allclose(softmax(folder, level, **genes), 1 / 2000, rtol=4 * eps)
    # each of the 1000 corrections is rounded
    np.testing.assert_allclose(softmax(folder, rising, **genes), SOFTMAX.reference(rising), rtol=500 * eps)


@pytest.mark.parametrize("variant", VARIANTS)
def test_nan_stays_in_its_row(folder, variant):
    x = np.ones((2, 40), np.float32)
    x[0, 7] = np.nan
    out = softmax(folder, x, variant=variant, rows=2)
    assert np.isnan(out[0]).all()
    np.testing.assert_allclose(out[1], 1 / 40, rtol=1e-6)
