"""What more evaluations are worth, and when a search may stop for want of that."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known import KnownHarness

from benchmarks.bound import Bound
from benchmarks.outcome import Crashed, Measured
from evolve.controls.stops import GROUNDS, Replay, Stop, Stops, counted, recorded, stop_of, together
from evolve.early import stopping_early
from evolve.progress import StopRequest
from evolve.run import search
from evolve.search.testing import SYNTHETIC, TINY, synthetic_fitness
from evolve.session import Session, Surroundings
from evolve.store import Evaluation, Individual, Machine, OutcomeRecord, RunSpec
from evolve.tracker.gain import LEAST_MEASURED, WORTH, expected_gain, gain_of
from evolve.tracker.stopping import EXPLORED, LEAST_EVALUATIONS, Flat, Neighbourhood, is_flat, neighbourhood

DRAWS = np.random.default_rng(0)


def individual(number, fitness, schedule=None, arm="search"):
    """``fitness`` None is a crash, ``...`` is still pending."""
    asked = Evaluation("r", number, 0, 0, arm, "mutate", schedule or {"a": number}, (), f"s{number}")
    if fitness is ...:
        return Individual(asked, None)
    outcome = Crashed("") if fitness is None else Measured(time_s=math.exp(-fitness))
    return Individual(asked, OutcomeRecord("r", number, outcome, "", fitness))


# -- what more evaluations are worth ------------------------------------------------------------------------------


@pytest.mark.parametrize("draw", ["exponential", "gumbel", "uniform", "normal"])
def test_the_interval_holds_what_as_many_draws_again_bring(draw):
    rng, held, m = np.random.default_rng(1), [], 150
    for _ in range(120):
        drawn = getattr(rng, draw)(size=2 * m)
        found = gain_of(drawn[:m], m)
        brought = max(0.0, drawn[m:].max() - drawn[:m].max())
        held.append(found.gain.low <= brought <= found.gain.high)
    assert np.mean(held) >= 0.92


def test_the_mean_gain_of_exponential_draws_is_ln_2_of_their_scale():
    """E[max of 2m] - E[max of m] = sum of 1/k from m + 1 to 2m, times the scale (Renyi's representation)."""
    rng = np.random.default_rng(2)
    means = [gain_of(rng.exponential(0.1, 200), 200).gain.estimate for _ in range(100)]
    # what five draws leave open of the scale makes the mean of the predictions larger, by 5 / 4 at least
    assert 0.1 * math.log(2) * 0.9 <= np.mean(means) <= 0.1 * math.log(2) * 1.6


@settings(max_examples=25)
@given(st.integers(20, 300), st.integers(1, 300), st.integers(0, 1000))
def test_more_evaluations_are_never_worth_less(m, n, seed):
    drawn = np.random.default_rng(seed).normal(size=m)
    few, many = gain_of(drawn, n), gain_of(drawn, 2 * n)
    assert 0 <= few.gain.low <= few.gain.high <= many.gain.high * (1 + 1e-6)
    assert few.gain.estimate <= many.gain.estimate * (1 + 1e-6)
    assert 0 <= few.chance <= many.chance <= 1


def test_nothing_lies_beyond_the_cap():
    drawn = np.random.default_rng(3).exponential(size=100)
    free = gain_of(drawn, 1000)
    near = gain_of(drawn, 1000, cap=drawn.max() + 0.1)
    assert free.gain.high > 0.1 >= near.gain.high
    assert near.gain.estimate <= 0.1
    assert gain_of(drawn, 1000, cap=drawn.max() + WORTH / 2).chance == 0.0
    assert gain_of(drawn, 1000, cap=drawn.max() - 0.5).gain.high == 0.0


def test_equal_scores_promise_nothing():
    found = gain_of(np.full(50, 0.7), 50)
    assert found.gain.high == pytest.approx(0.0, abs=1e-6)
    assert found.chance == pytest.approx(0.0)


def test_few_or_no_figures_say_nothing():
    assert gain_of(np.zeros(LEAST_MEASURED - 1), 10) is None
    assert gain_of(np.full(100, math.nan), 10) is None
    assert gain_of(np.arange(30.0), 0) is None


def test_failed_evaluations_are_draws_that_brought_nothing():
    drawn = np.random.default_rng(4).exponential(size=60)
    failed = np.concatenate([drawn, np.full(60, math.nan)])
    assert gain_of(failed, 60).gain.estimate < gain_of(drawn, 60).gain.estimate


def test_a_gain_is_told_in_plain_values():
    known = [individual(n, float(fitness)) for n, fitness in enumerate(DRAWS.exponential(size=40), 1)]
    found = expected_gain([*known, individual(41, None), individual(42, ...)], 100, 0.5)
    assert found.seconds == 50.0
    told = found.as_dict()
    json.dumps(told, allow_nan=False)
    assert told["gain"]["low"] <= told["gain"]["estimate"] <= told["gain"]["high"]
    assert "100 evaluations more" in told["says"]
    assert expected_gain(known, 100, 0.5) == expected_gain(known, 100, 0.5)


# -- where a search has looked ------------------------------------------------------------------------------------


def grid(values, arm="search"):
    """Individuals on a grid of two genes; the score of each by its place."""
    return [individual(n, score, {"a": a, "b": b}, arm) for n, ((a, b), score) in enumerate(values.items(), 1)]


def test_explored_is_the_share_of_one_gene_variants_that_were_tried():
    # a and b take three values each: four variants of (0, 0), of which three were tried
    known = grid({(0, 0): 9.0, (1, 0): 1.0, (2, 0): None, (0, 1): 1.0, (1, 2): 1.0})
    assert neighbourhood(known, best=1).explored == pytest.approx(3 / 4)


def test_a_schedule_tried_twice_is_explored_once():
    known = grid({(0, 0): 9.0, (1, 0): 1.0, (1, 2): 1.0})
    again = individual(9, 1.0, {"a": 1, "b": 0}, "control")
    assert neighbourhood([*known, again], best=1).explored == neighbourhood(known, best=1).explored == 0.5


def test_variants_are_held_against_random_draws():
    near = grid({(0, 0): 9.0, (1, 0): 5.0, (0, 1): 3.0})
    draws = [individual(n, score, {"a": n, "b": n}, "control") for n, score in ((11, 4.0), (12, None), (13, 3.0))]
    # 5 beats all three, 3 beats one and ties with one
    assert neighbourhood([*near, *draws], best=1).better == pytest.approx((3 + 1.5) / 6)
    assert neighbourhood(near, best=1).better == 0.5


def test_nothing_tried_is_nothing_known():
    assert neighbourhood([]).explored == 0.0
    assert neighbourhood([individual(1, None)]).explored == 0.0
    assert neighbourhood([individual(1, 1.0)]).explored == 0.0


# -- whether it may stop ------------------------------------------------------------------------------------------


def replay(ground, evaluations, number=0):
    rng = np.random.default_rng([7, number])
    made = Replay(*ground.plant(rng), ground.strategy, rng)
    made.to(evaluations)
    return made


def named(name):
    return next(ground for ground in GROUNDS if ground.name == name)


@pytest.fixture(scope="module")
def converged():
    """All that a search asked for until it was flat, or for 900 evaluations, and what the rule said on the way."""
    made = replay(named("blocks"), 120)
    said = [is_flat(made.individuals)]
    while not said[-1].is_flat and made.to(made.evaluations + 80) and made.evaluations < 900:
        said.append(is_flat(made.individuals))
    return made.individuals, said


def test_a_search_that_has_converged_is_flat_and_one_that_climbs_is_not(converged):
    early, found = converged[1][0], converged[1][-1]
    assert not early.is_flat
    assert early.near.explored < EXPLORED
    assert found.is_flat
    assert found.near.explored >= EXPLORED
    assert found.recent <= WORTH
    assert "has gone flat" in found.says
    json.dumps(found.as_dict(), allow_nan=False)


@pytest.mark.parametrize("name", ["random", "endless"])
def test_random_draws_and_scores_without_order_are_never_flat(name):
    made = replay(named(name), 600)
    assert not any(is_flat(made.individuals[:n]).is_flat for n in range(100, len(made.individuals), 100))


def test_without_draws_to_compare_with_or_figures_nothing_is_flat(converged):
    known = [i for i in converged[0] if i.evaluation.arm == "search"]
    assert not is_flat(known).is_flat
    for few in ([], known[: LEAST_EVALUATIONS - 1], [individual(n, None) for n in range(1, 200)]):
        found = is_flat(few)
        assert not found.is_flat
        assert "too early" in found.says
        assert found.as_dict()["recent"] is None


def test_identical_scores_are_never_an_error():
    flat = [individual(n, 0.0, {"a": n % 9, "b": n // 9}, "control" if n % 7 == 0 else "search") for n in range(1, 80)]
    assert not is_flat(flat).is_flat


# -- the rule's own error rates -----------------------------------------------------------------------------------


def test_a_stop_is_false_where_the_budget_again_brings_over_two_percent():
    stops = [Stop(600, 1000, 0.01), Stop(500, 1000, 0.03), Stop(1000, 1000, 0.0)]
    found = Stops.of(stops)
    assert (found.runs, found.stopped, found.false_stops) == (3, 2, 1)
    assert found.saved == pytest.approx(0.3)
    assert found.rate.low < 1 / 3 < found.rate.high
    assert together([found, Stops.of([])]) == found
    assert together([found, found]).runs == 6


def test_a_stop_that_comes_too_early_is_found_out(monkeypatch):
    monkeypatch.setattr("evolve.controls.stops.is_flat", lambda _known: _Always())
    rng = np.random.default_rng(5)
    found = stop_of(Replay(SYNTHETIC, synthetic_fitness, "genetic", rng), budget=300)
    assert found.evaluations <= 40
    assert found.is_false


class _Always:
    is_flat = True


def test_equal_runs_stop_alike():
    ground = named("blocks")
    assert counted(ground, range(1), budget=100) == counted(ground, range(1), budget=100)
    assert replay(ground, 60).individuals == replay(ground, 60).individuals


def test_a_space_that_is_exhausted_needs_no_stop():
    assert stop_of(Replay(TINY, lambda _: 1.0, "random", np.random.default_rng(0)), budget=200).missed == 0.0


# -- recorded spaces ----------------------------------------------------------------------------------------------


FOLDER = os.environ.get("EVOLVE_RECORDED", "")


@pytest.mark.slow
@pytest.mark.skipif(not FOLDER, reason="EVOLVE_RECORDED names no folder of recorded spaces")
def test_the_rule_rarely_stops_falsely_on_recorded_spaces():
    found = together(recorded(Path(FOLDER), runs=5).values())
    assert found.false_stops <= 0.05 * found.runs + 1
    assert found.saved > 0.2


# -- a run that stops ---------------------------------------------------------------------------------------------


@pytest.fixture
def store(store):
    store.add_machine(Machine("m", {}))
    return store


def spec(**changes):
    given = {
        "kernel": "triad", "size": (1000,), "dtype": "float64", "threads": 1, "strategy": "genetic", "seed": 3,
        "control_share": 0.15, "budget": "900evals", "batch_size": 8, "machine": "m", **changes,
    }  # fmt: skip
    return RunSpec(**given)


def session(store, run):
    around = Surroundings(store, KnownHarness(), Bound("made up", 0.1), lambda _progress: None, StopRequest())
    return Session(run, around)


@pytest.fixture
def flat_from_40(monkeypatch):
    """A rule that says flat from 40 evaluations on."""

    def rule(individuals):
        paid = sum(i.is_paid for i in individuals)
        return Flat(paid >= 40, paid, Neighbourhood(0.6, 0.9), 0.0, 0.1)

    monkeypatch.setattr("evolve.early.is_flat", rule)


@pytest.mark.usefixtures("flat_from_40")
def test_a_run_stops_when_flat_says_why_and_stays_stopped(store):
    run = store.create_run(spec(options=stopping_early()))
    for _ in range(2):
        search(session(store, run))
        assert 40 <= sum(i.is_paid for i in store.individuals(run.id)) < 48
        said = [event.detail for event in store.events(run.id) if event.kind == "flat"]
        assert len(said) == 1
        assert "has gone flat" in said[0]


@pytest.mark.usefixtures("flat_from_40")
def test_a_run_that_was_not_asked_to_stop_uses_its_budget_up(store):
    run = store.create_run(spec(budget="60evals"))
    search(session(store, run))
    assert sum(i.is_paid for i in store.individuals(run.id)) == 60
    assert "flat" not in {event.kind for event in store.events(run.id)}


def test_the_command_line_hands_the_wish_over(evolve, started):
    assert evolve("run", "triad", "--stop-when-flat", "--no-report")[0] == 0
    assert started.asked.options == stopping_early()
    assert evolve("run", "triad", "--no-report")[0] == 0
    assert started.asked.options == {}
