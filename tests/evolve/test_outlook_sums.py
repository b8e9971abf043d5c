"""What a run cost and what it is worth: break-even, the front, Amdahl's law."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.inference import Estimate
from evolve.store import Batch, Bound, Checkpoint, Publication, utc_now
from evolve.store.testing import evaluation, measured, new_run
from evolve.tracker.amdahl import program_speedup, waterfall
from evolve.tracker.breakeven import break_even, break_evens
from evolve.tracker.front import Mark, Trace, front, pareto, placed

TWICE = Estimate(2.0, 1.8, 2.2)
speedups = st.floats(1.0, 1e4)
shares = st.floats(0.001, 0.999)


# -- Amdahl -------------------------------------------------------------------------------------------------------


def test_a_kernel_a_quarter_faster_is_one_percent_of_the_program():
    found = waterfall(Estimate(1.23, 1.20, 1.26), 0.053, cap=4.0)
    champion, bound, free = found.steps
    assert champion.program.estimate == pytest.approx(1.01, abs=1e-4)
    assert champion.saved.low < champion.saved.estimate < champion.saved.high
    assert bound.saved.estimate == pytest.approx(0.053 * (1 - 1 / 4))
    assert free.program.estimate == pytest.approx(1 / (1 - 0.053))
    assert free.saved.estimate == pytest.approx(0.053)
    assert "saves 0.99 %" in found.says


@given(speedups, shares)
def test_the_program_never_gains_more_than_its_kernel_nor_than_a_free_one(speedup, share):
    found = waterfall(Estimate(speedup, speedup, speedup), share)
    program = found.steps[0].program.estimate
    assert 1 - 1e-9 <= program <= speedup * (1 + 1e-9)
    assert program <= found.steps[-1].program.estimate
    assert [step.name for step in found.steps] == ["champion", "free"]
    assert 0 < found.share_left <= share * (1 + 1e-9)


def test_what_is_left_of_the_kernel_is_its_share_of_the_new_program():
    found = waterfall(TWICE, 0.5)
    assert found.share_left == pytest.approx(0.25 / 0.75)
    assert program_speedup(math.inf, 0.5) == 2.0


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 53.0, math.nan])
def test_a_share_outside_of_nought_and_one_is_refused(share):
    with pytest.raises(ValueError, match="share"):
        waterfall(TWICE, share)


def test_a_speedup_must_be_positive():
    with pytest.raises(ValueError, match="positive"):
        waterfall(Estimate(0.0, 0.0, 0.0), 0.5)


def test_a_kernel_that_became_slower_costs_the_program():
    assert waterfall(Estimate(0.5, 0.4, 0.6), 0.5).steps[0].saved.estimate == pytest.approx(-0.5)


# -- break-even ---------------------------------------------------------------------------------------------------


def test_a_search_has_paid_once_its_calls_saved_what_it_cost():
    found = break_even(100.0, 1.0, TWICE)
    assert found.calls.estimate == pytest.approx(100.0)
    assert found.calls.estimate * found.saved_s.estimate == pytest.approx(found.spent_s)
    assert found.work_s.estimate == pytest.approx(200.0)
    assert found.calls.low == pytest.approx(100 / 1.2)
    assert found.calls.high == pytest.approx(100 / 0.8)


def test_what_may_not_be_faster_may_never_pay():
    found = break_even(100.0, 1.0, Estimate(1.05, 0.99, 1.1))
    assert found.calls.high == math.inf
    assert found.as_dict()["calls"]["high"] is None
    assert "to never" in found.says
    never = break_even(100.0, 1.0, Estimate(0.9, 0.8, 1.0))
    assert never.calls.low == never.calls.estimate == math.inf
    assert "never pays" in never.says


def test_an_open_ratio_leaves_the_calls_closed_below():
    found = break_even(100.0, 1.0, Estimate(2.0, 0.0, math.inf))
    assert found.calls.low == pytest.approx(0.0, abs=1e-9)
    assert found.calls.high == math.inf


def test_libraries_are_ways_of_doing_without_too():
    told = break_evens(60.0, _publication("r", 1, TWICE, rivals={"numpy": Estimate(1.1, 1.0, 1.2)}))
    assert [one.against for one in told] == ["plain loop", "numpy"]
    assert told[1].calls.estimate > told[0].calls.estimate


def test_a_call_takes_time():
    with pytest.raises(ValueError, match="nothing to reckon"):
        break_even(1.0, 0.0, TWICE)


# -- the front ----------------------------------------------------------------------------------------------------


def mark(cpu_s, gap, half=0.005):
    return Mark(cpu_s, Estimate(gap, gap - half, gap + half))


def run_of(name, *marks, spent_s=100.0):
    return Trace(name, tuple(mark(*each) for each in marks), spent_s)


def move(mine, *before):
    return placed(mine, before, (*before, mine))


def test_the_first_run_of_a_problem_moves_nothing():
    found = move(run_of("a", (10, 0.5)))
    assert (found.move, found.gain, found.chance) == ("first", None, None)


def test_better_at_equal_cost_moves_the_front_and_luck_is_named():
    found = move(run_of("c", (50, 0.1)), run_of("a", (10, 0.5)), run_of("b", (20, 0.3)))
    assert found.move == "moved"
    assert found.gain.estimate == pytest.approx(0.2)
    assert (found.rivals, found.chance) == (2, pytest.approx(1 / 3))
    assert "moved the front" in found.says


def test_better_only_for_more_cost_walks_along_the_front():
    found = move(run_of("b", (20, 0.5), (900, 0.1), spent_s=1000.0), run_of("a", (10, 0.5)))
    assert found.move == "along"
    assert found.chance is None


def test_worse_at_equal_cost_stays_behind_it():
    found = move(run_of("b", (50, 0.4)), run_of("a", (10, 0.1)))
    assert found.move == "behind"
    assert "an earlier run" in found.says or "before it" in found.says


def test_a_difference_within_the_intervals_moves_nothing():
    assert move(run_of("b", (50, 0.3, 0.2)), run_of("a", (10, 0.4, 0.2))).move == "along"


def test_a_difference_that_sessions_make_moves_nothing():
    assert move(run_of("b", (50, 0.392, 0.0)), run_of("a", (10, 0.4, 0.0))).move == "along"


def test_a_run_without_a_champion_by_then_stays_behind():
    found = move(run_of("b", (150, 0.4), spent_s=200.0), run_of("a", (10, 0.1)))
    assert (found.move, found.gain) == ("behind", None)
    assert "no champion yet" in found.says


@given(st.lists(st.tuples(st.floats(1, 100), st.floats(0, 1)), min_size=1, max_size=20))
def test_nothing_on_the_front_is_beaten_in_both(marks):
    made = run_of("a", *marks)
    points = [point for _, point in pareto([made])]
    for point in points:
        others = [m for m in made.marks if m != point]
        assert not any(
            m.cpu_s <= point.cpu_s and m.gap.estimate <= point.gap.estimate
            for m in others
            if (m.cpu_s, m.gap.estimate) != (point.cpu_s, point.gap.estimate)
        )
    assert min(m.gap.estimate for m in made.marks) == points[-1].gap.estimate


def _publication(run, evaluation, speedup, rivals=None):
    return Publication(
        run=run,
        evaluation=evaluation,
        measured_at=utc_now(),
        launches=5,
        rounds=12,
        time_s=0.5,
        speedup=speedup,
        rivals=rivals or {},
        bound_limit="fma",
        bound_time_s=0.25,
        bound_fraction=0.5,
        source_hash="ab",
        samples={},
    )


def plant(store, speedup, *, bound_s=0.25, **changes):
    """A run with one champion, checked at 20 of 100 s and published."""
    run = new_run(store, **changes)
    store.add_batch(Batch(run.id, 0, utc_now()), [evaluation(run, 1)])
    store.add_outcome(measured(run, 1))
    store.add_bound(Bound(run.id, utc_now(), "fma", bound_s, 1.0))
    checked = Estimate(speedup, 0.99 * speedup, 1.01 * speedup)
    store.add_checkpoint(Checkpoint(run.id, 1, 30, 20.0, 40.0, checked, {}, utc_now()))
    store.add_phases(run.id, 0, {"measure": 100.0})
    return run


def test_the_front_is_that_of_one_problem_on_one_machine(store):
    first = plant(store, 2.0)
    plant(store, 3.9, size=(8, 8, 8))
    plant(store, 3.9, policy="flush")
    third = plant(store, 3.0)
    assert front(store, first.id).move == "first"
    found = front(store, third.id)
    assert found.move == "moved"
    assert [trace.run for trace in found.traces] == [first.id, third.id]
    assert found.gain.estimate == pytest.approx(math.log(3.0 / 2.0))
    assert found.traces[0].spent_s == pytest.approx(200.0)


def test_gaps_are_held_against_one_bound_and_the_published_figure_counts(store):
    first = plant(store, 2.0)
    second = plant(store, 2.0, bound_s=0.2)
    store.add_publication(_publication(second.id, 1, Estimate(2.5, 2.4, 2.6)))
    found = front(store, second.id)
    gaps = {trace.run: trace.marks[0].gap.estimate for trace in found.traces}
    assert gaps[first.id] == pytest.approx(math.log(5 / 2.0))
    assert gaps[second.id] == pytest.approx(math.log(5 / 2.5))
    assert found.as_dict()["points"]


def test_a_run_without_a_fresh_figure_has_no_place(store):
    assert front(store, new_run(store).id) is None
