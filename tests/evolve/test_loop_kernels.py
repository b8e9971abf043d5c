"""The loop that restarts from its champion, over a harness of known answers; its forecasts on planted draws."""

from __future__ import annotations

import dataclasses
import math
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from known import BASELINE_S, KnownHarness, KnownSurvey, fresh, limits
from planted_loop import Heard

from benchmarks.exchange import ContestantFailedError
from benchmarks.inference import SESSION_SPREAD, Estimate, across_sessions
from benchmarks.outcome import Noisy, Samples
from evolve.errors import EvolveError, Interrupted
from evolve.gate import Gate
from evolve.loops import drive, remeasure
from evolve.loops.forecast import next_gain, unknown
from evolve.progress import StopRequest
from evolve.run import Admission
from evolve.store import Machine
from evolve.tracker.evidence import evidence_of
from evolve.tracker.laps import series
from evolve.tracker.status import status
from evolve.tracker.tail import Tail
from kernels.language import Schedule

OPTIONS = {
    "kernel": "triad", "size": "1000", "dtype": "float64", "policy": "hot", "budget": "30evals",
    "strategy": "genetic", "control_share": 0.15, "launches": 4,
}  # fmt: skip
BOUND_S = 0.1


@pytest.fixture
def store(store):
    store.add_machine(Machine("m", {}))
    return store


@pytest.fixture
def world(monkeypatch, tmp_path):
    """Everything that measures replaced by known answers; ``made`` are the harnesses, ``against`` what is found."""
    known = SimpleNamespace(made=[], harness=KnownHarness, against=fresh)

    def harness(*_):
        known.made.append(known.harness())
        return known.made[-1]

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # no other evolve of this machine holds this lock
    for module in ("evolve.run", "evolve.loops.drive"):
        monkeypatch.setattr(f"{module}.gate", lambda *_, **__: Gate("quiet", 0.01, 0.01))
        monkeypatch.setattr(f"{module}.known_machine", lambda _store: Machine("m", {}))
    for module in ("evolve.run", "evolve.loops.kernels"):
        monkeypatch.setattr(f"{module}.Survey", lambda *_: KnownSurvey(limits(BOUND_S, 0.09)))
        monkeypatch.setattr(f"{module}.Harness", harness)
    monkeypatch.setattr(remeasure, "against", lambda *asked: known.against(*asked))  # noqa: PLW0108 - tests change it
    monkeypatch.setattr("evolve.loops.kernels.against", fresh)
    return known


def looped(store, laps=3, heard=None, **options):
    asked = drive.spec(store, "kernels", {**OPTIONS, **options}, laps=laps, seed=3)
    return drive.start(store, asked, heard or Heard(), Admission())


def true_gain(lap):
    return math.log(BASELINE_S / KnownHarness().time_s(lap.details["schedule"]))


@pytest.mark.usefixtures("world")
def test_a_lap_begins_at_the_champion_before_and_is_held_against_lap_0(store):
    laps = store.laps(looped(store).id)
    assert laps[0].gain == Estimate(0.0, 0.0, 0.0)
    for before, lap in pairwise(laps[1:]):
        first = next(i for i in store.individuals(lap.details["run"]) if i.evaluation.arm == "search")
        assert first.evaluation.schedule == before.details["schedule"]
        assert lap.gain.estimate >= before.gain.estimate
        assert lap.inputs == before.inputs + lap.details["evaluations"]
    assert [lap.gain.estimate for lap in laps[1:]] == pytest.approx([true_gain(lap) for lap in laps[1:]])
    assert laps[1].details["step"] is None


@pytest.mark.usefixtures("world")
def test_the_ceiling_of_each_lap_is_what_its_bound_leaves_over_the_plain_loop(store):
    for lap in store.laps(looped(store, laps=2).id):
        assert lap.ceiling.low < lap.ceiling.estimate < lap.ceiling.high
        assert lap.ceiling.estimate == pytest.approx(math.log(BASELINE_S / BOUND_S))


def test_a_busy_sweep_does_not_lower_the_ceiling(store, world, monkeypatch):
    """Others at work take from what a sweep finds; the ceiling of a machine does not change for that."""
    del world
    sweeps = iter([limits(BOUND_S, 0.09), limits(3 * BOUND_S, 0.09)])
    for module in ("evolve.loops.kernels", "evolve.run"):
        monkeypatch.setattr(f"{module}.Survey", lambda *_: KnownSurvey(next(sweeps)))
    first, second = store.laps(looped(store, laps=1).id)
    assert second.ceiling.estimate == pytest.approx(first.ceiling.estimate)


def test_what_the_ceiling_leaves_is_measured_without_the_plain_loop(store, world):
    """A plain loop that launches time differently, by a fifth here, blurs gain and ceiling, but not what is left."""

    def blurred(harness, contestant, opponents, launches, say):
        found = fresh(harness, contestant, opponents, launches, say)
        plain_s = [(BASELINE_S * factor,) * 6 for factor in (0.8, 0.9, 1.1, 1.2)]
        taken = [
            dataclasses.replace(one, incumbent_s=s) for one, s in zip(found.samples["baseline"], plain_s, strict=True)
        ]
        return dataclasses.replace(found, samples={**found.samples, "baseline": taken})

    world.against = blurred
    laps = store.laps(looped(store, laps=2).id)
    last = series(laps).points[-1]
    assert last.left.estimate == pytest.approx(math.log(KnownHarness().time_s(laps[-1].details["schedule"]) / BOUND_S))
    assert last.left.high - last.left.low < 0.5 * (laps[-1].ceiling.high - laps[-1].ceiling.low)
    assert evidence_of(series(laps)).left == last.left


def test_where_races_can_tell_nothing_launches_still_may(store, world):
    class Busy(KnownHarness):
        def measure(self, built, incumbent):
            super().measure(built, incumbent)
            return Noisy("rounds differ too much", samples=Samples((0.5,), (1.0,), 1))

    world.harness = Busy
    laps = store.laps(looped(store, laps=2).id)
    assert not any(lap.fault for lap in laps)
    assert laps[1].gain.estimate == pytest.approx(true_gain(laps[1]))


@pytest.mark.usefixtures("world")
def test_lap_0_is_the_plain_loop_against_itself(store):
    lap = store.laps(looped(store, laps=1).id)[0]
    assert lap.details["itself"]["estimate"] == 0.0
    assert lap.details["time_s"] == BASELINE_S


@pytest.mark.usefixtures("world")
def test_each_lap_is_foretold_and_the_first_forecast_knows_nothing(store):
    heard = Heard()
    looped(store, laps=3, heard=heard)
    assert [forecast.lap for forecast in heard.forecasts] == [1, 2, 3]
    assert "nothing was searched" in heard.forecasts[0].reason
    for forecast, lap in zip(heard.forecasts, heard.laps[1:], strict=True):
        assert forecast.gain.low <= lap.gain.estimate <= forecast.gain.high


def test_a_loop_that_was_stopped_within_a_lap_goes_on_to_the_same_end(store, world):
    whole = [lap.details["schedule"] for lap in store.laps(looped(store).id)[1:]]

    class Impatient(KnownHarness):
        def measure(self, built, incumbent):
            if len(self.measured) == 12:
                raise Interrupted("some run")
            return super().measure(built, incumbent)

    world.harness = Impatient
    with pytest.raises(Interrupted, match="loop kernels-"):
        looped(store)
    world.harness = KnownHarness
    loop = store.loops()[-1]
    assert [lap.lap for lap in store.laps(loop.id)] == [0]
    drive.resume(store, loop.id, Heard())
    assert [lap.details["schedule"] for lap in store.laps(loop.id)[1:]] == whole
    assert status(store.loop_events(loop.id)) == "finished"


@pytest.mark.parametrize("when", ["before its run", "in its last launch"])
def test_a_wish_to_stop_is_heard_wherever_in_a_lap_it_comes(store, world, monkeypatch, when):
    """While a run works the wish is the run's, before and after that the loop's: neither may be lost."""
    stops = []

    def wished(module):
        stop = StopRequest()
        stops.append((module, stop))
        return stop

    for module in ("evolve.loops.drive", "evolve.run"):
        monkeypatch.setattr(f"{module}.StopRequest", lambda module=module: wished(module))

    def press(module):
        next(stop for name, stop in reversed(stops) if name == module).is_set = True

    def pressed_late(*asked):
        press("evolve.run")
        return fresh(*asked[:4], lambda _launch: None)

    if when == "before its run":
        monkeypatch.setattr("evolve.run.gate", lambda _task, say, **_: [press("evolve.loops.drive"), say("racing")])
    else:
        world.against = pressed_late
    with pytest.raises(Interrupted, match="loop kernels-"):
        looped(store, laps=2)
    loop = store.loops()[-1]
    assert [lap.lap for lap in store.laps(loop.id)] == [0]
    for run in store.runs():
        assert store.publication(run.id) is not None
    monkeypatch.setattr("evolve.run.gate", lambda *_, **__: Gate("quiet", 0.01, 0.01))
    world.against = fresh
    drive.resume(store, loop.id, Heard())
    assert [lap.lap for lap in store.laps(loop.id)] == [0, 1, 2]


def test_a_lap_that_was_killed_behind_its_run_measures_nothing_again(store, world, monkeypatch):
    kept = store.add_lap

    def killed(lap):
        if lap.lap == 1:
            raise KeyboardInterrupt
        kept(lap)

    monkeypatch.setattr(store, "add_lap", killed)
    with pytest.raises(KeyboardInterrupt):
        looped(store, laps=1)
    monkeypatch.setattr(store, "add_lap", kept)
    loop, before = store.loops()[-1], len(world.made)
    (run,) = store.runs()
    drive.resume(store, loop.id, Heard())
    assert store.laps(loop.id)[1].details["run"] == run.id
    assert len(world.made) == before


def test_a_champion_that_fresh_launches_do_not_find_faster_is_not_handed_on(store, world):
    def flattered(harness, contestant, opponents, launches, say):
        """The search believed in it, but it takes 5 % longer than the one before."""
        found = fresh(harness, contestant, opponents, launches, say)
        samples = dict(found.samples)
        if remeasure.BEFORE in opponents:
            before_s = harness.time_s(opponents[remeasure.BEFORE].contestant.schedule)
            slower = (before_s * 1.05,) * 6
            samples[remeasure.BEFORE] = [Samples(slower, (before_s,) * 6, 1)] * launches
            samples["baseline"] = [Samples(slower, (BASELINE_S,) * 6, 1)] * launches
        return dataclasses.replace(found, samples=samples)

    world.against = flattered
    laps = store.laps(looped(store, laps=4).id)
    assert len({Schedule(lap.details["schedule"]) for lap in laps[1:]}) == 1
    assert not any(lap.details["is_new"] for lap in laps[2:])
    assert [lap.gain.estimate for lap in laps[2:]] == pytest.approx([laps[1].gain.estimate] * 3)
    assert any(lap.details["step"] and lap.details["step"]["estimate"] < 0 for lap in laps[2:])


def test_a_champion_that_fails_afresh_leaves_the_one_before_in_place(store, world):
    def failing(harness, contestant, opponents, launches, say):
        is_later = len(store.runs()) > 1
        if is_later and store.laps(store.loops()[-1].id)[1].details["schedule"] != dict(contestant.schedule):
            raise ContestantFailedError("Crashed: died of SIGSEGV")
        return fresh(harness, contestant, opponents, launches, say)

    world.against = failing
    _, first, second, _ = store.laps(looped(store).id)
    assert second.details["schedule"] == first.details["schedule"]
    assert second.gain.estimate == pytest.approx(first.gain.estimate)
    assert second.details["is_new"] is False


def test_a_lap_in_which_nothing_can_be_measured_afresh_is_kept_as_a_fault(store, world):
    def failing(*_):
        raise ContestantFailedError("Crashed: died of SIGSEGV")

    world.against = failing
    with pytest.raises(EvolveError, match="nothing faster than the plain loop that could be measured afresh"):
        looped(store)
    broken = store.laps(store.loops()[-1].id)[-1]
    assert broken.gain is None
    assert "nothing faster" in broken.fault


def test_all_random_draws_of_all_laps_are_one_control_arm(store, world, monkeypatch):
    del world
    seen = []
    monkeypatch.setattr("evolve.loops.kernels.tail", lambda fitnesses, _cap: seen.append(len(fitnesses)))
    laps = store.laps(looped(store, laps=3).id)
    runs = [store.individuals(lap.details["run"]) for lap in laps[1:]]
    draws = [sum(i.evaluation.arm == "control" and i.record is not None for i in run) for run in runs]
    assert seen[-1] == sum(draws)


@pytest.mark.parametrize("is_bounded", [True, False])
def test_an_endpoint_is_given_only_where_the_draws_show_one(store, world, monkeypatch, is_bounded):
    """The ceiling caps the endpoint of any tail, so that it is finite proves nothing."""
    del world
    end, index = Estimate(1.0, 0.9, 1.2), Estimate(-0.5, -0.9, -0.1 if is_bounded else 0.1)
    monkeypatch.setattr("evolve.loops.kernels.tail", lambda *_: Tail(index, end, 60, 15))
    lap = store.laps(looped(store, laps=1).id)[-1]
    assert lap.endpoint == (end if is_bounded else None)
    assert lap.details["tail"]["index"]["high"] == index.high


# ---- what launches say


def test_the_interval_of_a_lap_holds_the_truth_though_sessions_differ():
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(2000):
        session = rng.normal(0.5, SESSION_SPREAD)
        found = across_sessions(session + rng.normal(0, 0.013, 5))
        hits += found.low <= 0.5 <= found.high
    assert 0.95 <= hits / 2000 <= 0.99


def test_medians_take_samples_and_what_a_store_makes_of_them():
    one = Samples((1.0, 1.0, 4.0), (2.0, 2.0, 2.0), 1)
    expected = [math.log(2)]
    assert remeasure.medians([one]) == remeasure.medians([dataclasses.asdict(one)]) == pytest.approx(expected)


# ---- forecasts


def test_nothing_is_known_before_lap_1_but_the_ceiling():
    found = unknown(math.log(100)).gain
    assert 0 < found.low < found.estimate < found.high < math.log(100)
    assert unknown(-1.0).gain == Estimate(0, 0, 0)


@pytest.mark.parametrize(("draws", "more"), [(30, 30), (120, 30), (40, 200)])
@pytest.mark.parametrize("index", [-0.25, -1.0])
def test_forecasts_hold_the_best_of_further_draws(draws, more, index):
    """Draws from a generalised Pareto law that ends at ln 8, whose index and end are known."""
    rng, end, held, above = np.random.default_rng(2), math.log(8), 0, 0
    law = SimpleNamespace(endpoint=Estimate(end, end, end), index=Estimate(index, index, index))
    for _ in range(1500):
        scores = end - rng.random(draws + more) ** -index
        now, after = scores[:draws].max(), scores.max()
        gain = next_gain(Estimate(now, now, now), draws, more, 2 * end, law).gain
        held += gain.low - 1e-9 <= after <= gain.high + 1e-9
        above += after > gain.estimate + 1e-9
    assert held / 1500 >= 0.95
    assert above / 1500 == pytest.approx(min(0.5, more / (draws + more)), abs=0.05)


def test_a_champion_at_the_ceiling_is_expected_to_stay_there():
    now = Estimate(2.0, 1.98, 2.02)
    found = next_gain(now, 100, 100, 2.0, None).gain
    assert found.estimate == 2.0
    assert found.high - 2.0 == pytest.approx(0.02 * math.sqrt(2))
    assert 2.0 - found.low == pytest.approx(0.02 * math.sqrt(2))


def test_an_end_below_the_champion_or_beyond_the_ceiling_is_not_believed():
    now = Estimate(1.0, 1.0, 1.0)
    for end in (0.5, 9.0, math.inf):
        law = SimpleNamespace(endpoint=Estimate(end, end, end), index=Estimate(-0.5, -0.5, -0.5))
        found = next_gain(now, 10, 100, 2.0, law)
        assert 1.0 < found.gain.estimate < found.gain.high < 2.0
        assert "below the ceiling" in found.reason
