"""Searches of recorded spaces: what they find, and what that is worth beside exact luck."""

import itertools
import json
import math
import os
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.errors import EvolveError
from evolve.replay.landscape import Landscape, ListedSpace
from evolve.replay.play import play
from evolve.replay.score import best_so_far, chance, lead, mean_score, score
from evolve.replay.seeds import Ground, Terms, searched
from evolve.search import make
from evolve.search.protocol import PATIENCE, Proposal, Result
from evolve.search.testing import TINY
from evolve.workers import in_time, spread
from kernels.language.space import Schedule, Space, choice, integer

LINE = Space([integer("x", range(40), "a place on a line")])


def line(times_s=None, name="line"):
    """A landscape of as many schedules as there are times; by default a slope from 40 down to 1."""
    told = times_s or [float(40 - x) for x in range(40)]
    space = Space([integer("x", range(len(told)), "a place on a line")])
    return Landscape(name, space, {space.schedule(x=x): time_s for x, time_s in enumerate(told)}, "made up")


class Scripted:
    """Asks what it was told to ask, and remembers what it was told."""

    def __init__(self, batches):
        self.batches, self.told = iter(batches), []

    def ask(self, n):
        return [Proposal(Schedule({"x": x}), "scripted") for x in next(self.batches, [])][:n]

    def tell(self, results):
        self.told += results


def scripted(batches, landscape=None, budget=100):
    strategy = Scripted(batches)
    trace = play(landscape or line(), lambda _space, _rng: strategy, budget, np.random.default_rng(0))
    return trace, strategy


# ---- the landscape


def test_a_listed_space_has_its_list_and_nothing_else():
    kinds = [integer("x", (1, 2, 4), ""), choice("kind", ("a", "b"), "")]
    listed = [Schedule({"x": x, "kind": kind}) for x, kind in ((1, "a"), (2, "a"), (2, "b"))]
    space, rng = ListedSpace(kinds, listed), np.random.default_rng(0)
    assert space.size == 3
    assert {space.sample(rng) for _ in range(100)} == set(listed)
    assert all(space.is_legal(dict(schedule)) is None for schedule in listed)
    assert "not recorded" in space.is_legal(Schedule({"x": 4, "kind": "b"}))
    assert "is not one of" in space.is_legal(Schedule({"x": 3, "kind": "b"}))
    assert space.starting_at(listed[2]).default == listed[2]


def test_a_listed_space_that_lacks_its_default_is_refused():
    with pytest.raises(ValueError, match="not recorded"):
        ListedSpace([integer("x", (1, 2), "")], [Schedule({"x": 2})])


def test_a_search_is_told_how_much_better_than_the_median():
    known = line([4.0, None, 1.0, 2.0])
    assert (known.best_s, known.median_s, known.worst_s, known.failed) == (1.0, 2.0, 4.0, 1)
    assert [known.result(Schedule({"x": x})).fitness for x in (2, 3, 1)] == [math.log(2), 0.0, None]


def test_a_hole_in_a_landscape_is_told_with_its_place():
    space = LINE
    known = Landscape("holed", space, {space.default: 1.0}, "made up")
    with pytest.raises(EvolveError, match="holed is incomplete: it has no time for x=7"):
        known.result(space.schedule(x=7))


def test_a_landscape_where_all_failed_is_none():
    with pytest.raises(EvolveError, match="no schedule that was measured"):
        line([None, None])


# ---- a search of it


def test_a_search_ends_with_its_budget():
    trace, strategy = scripted([[0, 1, 2], [3, 4, 5]], budget=4)
    assert (trace.end, trace.times_s) == ("budget", (40.0, 39.0, 38.0, 37.0))
    assert [result.schedule.x for result in strategy.told] == [0, 1, 2, 3]


def test_repeats_are_free_and_told_again():
    trace, strategy = scripted([[5, 5], [5, 6]], budget=2)
    assert (trace.times_s, trace.repeats) == ((35.0, 34.0), 2)
    assert len(strategy.told) == 4


def test_what_is_not_legal_is_free_and_told_as_a_failure():
    trace, strategy = scripted([[99, 0]], budget=1)
    assert (trace.times_s, trace.illegal) == ((40.0,), 1)
    assert strategy.told[0] == Result(Schedule({"x": 99}), None)


@pytest.mark.parametrize("batches", [[], [[3], *([[3]] * 1000)], [[99]] * 1000, [[]] * 5])
def test_a_search_with_nothing_new_to_ask_has_stalled(batches):
    trace, _ = scripted(batches)
    assert trace.end == "stalled"
    assert trace.repeats + trace.illegal <= PATIENCE


def test_a_search_that_pauses_has_not_stalled():
    assert scripted([*([[]] * (PATIENCE - 1)), [1, 2]], budget=2)[0].end == "budget"


def test_a_space_that_is_exhausted_ends_a_search():
    times_s = {TINY.default: 1.0, **{TINY.schedule(variant="tiled", tile=tile): 2.0 for tile in (2, 4, 8)}}
    trace = play(Landscape("tiny", TINY, times_s, ""), lambda s, r: make("random", s, r), 50, np.random.default_rng(0))
    assert (trace.end, sorted(trace.times_s)) == ("exhausted", [1.0, 2.0, 2.0, 2.0])


@pytest.mark.parametrize("name", ["genetic", "local", "random"])
@pytest.mark.parametrize("share", [0.0, 0.15])
def test_our_own_strategies_search_a_line(name, share):
    played = [play(line(), lambda s, r: make(name, s, r, share), 25, np.random.default_rng(k)) for k in (1, 1, 2)]
    traces = [trace.times_s for trace in played]
    assert traces[0] == traces[1] != traces[2]
    assert len(traces[0]) == 25


# ---- exact luck


def orders(times_s):
    """The best so far of every order in which a random search may draw."""
    worst_s = max(time_s for time_s in times_s if time_s is not None)
    drawn = itertools.permutations(worst_s if time_s is None else time_s for time_s in times_s)
    return np.minimum.accumulate(np.array([*drawn]), axis=1)


times = st.one_of(st.none(), st.floats(0.1, 10))
few_times = st.lists(times, min_size=2, max_size=6).filter(lambda told: len({*told} - {None}) > 1)


@given(few_times, st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_luck_is_what_all_orders_come_to(told, budget):
    known, every = chance(line(told), budget), orders(told)[:, :budget]
    best_s = every.min()
    np.testing.assert_allclose(known.expected_s, every.mean(axis=0))
    np.testing.assert_allclose(known.near, (every <= 1.05 * best_s).mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(known.median_s, np.sort(every, axis=0)[math.ceil(len(every) / 2) - 1])


@given(few_times, st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_all_orders_together_score_nothing(told, budget):
    """Random search itself, tried exhaustively: its mean score is 0 to the last digits."""
    found = score(line(told), [*itertools.permutations(told)], budget)
    assert np.mean(found.scores) == pytest.approx(0, abs=1e-9)


@given(few_times, st.integers(1, 8), st.randoms())
@settings(max_examples=40, deadline=None)
def test_no_order_is_better_than_the_best_first(told, budget, random):
    known = line(told)
    order = [*told]
    random.shuffle(order)
    best_first = sorted(told, key=lambda time_s: math.inf if time_s is None else time_s)
    found = score(known, [best_first, order], budget).scores
    assert found[0] == pytest.approx(1)
    assert found[1] <= 1 + 1e-12


def test_counting_ends_where_luck_is_nearly_there():
    half = [2.0] * 50 + [1.0] * 50
    assert chance(line(half), 100).counted == 9, "1 / 2^10 is below 0.1 %, draws without replacement a little sooner"
    assert chance(line([float(time_s) for time_s in range(1, 401)]), 5).counted == 5
    assert chance(line([1.0, 1.0005]), 2).counted == 1


def test_a_search_that_stalls_keeps_what_it_had():
    np.testing.assert_array_equal(best_so_far([None, 3.0, 5.0], 9.0, 5), [9.0, 3.0, 3.0, 3.0, 3.0])
    np.testing.assert_array_equal(best_so_far([], 9.0, 2), [9.0, 9.0])
    np.testing.assert_array_equal(best_so_far([3.0, math.inf, 1.0], 9.0, 2), [3.0, 3.0])


def test_a_flat_landscape_cannot_be_scored():
    with pytest.raises(EvolveError, match="is flat"):
        chance(line([2.0, 2.0, None]), 3)


def test_figures_after_so_many_evaluations():
    known = line([float(time_s) for time_s in range(100, 400)])
    good, bad = [*range(120, 220)], [*range(300, 200, -1)]
    found = score(known, [good, good, bad], 100)
    assert found.median_ratio == {25: 1.2, 50: 1.2, 100: 1.2}
    assert (found.within_5_percent, found.evaluations) == (0.0, 100.0)
    assert len(found.early) == 3
    assert score(known, [[104.0]], 100).within_5_percent == 1.0


def test_means_have_intervals_that_close_with_more_seeds():
    rng = np.random.default_rng(1)
    few, many = (mean_score([rng.normal(0.5, 0.1, n), rng.normal(0.3, 0.1, n)]) for n in (8, 800))
    assert few.low < few.estimate < few.high
    assert many.high - many.low < 0.3 * (few.high - few.low)
    assert many.estimate == pytest.approx(0.4, abs=0.02)
    assert mean_score([[0.5]]).as_dict() == {"estimate": 0.5, "low": None, "high": None, "level": 0.95}


def test_a_lead_is_a_difference_with_an_interval():
    rng = np.random.default_rng(1)
    ours, theirs = rng.normal(0.6, 0.1, (2, 400))[:, :], rng.normal(0.5, 0.1, (2, 400))
    found = lead([*ours], [*theirs])
    assert found.low < 0.1 < found.high
    assert found.low > 0.05


# ---- many searches


def twice(number):
    return 2 * number


def test_work_is_spread_and_comes_back():
    for processes in (1, 2):
        assert sorted(spread(twice, [1, 2, 3], processes)) == [2, 4, 6]


def test_what_fails_in_a_worker_fails_here():
    with pytest.raises(TypeError):
        list(spread(twice, [None], 2))


def exiting(code):
    os._exit(code)


def test_a_worker_that_dies_is_told():
    with pytest.raises(EvolveError, match="a worker process died"):
        list(spread(exiting, [3, 3], 2))


def test_what_takes_too_long_is_ended():
    with pytest.raises(TimeoutError, match=r"no end after 0\.05 s"), in_time(0.05):
        time.sleep(60)


def test_scores_are_the_same_on_one_core_and_on_two(tmp_path):
    (tmp_path / "slope.json").write_text(json.dumps(_slope()))
    ground = Ground.of(tmp_path / "slope.json", 20)
    entries = [
        searched([ground], ["random", "genetic"], Terms(7, 20, 0.15), lambda _line: None, processes)
        for processes in (1, 2)
    ]
    assert [e.score for e in entries[0]] == [e.score for e in entries[1]]
    assert [len(e.score.scores) for e in entries[0]] == [7, 7]


def _slope():
    """A cache of 64 configurations, the later the better."""
    points = [{"a": a, "b": b, "time": 99.0 - a - b} for a in range(8) for b in range(8)]
    return {"tune_params_keys": ["a", "b"], "cache": {str(k): point for k, point in enumerate(points)}}
