"""``evolve run --all``: every kernel in turn, what was interrupted goes on, what fails costs no other."""

import functools
import json

import pytest

from evolve import standard
from evolve.budget import Budget
from evolve.cli import library as library_command
from evolve.errors import EvolveError, Interrupted, UsageError
from evolve.store import open_store
from evolve.store.testing import new_run

THREE = tuple(standard.Standard(f"bench-{word}", "triad", "8", "float64", "3m") for word in ("one", "two", "three"))


@pytest.fixture
def library(monkeypatch, plant):
    """Three problems whose runs are planted; by name what goes wrong with others."""
    asked, faults = [], {}

    def complete(store, one, machine, observer, admission):
        asked.append((one.name, one.budget))
        if one.name in faults:
            raise faults[one.name]
        return plant(store, name=one.name)

    monkeypatch.setattr(standard, "STANDARD", THREE)
    monkeypatch.setattr(standard, "complete", complete)
    return asked, faults


def test_all_kernels_share_a_budget(evolve, library):
    code, shown, told = evolve("run", "--all", "--budget", "6m")
    assert code == 0
    assert library[0] == [(f"all-6m-{word}", "120s") for word in ("one", "two", "three")]
    header, *rows = shown.splitlines()
    assert header.split()[:2] == ["RUN", "EVALS"]
    assert [row.split()[0] for row in rows] == ["all-6m-one", "all-6m-two", "all-6m-three"]
    assert all("0.900x" in row and "numpy" in row and "80 %" in row for row in rows), shown
    assert "run 2 of 3: all-6m-two, 120s" in told


def test_the_time_to_go_is_told_by_those_that_were_run(evolve, library, monkeypatch):
    taken_s = iter((0.0, 0.1, 100.1, 100.5))  # the first is run in 100 s, the second was finished
    monkeypatch.setattr(library_command, "monotonic", functools.partial(next, taken_s))
    told = evolve("run", "--all", "--budget", "6m")[2]
    assert "run 1 of 3: all-6m-one, 120s\n" in told
    assert "run 2 of 3: all-6m-two, 120s; some 3m 20s to go, at the pace so far\n" in told
    assert "run 3 of 3: all-6m-three, 120s; some 1m 40s to go, at the pace so far\n" in told


def test_a_name_begins_the_names_of_the_runs(evolve, library):
    assert evolve("run", "--all", "--budget", "6m", "--name", "tuesday")[0] == 0
    assert library[0][0][0] == "tuesday-one"


def test_what_fails_is_told_and_costs_no_other(evolve, library):
    library[1]["all-6m-two"] = EvolveError("all candidates were wrong")
    code, shown, told = evolve("run", "--all", "--budget", "6m", "--json")
    assert code == 1
    assert "1 of 3 runs came to nothing" in told
    found = json.loads(shown)
    assert [one["name"] for one in found["runs"]] == ["all-6m-one", "all-6m-three"]
    assert found["failures"] == {"all-6m-two": "all candidates were wrong"}


def test_who_interrupts_it_stops_it(evolve, library):
    library[1]["all-6m-two"] = Interrupted("all-6m-two")
    code, shown, _ = evolve("run", "--all", "--budget", "6m")
    assert (code, shown, len(library[0])) == (130, "", 2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run",), "KERNEL is missing"),
        (("run", "triad", "--all"), "leave out triad"),
        (("run", "--all", "--size", "8", "--dtype", "float32"), "leave out --size --dtype"),
        (("run", "--all", "--strategy", "random", "--max-error", "1e-6"), "leave out --strategy --max-error"),
        (("run", "--all", "--cold"), "leave out --cold"),
        (("run", "--all", "--budget", "300evals"), "shares out time"),
        (("run", "--all", "--budget", "59s"), "take 1m or more"),
        (("run", "--all", "--budget", "soon"), "budget 'soon'"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(evolve, library, arguments, words):
    code, shown, told = evolve(*arguments)
    assert (code, shown, told.count("\n")) == (2, "", 1)
    assert words in told
    assert library[0] == []


def test_shares_are_of_the_standard_problems():
    shared = standard.shared(Budget.parse("8h"), "night")
    assert [one.kernel for one in shared] == [one.kernel for one in standard.STANDARD]
    assert sum(one.request.budget.seconds for one in shared) == pytest.approx(8 * 3600, rel=0.01)
    shares = {
        one.request.budget.seconds / own.request.budget.seconds
        for one, own in zip(shared, standard.STANDARD, strict=True)
    }
    assert max(shares) == pytest.approx(min(shares), rel=0.01)
    with pytest.raises(UsageError, match="take"):
        standard.shared(Budget.parse("1m"), "night")


def test_an_interrupted_night_goes_on(monkeypatch, url):
    monkeypatch.setattr(standard, "STANDARD", THREE)
    with open_store(url) as store:
        given = {"kernel": "triad", "size": (8,), "dtype": "float64"}
        for one, event in zip(standard.shared(Budget.parse("6m"), "all-6m"), ("finished", "interrupted"), strict=False):
            store.add_event(new_run(store, **given, name=one.name).id, event)
        done = []
        monkeypatch.setattr(standard, "start", lambda _store, asked, *_: done.append(("start", asked.name)))
        monkeypatch.setattr(standard, "resume", lambda _store, run, *_: done.append(("resume", store.run(run).name)))
        for one in standard.shared(Budget.parse("6m"), "all-6m"):
            standard.complete(store, one, "m-1", None)
    assert done == [("resume", "all-6m-two"), ("start", "all-6m-three")]
