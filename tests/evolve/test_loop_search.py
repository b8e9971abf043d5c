"""The search that tunes itself, in worlds where it is known what tuning is worth."""

import json
import math
import zlib
from dataclasses import replace

import numpy as np
import pytest
from planted_loop import quiet
from planted_spaces import around, bowl, chaos, laps_of

from evolve.errors import EvolveError, Interrupted, UsageError
from evolve.loops import drive
from evolve.loops.search import efficiency, tuning
from evolve.loops.search import loop as search
from evolve.loops.search.stage import Stage
from evolve.loops.search.tuning import PLAIN, SPACE, STARTS, Tried, raced, schedule_of, settings_of, shrunk, tuned
from evolve.loops.spaces import Split, joined
from evolve.progress import StopRequest
from evolve.search import make
from evolve.search.settings import Settings
from evolve.store import open_store
from evolve.tracker.laps import series
from evolve.tracker.rule import decide

TERMS = {"start": "plain", "budget": 60, "candidates": 24, "seeds": 24}


def uniform(*of):
    return (zlib.crc32(repr(of).encode()) + 0.5) / 2**32


class Planted(Stage):
    """Searches whose pace follows from their settings by a law, give or take what seeds differ by."""

    def played(self, settings, seeds):
        return {one: [self._courses_on(ground, one, seeds) for ground in self.grounds] for one in settings}

    def _courses_on(self, ground, settings, seeds):
        return [self._course(settings, ground, seed) for seed in seeds]

    def _course(self, settings, ground, seed):
        luck = math.log(-math.log(uniform(settings, ground.landscape.name, seed)))
        pace = 0.05 * math.exp(type(self).law(settings) + 0.5 * luck)
        left = math.log(ground.landscape.median_s / ground.landscape.best_s)
        return tuple(ground.landscape.best_s * math.exp(left * math.exp(-pace * n)) for n in range(1, self.budget + 1))

    @staticmethod
    def law(settings):
        raise NotImplementedError


@pytest.fixture
def world(monkeypatch, tmp_path):
    """A loop in a world with a law; how it begins may be said."""
    monkeypatch.setattr(efficiency, "REPLAYS", 3)

    def made(law, **terms):
        monkeypatch.setattr(search, "Stage", type("Lawful", (Planted,), {"law": staticmethod(law)}))
        seed = terms.pop("seed", 5)
        return lambda: search.make(around("search", tmp_path, seed=seed, **TERMS, **terms))

    return made


def screening_helps(settings):
    return 1.0 if settings.screened else 0.0


def nothing_helps(_settings):
    return 0.0


# ---- the space of settings


def test_the_usual_settings_are_its_default():
    assert settings_of(SPACE.default) == Settings()


@pytest.mark.parametrize("start", STARTS)
def test_a_loop_may_begin_there(start):
    assert settings_of(schedule_of(STARTS[start])) == STARTS[start]


def test_settings_and_schedules_are_one_to_one():
    rng = np.random.default_rng(0)
    for _ in range(100):
        schedule = SPACE.sample(rng)
        assert schedule_of(settings_of(schedule)) == schedule


# ---- what is believed of candidates


def tried(scores, seeds=4, variance=0.04):
    rng = np.random.default_rng(1)
    return [Tried(SPACE.sample(rng), score, variance, seeds) for score in scores]


def test_what_noise_explains_is_not_believed():
    rng = np.random.default_rng(0)
    lucky = tried(0.5 + 0.1 * rng.normal(size=40))
    spread = np.ptp([one.score for one in lucky])
    assert np.ptp(shrunk(lucky)) < 0.5 * spread
    real = tried(0.5 + 0.5 * rng.normal(size=40))
    assert np.ptp(shrunk(real)) > 0.9 * np.ptp([one.score for one in real])


def test_few_seeds_are_believed_less():
    known = tried(0.5 + 0.2 * np.random.default_rng(0).normal(size=40))
    once, often = replace(known[0], score=1.2, seeds=1), replace(known[1], score=1.2, seeds=40)
    believed = shrunk([once, often, *known[2:]])
    assert 0.5 < believed[0] < believed[1] - 0.1


def test_what_raised_has_no_score():
    assert shrunk([*tried([0.1, 0.2]), Tried(SPACE.default, None)])[-1] is None
    assert shrunk(tried([0.3])) == [0.3]
    assert shrunk([]) == []


class Counting:
    """A stage that remembers what it was asked; settings with one child a tournament raise."""

    def __init__(self):
        self.asked = []

    def scores(self, settings, seeds):
        self.asked.append((len(settings), len(seeds)))
        return {one: None if one.tournament == 1 else np.full((2, len(seeds)), one.tournament / 10) for one in settings}


def test_all_are_tried_with_few_seeds_and_the_better_half_with_more():
    schedules = [schedule_of(Settings(tournament=k, near=near)) for k in (1, 2, 3, 5) for near in (1, 3)]
    stage, seeds = Counting(), [*range(tuning.ALL)]
    found = raced(stage, schedules, seeds)
    assert [one.schedule for one in found] == schedules
    assert stage.asked == [(8, tuning.FIRST), (3, tuning.ALL - tuning.FIRST)]
    assert [one.score for one in found] == [None, None, *(pytest.approx(s) for s in (0.2, 0.2, 0.3, 0.3, 0.5, 0.5))]
    few, many = tuning.FIRST, tuning.ALL
    assert [one.seeds for one in found] == [0, 0, few, few, many, few, many, many]
    assert [Tried.from_dict(json.loads(json.dumps(one.as_dict()))) for one in found] == found


def test_a_lap_tries_as_many_as_asked_and_none_that_an_earlier_one_tried():
    known = tried(np.linspace(0.1, 0.9, 10))
    strategy = make("genetic", SPACE, np.random.default_rng(0), 0.0)
    found = tuned(strategy, lambda batch: [Tried(one, 0.5, 0.0, 3) for one in batch], 19, known)
    assert len(found) == len({one.schedule for one in found}) == 19
    assert {one.schedule for one in found}.isdisjoint(one.schedule for one in known)


# ---- planted worlds


def test_where_one_setting_is_better_lap_1_finds_it_and_little_is_left(world):
    laps, said = laps_of(world(screening_helps), 4)
    gains = [lap.gain for lap in laps]
    assert gains[1].low > 0
    # n of half of the searches is e times smaller; who fails begins anew, which makes it 3.45 times
    assert gains[1].estimate == pytest.approx(math.log(3.45), abs=0.5)
    assert abs(gains[4].estimate - gains[1].estimate) < 0.6
    assert settings_of(schedule_of(Settings.from_dict(laps[1].details["settings"]))).screened
    assert laps[1].details["score_gain"]["low"] > 0
    assert decide(series(laps)).verdict != "COMPOUNDING"
    assert laps[0].ceiling.low > gains[1].high
    assert all(said[lap].gain.low <= said[lap].gain.estimate <= said[lap].gain.high for lap in said)


@pytest.mark.parametrize("seed", range(3))
def test_where_no_setting_is_better_nothing_is_gained_and_nothing_compounds(world, seed):
    laps, _ = laps_of(world(nothing_helps, seed=seed), 4)
    last = laps[-1].gain
    assert last.low <= 0.1
    assert abs(last.estimate) < 0.6
    assert decide(series(laps)).verdict != "COMPOUNDING"


def test_a_lap_follows_from_the_laps_before_and_nothing_else(world):
    made = world(screening_helps)
    whole, said = laps_of(made, 3)
    resumed, again = laps_of(made, 3, laps=whole[:2])
    assert resumed == whole
    assert again[3] == said[3]
    other, _ = laps_of(world(screening_helps, seed=6), 1)
    assert other[1].details["tried"] != whole[1].details["tried"]


def test_what_was_tried_goes_on_to_the_next_lap_and_is_paid_for(world):
    laps, _ = laps_of(world(screening_helps), 2)
    first, second = ({json.dumps(one["schedule"]) for one in lap.details["tried"]} for lap in laps[1:])
    assert len(first) == len(second) == TERMS["candidates"]
    assert first.isdisjoint(second)
    assert 1 < laps[1].inputs < laps[2].inputs


def test_settings_that_stay_are_not_judged_twice(world, monkeypatch):
    made = world(nothing_helps)
    monkeypatch.setattr(search, "_finalists", lambda _tried, _before: [])
    laps, _ = laps_of(made, 2)
    assert [lap.gain.estimate for lap in laps] == [0, 0, 0]
    assert laps[2].details["scores"] == laps[0].details["scores"]
    assert laps[2].details["step"]["estimate"] == laps[2].engine.estimate == 0
    assert decide(series(laps)).verdict == "UNDECIDED"


def test_the_engine_that_learned_takes_fewer_candidates_than_the_frozen_one(monkeypatch):
    """Where scores follow from a few settings, screening finds the best sooner than chance does."""
    monkeypatch.setattr(efficiency, "REPLAYS", 8)
    rng, known = np.random.default_rng(0), []
    for _ in range(80):
        schedule = SPACE.sample(rng)
        score = 0.2 * np.log(schedule.population) + 0.1 * schedule.tournament - 0.1 * schedule.near
        known.append(Tried(schedule, float(score), 1e-4, 9))
    found = efficiency.efficiency(known, PLAIN, Settings(founders=4), 40, 0)
    assert found.low > 0
    assert found == efficiency.efficiency(known, PLAIN, Settings(founders=4), 40, 0)
    same = efficiency.efficiency(known, PLAIN, PLAIN, 40, 0)
    assert (same.estimate, same.low, same.high) == (0, 0, 0)


def test_what_a_setting_is_worth_is_what_goes_without_it():
    rng = np.random.default_rng(0)
    schedules = [SPACE.sample(rng) for _ in range(120)]
    known = [Tried(one, 0.3 * one.screened + 0.05 * (one.near == 1), 1e-6, 9) for one in schedules]
    champion = replace(PLAIN, screened=True, exploit=Settings().exploit, near=1, founders=4)
    found = efficiency.worths(known, PLAIN, champion)
    assert next(iter(found)) == "screened"
    assert found["screened"] == pytest.approx(0.3, abs=0.1)
    assert abs(found["founders"]) < 0.05
    assert efficiency.worths(known, PLAIN, PLAIN) == efficiency.worths([], PLAIN, champion) == {}


def test_going_back_on_a_setting_is_noticed():
    there, back = Settings(tournament=5), Settings(near=1)
    assert search._returned([Settings(), there, back]) == ["tournament"]
    assert search._returned([Settings(), there, replace(there, near=1)]) == []


# ---- spaces


def test_both_kinds_of_spaces_must_be_given_each_once(tmp_path):
    one, other = bowl(tmp_path / "one.json"), bowl(tmp_path / "other.json", values=3)
    with pytest.raises(UsageError, match="--held-out"):
        Split.of({"spaces": joined([one])})
    with pytest.raises(UsageError, match="two of the spaces are called one"):
        Split.of({"spaces": joined([one]), "held_out": joined([one])})
    split = Split.of({"spaces": joined([one]), "held_out": joined([other])})
    assert [(told["space"], told["role"], told["schedules"]) for told in split.as_list()] == [
        ("one", "training", 625),
        ("other", "held out", 81),
    ]


def test_a_space_that_changed_since_lap_0_is_refused(world, tmp_path):
    made = world(nothing_helps)
    laps, _ = laps_of(made, 0)
    chaos(tmp_path / "three.json", seed=9)
    with pytest.raises(EvolveError, match="three is not what it was at lap 0"):
        made().turn(laps, np.random.default_rng(0))


# ---- with real searches


@pytest.fixture
def short(monkeypatch, tmp_path):
    """A loop that plays for seconds, in this process."""
    for module, name, value in (
        (tuning, "FIRST", 1),
        (search, "ALL", 2),
        (search, "CONFIRMING", 2),
        (efficiency, "REPLAYS", 2),
    ):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr("evolve.replay.games.cores", lambda: 1)
    monkeypatch.setattr(drive, "gate", quiet)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # no other evolve of this machine holds this lock
    return around("search", tmp_path, start="plain", budget=24, candidates=4, seeds=4)


class Silent:
    def says(self, doing):
        pass

    forecast = says

    def lap(self, lap, forecast):
        pass


def test_a_loop_that_is_stopped_and_resumed_comes_to_the_same_laps(short, tmp_path):
    with open_store(str(tmp_path / "runs.db")) as store:
        asked = drive.spec(store, "search", short.loop.options, laps=2, seed=5)
        whole = drive.start(store, asked, Silent())
        part = drive.start(store, replace(asked, laps=1), Silent())
        drive.resume(store, part.id, Silent(), laps=2)
        found = [[(lap.gain, lap.details) for lap in store.laps(loop.id)] for loop in (whole, part)]
    assert found[0] == found[1]
    assert len(found[0]) == 3
    score = found[0][1][1]["score"]
    assert score["low"] <= score["estimate"] <= score["high"] <= 1


def test_ctrl_c_ends_a_lap_between_two_searches(short):
    stop = StopRequest()
    closed = search.make(replace(short, stop=stop, say=lambda doing: setattr(stop, "is_set", "3 of" in doing)))
    with pytest.raises(Interrupted, match="evolve loop resume search-1"):
        closed.start()
