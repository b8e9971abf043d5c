"""What beats the hardware is kept with all that it takes to look into it, and nothing else of it is believed."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.contestant import Task, source_of
from benchmarks.harness import Harness
from benchmarks.outcome import Impossible, Samples
from evolve import quarantine as quarantining
from evolve.errors import EvolveError
from evolve.paths import source_folder
from evolve.quarantine import MOST_BUILDS, folder_of, quarantine
from evolve.store import Batch, Ceilings, Evaluation, OutcomeRecord, utc_now
from evolve.store.testing import new_run
from evolve.tracker.summary import summary
from kernels.language import Schedule

TASK = Task("triad", (1000,), "float64", policy="rotate")
SCHEDULE = TASK.definition.space.default
SAMPLES = Samples((1e-9,) * 6, (1e-6,) * 6, 100, floor_s=3e-9)


@pytest.fixture(autouse=True)
def own_data(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def found(store):
    """A session, an evaluation and its impossible outcome."""
    run = new_run(store, kernel="triad", size=(1000,), policy="rotate")
    store.add_ceilings(Ceilings(run.machine, utc_now(), {"flop_per_s": {"float64": {"fma": {"1": 58e9}}}}))
    asked = Evaluation(run.id, 1, 0, 0, "search", "default", dict(SCHEDULE), source_key="s1")
    store.add_batch(Batch(run.id, 0, utc_now()), [asked])
    record = OutcomeRecord(run.id, 1, Impossible("1e-09 s a call", samples=SAMPLES), utc_now())
    around = SimpleNamespace(survey=None)
    session = SimpleNamespace(run=run, store=store, task=TASK, around=around, counts={"Impossible": 0}, harness=None)
    return session, asked, record


@pytest.fixture
def code_alone(monkeypatch):
    """No new build, which takes seconds."""
    monkeypatch.setattr(quarantining, "_built_anew", lambda *_: ({"triad": "vmovups"}, "right"))


def with_plans(session):
    session.harness = SimpleNamespace(plan=lambda schedule: SimpleNamespace(contestant=schedule))
    return session


def test_all_that_is_needed_to_look_into_it_is_kept(found, alone):
    """Here with a real build, proven on new inputs in a fresh process."""
    session, asked, record = found
    with Harness(TASK, source_folder()) as harness:
        session.harness = harness
        folder = quarantine(session, asked, record)
    finding = json.loads((folder / "finding.json").read_text())
    assert folder == folder_of(session.run.id, 1)
    assert finding["reason"] == "1e-09 s a call"
    assert finding["task"] == {"kernel": "triad", "size": [1000], "dtype": "float64", "threads": 1, "seed": 0} | {
        "policy": "rotate"
    }
    assert finding["genome"]["schedule"] == dict(SCHEDULE)
    assert finding["samples"]["candidate_s"] == [1e-9] * 6
    assert finding["samples"]["floor_s"] == 3e-9
    assert finding["proof"] == "right, in a new build on new inputs"
    machine = finding["machine"]
    assert (machine["id"], machine["fingerprint"]) == ("m-1", {"cpu": "a CPU"})
    assert machine["ceilings"] == machine["best_ceilings"] == {"flop_per_s": {"float64": {"fma": {"1": 58e9}}}}
    assert machine["readings"].keys() >= {"load", "busy_share", "steal_share"}
    sources = {file.stem: file.read_text() for file in (folder / "source").iterdir()}
    closure = source_of(TASK, Schedule(SCHEDULE)).closure()
    assert sources == {needed.module: needed.text for needed in closure.values()}
    for name in finding["assembly"]:
        assert "ret" in (folder / "assembly" / f"{name}.s").read_text()
    assert finding["assembly"]


def test_a_folder_left_by_a_killed_session_is_replaced_as_a_whole(found, code_alone):
    session, asked, record = found
    old = folder_of(session.run.id, 1)
    old.mkdir(parents=True)
    (old / "half.json").write_text("{")
    assert quarantine(with_plans(session), asked, record) == old
    assert sorted(file.name for file in old.iterdir()) == ["assembly", "finding.json", "source"]
    assert [folder.name for folder in old.parent.iterdir()] == [old.name]


def test_only_the_first_of_a_session_are_built_anew(found, monkeypatch):
    session, asked, record = found
    session.counts["Impossible"] = MOST_BUILDS
    monkeypatch.setattr(quarantining, "_built_anew", pytest.fail)
    finding = json.loads((quarantine(session, asked, record) / "finding.json").read_text())
    assert finding["assembly"].startswith("absent")
    assert finding["proof"].startswith("not tried")


def test_a_place_that_cannot_be_written_is_one_line(found, code_alone, monkeypatch):
    session, asked, record = found

    def full(*_arguments, **_named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(EvolveError, match="cannot be written") as error:
        quarantine(with_plans(session), asked, record)
    assert "XDG_DATA_HOME" in error.value.remedy
    assert list(folder_of(session.run.id, 1).parent.iterdir()) == [], "nothing half-written stays"


def test_a_summary_names_it_with_its_folder_where_it_is_here(found, store, code_alone):
    session, asked, record = found
    store.add_outcome(record)
    entry = {"evaluation": 1, "reason": "1e-09 s a call", "folder": None}
    assert summary(store, session.run.id)["quarantine"] == [entry]
    folder = quarantine(with_plans(session), asked, record)
    told = summary(store, session.run.id)
    assert told["quarantine"] == [{**entry, "folder": str(folder)}]
    assert told["champion"] is None
    assert told["problem"]["policy"] == "rotate"
