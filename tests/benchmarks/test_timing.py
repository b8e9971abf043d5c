import functools
import time

import numpy as np
import pytest

from benchmarks.flush import LINE_BYTES, flusher, is_supported
from benchmarks.timing import (
    HEATING_S,
    MOST_UNCOUNTED,
    Called,
    Driven,
    Flushed,
    Rotating,
    StaleError,
    Turn,
    Watched,
    uncounted,
)

needs_x86 = pytest.mark.skipif(not is_supported(), reason="the instruction is x86's")


class Counting:
    def __init__(self, out, value=2.0):
        self.out, self.value, self.calls = out, value, 0

    def __call__(self):
        self.calls += 1
        self.out[:] = self.value


@pytest.mark.parametrize("loops", [1, 7])
def test_called_calls_as_often_as_it_is_told(loops):
    call = Counting(np.zeros(3))
    assert Called(call, call.out).time_ns(loops) > 0
    assert call.calls == loops


def test_driven_hands_the_count_over():
    taken = []
    assert Driven(lambda *given: taken.append(given), (1, 2), np.zeros(1)).time_ns(9) > 0
    assert taken == [(1, 2, 9)]


def test_rotating_goes_round_and_tells_which_output_comes_next():
    outs = [np.zeros(1) for _ in range(3)]
    calls = [Counting(out) for out in outs]
    timing = Rotating(calls, outs, Turn())
    assert timing.out is outs[0]
    timing.time_ns(4)
    assert [call.calls for call in calls] == [2, 1, 1]
    assert timing.out is outs[1]
    timing.time_ns(2)
    assert [call.calls for call in calls] == [2, 2, 2]
    assert timing.out is outs[0]


@pytest.mark.measuring
def test_flushing_comes_before_each_call_and_is_not_timed():
    log = []

    def slow_flush():
        time.sleep(0.02)
        log.append("flush")

    timing = Flushed(lambda: log.append("call"), slow_flush, np.zeros(1))
    assert timing.time_ns(3) < 20_000_000
    assert log == ["flush", "call"] * 3


@needs_x86
@pytest.mark.parametrize("count", [1, LINE_BYTES, 1000])
def test_what_is_flushed_keeps_its_values(count):
    array = np.arange(count, dtype=np.float64)
    flusher()(array)
    assert (array == np.arange(count)).all()


def allowed(expected, tolerance=1e-12):
    return np.full(3, tolerance * abs(expected))


def watched(call, expected, tolerance=1e-12):
    return Watched(Called(call, call.out), np.full(3, expected), allowed(expected, tolerance), np.random.default_rng(0))


def test_a_contestant_that_sets_everything_right_is_timed():
    call = Counting(np.zeros(3))
    assert watched(call, 2.0).sample(5) > 0
    assert call.calls == 5


def test_what_is_not_counted_is_called_before_and_sets_nothing_right():
    call = Counting(np.zeros(3))
    side = watched(call, 2.0)
    side.uncounted = 4
    side.sample(1)
    assert call.calls == 5
    side.timing = Called(lambda: None, call.out)
    with pytest.raises(StaleError):
        side.sample(1)


@pytest.mark.parametrize(
    ("call_s", "calls"), [(1e-6, MOST_UNCOUNTED), (0.25e-3, 4), (1.5e-3, 1), (HEATING_S, 0), (1.0, 0)]
)
def test_short_calls_are_hot_after_some_and_long_ones_by_themselves(call_s, calls):
    assert uncounted(call_s) == calls


@pytest.mark.parametrize("expected", [2.0, 0.0, -1e-3, 1e300, np.nan, np.inf])
def test_a_contestant_that_leaves_its_output_as_it_was_is_found_out(expected):
    out = np.full(3, expected)
    idle = Counting(np.zeros(0))
    with pytest.raises(StaleError):
        Watched(Called(idle, out), np.full(3, expected), allowed(expected), np.random.default_rng(0)).sample(1)


@pytest.mark.parametrize("expected", [np.nan, np.inf, -np.inf, 0.0])
def test_special_values_count_as_right_where_they_are(expected):
    call = Counting(np.zeros(3), expected)
    assert watched(call, expected).sample(1) > 0


def test_who_works_in_the_first_call_only_is_found_out_by_the_second_sample():
    call = Counting(np.zeros(3))
    once = Called(lambda: call() if call.calls == 0 else None, call.out)
    lazy = Watched(once, np.full(3, 2.0), allowed(2.0), np.random.default_rng(0))
    lazy.sample(1)
    with pytest.raises(StaleError):
        lazy.sample(1)


def test_sides_that_rotate_go_on_where_the_other_stopped():
    """Else the one that is behind would find what the other has just left in the caches."""
    called, turn = [], Turn()
    outs = [np.zeros(1) for _ in range(5)]
    one, other = (Rotating([functools.partial(called.append, k) for k in range(5)], outs, turn) for _ in range(2))
    for side, loops in ((one, 2), (other, 2), (one, 3)):
        side.time_ns(loops)
    assert called == [0, 1, 2, 3, 4, 0, 1]
    assert other.out is outs[2]
