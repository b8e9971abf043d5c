"""When the incumbent is measured against the baseline, and the curve that comes of it."""

from __future__ import annotations

import math

import pytest
from known import BASELINE_S, TASK, KnownHarness

from benchmarks.bound import Bound
from benchmarks.inference import Estimate
from evolve.champion import title_of
from evolve.checkpoint import FIRST
from evolve.progress import StopRequest
from evolve.run import search
from evolve.session import Session, Surroundings
from evolve.starting import starting_at
from evolve.store import Batch, Checkpoint, Machine, Publication, RunSpec, utc_now
from evolve.store.testing import evaluation, measured, new_run
from evolve.tracker.checkpoints import checkpoints, points
from kernels.language import Schedule


@pytest.fixture
def store(store):
    store.add_machine(Machine("m", {}))
    return store


class Flat(KnownHarness):
    """All schedules are alike: the first of them stays champion."""

    def time_s(self, _schedule):
        return BASELINE_S / 4


def new_session(store, harness, **changes):
    given = {
        "kernel": "triad", "size": (1000,), "dtype": "float64", "threads": 1, "strategy": "genetic", "seed": 3,
        "control_share": 0.15, "budget": "70evals", "batch_size": 8, "machine": "m", **changes,
    }  # fmt: skip
    run = store.create_run(RunSpec(**given))
    return Session(run, Surroundings(store, harness, Bound("made up", 0.1), lambda _: None, StopRequest()))


def test_a_curve_that_is_flat_is_measured_at_every_doubling_and_at_its_end(store):
    session = new_session(store, Flat())
    search(session)
    session.checkpoint(is_last=True)
    found = store.checkpoints(session.run.id)
    assert {one.speedup.estimate for one in found} == {4.0}
    at = [one.evaluations for one in found]
    assert at[-1] == session.evaluated == 70
    assert at[:-1] == [FIRST, 2 * FIRST, 4 * FIRST, 8 * FIRST]
    session.checkpoint(is_last=True)
    assert store.checkpoints(session.run.id) == found


def test_axes_of_a_checkpoint_grow(store):
    session = new_session(store, KnownHarness())
    search(session)
    session.checkpoint(is_last=True)
    rows = checkpoints(store.checkpoints(session.run.id), None, session.individuals)
    for axis in ("evaluations", "elapsed_s", "cpu_s"):
        values = [row[axis] for row in rows]
        assert values == sorted(values)
        assert values[0] > 0
    assert {row["source"] for row in rows} == {"checkpoint"}


def test_measuring_once_more_moves_no_fitness(store):
    """The search was told fitnesses by the first measurement: a later one must not shift those that follow."""
    run = new_run(store)
    store.add_batch(Batch(run.id, 0, utc_now()), [evaluation(run, n) for n in (1, 2)])
    for number in (1, 2):
        record = measured(run, number)
        object.__setattr__(record.outcome, "low", 0.05)
        store.add_outcome(record)
    for speedup in (3.0, 5.0):
        estimate = Estimate(speedup, speedup, speedup)
        store.add_checkpoint(Checkpoint(run.id, 2, 2, 1.0, 1.0, estimate, {}, utc_now()))
    title = title_of(store.individuals(run.id), store.checkpoints(run.id))
    assert title.individual.evaluation.number == 2
    assert title.fitness == pytest.approx(math.log(3.0))


def test_a_resumed_run_knows_when_it_last_measured(store):
    session = new_session(store, KnownHarness())
    search(session)
    again = Session(session.run, session.around)
    last = store.checkpoints(session.run.id)[-1]
    assert (again.checked_at, again.last_speedup) == (last.evaluations, last.speedup)
    assert again.title.fitness == session.title.fitness


def test_the_published_figure_ends_the_curve_where_the_search_ended(store):
    session = new_session(store, KnownHarness())
    search(session)
    session.checkpoint(is_last=True)
    fresh = store.checkpoints(session.run.id)
    rows = checkpoints(fresh, publication(session.run), session.individuals)
    assert (rows[-1]["source"], rows[-1]["evaluations"]) == ("published", session.evaluated)
    assert rows[-1]["cpu_s"] == fresh[-1].cpu_s
    older = checkpoints(fresh[:1], publication(session.run), session.individuals)
    assert (older[-1]["evaluations"], older[-1]["elapsed_s"]) == (session.evaluated, None)
    found = points(rows)
    assert found[-1] == (session.evaluated, Estimate(math.log(4), math.log(2), math.log(8)))
    assert len(points(older, "cpu_s")) == 1


def test_a_row_without_an_interval_is_no_point():
    row = {"evaluations": 8, "speedup": Estimate(2.0, 0.0, math.inf).as_dict()}
    assert points([row]) == []


def publication(run):
    return Publication(
        run=run.id, evaluation=1, measured_at=utc_now(), launches=3, rounds=6, time_s=0.25,
        speedup=Estimate(4.0, 2.0, 8.0), rivals={}, bound_limit="fma", bound_time_s=0.1, bound_fraction=0.4,
        source_hash="ab", samples={},
    )  # fmt: skip


def test_a_search_begins_at_the_schedule_that_its_run_was_given(store):
    space = TASK.definition.space
    given = space.neighbours(space.default)[-1]
    session = new_session(store, KnownHarness(), options=starting_at(given), control_share=0.0)
    assert Schedule(session.ask()[0].schedule) == given
    assert Schedule(new_session(store, KnownHarness(), control_share=0.0).ask()[0].schedule) == space.default
