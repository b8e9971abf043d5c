"""What a faster engine is worth to a real run, of runs and generations whose times are known."""

from __future__ import annotations

import math
import os
from types import SimpleNamespace

import pytest

from evolve import deployed
from evolve.engine import Manifest
from evolve.loops.engine import as_it_is
from evolve.loops.engine.as_it_is import AsItIs, seconds_by_phase
from evolve.loops.engine.generations import HELD_OUT, Generations, Spent
from evolve.store import open_store

PHASES_S = {"build": 12.0, "verify": 2.0, "measure": 8.0, "search": 1.0, "other": 2.0}
GENERATION_S = {"plain": 0.4, "usual": 0.1}
"""Of both spaces together; three quarters of the plain one are parts, and they are all that is saved."""


class Known(Generations):
    def __init__(self, manifest, settings, seed):
        self.is_plain = manifest == Manifest.plain()
        self.settings, self.seed, self.spent = settings, seed, []
        self.engine = SimpleNamespace(by_part={"novelty": 0.0})

    def warmed(self):
        return self

    def __call__(self):
        total_s = GENERATION_S["plain" if self.is_plain else "usual"]
        self.engine.by_part["novelty"] += 0.3 if self.is_plain else 0.0
        self.spent.append(Spent(total_s, {"novelty": 0.3 if self.is_plain else 0.0}))
        return 2 / total_s


class Runs:
    """Stands for runs of a loop: remembers what was asked for."""

    def __init__(self, store):
        self.asked, self.caches, self.busy_s = [], [], {}
        phases = SimpleNamespace(
            phases=lambda _run: {**PHASES_S, "measure": self.busy_s.get(self.asked[-1].options["engine"], 8.0)},
            counts=lambda _run: {"Measured": 20, "Wrong": 4},
            add_engine=store.add_engine,
        )
        self.around = SimpleNamespace(loop=SimpleNamespace(id="engine-3f9a"), store=phases)

    def carried(self, request, ending, _doing):
        assert ending is as_it_is.unpublished
        self.asked.append(request)
        self.caches.append(os.environ.get("EVOLVE_CACHE"))
        return SimpleNamespace(id="conv2d-77c1")

    def say(self, _doing=""):
        pass


@pytest.fixture
def runs(tmp_path):
    with open_store(str(tmp_path / "runs.db")) as store:
        yield Runs(store)


@pytest.fixture
def known(runs, monkeypatch):
    monkeypatch.setattr(as_it_is, "Generations", Known)
    monkeypatch.setattr(as_it_is, "_call_s", lambda _part: 0.01)
    return AsItIs(runs, 3)


def test_what_parts_take_of_a_run_caps_every_engine(known, runs):
    found = known.surveyed(Manifest.plain())
    # of 24 evaluations 24 s went into anything but search: 8 s a batch, beside 0.2 s for a generation
    share = 0.2 / 8.2
    assert found["search_share"] == pytest.approx(share)
    assert found["parts"] == {"novelty": pytest.approx(0.75 * share)}
    assert found["cap"] == pytest.approx(1 / (1 - 0.75 * share))
    assert found["judging"] == {"bootstrap": pytest.approx(0.1 / 25)}
    (request,) = runs.asked
    assert (request.name, request.kernel) == ("engine-3f9a-lap-0-as-it-is", HELD_OUT[0])
    assert request.options == deployed.working_with(Manifest.plain().id)


def test_an_engine_is_worth_what_amdahl_leaves_of_its_gain(known):
    found = known.worth(Manifest.plain(), Manifest.usual(), 0.02)
    assert found.estimate == pytest.approx(-math.log(1 - 0.02 * (1 - 1 / 4)))
    assert found.low <= found.estimate <= found.high < -math.log(1 - 0.02)
    same = known.worth(Manifest.plain(), Manifest.plain(), 0.02)
    assert same.estimate == 0


def test_generations_are_those_of_the_usual_settings(known):
    made = known.generations(Manifest.plain())
    assert (made.settings.children, made.seed) == (2000, 3)


def test_real_runs_are_pairs_of_equal_seeds_that_share_no_compiled_code(known, runs, monkeypatch):
    monkeypatch.setenv("EVOLVE_CACHE", "warm")
    runs.busy_s = {Manifest.plain().id: 20.0}
    found = known.compared(Manifest.plain(), Manifest.usual(), 2)
    assert found.gain.estimate == pytest.approx(math.log(37 / 25))
    by_engine = [
        [(one.kernel, one.seed) for one in runs.asked if one.options["engine"] == manifest.id]
        for manifest in (Manifest.plain(), Manifest.usual())
    ]
    assert by_engine[0] == by_engine[1]
    assert len(set(by_engine[0])) == len(by_engine[0]) >= 6
    assert {kernel for kernel, _ in by_engine[0]} == set(HELD_OUT)
    assert len(set(runs.caches)) == len(runs.caches)
    assert "warm" not in runs.caches
    assert os.environ["EVOLVE_CACHE"] == "warm"
    assert all(one.name is None for one in runs.asked)


def test_another_lap_has_other_seeds(known, runs):
    for lap in (1, 2):
        known.compared(Manifest.plain(), Manifest.usual(), lap)
    seeds = [one.seed for one in runs.asked]
    assert len(set(seeds)) == len(seeds) / 2


def test_phases_are_told_the_longest_first():
    assert seconds_by_phase(PHASES_S).startswith("build 48%, measure 32%")
    assert seconds_by_phase({}) == ""
