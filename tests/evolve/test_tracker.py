"""The tracker on planted records: curve, null, luck, headroom, life, verdict, summary."""

import dataclasses
import itertools
import json
import math
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.inference import Estimate
from benchmarks.outcome import Crashed, Impossible, Measured, TimedOut
from evolve.store import (
    Batch,
    Bound,
    Checkpoint,
    Evaluation,
    Individual,
    OutcomeRecord,
    Publication,
    RunEvent,
    utc_now,
)
from evolve.store.testing import evaluation, measured, new_run
from evolve.tracker import (
    Null,
    best_so_far,
    champion,
    drought_probability,
    evaluations_since_improvement,
    headroom,
    improvements,
    lead,
    run_verdict,
    summary,
    surpassing,
)
from evolve.tracker.null import best_of_weights
from evolve.tracker.status import elapsed_s, is_alive, status


def individual(number, fitness, arm="search", duplicate_of=None, outcome=None):
    """``fitness`` None is a crash, ``...`` is still pending."""
    asked = Evaluation("r", number, number, 0, arm, "mutate", {"mr": number}, (), f"s{number}", duplicate_of)
    if fitness is ...:
        return Individual(asked, None)
    outcome = outcome or (Crashed("signal 11") if fitness is None else Measured(time_s=math.exp(-fitness)))
    return Individual(asked, OutcomeRecord("r", number, outcome, "2026-01-01T00:00:00+00:00", fitness))


def individuals(search=(), control=()):
    arms = [(fitness, "search") for fitness in search] + [(fitness, "control") for fitness in control]
    return [individual(number, fitness, arm) for number, (fitness, arm) in enumerate(arms, start=1)]


# -- the curve -----------------------------------------------------------------------------------------------


def test_the_curve_is_the_best_so_far_and_never_a_product():
    curve = best_so_far(individuals([None, 0.5, 0.1, None, 0.9, 0.9, 0.2]))
    np.testing.assert_array_equal(curve, [math.nan, 0.5, 0.5, 0.5, 0.9, 0.9, 0.9])


def test_only_evaluations_that_were_paid_for_count():
    known = [individual(1, 0.5), individual(2, 0.5, duplicate_of=1), individual(3, ...), individual(4, 0.7)]
    np.testing.assert_array_equal(best_so_far(known), [0.5, 0.7])
    assert [(i.evaluations, i.fitness) for i in improvements(known)] == [(1, 0.5), (2, 0.7)]


def test_what_beats_the_hardware_is_no_champion():
    lie = individual(2, None, outcome=Impossible("beats the bound"))
    assert champion([individual(1, 0.5), lie]).evaluation.number == 1


def test_the_champion_is_the_earliest_of_equals_of_either_arm():
    known = individuals([0.5, None], [0.9, 0.9])
    assert champion(known).evaluation.number == 3
    assert evaluations_since_improvement(known) == 1


def test_without_a_measurement_there_is_no_champion():
    for known in ([], individuals([None, None]), [individual(1, ...)]):
        assert champion(known) is None
        assert evaluations_since_improvement(known) is None
    assert best_so_far([]).shape == (0,)


# -- the null ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("m", "n"), [(1, 1), (3, 2), (4, 3), (5, 4), (3, 6)])
def test_weights_are_those_of_all_draws_with_replacement(m, n):
    values = np.sort(np.random.default_rng(0).normal(size=m))
    every = np.mean([max(draw) for draw in itertools.product(values, repeat=n)])
    assert best_of_weights(m, n, tail=0) @ values == pytest.approx(every, rel=1e-12)


@given(st.integers(6, 80), st.integers(1, 500), st.integers(0, 5))
def test_weights_sum_to_one(m, n, tail):
    assert best_of_weights(m, n, tail).sum() == pytest.approx(1)


@given(st.integers(6, 60), st.integers(0, 2**32 - 1))
def test_the_best_of_one_is_the_mean(m, seed):
    values = np.sort(np.random.default_rng(seed).normal(size=m))
    assert best_of_weights(m, 1) @ values == pytest.approx(values.mean(), abs=1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(10, 60))
def test_more_draws_are_never_worse(seed, m):
    values = np.sort(np.random.default_rng(seed).normal(size=m))
    best = [best_of_weights(m, n) @ values for n in (1, 2, 5, 10, 20, 50, 100, 200)]
    assert (np.diff(best) >= -1e-12).all()


def test_the_tail_is_an_exponential_with_the_mean_of_the_best_five():
    m, n, rng = 40, 120, np.random.default_rng(3)
    values = np.sort(rng.normal(size=m))
    threshold = values[-6]
    picked = rng.integers(m, size=(20_000, n))
    excess = rng.exponential((values[-5:] - threshold).mean(), size=picked.shape)
    drawn = np.where(picked >= m - 5, threshold + excess, values[picked])
    assert best_of_weights(m, n) @ values == pytest.approx(drawn.max(1).mean(), abs=0.02)


def test_a_failed_draw_counts_as_the_worst_and_a_duplicate_as_its_original():
    values = [float(k) for k in range(12)]
    known = individuals([99.0], [*values, None, None])
    known.append(individual(16, 11.0, "control", duplicate_of=13))
    null = Null.of(known)
    np.testing.assert_array_equal(null.fitnesses, [0, 0, *values, 11])
    assert null.measured == 13
    assert null.best_of(1).fitness.estimate == pytest.approx(np.mean([0, 0, *values, 11]))


def test_the_null_is_refused_where_the_sample_does_not_carry_it():
    assert Null.of(individuals([1.0] * 50, [0.5] * 9 + [None] * 20)) is None
    null = Null.of(individuals([], np.linspace(0, 0.1, 10)))
    assert null.best_of(0) is None
    assert null.best_of(101) is None
    assert [(point.n, point.is_extrapolated) for point in null.curve([0, 1, 10, 11, 100, 101])] == [
        (1, False),
        (10, False),
        (11, True),
        (100, True),
    ]
    assert null.curve([]) == []


def test_a_null_that_says_nothing_is_refused():
    """33 draws that differ by factors carry no statement of the best of 222, and none that is the cap itself."""
    rng = np.random.default_rng(4)
    wide = individuals([], rng.normal(2, 0.5, size=33))
    assert Null.of(wide).best_of(222) is None
    assert Null.of(wide).best_of(33) is not None
    cap = max(i.fitness for i in wide) + 0.2
    capped = Null.of(wide, Bound("r", at(0), "fma", math.exp(-cap), 1.0))
    assert capped.best_of(33) is None
    furthest = capped.furthest(222)
    assert 1 <= furthest.n < 33
    assert furthest.fitness.high < cap
    near = Null.of(individuals([], rng.normal(2, 0.01, size=33)), Bound("r", at(0), "fma", math.exp(-2.03), 1.0))
    assert near.best_of(222).fitness.high == pytest.approx(2.03)
    assert near.furthest(222).n == 222


def test_the_same_records_give_the_same_interval():
    known = individuals([], np.random.default_rng(1).normal(0, 0.1, size=30))
    assert Null.of(known).best_of(100) == Null.of(known).best_of(100)


@pytest.mark.parametrize("draw", ["normal", "uniform", "standard_exponential"])
@pytest.mark.parametrize(("m", "n"), [(20, 130), (45, 300), (45, 45)])
def test_the_interval_holds_the_truth(draw, m, n):
    rng = np.random.default_rng(5)
    truth = getattr(rng, draw)(size=(4000, n)).max(1).mean() / 100
    points = [Null.of(individuals([], getattr(rng, draw)(size=m) / 100)).best_of(n).fitness for _ in range(100)]
    held = np.mean([point.low <= truth <= point.high for point in points])
    assert held >= 0.8


def test_the_lead_is_a_ratio_of_speedups():
    point = Null.of(individuals([], np.linspace(0, 1, 20))).best_of(20)
    ahead = lead(point.fitness.high, point)
    assert ahead.low == pytest.approx(1)
    assert ahead.low <= ahead.estimate <= ahead.high
    assert ahead.estimate == pytest.approx(math.exp(point.fitness.high - point.fitness.estimate))


# -- luck ----------------------------------------------------------------------------------------------------


def test_surpassing_has_the_probability_of_all_orders():
    """Every way to deal 7 ranks to 4 search and 3 control draws."""
    deals = list(itertools.combinations(range(7), 4))
    above = [sum(rank > max(set(range(7)) - set(deal)) for rank in deal) for deal in deals]
    for at_least in range(1, 5):
        search = [10.0] * at_least + [0.0] * (4 - at_least)
        found = surpassing(individuals(search, [1.0, 2.0, 3.0]))
        assert found.above == at_least
        assert found.probability == pytest.approx(np.mean(np.array(above) >= at_least))


def test_surpassing_counts_failures_as_worst_and_needs_both_arms():
    found = surpassing(individuals([None, 1.0, 0.1], [None, 0.5]))
    assert (found.above, found.search, found.control) == (1, 3, 2)
    assert surpassing(individuals([1.0], [None])) is None
    assert surpassing(individuals([], [1.0])) is None
    assert surpassing(individuals([0.1] * 900, [0.5] * 100)).probability == 1
    assert surpassing(individuals([1.0] * 9000, [0.5] * 1000)).probability < 1e-300


def test_a_control_draw_that_repeats_the_champion_is_not_surpassed_by_it():
    known = [*individuals([2.0, 1.0], [0.5]), individual(4, 2.0, "control", duplicate_of=1)]
    found = surpassing(known)
    assert (found.above, found.control, found.probability) == (0, 2, 1.0)


def test_a_drought_has_the_probability_of_all_orders():
    orders = list(itertools.permutations(range(6)))
    for since in range(6):
        quiet = np.mean([max(order[: 6 - since]) == 5 for order in orders])
        assert drought_probability(6, since) == pytest.approx(quiet)


# -- headroom ------------------------------------------------------------------------------------------------


def test_headroom_is_in_units_of_speedup():
    room = headroom(baseline_s=10.0, bound_s=1.0, time_s=1.25)
    assert room.as_dict() == {"cap": 10.0, "fraction": 0.8, "left": 1.25}
    with pytest.raises(ValueError, match="positive"):
        headroom(baseline_s=10.0, bound_s=0.0, time_s=1.0)


# -- status and time -----------------------------------------------------------------------------------------


def at(second):
    return f"2026-01-01T00:00:{second:02}.000000+00:00"


def event(kind, second=0, **changes):
    return RunEvent("r", kind, at(second), **changes)


def test_status_is_what_was_written_last():
    assert status([]) == "created"
    assert status([event("started")], alive=lambda _: True) == "running"
    assert status([event("started"), event("interrupted"), event("resumed")], alive=lambda _: False) == "killed"
    for kind in ("interrupted", "finished", "failed"):
        assert status([event("started"), event(kind)], alive=pytest.fail) == kind


def test_a_process_is_alive_until_it_is_gone():
    here = {"host": socket.gethostname()}
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    told = RunEvent("r", "started", utc_now(), pid=child.pid, **here)
    assert is_alive(told)
    assert is_alive(dataclasses.replace(told, pid=os.getpid()))
    assert not is_alive(dataclasses.replace(told, at="2001-01-01T00:00:00+00:00"))
    child.kill()
    child.wait()
    assert not is_alive(told)
    assert is_alive(dataclasses.replace(told, host="another host"))


def test_time_runs_only_while_a_session_does():
    events = [event("started", 0), event("interrupted", 10), event("resumed", 30), event("finished", 35)]
    assert elapsed_s(events, [at(32), at(5)]) == 15
    killed = [event("started", 0), event("resumed", 30)]
    assert elapsed_s(killed, [at(12), at(31)]) == 13
    assert elapsed_s([], []) == 0


# -- verdict -------------------------------------------------------------------------------------------------


def test_one_run_is_always_undecided_and_says_why():
    rng = np.random.default_rng(0)
    known = individuals([*rng.normal(0, 0.1, size=80), 5.0, 4.0, 3.0], rng.normal(0, 0.1, size=17))
    bound = Bound("r", at(0), "fma", 0.5 * math.exp(-5.0), 1.0)
    verdict = run_verdict(known, bound, None)
    assert verdict.verdict == "UNDECIDED"
    text = "; ".join(verdict.reasons)
    for part in ("no laps", "50% of the bound (fma)", "best of 100 is", "draws, extrapolated", "control draws: luck"):
        assert part in text
    assert "19 evaluations since the last improvement: luck alone pauses so long with probability 0.81" in text
    assert "by its search estimate" in text


def test_a_run_without_anything_says_that():
    assert run_verdict([], None, None).reasons[1:] == ("no schedule has been measured yet",)
    few = run_verdict(individuals([0.5], [0.1]), None, None)
    assert any("too few control draws" in reason for reason in few.reasons)
    assert any("bound is not known" in reason for reason in few.reasons)
    lone = run_verdict(individuals([0.5] * 200, [0.1] * 10), None, None)
    assert any("10 control draws do not say what 210 would find" in reason for reason in lone.reasons)


# -- summary -------------------------------------------------------------------------------------------------


PROMISED = {
    "schema", "run", "kernel", "problem", "machine", "evaluations", "evaluations_per_s", "phases_s", "outcomes",
    "champion", "null", "verdict", "status", "seed", "strategy", "budget", "elapsed_s",
}  # fmt: skip


def told(store, run):
    text = json.dumps(summary(store, run.id), allow_nan=False)
    return json.loads(text)


def test_a_run_with_nothing_in_it_has_a_summary(store):
    run = new_run(store)
    found = told(store, run)
    assert set(found) >= PROMISED
    assert found["problem"] == {"size": [64, 64, 64], "dtype": "float64", "threads": 1, "policy": "hot"}
    assert found["champion"] is None
    assert found["null"]["best_of_n"] is None
    assert found["verdict"]["verdict"] == "UNDECIDED"
    assert (found["evaluations"], found["evaluations_per_s"], found["status"]) == (0, 0.0, "created")


def play(store):
    """A run of 30 evaluations, 12 of them control draws, one of these a duplicate, with the best in number 7."""
    run = new_run(store)
    store.add_event(run.id, "started")
    store.add_bound(Bound(run.id, utc_now(), "fma", 1e-4, 2e-3))
    arms = {number: {"arm": "control", "operator": "sample"} for number in range(19, 31)}
    arms[30] |= {"duplicate_of": 19, "source_key": "source-19"}
    store.add_batch(Batch(run.id, 0, utc_now()), [evaluation(run, n, **arms.get(n, {})) for n in range(1, 31)])
    for number in range(1, 29):
        store.add_outcome(measured(run, number, fitness=2.0 if number == 7 else 0.01 * number))
    store.add_outcome(OutcomeRecord(run.id, 29, TimedOut("over 5 s"), utc_now()))
    store.add_phases(run.id, 0, {"measure": 3.0, "build": 1.0})
    return run


def test_a_search_estimate_is_not_dressed_up_as_a_speedup(store):
    found = told(store, play(store))
    best = found["champion"]
    assert (best["source"], best["speedup"], best["time_s"], best["bound_fraction"]) == ("search_estimate",) + (
        None,
    ) * 3
    assert best["search_estimate"]["speedup"] == pytest.approx(math.exp(2.0))
    assert best["schedule"] == {"mr": 7, "order": "ikj", "pack": True}
    assert best["bound"] == {"limit": "fma", "time_s": 1e-4}
    assert best["cap"] == pytest.approx(20)
    assert (found["evaluations"], found["duplicates"]) == (29, 1)
    assert found["outcomes"] == {"Measured": 28, "TimedOut": 1}
    assert found["phases_s"] == {"build": 1.0, "verify": 0.0, "measure": 3.0, "search": 0.0, "other": 0.0}
    assert found["status"] == "running"
    assert found["evaluations_per_s"] > 0
    assert (found["null"]["n"], found["null"]["control"], found["null"]["measured"]) == (29, 12, 11)
    assert set(found["null"]["best_of_n"]) == {"estimate", "low", "high", "level"}
    assert 1 < found["null"]["best_of_n"]["estimate"] < 2


def test_a_checkpoint_names_the_champion_and_its_speedup(store):
    run = play(store)
    store.add_checkpoint(Checkpoint(run.id, 9, 20, 1.0, 2.0, Estimate(5.0, 4.0, math.inf), {}, utc_now()))
    best = told(store, run)["champion"]
    assert (best["source"], best["evaluation"]) == ("checkpoint", 9)
    assert best["speedup"] == {"estimate": 5.0, "low": 4.0, "high": None, "level": 0.95}
    assert best["time_s"] is None


def test_a_publication_is_what_is_shown(store):
    run = play(store)
    rivals = {"OpenBLAS": Estimate(0.98, 0.97, 0.99)}
    store.add_publication(
        Publication(run.id, 9, utc_now(), 10, 30, 2e-4, Estimate(9.0, 8.8, 9.2), rivals, "fma", 1e-4, 0.5, "hash", {})
    )
    store.add_event(run.id, "finished")
    found = told(store, run)
    best = found["champion"]
    assert (best["source"], best["evaluation"], best["source_hash"]) == ("published", 9, "hash")
    assert best["speedup"] == {"estimate": 9.0, "low": 8.8, "high": 9.2, "level": 0.95}
    assert best["rivals"]["OpenBLAS"]["estimate"] == 0.98
    assert (best["time_s"], best["bound_fraction"], best["bound"]) == (2e-4, 0.5, {"limit": "fma", "time_s": 1e-4})
    assert found["status"] == "finished"
    assert "50% of the bound (fma): at most 2.00x is left" in " ".join(found["verdict"]["reasons"])
