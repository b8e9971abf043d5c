"""The bag of tricks on planted costs: what stacks is found to stack, and what shares a bottleneck is not."""

import functools
import json
import math
from dataclasses import asdict

import numpy as np
import planted_loop
import pytest
from planted_loop import plant_found
from small_landscape import small_cache
from small_recording import small_recording

from benchmarks.inference import Estimate
from benchmarks.race import Rules
from evolve.errors import EvolveError, Interrupted, UsageError
from evolve.loops import drive
from evolve.loops.protocol import Around
from evolve.loops.spaces import Split
from evolve.loops.tricks import loop as tricks
from evolve.loops.tricks.evaluation_costs import Costs
from evolve.loops.tricks.levels import NAMES, levels, stand_ins, way
from evolve.machines import known_machine
from evolve.progress import StopRequest
from evolve.racing import HAND_SET, SPACE, rules_of
from evolve.replay.charge import Charge
from evolve.report import loop_page
from evolve.report import tricks_details as words
from evolve.report.loop import full
from evolve.run import POLITE
from evolve.search.settings import Settings
from evolve.store import open_store
from evolve.tracker.turns import turns

GAINS = {"engine": 0.02, "policy": 0.3, "search": 0.5, "model": 0.4}
SHARED = {("search", "model"): -0.35}


class Planted:
    """Stands for ``charges``: totals that follow from the levels that are on, in blocks that differ."""

    def __init__(self, gains=GAINS, interactions=None, noise=0.02):
        self.gains, self.interactions, self.noise = gains, interactions or {}, noise
        self.known, self.blocks = None, 0

    def __call__(self, block):
        self.blocks += 1
        rng = np.random.default_rng(block.seed)
        level = 3 + rng.normal(0, 0.7)
        return [self._charge(level - self._gain(one) + self.noise * rng.standard_normal()) for one in block.ways]

    def _gain(self, one):
        on = {name for name in NAMES if is_on(one, name)}
        together = sum(gain for group, gain in self.interactions.items() if set(group) <= on)
        return sum(self.gains[name] for name in on) + together

    def _charge(self, work):
        total_s = math.exp(work)
        return Charge(0.2 * total_s, 0.4 * total_s, 0.1 * total_s, 0.3 * total_s, 40, is_near=True)


@functools.cache
def usual_engine():
    """As ways tell it."""
    return way(stand_ins(), NAMES).searching.engine


def is_on(one, name):
    """Whether a way has a stand-in switched on."""
    settings = one.searching.settings
    return {
        "engine": one.searching.engine == usual_engine(),
        "policy": one.rules == Rules(),
        "search": settings.children == Settings().children,
        "model": settings.learning,
    }[name]


class Watcher:
    def __init__(self, says=None):
        self.said, self._says = [], says or (lambda _doing: None)

    def says(self, doing):
        self.said.append(doing)
        self._says(doing)

    def forecast(self, forecast):
        self.said.append(forecast)

    def lap(self, lap, forecast):
        del forecast
        self.said.append(lap)


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(drive, "gate", planted_loop.quiet)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # no other evolve of this machine holds this lock
    monkeypatch.setattr(tricks, "cores", lambda: 1)
    monkeypatch.setattr(
        tricks, "costs", lambda *_arguments: Costs(Estimate(0.3, 0.2, 0.4), Estimate(0.2, 0.1, 0.3), 12)
    )
    with open_store(str(tmp_path / "runs.db")) as opened:
        yield opened


@pytest.fixture
def options(tmp_path):
    files = [small_recording(tmp_path / f"{name}.json.gz") for name in ("one", "two")]
    return {"held_out": ":".join(map(str, files)), "seeds": 8}


@pytest.fixture
def plant(monkeypatch):
    def planted(**changes):
        made = Planted(**changes)
        monkeypatch.setattr(tricks, "charges", made)
        return made

    return planted


def made(store, options, watcher=None, laps=4):
    return drive.start(store, drive.spec(store, "tricks", options, laps=laps, seed=5), watcher or Watcher())


# ---- the loop


def test_tricks_that_add_are_found_to_add_and_the_forecasts_hold(store, options, plant):
    planted = plant()
    loop = made(store, options)
    told = turns(store, loop.id)
    total = np.cumsum([GAINS[name] for name in NAMES])
    assert [lap["gain"]["estimate"] for lap in told["laps"]] == pytest.approx([0, *total], abs=0.05)
    assert told["forecasts"] == {"made": 4, "held": 4}
    last = told["laps"][-1]["details"]
    assert last["stacking"]["word"] == "additive"
    for effect in last["effects"]:
        expected = GAINS[effect["factors"][0]] if len(effect["factors"]) == 1 else 0.0
        assert effect["gain"]["estimate"] == pytest.approx(expected, abs=0.05)
    assert len(last["effects"]) == 15
    assert planted.blocks == 16 * 5
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_tricks_that_save_the_same_work_stack_less_and_the_forecast_of_the_last_lap_fails(store, options, plant):
    plant(interactions=SHARED)
    told = turns(store, made(store, options).id)
    last = told["laps"][-1]
    assert last["details"]["stacking"]["word"] == "sub-additive"
    assert last["details"]["stacking"]["beyond"]["estimate"] == pytest.approx(-0.35, abs=0.05)
    pair = next(one for one in last["details"]["effects"] if one["factors"] == ["search", "model"])
    assert pair["gain"]["high"] < 0
    assert last["forecast"]["error"] < 1
    assert [lap["forecast"]["holds"] for lap in told["laps"][1:4]] == [True] * 3


def test_a_lap_switches_one_level_on_and_its_step_is_what_that_gave(store, options, plant):
    plant()
    laps = store.laps(made(store, options).id)
    assert [lap.details["level"] for lap in laps[1:]] == list(NAMES)
    assert [lap.details["step"]["estimate"] for lap in laps[1:]] == pytest.approx(list(GAINS.values()), abs=0.05)
    assert [len(lap.details["cells"]) for lap in laps] == [5, 2, 3, 5, 9]
    assert all(lap.details["cells"][0] == [] for lap in laps)


def test_the_ceiling_is_a_single_evaluation(store, options, plant):
    plant(noise=0.0)
    start = store.laps(made(store, options, laps=1).id)[0]
    base = np.array(start.details["work"])[:, 0]
    assert start.ceiling.estimate == pytest.approx(float(np.mean(base - math.log(0.5))), abs=1e-4)
    assert start.details["shares"] == pytest.approx({"builds": 0.4, "proofs": 0.1, "races": 0.3, "search": 0.2})


def test_levels_are_tried_alone_with_seeds_of_their_own(store, options, plant):
    plant()
    laps = store.laps(made(store, options, laps=2).id)
    alone, first, second = ({tuple(block) for block in lap.details["blocks"]} for lap in laps)
    assert first == second
    assert not alone & first
    assert {space for space, _ in alone} == {"one", "two"}


def test_a_loop_that_was_stopped_ends_like_one_that_was_not(store, options, plant):
    plant()
    whole = [lap.gain for lap in store.laps(made(store, options).id)]

    def stop_in_lap_2(doing):
        if "of 3 ways" in doing:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(store, options, Watcher(stop_in_lap_2))
    stopped = store.loops()[-1]
    assert len(store.laps(stopped.id)) == 2
    drive.resume(store, stopped.id, Watcher())
    assert [lap.gain for lap in store.laps(stopped.id)] == whole


def test_the_user_may_stop_it_between_blocks(store, options, plant):
    planted, stop = plant(), StopRequest()
    loop = store.create_loop(drive.spec(store, "tricks", options, laps=4, seed=5))

    def stop_at_the_third(doing):
        stop.is_set = stop.is_set or doing.startswith("3 of")

    with pytest.raises(Interrupted):
        tricks.make(Around(store, loop, stop_at_the_third, stop, POLITE)).start()
    assert planted.blocks == 4


def test_more_laps_than_levels_come_to_nothing_and_say_so(store, options, plant):
    plant()
    loop = made(store, options)
    with pytest.raises(EvolveError, match="all of them are on"):
        drive.resume(store, loop.id, Watcher(), laps=5)


def test_a_space_that_was_changed_since_lap_0_is_refused(store, options, plant, tmp_path):
    plant()
    loop = made(store, options, laps=1)
    small_recording(tmp_path / "one.json.gz", spread=0.03)
    with pytest.raises(EvolveError, match="one is not what it was at lap 0"):
        drive.resume(store, loop.id, Watcher(), laps=2)


def test_the_forecast_says_what_levels_give_alone_and_which_are_stand_ins(store, options, plant):
    plant()
    watcher = Watcher()
    made(store, options, watcher)
    reason = next(one.reason for one in watcher.said if getattr(one, "lap", None) == 4 and hasattr(one, "reason"))
    assert "engine 1.0" in reason
    assert "stand-in for engine and policy and search and model" in reason


def test_a_space_that_a_level_was_tuned_on_is_refused(store, options):
    (known, *_) = tricks.grounds(options)
    seen = {"spaces": Split((known,), ()).as_list(), "settings": asdict(Settings())}
    plant_found(store, "search", seen, {"settings": asdict(Settings(near=6))})
    with pytest.raises(UsageError, match="was tuned on"):
        made(store, options)


# ---- levels


def test_an_empty_store_has_stand_ins_for_all(store):
    known = levels(store, known_machine(store).id)
    assert [level.name for level in known] == list(NAMES)
    assert not any(level.loop for level in known)
    assert all(level.says.startswith("stand-in") for level in known)
    none, every = way(known, ()), way(known, NAMES)
    assert every.searching.settings == Settings()
    assert every.rules == Rules()
    assert none.searching.engine != every.searching.engine


def test_what_a_loop_found_takes_the_place_of_the_stand_in(store):
    faster = dict(SPACE.schedule(hopeless_percent=110))
    policy = plant_found(store, "policy", {"policy": {"genes": dict(HAND_SET)}}, {"policy": {"genes": faster}})
    search = plant_found(store, "search", {"settings": asdict(Settings())}, {"settings": asdict(Settings(near=6))})
    prior = {"traits": [["tile/scale", 0.5]], "shares": [0.0, -2.0, -4.0], "spaces": 2}
    model = plant_found(store, "model", {"scales": prior}, {"scales": prior})
    known = {level.name: level for level in levels(store, known_machine(store).id)}
    assert [known[name].loop for name in NAMES] == ["", policy.id, search.id, model.id]
    on, off = (way([*known.values()], names) for names in (NAMES, ()))
    assert on.rules == rules_of(faster)
    assert off.rules == Rules()
    assert (on.searching.settings.near, off.searching.settings.near) == (6, 3)
    assert on.searching.settings.prior.spaces == 2
    assert off.searching.settings.prior is None


def test_the_newest_finished_loop_of_this_machine_counts(store):
    def settings(near):
        return {"settings": asdict(Settings(near=near))}

    plant_found(store, "search", settings(3), settings(1))
    newer = plant_found(store, "search", settings(3), settings(6))
    plant_found(store, "search", settings(3), settings(0), finished=False)
    plant_found(store, "search", settings(3), settings(0), machine="other")
    assert levels(store, known_machine(store).id)[2].loop == newer.id


@pytest.mark.parametrize(
    ("kind", "off", "on"),
    [
        ("search", {"settings": asdict(Settings())}, {"settings": {"wings": 2}}),
        ("policy", {"policy": {"genes": dict(HAND_SET)}}, {"policy": {"genes": {"most_rounds": 7}}}),
        ("policy", {}, {}),
        ("engine", {"engine": {"manifest": {"parts": {}}}}, {"engine": {"manifest": {"parts": {}}}}),
        ("model", {}, {"scales": None}),
    ],
)
def test_what_this_version_cannot_use_leaves_the_stand_in(store, kind, off, on):
    plant_found(store, kind, off, on)
    assert not any(level.loop for level in levels(store, known_machine(store).id))


# ---- in words


@pytest.fixture
def told(store, options, plant):
    plant(interactions=SHARED)
    return turns(store, made(store, options).id)


def test_the_table_has_main_effects_pairs_and_how_all_stack(told):
    header, rows = words.table(told)
    assert len(header) == 3
    assert len(rows) == 4 + 6 + 3
    by_name = {row[0]: row for row in rows}
    assert by_name["search x model"][2] == "sub-additive"
    assert by_name["policy"][2].startswith("gains")
    assert by_name["beyond the product"][2] == "sub-additive"


def test_the_answer_names_the_levels_and_how_they_stack(told):
    said = dict(words.remarks(told))
    assert said["stacking"].startswith("sub-additive: ")
    assert said["level engine"].startswith("stand-in")
    assert "races 30 %" in said["spent on"]
    assert "engine 1.25x, policy 1.429x" in said["at most"]
    assert "model" not in said
    assert words.table({"laps": []})[1] == []
    assert list(words.remarks({"laps": []})) == []


def test_a_level_that_acts_through_another_one_alone_is_said_to(store, options, plant):
    plant(gains={**GAINS, "model": 0.0}, interactions={("search", "model"): 0.4}, noise=0.0)
    told = turns(store, made(store, options).id)
    assert "by another level" in dict(words.remarks(told))["model"]
    assert told["laps"][-1]["details"]["stacking"]["word"] == "super-additive"


def test_the_screen_and_the_page_show_the_factorial(store, told):
    assert "where a single evaluation is enough" in " ".join(full(told).split())
    for text in (full(told), loop_page.page(store, [told["loop"]])):
        assert told["loop"] in text
        assert "search x model" in text


# ---- the command


def test_spaces_that_cannot_be_charged_are_refused_before_there_is_a_loop(evolve, url, tmp_path, monkeypatch):
    open_store(url, create=True).close()
    foreign = small_cache(tmp_path / "other.json")
    for line, said in (("--held-out nowhere.json", "cannot be read"), (f"--held-out {foreign}", "no recording of")):
        code, _, err = evolve("loop", "tricks", *line.split())
        assert (code, err.count("\n")) == (2, 1)
        assert said in err
    monkeypatch.setattr(tricks, "shipped", list)
    assert "name some with --held-out" in evolve("loop", "tricks")[2]
    with open_store(url) as store:
        assert store.loops() == []


def test_more_laps_than_levels_are_a_usage_error(evolve):
    code, out, err = evolve("loop", "tricks", "--laps", "5")
    assert (code, out) == (2, "")
    assert "take --laps 4" in err
