"""The loop that evolves the rules of races, over harnesses of known times, known noise and a clock of their own."""

from __future__ import annotations

import hashlib
import math
from types import SimpleNamespace

import numpy as np
import planted_loop
import pytest
from known import KnownHarness
from planted_loop import Heard

from benchmarks.harness import Built, Incumbent
from benchmarks.inference import Estimate, log_ratios
from benchmarks.judge import judged
from benchmarks.outcome import Crashed, Samples, TimedOut
from benchmarks.race import Rules, is_decided, loops_for
from evolve.errors import EvolveError, Interrupted
from evolve.loops import drive
from evolve.loops.policy import field
from evolve.loops.policy import loop as policy
from evolve.loops.policy.field import Course, Exploration, Live, Walk, live, recorded
from evolve.loops.policy.loop import HELD_IN, HELD_OUT, choice
from evolve.loops.policy.replay import Candidate, Recorded, Trace
from evolve.loops.protocol import LapFailedError
from evolve.progress import StopRequest
from evolve.racing import HAND_SET, MOST_ROUNDS, SAMPLES_US, SPACE, rules_of
from evolve.report.loop import full
from evolve.store import open_store
from evolve.tracker.laps import series
from evolve.tracker.turns import turns
from kernels.language import Schedule

OPTIONS = {"policies": 64, "races": 8, "candidates": 12, "turns": 2}
BESIDE_S, BUILD_S = 4e-3, 0.02
LAPS = 2


class World:
    """What all harnesses share: a clock, how noisy races are, and who is slower in place than a replay can know."""

    def __init__(self, noise=1e-3):
        self.now_s, self.noise, self.harnesses, self.stalls = 0.0, noise, [], lambda _rules: 0.0

    def clock(self):
        return self.now_s


class RacedHarness(KnownHarness):
    """Really races, by rules, contestants of known times: nothing is timed but by the world's clock."""

    def __init__(self, world, task, rules=None):
        super().__init__()
        self.world, self.task, self.rules = world, task, rules or Rules()
        self.rng = np.random.default_rng(len(task.kernel))
        world.harnesses.append(self)

    def time_s(self, schedule):
        """The default takes a millisecond; most others are a little slower, some a little faster."""
        default = self.task.definition.space.default
        if schedule is None or Schedule(schedule) == default:
            return 1e-3 if schedule else 2e-3
        digest = hashlib.sha256(str(Schedule(schedule)).encode()).digest()
        return 1e-3 * (0.95 + 0.4 * digest[0] / 255)

    def plan(self, schedule):
        self.world.now_s += BUILD_S
        return super().plan(schedule)

    def sample(self, time_s):
        return time_s * math.exp(self.rng.normal(0, self.world.noise) / math.sqrt(2))

    def races(self, times_s, rules):
        """Rounds of two until the rules say that it is over."""
        seconds, loops = ([], []), loops_for(min(times_s), rules.sample_s)
        while not is_decided(log_ratios(*seconds).tolist(), rules):
            for side, time_s in zip(seconds, times_s, strict=True):
                side.append(self.sample(time_s))
        self.world.now_s += loops * sum(map(sum, seconds))
        return Samples(tuple(seconds[0]), tuple(seconds[1]), loops)

    def measure(self, built, incumbent):
        self.world.now_s += BESIDE_S + self.world.stalls(self.rules)
        times_s = self.time_s(built.plan.schedule), self.time_s(incumbent.contestant.schedule)
        return judged(self.races(times_s, self.rules), 0.0, 0.0)

    def pair(self, candidate, incumbent, rules):
        return self.races((self.time_s(candidate.schedule), self.time_s(incumbent.schedule)), rules)

    def first_incumbent(self):
        return Incumbent(self.baseline, self.time_s(None))


@pytest.fixture
def world(monkeypatch, tmp_path):
    made = World()
    monkeypatch.setattr(field, "perf_counter", made.clock)
    monkeypatch.setattr(policy, "Harness", lambda task, _folder, **_given: RacedHarness(made, task))
    monkeypatch.setattr(policy, "source_folder", lambda: None)
    monkeypatch.setattr(drive, "gate", planted_loop.quiet)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # no other evolve of this machine holds this lock
    return made


def started(store, laps=LAPS, observer=None, **options):
    asked = drive.spec(store, "policy", {**OPTIONS, **options}, laps=laps, seed=5)
    return drive.start(store, asked, observer or Heard())


# ---- from end to end


def test_in_a_quiet_world_one_lap_finds_the_rounds_that_decide_nothing(store, world):
    loop = started(store, observer=(heard := Heard()))
    first, second, third = store.laps(loop.id)
    assert first.gain == Estimate(0.0, 0.0, 0.0)
    assert first.details["policy"]["genes"] == dict(HAND_SET)
    assert first.ceiling.low <= first.ceiling.estimate <= first.ceiling.high
    assert second.details["policy"] == first.details["proposed"]
    assert second.details["refused"] == []
    assert second.gain.low > math.log(1.1)
    assert second.engine == second.gain
    assert abs(third.gain.estimate - second.gain.estimate) < second.gain.estimate / 2
    assert second.gain.estimate <= first.ceiling.high + 0.05
    assert not series(store.laps(loop.id)).faults
    assert [lap.inputs for lap in (first, second, third)] == [1.0, 65.0, 129.0]
    assert all(one.gain.low <= lap.gain.high and lap.gain.low <= one.gain.high
               for one, lap in zip(heard.forecasts, heard.laps[1:], strict=True))  # fmt: skip
    assert "samples are" in heard.forecasts[0].reason


def test_a_lap_shows_rates_of_error_evaluations_a_second_and_what_a_run_has_of_it(store, world):
    loop = started(store, laps=1)
    details = store.laps(loop.id)[1].details
    rates = {rate["kind"]: rate for rate in details["comparison"]["rates"]}
    assert {"takes 1x for a gain", "misses 1.02x", "decides wrongly"} <= rates.keys()
    assert details["comparison"]["objections"] == []
    for task in HELD_OUT:
        shown = details["live"][task.kernel]
        assert shown["policy_per_s"] > shown["hand_set_per_s"] > 0
        assert shown["hand_set_only"] == shown["policy_only"] == 0
        assert shown["both"] + shown["neither"] == OPTIONS["candidates"]
    whole = details["in_a_run"]
    assert 0 < whole["share"] < 1
    assert 1 < whole["speedup"]["estimate"] < math.exp(store.laps(loop.id)[1].gain.estimate)
    assert set(details["traces"]) == {task.kernel for task in (*HELD_IN, *HELD_OUT)}
    assert len(details["traces"]["conv2d"]["100 200 400"]) == OPTIONS["races"]
    assert details["left"]["low"] <= details["left"]["high"]
    assert Rules(**details["policy"]["rules"]) == rules_of(details["policy"]["genes"])


def test_the_report_shows_rules_rates_and_what_was_refused(store, world):
    world.stalls = lambda rules: 0.0 if rules == Rules() else 1.0
    shown = " ".join(full(turns(store, started(store, laps=1).id)).split())
    assert "BY HAND-SET RULES" in shown
    assert "as set by hand" in shown
    assert "slower in place" in shown
    assert "candidates decided alike" in shown
    assert "takes 1x for a gain" in shown


def test_the_command_keeps_its_options_with_the_loop(evolve, monkeypatch, url):
    monkeypatch.setitem(drive.LOOPS, "policy", "planted_loop")
    monkeypatch.setattr(drive, "gate", planted_loop.quiet)
    line = "loop policy --policies 16 --races 8 --laps 1 --seed 3 --no-report"
    assert evolve(*line.split())[0] == 0
    with open_store(url) as store:
        loop = store.loop("latest")
    assert (loop.kind, loop.laps, loop.options) == ("policy", 1, {"policies": 16, "races": 8})
    assert evolve("loop", "policy", "--races", "2")[0] == 2


def test_what_is_held_out_is_searched_on_by_nobody(store, world, monkeypatch):
    searched = []
    known = policy.found

    def found(problems, *rest):
        searched.append([one.candidates for one in problems])
        return known(problems, *rest)

    monkeypatch.setattr(policy, "found", found)
    loop = started(store, laps=1)
    fields = store.laps(loop.id)[0].details["fields"]
    for problems in searched:
        assert [field.told(candidates) for candidates in problems] == [fields[task.kernel] for task in HELD_IN]


def test_in_a_world_too_noisy_for_fewer_rounds_the_hand_set_policy_stays_or_decides_as_well(store, world):
    world.noise = 0.06
    loop = started(store, laps=1)
    last = store.laps(loop.id)[1]
    assert last.details["comparison"]["objections"] == [] or last.details["policy"]["genes"] == dict(HAND_SET)


def test_a_policy_that_is_slower_in_place_is_refused_and_the_next_forecast_says_so(store, world):
    world.stalls = lambda rules: 0.0 if rules == Rules() else 1.0
    loop = started(store, observer=(heard := Heard()))
    first, second, _ = store.laps(loop.id)
    assert first.details["proposed"]["genes"] != dict(HAND_SET)
    assert second.details["policy"]["genes"] == dict(HAND_SET)
    assert "slower in place" in second.details["refused"][0]
    assert second.gain.low <= 0 <= second.gain.high
    assert "refused: " in heard.forecasts[1].reason
    assert "refused" not in heard.forecasts[0].reason


# ---- killed and resumed


def gains(store, loop):
    """To nine digits: the world's clock goes on from loop to loop, and rounds."""
    return [round(lap.gain.estimate, 9) for lap in store.laps(loop.id)]


def test_a_loop_that_was_stopped_ends_like_one_that_was_not(store, world, tmp_path):
    whole = gains(store, started(store))

    def interrupt(lap):
        if lap.lap == 1:
            raise KeyboardInterrupt

    with open_store(str(tmp_path / "other.db")) as other:
        with pytest.raises(KeyboardInterrupt):
            started(other, observer=Heard(interrupt))
        (loop,) = other.loops()
        assert gains(other, loop) == whole[:2]
        drive.resume(other, loop.id, Heard())
        assert gains(other, loop) == whole


def test_ctrl_c_is_heard_between_two_measurements(store, world, monkeypatch):
    """The lap under way is dropped, and the loop says how to go on."""
    stops = []

    class Stopping(StopRequest):
        def __init__(self):
            super().__init__()
            stops.append(self)

    monkeypatch.setattr(drive, "StopRequest", Stopping)
    known = RacedHarness.pair

    def pair(self, *arguments):
        stops[-1].is_set = True
        return known(self, *arguments)

    monkeypatch.setattr(RacedHarness, "pair", pair)
    with pytest.raises(Interrupted, match="evolve loop resume policy-"):
        started(store)
    assert store.laps(store.loops()[0].id) == []


# ---- its parts


def problems_of(noise, races=40):
    rng = np.random.default_rng(0)

    def trace():
        sides = 1e-3 * np.exp(rng.normal(0, noise, (2, MOST_ROUNDS)))
        return Trace(*(tuple(side.tolist()) for side in sides))

    candidates = [Candidate({}, {}, ratio, 1e-3, 1e-3, 1e-3) for ratio in (-0.3, -0.1, 0.05)]
    noises = [[trace() for _ in range(races)] for _ in range(2)]
    return [Recorded(dict.fromkeys(SAMPLES_US, traces), candidates) for traces in noises]


def test_a_present_policy_that_new_noise_makes_wrong_gives_way_to_the_hand_set_one():
    """The machine has become noisier since it was found."""
    lazy = SPACE.schedule(hopeless_percent=101, ruinous_percent=105, most_rounds=12)
    quiet, noisy = problems_of(1e-4), problems_of(0.03)
    assert choice(quiet, lazy, HAND_SET).policy == lazy
    made = choice(noisy, lazy, HAND_SET)
    assert made.policy == HAND_SET
    assert len(made.refused) == 1
    assert "most_rounds 30 -> 12" in made.refused[0]
    assert choice(noisy, lazy, lazy).policy == HAND_SET
    other = SPACE.schedule(sample_us=400)
    assert choice(noisy, lazy, other).policy == other


def test_an_exploration_leaves_out_the_plain_loop_and_knows_who_was_met(world):
    harness = RacedHarness(world, HELD_IN[0])
    made = Exploration(harness, np.random.default_rng(0)).until(20, lambda: None)
    assert len(made.candidates) == 20
    assert made.build_s == pytest.approx(BUILD_S * made.tried)
    assert made.candidates[0].incumbent == dict(harness.task.definition.space.default)
    for one in made.candidates:
        truth = math.log(harness.time_s(one.incumbent) / harness.time_s(one.schedule))
        assert one.ratio == pytest.approx(truth, abs=0.01)
        assert one.beside_s == pytest.approx(BESIDE_S)


def test_an_exploration_of_which_everything_fails_comes_to_an_end(world, monkeypatch):
    harness = RacedHarness(world, HELD_IN[0])
    monkeypatch.setattr(harness, "measure", lambda *_: planted_failure())
    with pytest.raises(EvolveError, match="gave no 4 candidates"):
        Exploration(harness, np.random.default_rng(0)).until(4, lambda: None)


def planted_failure():
    return Crashed("died of SIGSEGV")


def test_where_nobody_beats_the_plain_loop_the_fastest_of_the_first_batch_has_the_title(world, monkeypatch):
    harness = RacedHarness(world, HELD_IN[0])
    usual = harness.time_s
    monkeypatch.setattr(harness, "time_s", lambda schedule: usual(schedule) * (3 if schedule else 1))
    made = Exploration(harness, np.random.default_rng(0)).until(10, lambda: None)
    assert made.tried > len(made.candidates) == 10
    assert all(one.incumbent_s > 2e-3 for one in made.candidates)


@pytest.mark.parametrize(("failure", "kind"), [(TimedOut, EvolveError), (Crashed, LapFailedError)])
def test_a_build_that_takes_too_long_is_no_fault_of_the_lap(world, monkeypatch, failure, kind):
    harness = RacedHarness(world, HELD_OUT[0])
    met = Exploration(harness, np.random.default_rng(0)).until(4, lambda: None).candidates
    monkeypatch.setattr(harness, "build", lambda plans: [Built(plan, failure=failure("planted")) for plan in plans])
    with pytest.raises(EvolveError) as raised:
        Course.of(harness, met)
    assert type(raised.value) is kind


def test_noise_is_recorded_at_each_length_of_a_sample_unless_a_call_is_longer(world):
    harness = RacedHarness(world, HELD_IN[0])
    traces = recorded(harness, harness.plan(harness.task.definition.space.default).contestant, 3, lambda: None)
    assert [len(one) for one in traces.values()] == [3] * len(SAMPLES_US)
    assert len({id(one[0]) for one in traces.values()}) == 1
    assert {len(trace.noise) for one in traces.values() for trace in one} == {MOST_ROUNDS}
    harness.time_s = lambda _schedule: 1e-5
    apart = recorded(harness, harness.baseline, 3, lambda: None)
    assert len({id(one[0]) for one in apart.values()}) == len(SAMPLES_US)


def test_both_policies_walk_the_same_course_in_turn(world):
    harness = RacedHarness(world, HELD_OUT[0])
    met = Exploration(harness, np.random.default_rng(0)).until(10, lambda: None).candidates
    course, by = Course.of(harness, met), []
    run = course.run
    hasty = rules_of(SPACE.schedule(hopeless_percent=102, ruinous_percent=105))
    noting = SimpleNamespace(run=lambda rules: by.append(rules) or run(rules))
    found = live([noting], hasty, 2, lambda: None)
    assert by == [Rules(), *[Rules(), hasty, hasty, Rules()] * 2]
    assert found.gain.low > 0
    assert found.samples > 1
    assert 0 < found.share < 1
    assert math.log(1 / (1 - found.share)) == pytest.approx(
        Live(found.frozen, found.frozen).left(0.0), abs=1e-9
    )  # fmt: skip


def walk(wall_s, sampled_s=0.0, taken=(True, False)):
    return (Walk(wall_s, sampled_s, taken),)


def test_decisions_are_those_of_most_turns():
    sides = [walk(1.0), walk(1.0), walk(1.0, taken=(False, False))]
    found = Live((*sides,), (walk(0.5, taken=(True, True)),) * 3).by_problem(["conv2d"])["conv2d"]
    assert found == {
        "hand_set_per_s": 2.0, "policy_per_s": 4.0, "both": 1, "hand_set_only": 0, "policy_only": 1, "neither": 0,
    }  # fmt: skip


def test_what_is_left_is_what_samples_take_beyond_the_floor():
    found = Live((walk(2.0, 1.0),) * 2, (walk(2.0, 1.0),) * 2)
    assert found.gain.estimate == 0.0
    assert found.share == 0.5
    assert found.left(0.0) == pytest.approx(math.log(2))
    assert found.left(1.0) == 0.0
