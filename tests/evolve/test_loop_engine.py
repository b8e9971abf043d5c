"""The loop that evolves its own engine, in a world whose parts take known times: nothing is compiled or measured."""

from __future__ import annotations

import json
import math
from collections import Counter
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import planted_loop
import pytest
from planted_loop import Heard

from benchmarks.bound import Bound
from benchmarks.inference import Estimate
from evolve.budget import Budget
from evolve.engine import PARTS, STEERING, Manifest
from evolve.errors import Interrupted, UsageError
from evolve.loops import drive
from evolve.loops.engine import loop as engine
from evolve.loops.engine.generations import Generations, Spent
from evolve.loops.engine.redeploy import NOTHING_FASTER, Tried
from evolve.report.loop import brief, full
from evolve.tracker.laps import series
from evolve.tracker.rule import decide, word
from evolve.tracker.turns import turns

OPTIONS = {"budget": "100evals", "children": 50_000, "mode": "screening", "launches": 4}
REST_S, BOUND_S = 1.0, 0.1
CALLED = ("surrogate_predict", "novelty")


class World:
    """What parts take, and what comes of evolving them, lap by lap."""

    def __init__(self):
        self.jobs, self.settings, self.refused = [], [], {}
        self.plain_s = {"surrogate_predict": 3.0, "novelty": 0.2}
        self.bred = {"surrogate_predict": (20.0, 24.0, 25.0, 25.0), "novelty": (2.0,) * 4}
        defaults = {"surrogate_predict": 10.0, "novelty": 1.5}
        self.speedups = {(part, STEERING[part].definition.space.default): defaults[part] for part in CALLED}
        self.at_job = lambda _job: None

    def time_s(self, part, schedule):
        return self.plain_s[part] / self.speedups.get((part, schedule), 1.0)

    def tried(self, job, manifest):
        self.at_job(job)
        self.jobs.append((job, manifest.id))
        part, lap = job.call.part, int(job.name.split("-lap-")[1].split("-")[0])
        schedule = STEERING[part].definition.space.sample(np.random.default_rng(job.seeds[0]))
        self.speedups[part, schedule] = self.bred[part][lap - 1] if part in self.bred else 1.0
        gain = Estimate(*(math.log(self.speedups[part, schedule]) + end for end in (0, -0.01, 0.01)))
        refused = self.refused.get((lap, part), "")
        kept = manifest.schedules[part] if refused else schedule
        return Tried(job.name, 20, kept, not refused, refused, gain, left=0.2, shapes=38)


class Planted(Generations):
    """Generations of known times."""

    def __init__(self, manifest, settings, seed):
        self.world.settings.append((settings, seed))
        self.manifest, self.spent = manifest, []
        self.engine = SimpleNamespace(calls=Counter(), by_part=Counter())

    def warmed(self):
        return self

    def __call__(self):
        parts_s = {part: self.world.time_s(part, self.manifest.schedules[part]) for part in CALLED}
        for part, seconds in parts_s.items():
            self.engine.calls[part, STEERING[part].size] += 1
            self.engine.by_part[part] += seconds
        self.spent.append(Spent(REST_S + sum(parts_s.values()), parts_s))
        return 1 / self.spent[-1].total_s


class Surveyed:
    """Real runs in which a tenth of the time is search."""

    def __init__(self, runs, seed):
        pass

    def surveyed(self, _frozen):
        return {
            "run": "conv2d-3f9a",
            "phases_s": {"build": 6.0, "measure": 3.0, "search": 1.0},
            "search_share": 0.1,
            "parts": {"novelty": 0.02},
            "cap": 1 / 0.98,
            "judging": {"bootstrap": 0.001},
        }

    def worth(self, _frozen, _present, share):
        return Estimate(share * 0.1, share * 0.09, share * 0.11)

    def compared(self, _frozen, _present, _lap):
        rate = Estimate(5.0, 4.9, 5.1)
        return SimpleNamespace(
            gain=Estimate(0.01, 0.005, 0.015), present_per_s=rate, frozen_per_s=rate, blocks=((0.01,), (0.01,))
        )


@pytest.fixture
def world(monkeypatch, tmp_path):
    made = World()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # no other evolve of this machine holds this lock
    monkeypatch.setattr(drive, "gate", planted_loop.quiet)
    monkeypatch.setattr(engine, "Generations", type("Planted", (Planted,), {"world": made}))
    monkeypatch.setattr(engine, "AsItIs", Surveyed)
    monkeypatch.setattr(engine, "Redeployment", lambda _runs: made)
    monkeypatch.setattr(engine, "this_machine", lambda *_: SimpleNamespace(roof=SimpleNamespace(best=0, caches=())))
    monkeypatch.setattr(engine, "efficiency_bound", lambda *_: Bound("arithmetic (fma, float32)", BOUND_S))
    return made


def looped(store, laps=4, heard=None, **options):
    asked = drive.spec(store, "engine", {**OPTIONS, **options}, laps=laps, seed=3)
    return drive.start(store, asked, heard or Heard())


def true_s(world, lap):
    manifest = Manifest.from_dict(lap.details["engine"]["manifest"])
    return REST_S + sum(world.time_s(part, manifest.schedules[part]) for part in CALLED)


# ---- laps


def test_lap_0_is_the_frozen_engine_and_says_what_no_engine_can_come_to(store, world):
    del world
    lap = store.laps(looped(store, 1).id)[0]
    assert lap.details["engine"]["id"] == Manifest.plain().id
    assert lap.ceiling.estimate == pytest.approx(math.log(4.2 / 1.2))
    assert lap.endpoint.estimate == pytest.approx(math.log(4.2))
    cap = next(note for note in lap.details["notes"] if "1.02x" in note)
    assert "2.00% of a long run" in cap
    assert any("bootstrap" in note and "never replaced" in note for note in lap.details["notes"])


def test_gains_are_those_of_the_whole_engine_and_end_where_amdahl_says(store, world):
    laps = store.laps(looped(store).id)
    truth = [math.log(true_s(world, laps[0]) / true_s(world, lap)) for lap in laps]
    assert [lap.gain.estimate for lap in laps] == pytest.approx(truth)
    assert laps[1].gain.estimate > math.log(1.3)
    assert laps[2].gain.estimate - laps[1].gain.estimate < 0.1 * laps[1].gain.estimate
    verdict = decide(series(laps))
    assert verdict.verdict == "CAPPED"
    assert word(series(laps[:2])) == "CAPPED", "a lap is enough where the ceiling is near"
    assert verdict.eta.high < 0.1, "what a faster search is worth to real runs"


def test_each_lap_is_forecast_and_the_forecasts_hold(store, world):
    del world
    looped(store, heard=(heard := Heard()))
    assert len(heard.forecasts) == 4
    for forecast, lap in zip(heard.forecasts, heard.laps[1:], strict=True):
        assert forecast.gain.low <= lap.gain.estimate <= forecast.gain.high
    assert "surrogate_predict takes 71.4% at 30 times its bound" in heard.forecasts[0].reason
    widths = [forecast.gain.high - forecast.gain.low for forecast in heard.forecasts]
    assert widths[1] < 0.5 * widths[0]


def test_lap_1_evolves_every_part_that_steers_later_ones_those_that_take_time(store, world):
    looped(store)
    by_lap = [{job.call.part for job, _ in world.jobs if f"-lap-{lap}-" in job.name} for lap in (1, 2, 3, 4)]
    assert by_lap == [set(STEERING), *[set(CALLED)] * 3]
    assert all(job.call.size == STEERING[job.call.part].size for job, _ in world.jobs)


def test_parts_are_evolved_by_the_engine_of_the_lap_before(store, world):
    loop = looped(store)
    engines = [lap.details["engine"]["id"] for lap in store.laps(loop.id)]
    for job, at_work in world.jobs:
        lap = int(job.name.removeprefix(f"{loop.id}-lap-").split("-")[0])
        assert at_work == engines[lap - 1]
    assert len(set(engines)) == 5
    assert {engine.id for engine in store.engines()} == set(engines)


def test_both_engines_search_with_the_same_seed_and_settings(store, world):
    looped(store, 2)
    assert {(settings.children, seed) for settings, seed in world.settings} == {(50_000, 3)}


def test_what_others_need_of_a_lap_stands_in_it(store, world):
    """The loop of tricks takes the engine of the last lap; a report can be built from its manifest alone."""
    del world
    laps = store.laps(looped(store, 2).id)
    manifest = Manifest.from_dict(laps[-1].details["engine"]["manifest"])
    assert manifest.id == laps[-1].details["engine"]["id"]
    assert laps[1].inputs == 1 + 60
    assert laps[2].inputs == laps[1].inputs + 40
    assert set(laps[2].details["parts"]) == set(STEERING)
    assert laps[2].details["left"]["estimate"] == pytest.approx(math.log(1.225 / 1.2))
    assert laps[2].details["cycling"]["novelty"]["returned"] == []


# ---- putting engines to work


def test_each_laps_engine_is_put_to_work_on_this_machine(store, world):
    del world
    loop = looped(store, 2)
    laps, at_work = store.laps(loop.id), store.deployments(loop.machine)
    assert [one.engine_id for one in at_work] == [lap.details["engine"]["id"] for lap in laps[1:]]
    assert at_work[0].reason.startswith(f"lap 1 of loop {loop.id}: 3.36x")
    assert all(lap.details["engine"]["is_at_work"] for lap in laps[1:])


def test_a_refused_part_leaves_the_old_one_at_work_and_the_lap_says_so(store, world):
    world.refused[2, "surrogate_predict"] = "it is wrong at size 17x129x3"
    loop = looped(store)
    laps = store.laps(loop.id)
    schedules = [Manifest.from_dict(lap.details["engine"]["manifest"]).schedules["surrogate_predict"] for lap in laps]
    assert schedules[2] == schedules[1]
    assert schedules[3] != schedules[2]
    assert laps[2].details["notes"] == ["surrogate_predict: refused, it is wrong at size 17x129x3; the old one goes on"]
    assert laps[2].details["parts"]["surrogate_predict"]["refused"]
    told = turns(store, loop.id)
    assert "it is wrong at size 17x129x3" in full(told)
    assert store.deployments(loop.machine)[-1].engine_id in full(told)
    assert brief(told)


def test_an_engine_that_is_slower_than_that_of_everybody_else_is_for_the_loop_alone(store, world):
    """Better than the frozen one it may be: others have the default schedules."""
    world.refused[1, "surrogate_predict"] = NOTHING_FASTER
    loop = looped(store, 1)
    lap = store.laps(loop.id)[1]
    assert lap.gain.low > 0
    assert lap.details["engine"]["is_at_work"] is False
    ratio = (REST_S + 3.0 + 0.1) / (REST_S + 0.3 + 0.2 / 1.5)
    assert lap.details["usual_over_present"]["estimate"] == pytest.approx(math.log(ratio))
    assert any(f"{ratio:.3g}x as fast" in note for note in lap.details["notes"])
    assert store.deployments(loop.machine) == []


def test_an_engine_that_is_not_better_is_not_put_to_work(store, world):
    for part in STEERING:
        world.refused[1, part] = "it crashed in the engine: died of SIGSEGV"
    loop = looped(store, 1)
    lap = store.laps(loop.id)[1]
    assert lap.details["engine"]["id"] == Manifest.plain().id
    assert abs(lap.gain.estimate) < 1e-9
    assert store.deployments(loop.machine) == []


# ---- stopped and gone on with


def test_a_loop_that_was_killed_within_a_lap_goes_on_to_the_same_end(store, world):
    whole = [lap.details["engine"]["id"] for lap in store.laps(looped(store).id)]
    seeds = [(job.call.part, job.seeds) for job, _ in world.jobs]
    world.jobs.clear()

    def killed(_job):
        if len(world.jobs) == 4:
            raise Interrupted("dominance-3f9a")

    world.at_job = killed
    with pytest.raises(Interrupted, match="loop engine-"):
        looped(store)
    world.at_job = lambda _job: None
    loop = store.loops()[-1]
    assert len(store.laps(loop.id)) == 2
    drive.resume(store, loop.id, Heard())
    assert [lap.details["engine"]["id"] for lap in store.laps(loop.id)] == whole
    assert list(dict.fromkeys((job.call.part, job.seeds) for job, _ in world.jobs)) == seeds


def test_a_loop_whose_kernels_have_changed_since_goes_no_further(store, world, monkeypatch):
    del world
    loop = looped(store, 1)
    monkeypatch.setattr("evolve.engine.manifest._digest", lambda part, schedule: f"{part} {schedule} anew")
    with pytest.raises(UsageError, match="kernels that have changed since"):
        drive.resume(store, loop.id, Heard(), laps=2)
    assert len(store.laps(loop.id)) == 2


# ---- as it is


def test_by_real_runs_the_gain_is_what_they_show_and_shares_are_of_their_time(store, world):
    laps = store.laps(looped(store, 1, mode="usual").id)
    assert laps[1].gain.estimate == laps[1].engine.estimate == 0.01
    assert laps[0].ceiling.estimate == pytest.approx(-math.log(1 - 0.1 * 3.0 / 4.2))
    assert {settings.children for settings, _ in world.settings} == {2000}


# ---- budgets


def lap_with(shares):
    parts = {
        name: {"part": name, "share": Estimate(share, share, share).as_dict(), "room": 1.0, "spread": 0.1}
        for name, share in shares.items()
    }
    return SimpleNamespace(details={"parts": parts})


def test_parts_share_a_lap_by_the_time_that_they_take():
    first = engine.portions([lap_with({"surrogate_predict": 0.8, "novelty": 0.05})])
    assert set(first) == set(STEERING)
    assert sum(first.values()) == pytest.approx(1)
    assert first["surrogate_predict"] > 0.6
    assert first["novelty"] == first["dominance"] > 0.1
    later = engine.portions([lap_with({}), lap_with({"surrogate_predict": 0.3, "novelty": 0.009})])
    assert later == {"surrogate_predict": 1.0}
    assert engine.portions([lap_with({}), lap_with({"novelty": 0.009})]) == {}


@pytest.mark.parametrize(
    ("budget", "portion", "text"),
    [("100evals", 0.25, "25evals"), ("2evals", 0.1, "1evals"), ("30s", 0.5, "15.0s"), ("2s", 0.1, "1.0s")],
)
def test_a_portion_of_a_budget_is_a_budget_of_the_same_kind(budget, portion, text):
    assert engine._portion(Budget.parse(budget), portion).text == text


def test_a_lap_in_which_no_part_takes_time_says_that_nothing_is_left(store, world):
    world.plain_s = dict.fromkeys(CALLED, 0.001)
    laps = store.laps(looped(store, 2).id)
    assert len(world.jobs) == len(STEERING)
    assert "nothing was evolved" in laps[2].details["notes"][0]
    assert laps[2].inputs == laps[1].inputs


# ---- the judges


def test_no_part_that_judges_is_ever_evolved(store, world):
    looped(store)
    judges = {part.name for part in PARTS if not part.steers}
    assert judges == {"bootstrap"}
    assert not judges & {job.call.part for job, _ in world.jobs}


def test_laps_survive_json(store, world):
    del world
    told = turns(store, looped(store, 2).id)
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_steps_are_small_after_the_first(store, world):
    del world
    told = turns(store, looped(store).id)
    steps = [lap["step"]["estimate"] for lap in told["laps"][1:]]
    assert steps[0] > 3
    assert all(step < 1.05 for _, step in pairwise(steps))
