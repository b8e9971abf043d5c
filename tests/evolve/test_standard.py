"""The standard runs: legal, completed once, resumed where they were interrupted."""

from __future__ import annotations

import dataclasses

import pytest

import kernels
from evolve import standard
from evolve.budget import Budget
from evolve.errors import UsageError
from evolve.store import Machine
from evolve.store.testing import new_run

TINY = standard.Standard("bench-tiny", "triad", "8", "float32", "3evals")


@pytest.fixture
def taken(monkeypatch):
    """What was started and resumed, by name."""
    done = []
    monkeypatch.setattr(
        standard, "start", lambda _store, request, _observer, _terms: done.append(("start", request.name))
    )
    monkeypatch.setattr(standard, "resume", lambda _store, run, _observer, _terms: done.append(("resume", run)))
    return done


def _complete(store):
    return standard.complete(store, TINY, "m-1", None)


def _begun(store, *events, **changes):
    known = {"kernel": "triad", "size": (8,), "dtype": "float32", "name": TINY.name}
    run = new_run(store, **(known | changes))
    for event in events:
        store.add_event(run.id, event)
    return run


def test_all_are_legal_and_of_one_name_each():
    assert len({one.name for one in standard.STANDARD}) == len(standard.STANDARD)
    for one in standard.STANDARD:
        asked = one.request
        assert asked.dtype in kernels.get(one.kernel).dtypes
        assert asked.name == one.name


def test_every_kernel_says_what_the_next_ten_per_cent_would_take():
    assert [one.kernel for one in standard.STANDARD if not kernels.get(one.kernel).left] == []


def test_no_run_takes_longer_than_figures_may_be_quoted_for():
    minutes = [one.request.budget.seconds / 60 for one in standard.STANDARD]
    assert max(minutes) <= 15
    of_matmul = [
        one.request.budget.seconds for one in standard.STANDARD if (one.kernel, one.dtype) == ("matmul", "float64")
    ]
    assert of_matmul == sorted(of_matmul)


def test_they_are_chosen_by_kernel():
    [triad] = standard.wanted(["triad"])
    assert triad.request.size[0] * 8 == 64 * 2**20
    assert standard.wanted([]) == standard.STANDARD


def test_with_threads_they_are_those_that_threads_can_share():
    found = standard.wanted([], 2)
    assert {one.kernel for one in found} == {name for name in kernels.names() if kernels.get(name).split} & {
        one.kernel for one in standard.STANDARD
    }
    assert all(one.request.threads == 2 and one.name.endswith("-2threads") for one in found)
    assert not {one.name for one in found} & {one.name for one in standard.STANDARD}
    [one] = standard.shared(Budget.parse("5h"), "night", 3)[:1]
    assert one.name == "night-triad-float64-64MiB-3threads"


def test_a_run_of_several_threads_is_standard_too(store):
    run = _begun(store, name="bench-triad-float64-64MiB-2threads", threads=2)
    assert standard.is_standard(run)
    assert not standard.is_standard(dataclasses.replace(run, threads=1))


def test_an_unknown_one_is_started(store, taken):
    _complete(store)
    assert taken == [("start", "bench-tiny")]


def test_an_interrupted_one_goes_on(store, taken):
    run = _begun(store, "started", "interrupted")
    _complete(store)
    assert taken == [("resume", run.id)]


def test_a_finished_one_is_taken_as_it_is(store, taken):
    run = _begun(store, "started", "finished")
    assert _complete(store) == run
    assert taken == []


def test_they_are_known_by_their_names(store):
    run = _begun(store)
    assert not standard.is_standard(run)
    assert standard.is_standard(dataclasses.replace(run, name=standard.STANDARD[0].name))


@pytest.mark.parametrize("changes", [{"size": (9,)}, {"dtype": "float64"}, {"machine": "elsewhere"}])
def test_a_name_that_belongs_to_another_problem_or_machine_is_refused(store, taken, changes):
    store.add_machine(Machine("elsewhere", {}))
    _begun(store, "started", "finished", **changes)
    with pytest.raises(UsageError, match="--store"):
        _complete(store)
    assert taken == []
