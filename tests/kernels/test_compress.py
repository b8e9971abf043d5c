"""What a comparison lets through, written one behind the other, against NumPy."""

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from kernels.language import simd
from kernels.language.simd import compress


def compiled(lanes):
    """A function that writes what is less and returns how many."""
    space = {"simd": simd}
    exec(
        f"def less(a, at, limit, out, start):\n"
        f"    return simd.store_less(out, start, simd.load(a, at, {lanes}), limit)\n",
        space,
    )
    return njit(space["less"])


@pytest.mark.parametrize("is_native", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
@pytest.mark.parametrize("lanes", [2, 8, 32])
def test_what_is_less_is_written_in_order(monkeypatch, is_native, dtype, lanes):
    if not is_native:
        monkeypatch.setattr(compress, "has", lambda *_: False)
    less = compiled(lanes)
    a = np.random.default_rng(lanes).integers(-9, 9, 4 * lanes).astype(dtype)
    if a.dtype.kind == "f":
        a[1::5], a[2::7] = np.nan, -np.inf
    for at in range(0, a.size, lanes):
        for limit in (-20, 0, 20):
            out = np.full(lanes + 8, 77, dtype)
            kept = [value for value in a[at : at + lanes] if value < limit]
            assert less(a, at, limit, out, 3) == len(kept)
            np.testing.assert_array_equal(out[3 : 3 + len(kept)], kept)
            np.testing.assert_array_equal(out[:3], 77)
            np.testing.assert_array_equal(out[3 + lanes :], 77)


def test_other_dtypes_and_read_only_arrays_are_refused():
    less = compiled(2)
    with pytest.raises(TypingError, match="dtypes differ"):
        less(np.ones(4), 0, 1, np.ones(8, np.float32), 0)
    out = np.ones(8)
    out.flags.writeable = False
    with pytest.raises(TypingError, match="read-only"):
        less(np.ones(4), 0, 1, out, 0)
