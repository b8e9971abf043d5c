"""Time against error: the front, its area, the strategy that spreads along it, and a limit to the error."""

import math

import moocore
import numpy as np
import pytest
from deap import tools
from hypothesis import given
from hypothesis import strategies as st

import kernels
from benchmarks.outcome import Measured, Samples
from evolve.accuracy import LEAST_ERROR, at_most, most_error
from evolve.champion import title_of
from evolve.errors import UsageError
from evolve.search.genetic import _Placed, nondominated_first
from evolve.search.nsga2 import Nsga2
from evolve.search.protocol import Result
from evolve.store import Evaluation, Individual, OutcomeRecord, RunSpec
from evolve.store.testing import SPEC
from evolve.tracker.accuracy import accuracy, front, hypervolumes
from kernels.dominance import numpy_ranks
from kernels.language.space import Space, integer

PLANE = Space([integer("speed", range(64), ""), integer("digits", range(64), "")])


def individual(number, fitness, error, batch=0, *, gain=0.1):
    outcome = Measured("", 0.1, 0.1, 1e-3, gain, gain / 2, 2 * gain, Samples((1.0,), (1.0,), 1), error)
    record = OutcomeRecord("r", number, outcome, f"2026-01-01T00:00:{number:02}", fitness)
    return Individual(Evaluation("r", number, batch, number, "search", "mutate", {"n": number}), record)


points = st.lists(st.tuples(st.floats(-1, 3), st.floats(0, 1)), max_size=20)


@given(points)
def test_nobody_on_the_front_is_beaten_in_both_and_everybody_else_is(pairs):
    individuals = [individual(n, *pair) for n, pair in enumerate(pairs, 1)]
    found = front(individuals)
    for one in individuals:
        as_good = [o for o in individuals if o.fitness >= one.fitness and o.error <= one.error]
        is_beaten = any((o.fitness, o.error) != (one.fitness, one.error) for o in as_good)
        is_on_it = any((f.fitness, f.error) == (one.fitness, one.error) for f in found)
        assert is_on_it != is_beaten
    assert len({(one.fitness, one.error) for one in found}) == len(found)


@given(points)
def test_the_hypervolume_is_that_of_another_implementation_and_never_shrinks(pairs):
    individuals = [individual(n, *pair, batch=n // 4) for n, pair in enumerate(pairs, 1)]
    areas = hypervolumes(individuals)
    assert areas == sorted(areas)
    losses = [(-f, math.log(max(e, LEAST_ERROR))) for f, e in pairs if f > 0 and e < 1]
    expected = moocore.hypervolume(np.array(losses), ref=np.zeros(2)) if losses else 0.0
    assert (areas[-1] if areas else 0.0) == pytest.approx(expected, abs=1e-9)


def test_the_plain_values_say_who_is_on_it():
    assert accuracy([]) is None
    told = accuracy([individual(1, 1.0, 0.5), individual(2, 0.5, 0.1, 1), individual(3, 0.4, 0.3, 1)])
    assert [one["evaluation"] for one in told["front"]] == [1, 2]
    assert len(told["hypervolume"]) == 2


def outcome(schedule):
    """Faster the larger ``speed``, more precise the larger ``digits``; both together cannot be had."""
    speed, digits = schedule.speed, schedule.digits
    if speed + digits > 64:
        return Result(schedule, None)
    return Result(schedule, speed / 16, math.exp(-digits / 10))


def searched(strategy, evaluations):
    seen = []
    while len(seen) < evaluations:
        results = [outcome(proposal.schedule) for proposal in strategy.ask(8)]
        strategy.tell(results)
        seen += results
    return seen


def test_the_population_spreads_along_the_front():
    strategy = Nsga2(PLANE, np.random.default_rng(1))
    searched(strategy, 600)
    near = [one.schedule for one in strategy.population if one.schedule.speed + one.schedule.digits >= 60]
    assert len(near) > len(strategy.population) / 2
    assert max(one.speed for one in near) - min(one.speed for one in near) > 40


@pytest.mark.parametrize("seed", range(20))
def test_who_survives_is_whom_deap_selects(seed):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(60, 2))
    count = int(rng.integers(1, 61))
    individuals = [_Placed(place, tuple(pair)) for place, pair in enumerate(points.tolist())]
    selected = tools.selNSGA2(individuals, count)
    tools.selNSGA2(individuals, len(points))  # crowding distances of all fronts
    ranks = numpy_ranks(-points)

    def standing(one):
        return ranks[one.place], -one.fitness.crowding_dist

    found = [individuals[place] for place in nondominated_first(points, count)]
    assert len({one.place for one in found}) == count
    assert [standing(one) for one in found] == sorted(standing(one) for one in selected)


def test_equals_share_a_front():
    points = np.array([(1.0, 1.0), (0.0, 0.0), (1.0, 1.0), (0.0, 0.0), (0.5, 0.5)])
    assert sorted(nondominated_first(points, 2)) == [0, 2]
    assert sorted(nondominated_first(points, 9)) == [0, 1, 2, 3, 4]
    assert nondominated_first(points[:0], 9) == []


def test_a_champion_has_no_more_error_than_is_asked_for():
    fast, right = individual(1, 1.0, 0.5, gain=1.0), individual(2, 0.6, 0.1, gain=0.5)
    assert title_of([fast, right], []).individual is not None
    assert title_of([fast], [], 0.2).individual is None
    assert title_of([fast, right], [], 0.2).individual is right


def test_the_limit_is_a_share_of_what_is_tolerated():
    softmax = kernels.get("softmax")
    tolerated = softmax.tolerance((64, 64), "float32")
    spec = RunSpec(**{**vars(SPEC), "options": at_most(tolerated / 4, softmax, (64, 64), "float32")})
    assert most_error(spec) == pytest.approx(0.25)
    assert most_error(SPEC) == 1.0
    with pytest.raises(UsageError, match="more than the"):
        at_most(2 * tolerated, softmax, (64, 64), "float32")
    with pytest.raises(UsageError, match="is exact"):
        at_most(1e-9, kernels.get("transpose"), (64, 64), "float32")


def test_the_command_line_takes_the_limit(evolve, started):
    code, _, told = evolve("run", "softmax", "--size", "64", "--dtype", "float32", "--max-error", "1e-7", "--no-report")
    assert code == 0, told
    assert 0 < most_error(started.asked) < 1
    code, _, told = evolve("run", "softmax", "--max-error", "1")
    assert (code, told.count("\n")) == (2, 1)
