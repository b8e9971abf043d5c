"""What the contract's random matrices do not show of transpose."""

import numpy as np
import pytest

import kernels
from kernels.door import aligned
from kernels.language import SourceFolder, parallel_of, slices, specialise

TRANSPOSE = kernels.get("transpose")
TILE = {"lanes": 8, "height": 1, "width": 2, "mb": 32, "nb": 32}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return SourceFolder(tmp_path_factory.mktemp("sources"))


def arguments(schedule, source, a, threads=1):
    """What a kernel takes behind the output."""
    counts = slices(TRANSPOSE.workspace(schedule, a.shape), threads)
    scratch = [np.full(count, np.nan, a.dtype) for count in counts]
    return scratch, [int(schedule[name]) for name in source.runtime]


@pytest.mark.parametrize("panels", ["down", "along"])
@pytest.mark.parametrize("variant", ["scalar", "direct", "packed", "buffered"])
def test_parts_that_end_within_tiles_make_each_row_once(folder, variant, panels):
    genes = {} if variant == "scalar" else TILE
    schedule = TRANSPOSE.space.schedule(variant=variant, panels=panels, **genes)
    source = specialise(TRANSPOSE.template(schedule), schedule, "float64")
    compiled = folder.load(folder.write(source))
    for shape in [(70, 90), (7, 90), (70, 15), (64, 64)]:
        a = np.random.default_rng(0).random(shape)
        scratch, runtime = arguments(schedule, source, a)
        ends = [end for end in (0, 1, 5, 17, 33, 50, 80) if end < shape[1]]
        made = []
        for first, last in zip(ends, [*ends[1:], shape[1]], strict=True):
            out = np.full(shape[::-1], np.nan)
            compiled.function(a, out, *scratch, first, last, *runtime, *compiled.pointers)
            made.append(out)
        np.testing.assert_array_equal(np.isfinite(made).sum(0), 1)
        np.testing.assert_array_equal(np.nansum(made, 0), a.T)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("stores", ["ordinary", "streaming"])
def test_infinities_and_nans_are_moved_as_they_are(folder, stores, threads):
    schedule = TRANSPOSE.space.schedule(stores=stores, **TILE)
    source = specialise(TRANSPOSE.template(schedule), schedule, "float32")
    compiled = folder.load(folder.write(parallel_of(source, TRANSPOSE.split, threads)))
    a = np.arange(96 * 80, dtype=np.float32).reshape(96, 80)
    a[::7, ::3], a[::5, 1::4], a[3, :] = np.nan, np.inf, -0.0
    scratch, runtime = arguments(schedule, source, a, threads)
    out = aligned((80, 96), a.dtype)
    out.fill(0)
    compiled.function(a, out, *scratch, *runtime, *compiled.pointers)
    np.testing.assert_array_equal(out.view(np.int32), a.T.copy().view(np.int32))
