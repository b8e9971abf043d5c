"""A part on its way through a lap, over a harness of known answers: its run, the gate, the shadow run."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from known import BASELINE_S, KnownHarness, KnownSurvey, fresh, limits

from benchmarks.exchange import ContestantFailedError
from benchmarks.fresh import Fresh
from benchmarks.inference import Estimate
from benchmarks.outcome import Samples
from evolve import deployed
from evolve.budget import Budget
from evolve.engine import STEERING, Manifest
from evolve.errors import Interrupted
from evolve.gate import Gate
from evolve.loops import remeasure
from evolve.loops.engine import redeploy
from evolve.loops.engine.redeploy import NOTHING_FASTER, Job, Redeployment
from evolve.loops.engine.shadow import Call, Shadow
from evolve.loops.lap_runs import LapRuns
from evolve.loops.protocol import Around
from evolve.progress import StopRequest
from evolve.run import Admission
from evolve.store import LoopSpec, Machine

PART = "dominance"
ALIKE = Shadow("", Estimate(0.5, 0.4, 0.6), 40)


class PartHarness(KnownHarness):
    def __init__(self, task):
        super().__init__()
        self.task = task


@pytest.fixture
def store(store):
    store.add_machine(Machine("m", {}))
    return store


@pytest.fixture
def world(monkeypatch, tmp_path):
    """All that measures replaced by known answers."""
    known = SimpleNamespace(against=fresh, shadow=ALIKE, shadowed=[])

    def shadowed(old, new, call, seed, _folder):
        known.shadowed.append((old, new, call, seed))
        return known.shadow

    monkeypatch.setenv("EVOLVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("evolve.run.gate", lambda *_, **__: Gate("quiet", 0.01, 0.01))
    monkeypatch.setattr("evolve.run.known_machine", lambda _store: Machine("m", {}))
    monkeypatch.setattr("evolve.run.Survey", lambda *_: KnownSurvey(limits(0.1, 0.09)))
    monkeypatch.setattr("evolve.run.Harness", lambda task, *_: PartHarness(task))
    monkeypatch.setattr(remeasure, "against", lambda *asked: known.against(*asked))  # noqa: PLW0108 - tests change it
    monkeypatch.setattr(redeploy, "shadowed", shadowed)
    return known


@pytest.fixture
def workshop(store, world):
    del world
    loop = store.create_loop(LoopSpec(kind="engine", laps=2, seed=1, machine="m"))
    return Redeployment(LapRuns(Around(store, loop, lambda _doing: None, StopRequest(), Admission(is_held=True))))


def job(lap=1, seed=5):
    call = Call(PART, STEERING[PART].size)
    return Job(call, f"engine-lap-{lap}-{PART}", Budget.parse("30evals"), (seed, 6), 4)


def evolved(workshop, store, engine, **given):
    deployed.keep(store, engine)
    return workshop.tried(job(**given), engine)


def test_a_champion_that_passes_the_gate_and_the_shadow_run_goes_on(workshop, store, world):
    found = evolved(workshop, store, Manifest.plain())
    assert (found.is_new, found.refused) == (True, "")
    assert found.schedule is not None
    assert found.gain.estimate == pytest.approx(math.log(BASELINE_S / KnownHarness().time_s(found.schedule)))
    assert (found.in_place, found.shapes) == (ALIKE.gain, 40)
    ((old, new, call, seed),) = world.shadowed
    assert (old, new.schedules[PART]) == (Manifest.plain(), found.schedule)
    assert (call, seed) == (job().call, 6)


def test_its_run_is_one_of_the_store_and_searches_with_the_engine_at_work(workshop, store, world):
    del world
    engine = Manifest.usual().replaced(PART, None)
    found = evolved(workshop, store, engine)
    run = store.run(job().name)
    assert run.id == found.run
    assert run.options["engine"] == engine.id
    assert (run.kernel, run.size, run.dtype) == (PART, STEERING[PART].size, STEERING[PART].dtype)
    assert found.evaluations == len([one for one in store.individuals(run.id) if one.is_paid])


def test_a_later_lap_begins_at_the_part_that_works(workshop, store, world):
    del world
    first = evolved(workshop, store, Manifest.plain())
    engine = Manifest.plain().replaced(PART, first.schedule)
    second = evolved(workshop, store, engine, lap=2, seed=7)
    begun = next(one for one in store.individuals(second.run) if one.evaluation.arm == "search")
    assert begun.evaluation.schedule == first.schedule
    assert second.gain.estimate >= first.gain.estimate


def test_a_part_that_the_shadow_run_refuses_leaves_the_old_one_at_work(workshop, store, world):
    world.shadow = Shadow("it is wrong at size 9x1", shapes=3)
    for engine in (Manifest.plain(), Manifest.usual()):
        found = evolved(workshop, store, engine, lap=id(engine))
        assert found.refused == "it is wrong at size 9x1" or not found.is_new
        assert (found.schedule is None) == (engine.schedules[PART] is None)
        assert found.is_new is False


def test_what_fails_afresh_never_comes_near_the_engine(workshop, store, world):
    def failing(*_):
        raise ContestantFailedError("Crashed: died of SIGSEGV")

    world.against = failing
    found = evolved(workshop, store, Manifest.plain())
    assert (found.refused, found.schedule, found.gain) == (NOTHING_FASTER, None, None)
    assert world.shadowed == []


def test_a_champion_that_is_not_shown_to_be_faster_is_refused_before_it_is_tried(workshop, store, world):
    def level(harness, contestant, opponents, launches, say):
        found = fresh(harness, contestant, opponents, launches, say)
        same = [Samples((BASELINE_S,) * 6, (BASELINE_S,) * 6, 1)] * launches
        return Fresh(dict.fromkeys(found.samples, same), {}, 0, launches)

    world.against = level
    found = evolved(workshop, store, Manifest.plain())
    assert "not shown to be faster than the plain loop" in found.refused
    assert found.schedule is None
    assert world.shadowed == []


def test_of_a_finished_run_nothing_is_made_again(workshop, store, world):
    first = evolved(workshop, store, Manifest.plain())
    again = evolved(workshop, store, Manifest.plain())
    assert again == first
    assert len(store.runs()) == 1
    assert len(world.shadowed) == 2, "the shadow run is, with the same inputs"
    assert world.shadowed[0] == world.shadowed[1]


def test_a_run_that_was_interrupted_goes_on_where_it_stopped(workshop, store, world, monkeypatch):
    del world

    class Impatient(PartHarness):
        def measure(self, built, incumbent):
            if len(self.measured) == 12:
                raise Interrupted("dominance-3f9a")
            return super().measure(built, incumbent)

    with monkeypatch.context() as patched:
        patched.setattr("evolve.run.Harness", lambda task, *_: Impatient(task))
        with pytest.raises(Interrupted):
            evolved(workshop, store, Manifest.plain())
    cut = evolved(workshop, store, Manifest.plain())
    assert len(store.runs()) == 1
    whole = workshop.tried(Job(job().call, "another", job().budget, job().seeds, 4), Manifest.plain())
    assert (cut.schedule, cut.gain, cut.evaluations) == (whole.schedule, whole.gain, whole.evaluations)


def test_who_wants_to_stop_is_heard_between_runs(workshop):
    workshop._runs.around.stop.is_set = True
    with pytest.raises(Interrupted, match="loop engine-"):
        workshop._runs.say("anything")
