from __future__ import annotations

import mmap
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.arena import HUGE_PAGE_BYTES, PAGE_BYTES, Arena, poison

ROOT = Path(__file__).parents[2]


@pytest.fixture
def arena():
    with Arena() as made:
        yield made


def _write_beyond(array, byte_offset, value=0):
    """Write one byte at an offset from the array's start, past NumPy's bounds."""
    import ctypes

    ctypes.memset(array.ctypes.data + byte_offset, value, 1)


def _run(code):
    return subprocess.run(
        [sys.executable, "-c", f"from benchmarks.arena import *\nimport ctypes\n{code}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 700), st.integers(0, 700)), min_size=1, max_size=6),
    st.sampled_from(["float32", "float64", "int64", "uint8"]),
)
def test_arrays_are_aligned_contiguous_and_at_distinct_page_offsets(shapes, dtype):
    with Arena() as arena:
        arrays = [arena.allocate(shape, dtype) for shape in shapes]
        addresses = [array.ctypes.data for array in arrays]
        assert all(address % 64 == 0 for address in addresses)
        assert len({address % PAGE_BYTES for address in addresses}) == len(arrays)
        assert [array.shape for array in arrays] == shapes
        assert all(array.flags.c_contiguous and array.flags.writeable and array.dtype == dtype for array in arrays)


def test_writing_all_of_an_array_damages_nothing(arena):
    arrays = [arena.allocate(shape, "float32") for shape in ((3, 5), (1,), (1 << 20,))]
    for array in arrays:
        array.fill(1)
    assert arena.damage() is None


def test_arrays_start_as_poison(arena):
    assert np.isnan(arena.allocate((4, 4), "float32")).all()
    assert (arena.allocate(5, "int64") == -1).all()
    values = np.ones(3)
    poison(values)
    assert np.isnan(values).all()


@pytest.mark.parametrize(("beyond", "side"), [(0, "behind"), (7, "behind"), (63, "behind")])
def test_a_small_overrun_is_reported_with_name_and_side(arena, beyond, side):
    arena.allocate(9, "float64", "a")
    out = arena.allocate(11, "float64", "out")
    _write_beyond(out, out.nbytes + beyond)
    assert arena.damage() == f"1 bytes {side} out were changed, the nearest {beyond} bytes from its end"


@pytest.mark.parametrize("before", [1, 64, 5000])
def test_an_underrun_is_reported(arena, before):
    out = arena.allocate(11, "float64", "out")
    arena.allocate(9, "float64")
    _write_beyond(out, -before)
    assert arena.damage() == f"1 bytes before out were changed, the nearest {before - 1} bytes from its start"


def test_rearming_forgets_reported_damage(arena):
    array = arena.allocate(11, "float64")
    _write_beyond(array, array.nbytes)
    assert "float64 11" in arena.damage()
    arena.rearm()
    assert arena.damage() is None


@pytest.mark.parametrize("elements", [1, 1000, 1 << 18])
def test_running_past_the_end_dies_within_a_page_and_a_canary(elements):
    code = f"a = Arena().allocate({elements}, 'float64')\nctypes.memset(a.ctypes.data, 0, a.nbytes + PAGE_BYTES + 64)"
    assert _run(code).returncode == -signal.SIGSEGV


def test_running_before_the_start_dies_at_the_other_guard():
    code = "a = Arena().allocate(8, 'float64')\nctypes.memset(a.ctypes.data - HUGE_PAGE_BYTES, 0, 1)"
    assert _run(code).returncode == -signal.SIGSEGV


def test_reading_past_the_guard_dies_too():
    code = "a = Arena().allocate(8, 'float64')\nctypes.string_at(a.ctypes.data + a.nbytes, PAGE_BYTES + 64)"
    assert _run(code).returncode == -signal.SIGSEGV


def test_arrays_outlive_a_closed_arena():
    arena = Arena()
    array = arena.allocate(1000, "float64")
    arena.close()
    del arena
    array.fill(2)
    assert array.sum() == 2000


def test_memory_that_is_not_there_is_a_memory_error(arena):
    with pytest.raises(MemoryError, match="no mapping"):
        arena.allocate(1 << 52, "float64", "huge")


def _system_gives_huge_pages():
    plain = mmap.mmap(-1, 2 * HUGE_PAGE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    plain.madvise(mmap.MADV_HUGEPAGE)
    plain.write(b"x" * len(plain))
    return any(
        line.startswith("AnonHugePages:") and int(line.split()[1])
        for line in Path("/proc/self/smaps").read_text().splitlines()
    )


def test_guards_cost_no_huge_page(arena):
    if not _system_gives_huge_pages():
        pytest.skip("the system gives no huge pages")
    arena.allocate(3 * HUGE_PAGE_BYTES, "uint8")
    arena.allocate(100, "float64")
    assert arena.huge_page_bytes() == 5 * HUGE_PAGE_BYTES
