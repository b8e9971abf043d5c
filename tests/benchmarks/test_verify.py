from __future__ import annotations

import ctypes
import dataclasses
import faulthandler
import functools
import os
import signal
from pathlib import Path

import numpy as np
import pytest

import kernels
from benchmarks.compare import compiled, worst_error
from benchmarks.contestant import Contestant, Task
from benchmarks.verify import Case, WrongError
from kernels.language import Schedule

PLANTED = str(Path(__file__).with_name("planted.py"))
SIZE = (5000,)


@pytest.fixture
def case():
    return Case(Task(PLANTED, SIZE, "float64"), SIZE, seed=3)


def honest(case):
    np.add(case.inputs[0], case.inputs[0], out=case.out)


def change(case, at, value):
    honest(case)
    case.out[at] = value


def write_beyond(case):
    honest(case)
    ctypes.memset(case.out.ctypes.data + case.out.nbytes + 8, 0, 1)


def write_before_the_input(case):
    honest(case)
    ctypes.memset(case.inputs[0].ctypes.data - 1, 0, 1)


def damage_the_input(case):
    honest(case)
    case.inputs[0][-1] = np.nextafter(case.inputs[0][-1], 9)


def with_tolerance(case, tolerance):
    case.tolerance = tolerance
    return case


def test_the_right_result_has_no_error(case):
    assert case.verify(lambda: honest(case)) == 0


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda case: None, "relative error inf"),
        (functools.partial(change, at=17, value=np.nan), "relative error inf"),
        (functools.partial(change, at=0, value=np.inf), "relative error inf"),
        (functools.partial(change, at=-1, value=0.0), "relative error 1, allowed 0"),
        (write_beyond, "1 bytes behind out were changed, the nearest 8 bytes"),
    ],
)
def test_what_is_wrong_is_said(case, act, message):
    with pytest.raises(WrongError, match=message) as caught:
        case.verify(lambda: act(case))
    assert "size 5000" in str(caught.value)


def test_the_least_error_is_too_much_for_a_tolerance_of_zero(case):
    off = np.nextafter(case.expected[9], 9)
    with pytest.raises(WrongError, match="allowed 0"):
        case.verify(lambda: change(case, 9, off))


def test_the_error_is_told_relative_to_the_tolerance(case):
    with_tolerance(case, 1e-3)
    assert case.verify(lambda: change(case, 9, case.expected[9] * (1 + 5e-4))) == pytest.approx(0.5)


def test_nothing_of_an_earlier_contestant_is_left(case):
    contestants = [Contestant(None, schedule=Schedule({"scratch": count})) for count in (10, 20, 10, 30)]
    arrays = [case.arguments(contestant)[-1] for contestant in contestants]
    assert [array.size for array in arrays] == [10, 20, 10, 30]
    assert arrays[2] is arrays[0]
    arrays[0][:] = arrays[3][:] = 1
    case.verify(lambda: honest(case))
    assert np.isnan(arrays[0]).all()
    assert np.isnan(arrays[3]).all()


def test_a_workspace_is_guarded_right_behind_its_last_element(case):
    *_, array = case.arguments(Contestant(None, schedule=Schedule({"scratch": 10})))
    with pytest.raises(WrongError, match="behind workspace 0"):
        case.verify(lambda: (honest(case), ctypes.memset(array.ctypes.data + array.nbytes, 0, 1)))


def test_all_arrays_of_a_contestant_have_page_offsets_of_their_own(case):
    arrays = [*case.arguments(Contestant(None, schedule=Schedule({"scratch": 10})))]
    assert len({array.ctypes.data % 4096 for array in arrays}) == 3


def test_the_first_check_finds_an_output_of_nan_the_second_one_that_is_plausible(case):
    seen = []
    for filling in (np.nan, 0.75):
        case.verify(lambda: (seen.append(case.out[0]), honest(case)), filling)
    assert np.isnan(seen[0])
    assert seen[1] == 0.75


def test_a_reference_of_another_shape_is_no_reference(monkeypatch):
    planted = kernels.get(PLANTED)
    monkeypatch.setattr(kernels, "get", lambda _name: dataclasses.replace(planted, reference=lambda a: a[:-1]))
    with pytest.raises(ValueError, match=r"shape \(4999,\), not \(5000,\)"):
        Case(Task(PLANTED, SIZE, "float64"), SIZE, seed=3)


@pytest.mark.parametrize(
    ("got", "expected", "error"),
    [
        ([1.0, np.nan], [1.0, np.nan], 0),
        ([1.0, np.nan], [1.0, 2.0], np.inf),
        ([1.0, 2.0], [1.0, np.nan], np.inf),
        ([np.nan, 3.0], [1.0, 2.0], np.inf),
        ([np.inf, -0.0], [np.inf, 0.0], 0),
        ([np.inf], [-np.inf], np.inf),
        ([1e-300], [0.0], np.inf),
        ([-1.0, 4.0], [-2.0, 5.0], 0.5),
        ([], [], 0),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_worst_error_is_elementwise_and_relative(got, expected, error, dtype):
    got, expected = np.array(got), np.array(expected)
    if dtype == "float32" and 1e-300 in got:
        got = got * 1e270
    assert worst_error(got.astype(dtype), expected, np.abs(expected)) == error


def test_what_cannot_be_kept_on_disk_is_compiled_all_the_same():
    names = {}
    exec("def double(x): return 2 * x", names)
    assert compiled(names["double"])(21) == 42


def test_a_pool_of_copies_is_as_large_as_asked_and_each_set_is_whole():
    set_bytes = 2 * 1009 * 8
    case = Case(Task(PLANTED, (1009,), "float64"), (1009,), 0, pool_bytes=10 * set_bytes)
    assert len(case.sets) == 10
    addresses = {array.ctypes.data for one in case.sets for array in (*one.inputs, one.out)}
    assert len(addresses) == 20
    assert all(address % 64 == 0 for address in addresses)
    for one in case.sets:
        assert (one.inputs[0] == case.inputs[0]).all()
        one.out[...] = 2 * one.inputs[0]
    assert case.check() == 0


def write_to_the_last_copy(case):
    case.sets[-1].inputs[0][3] += 1


@pytest.mark.parametrize("act", [damage_the_input, write_before_the_input, write_to_the_last_copy])
def test_who_writes_to_an_input_dies_at_once(act):
    case = Case(Task(PLANTED, (1009,), "float64"), (1009,), 0, pool_bytes=1 << 20)
    pid = os.fork()
    if pid == 0:
        faulthandler.disable()
        act(case)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGSEGV
