"""Bytes, tables, bit planes and order statistics against NumPy, with AVX-512's instructions and without them."""

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from kernels.language import simd
from kernels.language.simd import bitplanes


def compiled(rows, words, bits, shifts, count, part):
    """A function of draws, a table and k that writes the k-th looked up numbers of every row."""
    space = {"simd": simd, "np": np}
    lines = [
        "def ranked(draws, n, table, k, out):",
        "    ld = draws.shape[1]",
        f"    planes = np.empty({bits * words * rows}, np.int64)",
    ]
    for word in range(words):
        at, left = f"{64 * word}", f"n - {64 * word}"
        lines += [
            f"    t = simd.tile_load_bytes{part}(draws, {at}, ld, {rows}, {left}, {64 * words - 1}, {shifts})",
            f"    t = simd.bit_planes(simd.tile_lookup(t, table, {64 * words}), {bits})",
            f"    simd.tile_store(t, planes, {word * rows}, {words * rows})",
        ]
    lines += [f"    t = simd.kth_of_planes(planes, 0, {bits}, {words}, {rows}, k, {count})"]
    lines += [f"    simd.tile_store(t, out, 0, {rows})"]
    exec("\n".join(lines), space)
    return njit(space["ranked"])


@pytest.mark.parametrize("is_native", [True, False])
@pytest.mark.parametrize(("rows", "words", "shifts"), [(2, 1, 0), (16, 1, 1), (4, 4, 0)])
def test_the_kth_number_is_that_of_a_sort(monkeypatch, is_native, rows, words, shifts):
    if not is_native:
        monkeypatch.setattr(bitplanes, "has", lambda *_: False)
    rng = np.random.default_rng(rows * words)
    part, whole = (compiled(rows, words, 5 + words.bit_length(), shifts, 2, kind) for kind in ("_part", ""))
    for n in (2, 64 * words - 17, 64 * words):
        draws = rng.integers(n, size=(rows, n)).astype(np.int32)
        table = np.full(64 * words, -1, np.int8)
        table[:n] = rng.permutation(n).astype(np.uint8).view(np.int8)
        looked_up = np.sort(table.view(np.uint8)[draws], axis=1)
        for k in {0, n // 2 - 1, n - 2}:
            out = np.empty((2, rows), np.int64)
            part(draws, n, table, k, out)
            np.testing.assert_array_equal(out, looked_up[:, k : k + 2].T)
            whole(np.pad(draws, ((0, 0), (0, 64 * words - n)), constant_values=5), n, table, k, out)
            np.testing.assert_array_equal(out, looked_up[:, k : k + 2].T)


def test_other_types_are_refused():
    @njit
    def narrow(a):
        simd.tile_load_bytes(a, 0, 0, 2, 4, 0, 0)

    @njit
    def wide(a):
        simd.bit_planes(simd.tile_load(a, 0, 0, 2, 1, 4), 3)

    @njit
    def lookup(a):
        simd.tile_lookup(simd.tile_load(a, 0, 0, 2, 1, 4), a, 64)

    @njit
    def planes(a):
        simd.kth_of_planes(a, 0, 1, 1, 2, 0, 1)

    whys = {narrow: "made of int32", wide: "bit planes of", lookup: "look", planes: "bit planes are int64"}
    for function, why in whys.items():
        with pytest.raises(TypingError, match=why):
            function(np.zeros(8))
