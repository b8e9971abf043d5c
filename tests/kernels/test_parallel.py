import os
import threading

import numpy as np
import pytest

from kernels.language import SourceFolder, TemplateError, parallel_of, slices, specialise, template
from kernels.language.simd import address_of
from kernels.language.team import team

SPLIT = ("rows", "whole", "rows")


@template("void(T[:, ::1], T, T[:, ::1], T[::1])", runtime=("by",))
def scaled(p, a, s, out, scratch):
    """Through scratch memory, of which every thread has its own; the last element counts the calls."""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            scratch[j] = s * a[i, j]
        for j in range(a.shape[1]):
            out[i, j] = scratch[j] + p.by
    scratch[a.shape[1]] += 1


@template("void(int32[::1], T[::1])")
def lengths(_p, fence, out):
    for i in range(out.size):
        out[i] = fence[i + 1] - fence[i]


@template("void(T[:, :, ::1], T[:, ::1], T[:, :, ::1])")
def blended(_p, x, weights, out):
    """Each image by each filter."""
    for n in range(x.shape[0]):
        for f in range(weights.shape[0]):
            for i in range(out.shape[2]):
                out[n, f, i] = x[n, 0, i] * weights[f, 0]


@template("void(T[:, ::1], T[:, ::1], T[::1], intp, intp)", runtime=("by",))
def turned(p, a, out, scratch, first, last):
    """Columns as rows; scratch memory takes down which."""
    for i in range(first, last):
        for j in range(a.shape[0]):
            out[i, j] = a[j, i] + p.by
    scratch[0], scratch[1] = first, last


@template("void(T[::1], T[::1])")
def raising(_p, a, out):
    if a[0] < 0:
        raise ValueError("planted")
    for i in range(out.size):
        out[i] = a[i]


@template()
def inferred(_p, a, out):
    out[0] = a[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return SourceFolder(tmp_path_factory.mktemp("sources"))


def loaded(folder, made, split, threads, dtype="float64"):
    return folder.load(folder.write(parallel_of(specialise(made, {"by": 3}, dtype), split, threads)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("threads", [2, 3, 5])
def test_threads_share_the_rows_and_each_has_scratch_of_its_own(folder, dtype, threads):
    compiled = loaded(folder, scaled, SPLIT, threads, dtype)
    for rows, columns in [(1, 1), (2, 3), (3, 16), (64, 5), (101, 7), (7, 40)]:
        a = np.arange(rows * columns, dtype=dtype).reshape(rows, columns)
        out = np.full_like(a, np.nan)
        (count,) = slices((columns + 1,), threads)
        scratch = np.zeros(count, dtype)
        compiled.function(a, np.dtype(dtype).type(2), out, scratch, 3, *compiled.pointers)
        np.testing.assert_array_equal(out, 2 * a + 3)
        calls = scratch.reshape(threads, -1)[:, columns]
        assert np.all((calls == 0) | (calls == 1))
        assert 1 <= calls.sum() <= min(rows, threads)


def test_more_than_one_thread_has_a_part_where_rows_are_many(folder):
    compiled = loaded(folder, scaled, SPLIT, 3)
    (count,) = slices((2,), 3)
    scratch = np.zeros(count)
    compiled.function(np.ones((100, 1)), 1.0, np.ones((100, 1)), scratch, 3, *compiled.pointers)
    np.testing.assert_array_equal(scratch.reshape(3, -1)[:, 1], 1)


@pytest.mark.parametrize("threads", [2, 3])
def test_offsets_are_given_with_one_more_behind_them_and_shared_by_what_lies_between(folder, threads):
    compiled = loaded(folder, lengths, ("fence", "rows"), threads)
    rng = np.random.default_rng(1)
    for rows in (1, 2, 9, 200):
        counts = (rng.random(rows) ** 8 * 1000).astype(np.int32)
        for taken in (counts, np.zeros(rows, np.int32), np.eye(1, rows, dtype=np.int32)[0] * 5000):
            out = np.full(rows, np.nan)
            compiled.function(np.concatenate([[0], np.cumsum(taken)]).astype(np.int32), out, *compiled.pointers)
            np.testing.assert_array_equal(out, taken)


@pytest.mark.parametrize("threads", [2, 3])
def test_the_second_axis_is_shared_where_the_output_has_one_row(folder, threads):
    compiled = loaded(folder, blended, ("rows/whole", "whole/rows", "rows/second"), threads)
    for images, filters, elements in [(1, 1, 1), (1, 2, 3), (1, 40, 8), (2, 1, 5), (5, 3, 8)]:
        x, weights = np.random.default_rng(1).random((images, 1, elements)), np.arange(filters * 1.0)[:, np.newaxis]
        out = np.full((images, filters, elements), np.nan)
        compiled.function(x, weights, out, *compiled.pointers)
        np.testing.assert_array_equal(out, x * weights)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_who_is_given_the_whole_output_is_told_its_rows(folder, threads):
    compiled = loaded(folder, turned, ("whole", "whole"), threads)
    (count,) = slices((2,), threads)
    for rows, columns in [(1, 1), (2, 1), (3, 50), (40, 7), (8, 64)]:
        a = np.random.default_rng(1).random((rows, columns))
        out, scratch = np.full((columns, rows), np.nan), np.zeros(count)
        compiled.function(a, out, scratch, 3, *compiled.pointers)
        np.testing.assert_array_equal(out, a.T + 3)
        parts = sorted(map(tuple, scratch.reshape(threads, -1)[:, :2]))
        taken = [row for first, last in parts for row in range(int(first), int(last))]
        assert taken == list(range(columns))


def test_one_build_names_all_rows_for_all_schedules_of_a_signature():
    one, other = (parallel_of(specialise(turned, {"by": by}, "float64"), ("whole", "whole"), 1) for by in (1, 2))
    assert one.key == other.key
    assert one.runtime == ("by",)
    assert one.pointers == (specialise(turned, {"by": 1}, "float64"),)


@pytest.mark.parametrize(("dtype", "rows"), [("float32", 16), ("float64", 8)])
def test_no_cache_line_of_the_output_is_written_by_two(folder, dtype, rows):
    compiled = loaded(folder, scaled, SPLIT, 2, dtype)
    for columns, together in [(1, rows), (rows // 2, 2), (rows, 1), (3 * rows // 2, 2), (3, rows)]:
        (count,) = slices((columns + 1,), 2)
        for many in (together, 2 * together):
            scratch = np.zeros(count, dtype)
            a = np.ones((many, columns), dtype)
            compiled.function(a, np.dtype(dtype).type(1), np.empty_like(a), scratch, 3, *compiled.pointers)
            assert scratch.reshape(2, -1)[:, columns].sum() == many // together


def test_one_build_serves_all_schedules_of_a_signature_and_all_numbers_of_threads():
    one, same = (parallel_of(specialise(scaled, {"by": by}, "float64"), SPLIT, 2) for by in (1, 2))
    three = parallel_of(specialise(scaled, {"by": 1}, "float64"), SPLIT, 3)
    assert one.key == same.key == three.key
    assert one.pointers[-1].key == three.pointers[-1].key
    assert one.runtime == ("by",)
    assert one.key != parallel_of(specialise(scaled, {"by": 1}, "float32"), SPLIT, 2).key


def test_one_thread_needs_no_caller():
    source = specialise(scaled, {"by": 1}, "float64")
    assert parallel_of(source, SPLIT, 1) is source
    assert slices((5, 70), 1) == (5, 70)
    assert slices((5, 70), 2) == (64, 192)


def test_what_has_no_signature_cannot_be_shared():
    with pytest.raises(TemplateError, match="'inferred' has no signature"):
        parallel_of(specialise(inferred, {}, "float64"), ("rows", "rows"), 2)


def test_what_a_thread_raises_is_raised_and_the_team_goes_on(folder):
    compiled = loaded(folder, raising, ("rows", "rows"), 2)
    for half in (slice(64), slice(64, 128)):
        a = np.ones(128)
        a[half] = -1
        with pytest.raises(RuntimeError, match="given to do failed"):
            compiled.function(a, np.empty(128), *compiled.pointers)
    out = np.zeros(100)
    compiled.function(np.ones(100), out, *compiled.pointers)
    assert out.sum() == 100


def test_calls_from_several_threads_at_once_are_all_right(folder):
    compiled = loaded(folder, lengths, ("fence", "rows"), 2)
    wrong = []

    def call(number):
        fence = np.arange(1001, dtype=np.int32) * number
        out = np.empty(1000)
        for _ in range(200):
            out[:] = -1
            compiled.function(fence, out, *compiled.pointers)
            wrong.extend(out[out != number])

    callers = [threading.Thread(target=call, args=(number,)) for number in range(1, 5)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


def test_a_forked_child_does_all_parts_itself(folder):
    compiled = loaded(folder, lengths, ("fence", "rows"), 2)
    fence, out = np.arange(1001, dtype=np.int32), np.zeros(1000)
    compiled.function(fence, out, *compiled.pointers)
    child = os.fork()
    if child == 0:
        out[:] = 0
        compiled.function(fence, out, *compiled.pointers)
        os._exit(0 if out.sum() == 1000 and team(2) != compiled.pointers[-1] else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_team_is_started_once():
    assert team(2) == team(2)
    assert team(2) != team(3)


def test_the_kernel_is_called_by_its_address(folder):
    source = specialise(lengths, {}, "float64")
    kernel = folder.load(folder.write(source)).function
    assert loaded(folder, lengths, ("fence", "rows"), 2).pointers[0] == address_of(kernel)
