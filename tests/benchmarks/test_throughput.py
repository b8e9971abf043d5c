from __future__ import annotations

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import throughput, timing
from benchmarks.inference import SESSION_SPREAD
from benchmarks.throughput import Rules, TimedProducer, compared, gain_of, placed, rate_of
from benchmarks.timing import Called

AT_ONCE = Rules(blocks=4, rounds=6, pause_s=0.0)


def _drifting(step=0.9):
    """A machine that loses a tenth of its speed with every sample."""
    speeds = (step**k for k in itertools.count())
    return lambda rate: lambda: rate * next(speeds)


def test_what_drifts_is_the_same_for_both_sides():
    producer = _drifting()
    found = compared(lambda: (producer(100.0), producer(300.0)), AT_ONCE)
    # who is first takes turns: the drift within a round is there with either sign
    assert found.gain.estimate == pytest.approx(math.log(3), abs=0.01)
    assert [len(block) for block in found.blocks] == [6] * 4
    assert found.frozen_per_s.high > 2 * found.frozen_per_s.low


def test_both_sides_are_made_anew_for_each_block_behind_a_look_at_the_user():
    made = []

    def pair():
        made.append("pair")
        return lambda: 1.0, lambda: 2.0

    found = compared(pair, AT_ONCE, lambda: made.append("look"))
    assert made == ["look", "pair"] * 4
    assert (found.frozen_per_s.estimate, found.present_per_s.estimate) == pytest.approx((1, 2))


def _measured(*widths):
    taken = iter(widths)
    return lambda: next(taken)


def test_what_is_known_well_enough_is_measured_once():
    assert throughput.until_known(_measured(0.09), float, AT_ONCE) == 0.09


def test_a_busy_minute_is_measured_anew_and_the_narrowest_interval_counts():
    assert throughput.until_known(_measured(0.4, 0.3, 0.05), float, AT_ONCE) == 0.05
    assert throughput.until_known(_measured(0.4, 0.2, 0.3, 0.5), float, AT_ONCE) == 0.2


def test_a_comparison_is_as_wide_as_the_rate_that_a_ceiling_is_divided_by():
    steady = _drifting(1.0)
    assert compared(lambda: (steady(100.0), steady(300.0)), AT_ONCE).width < AT_ONCE.known_to
    drifting = _drifting()
    assert compared(lambda: (drifting(100.0), drifting(300.0)), AT_ONCE).width > AT_ONCE.known_to


def test_what_is_possible_takes_part_and_what_is_left_of_it_comes_from_the_same_rounds():
    producer = _drifting()
    found = compared(lambda: (producer(100.0), producer(300.0), producer(600.0)), AT_ONCE)
    assert found.left is not None
    assert found.end is not None
    # it is always the last of a round: the drift of one sample and a half is in it
    assert found.left.estimate == pytest.approx(math.log(2 * 0.9**1.5), abs=0.01)
    assert found.end.estimate == pytest.approx(math.log(6 * 0.9**1.5), abs=0.01)


def test_blocks_in_which_the_frozen_side_is_slower_or_faster_than_usual_are_put_off(monkeypatch):
    monkeypatch.setattr(throughput, "PUT_OFF_S", 0.0)
    speeds = itertools.chain([1.0, 0.7, 1.6, 0.95, 0.6, 1.3], itertools.repeat(1.0))

    def pair():
        speed = next(speeds)
        return lambda: 100.0 * speed, lambda: 300.0

    found = compared(pair, AT_ONCE, usual_per_s=100.0)
    assert [block[0] for block in found.blocks] == pytest.approx([math.log(3), math.log(3 / 0.95), *[math.log(3)] * 2])


def test_a_machine_that_stays_slow_is_measured_as_it_is(monkeypatch):
    monkeypatch.setattr(throughput, "PATIENCE_S", 0.0)
    found = compared(lambda: (lambda: 50.0, lambda: 100.0), AT_ONCE, usual_per_s=100.0)
    assert found.gain.estimate == pytest.approx(math.log(2))


@pytest.mark.parametrize(("per_s", "is_usual"), [(85.0, False), (95.0, True), (105.0, True), (115.0, False)])
def test_a_rate_is_usual_within_a_tenth_of_the_one_that_is_known(per_s, is_usual):
    assert throughput.is_usual(per_s, 100.0) is is_usual
    assert throughput.is_usual(per_s, 0.0)


def test_who_looks_may_end_it():
    def look():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compared(lambda: pytest.fail("nothing is made"), AT_ONCE, look)


def test_rounds_in_which_the_core_was_taken_away_are_taken_again(monkeypatch):
    switches = itertools.chain([0, 1, 1, 1], itertools.repeat(1))  # during the very first round
    monkeypatch.setattr(throughput.resource, "getrusage", lambda _who: SimpleNamespace(ru_nivcsw=next(switches)))
    taken = itertools.count()

    def present():
        return 7.0 if next(taken) == 0 else 2.0

    found = compared(lambda: (lambda: 1.0, present), AT_ONCE)
    assert {round(math.exp(value), 6) for block in found.blocks for value in block} == {2.0}


def test_a_core_that_is_never_alone_is_measured_all_the_same(monkeypatch):
    switches = itertools.count()
    monkeypatch.setattr(throughput.resource, "getrusage", lambda _who: SimpleNamespace(ru_nivcsw=next(switches)))
    samples = itertools.count()

    def counted():
        next(samples)
        return 1.0

    compared(lambda: (counted, counted), AT_ONCE)
    assert next(samples) == 2 * 4 * 6 * (1 + throughput.MOST_RETAKES)


@pytest.mark.parametrize(("drift", "covered"), [(0.02, (0.92, 0.98)), (0.0, (0.99, 1.0))])
def test_the_interval_of_a_lap_holds_the_truth(drift, covered, monkeypatch):
    # drift between blocks, noise of rounds, and a truth of another session that no block shows
    rng, truth = np.random.default_rng(1), 0.3
    found = []
    for _ in range(600):
        session = rng.normal(0, SESSION_SPREAD if drift else 0)
        middles = truth + session + rng.normal(0, drift, 10)
        found.append(gain_of(middles[:, None] + rng.normal(0, 0.01, (10, 24))))
    share = np.mean([one.low <= truth <= one.high for one in found])
    assert covered[0] <= share <= covered[1]


def test_a_rate_by_itself_is_as_uncertain_as_the_machine_is_unsteady():
    steady, unsteady = rate_of([[10.0, 10.0]] * 5), rate_of([[8.0], [9.0], [10.0], [11.0], [12.0]])
    assert steady.estimate == pytest.approx(10)
    assert math.log(steady.high / 10) == pytest.approx(1.96 * SESSION_SPREAD, rel=1e-3)
    assert unsteady.high / unsteady.low > 1.3


def test_a_producer_counts_items_of_whole_calls_with_the_price_of_calling(monkeypatch):
    now = [0]

    def call():
        now[0] += 250

    monkeypatch.setattr(timing, "now_ns", lambda: now[0])
    assert TimedProducer(Called(call, np.empty(3)), items=3)() == pytest.approx(3 / 250e-9)


def test_a_call_longer_than_a_sample_is_made_once(monkeypatch):
    now, calls = [0], itertools.count()

    def call():
        next(calls)
        now[0] += 10**9

    monkeypatch.setattr(timing, "now_ns", lambda: now[0])
    producer = TimedProducer(Called(call, np.empty(1)), items=1)
    before = next(calls)
    producer()
    assert next(calls) == before + 2  # one call, and the look before


@pytest.mark.parametrize("count", [1, 7, 1000])
def test_placed_arrays_are_equal_and_lie_at_lines_of_their_own(count):
    rng = np.random.default_rng(0)
    given = rng.uniform(size=count)
    arrays = [placed(given, rng) for _ in range(40)]
    assert all(np.array_equal(array, given) and array.flags.c_contiguous for array in arrays)
    assert {array.ctypes.data % throughput.LINE_BYTES for array in arrays} == {0}
    assert len({array.ctypes.data % throughput.PAGE_BYTES for array in arrays}) > 10
