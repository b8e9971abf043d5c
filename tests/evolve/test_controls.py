"""The controls: planted truths are what they say, rates count what is said, and a rule that is broken shows."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.inference import Estimate
from evolve.controls import checks, kept, laws, rates, searches, turning
from evolve.controls.checks import is_right
from evolve.controls.faults import FAULTS
from evolve.controls.intervals import INTERVALS, pareto
from evolve.controls.noise import Noise, Recorded, record
from evolve.controls.planted import CAPPED, COMPOUNDING, UNDECIDED, Setting
from evolve.controls.stops import Stops
from evolve.controls.worlds import KINDS
from evolve.loops import drive
from evolve.store import LoopSpec, Machine, open_store
from evolve.tracker.feedback import feedback
from evolve.tracker.laps import series
from evolve.tracker.rule import LapVerdict, decide
from evolve.tracker.turns import turned
from evolve.workers import spread

SHARP = Noise((Estimate(1e-4, -2e-4, 4e-4), Estimate(-1e-4, -4e-4, 2e-4)), drift=0.0)
BUSY = Path(__file__).with_name("noise_of_a_busy_machine.json")
WORLDS, SAID = 8, []
CHANGES = ("last_compounding", "first_capped")
BY_NAME = {kind.name: kind for kind in (*KINDS, *FAULTS)}


def setting(seed=0, noise=SHARP, laps=8):
    return Setting(noise, noise, laps, np.random.default_rng(seed))


def quiet(seed=0, scatter=0.005):
    """A machine whose blocks and launches scatter by half a per cent."""
    rng = np.random.default_rng(seed)
    blocks, launches = rng.normal(0, scatter, (3, 40)), rng.normal(0, scatter, 20)
    return Recorded("a1b2c3d4e5f6", "2026-01-01T00:00:00+00:00", blocks.tolist(), launches.tolist())


# ---- noise


def test_an_error_keeps_its_interval():
    rng = np.random.default_rng(0)
    lap = Estimate(0.02, -0.01, 0.05)
    found = [Noise((lap,), drift=0.0).around(1.0, rng) for _ in range(20)]
    assert {round(one.estimate, 9) for one in found} == {0.98, 1.02}
    assert all(one.high - one.low == pytest.approx(0.06) for one in found)
    assert all(one.low <= 1.0 <= one.high for one in found)


def test_drift_moves_the_truth_and_not_the_width():
    rng = np.random.default_rng(0)
    noise = Noise((Estimate(0.0, -0.02, 0.02),), drift=0.01)
    found = np.array([noise.around(0.0, rng).estimate for _ in range(2000)])
    assert found.std() == pytest.approx(0.01, rel=0.1)
    assert noise.times(3.0).drift == pytest.approx(0.03)
    assert noise.times(3.0).laps[0].high == pytest.approx(0.06)


def test_laps_of_throughput_are_stretches_of_blocks():
    """A drift from block to block is in the intervals of laps, as it would be in those of a loop."""
    still = Recorded("m", "", [[0.0, 0.01] * 20], [0.0] * 12)
    drifting = Recorded("m", "", [list(np.linspace(-0.5, 0.5, 40))], [0.0] * 12)
    widths = [np.median([lap.high - lap.low for lap in one.throughput().laps]) for one in (still, drifting)]
    assert widths[1] > 1.5 * widths[0]
    assert len(still.throughput().laps) > 20


def test_recorded_noise_survives_json():
    recorded = quiet()
    assert Recorded.from_dict(json.loads(json.dumps(recorded.as_dict()))) == recorded


# ---- laws


def test_geometric_laps_come_to_their_end():
    assert laws.geometric(0.6, 60)[-1] == pytest.approx(laws.end_of(0.6))
    assert laws.end_of(1.0) == math.inf
    steps = np.diff(laws.geometric(1.1, 8))
    assert steps[1:] / steps[:-1] == pytest.approx(1.1)


@pytest.mark.parametrize("law", [laws.power(8), laws.hyperbolic(8, 12), laws.geometric(0.5, 8)])
def test_every_law_begins_alike(law):
    assert law[:2] == pytest.approx([0.0, laws.FIRST])


def test_a_power_law_slows_down_and_a_hyperbola_speeds_up():
    assert (np.diff(laws.power(8), n=2) < 0).all()
    assert (np.diff(laws.hyperbolic(8, 12), n=2) > 0).all()
    with pytest.raises(ValueError, match="no lap 8"):
        laws.hyperbolic(8, 8)


def test_batches_double_their_throughput_until_the_bend():
    end = math.log(1000)
    assert laws.batching(2, end) == pytest.approx(math.log(2), rel=0.01)
    assert laws.batching(1e9, end) == pytest.approx(end)
    assert laws.batching(999, end) == pytest.approx(end - math.log(2), rel=0.01)


def test_reinvestment_returns_what_the_law_says():
    """eta xi is 1 for exponential growth, by construction of capital, and less for a power law."""
    products = {
        name: feedback(series(BY_NAME[name].plant(setting()).laps).points).product
        for name in ("exponential", "power", "growing_1.1")
    }
    assert products["exponential"].estimate == pytest.approx(1.0, abs=0.005)
    assert products["power"].high < 0.95
    assert products["growing_1.1"].low > 1


# ---- searches


def champions(seed=0, **options):
    rng = np.random.default_rng(seed)
    surface = options.pop("surface", None) or searches.dome(rng)
    search = searches._Search(surface, setting(seed), **options)
    return [surface(one) for one in search.champions()]


def test_the_search_climbs_and_shuffled_fitness_does_not():
    climbed = [champions(seed)[-1] for seed in range(6)]
    shuffled = [champions(seed, shuffles=True)[-1] for seed in range(6)]
    assert min(climbed) > 0.5 * searches.HEIGHT
    assert np.mean(shuffled) < 0.4 * np.mean(climbed)


def test_the_top_of_a_dome_is_its_height():
    rng = np.random.default_rng(3)
    surface = searches.dome(rng)
    assert surface(searches.SPACE.default) == 0
    assert max(champions(3, surface=surface)) < searches.HEIGHT


def test_random_draws_never_fall_back():
    surface = searches.scattered(np.random.default_rng(1), searches.triangular)
    found = champions(1, surface=surface, strategy="random")
    assert (np.diff(found) >= -3 * searches.RACE * 1e-4).all()
    assert found[-1] > found[0]


def test_placebo_and_equals_gain_nothing():
    for name in ("placebo", "aa"):
        laps = BY_NAME[name].plant(setting()).laps
        assert all(abs(lap.gain.estimate) < 2e-4 for lap in laps)
        assert laps[-1].endpoint is None or laps[-1].endpoint.low > -1


# ---- worlds


def test_names_are_distinct_and_no_word_is_both_right_and_wrong():
    kinds = (*KINDS, *FAULTS)
    assert len({one.name for one in (*kinds, *INTERVALS)}) == len(kinds) + len(INTERVALS)
    assert all(kind.right not in kind.wrong for kind in kinds)
    assert {kind.right for kind in KINDS} == {CAPPED, COMPOUNDING, ""}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_world_follows_from_its_number(kind):
    one, other, third = (kind.plant(setting(seed, quiet().fresh(), 3)) for seed in (1, 1, 2))
    assert one == other
    assert one != third
    assert [lap.lap for lap in one.laps] == [*range(len(one.laps))]
    assert not series(one.laps).faults


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.right], ids=lambda kind: kind.name)
def test_with_little_noise_the_right_word_is_found(kind):
    assert decide(series(kind.plant(setting()).laps)).verdict == kind.right


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.name)
def test_what_is_broken_is_undecided_out_of_a_store_too(kind, tmp_path):
    """A store refuses nothing of it but numbers that JSON lacks: what was measured is kept."""
    planted = kind.plant(setting(4)).laps
    with open_store(str(tmp_path / "runs.db")) as store:
        for machine in ("planted", "another"):
            store.add_machine(Machine(machine, {}))
        loop = store.create_loop(LoopSpec(kind="batching", laps=8, seed=0, machine="planted"))
        for lap in planted:
            store.add_lap(replace(lap, loop=loop.id, started_at="t", finished_at="t"))
        found = decide(series(store.laps(loop.id)))
    assert found.verdict == UNDECIDED
    assert found.reasons


def test_generalised_pareto_draws_have_the_index_and_the_end():
    uniform = np.random.default_rng(0).random(200_000)
    bounded = pareto(-0.5, uniform)
    assert bounded.max() == pytest.approx(2.0, rel=0.01)
    assert pareto(0.0, uniform).mean() == pytest.approx(1.0, rel=0.02)
    assert pareto(-0.5, uniform).mean() == pytest.approx(1 / 1.5, rel=0.02)


# ---- rates


def unstopped(_ground, numbers):
    """What the stop rule does costs a second a run, and has tests of its own."""
    return Stops(runs=len(numbers), stopped=0, false_stops=0, saved=0.0)


@pytest.fixture(scope="module", autouse=True)
def _unstopped():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rates, "counted", unstopped)
        yield


@pytest.fixture(scope="module")
def few(_unstopped):
    return rates.measure(quiet(), WORLDS, SAID.append, processes=1)


def test_every_world_is_counted_once(few):
    assert [row.name for row in few.rows] == [*BY_NAME]
    assert all(sum(share.count for share in row.verdicts.values()) == WORLDS for row in few.rows)
    assert {one.name.split(".")[-1] for one in few.coverings} == {"ratio", "asymptote", "endpoint", "index"}


def test_on_a_quiet_machine_the_rule_is_right(few):
    """The one-minute version of `evolve verdict --controls`: so few worlds show gross faults only."""
    assert [row.name for row in few.rows if not row.holds] == []
    held = [one for one in few.coverings if one.is_promised]
    assert sum(one.held.count for one in held) / sum(one.held.of for one in held) > 0.9


def test_the_work_may_be_shared():
    noise = rates._Noise(quiet().throughput(), quiet().fresh())
    tasks = [rates._Task(name, range(k, k + 2), noise, 8) for name in ("exponential", "tail_-0.5") for k in (0, 2)]
    alone, shared = (sorted(map(str, spread(rates.tried, tasks, processes))) for processes in (1, 2))
    assert shared == alone


def test_on_a_busy_machine_nothing_false_is_said():
    """Noise that the harness recorded while eight jobs shared two cores: laps miss by 18 %, and know it."""
    busy = Recorded.from_dict(json.loads(BUSY.read_text()))
    assert busy.throughput().as_dict()["spread"] > 0.1
    noise = rates._Noise(busy.throughput(), busy.fresh())
    for kind in KINDS:
        _, counts = rates.tried(rates._Task(kind.name, range(3), noise, 8))
        assert not any(counts.verdicts[word] for word in kind.wrong), kind.name


def test_runs_of_the_stop_rule_come_with_many_worlds_alone(few):
    noise = rates._Noise(quiet().throughput(), quiet().fresh())
    worlds = range(rates._STOPPED - 2, rates._STOPPED), range(rates._STOPPED - 1)
    runs = [rates.tried(rates._Task("stops_dome", numbers, noise, 8))[1].stops for numbers in worlds]
    assert [len(stops) for stops in runs] == [1, 0]
    assert not [check for check in few.checks if check.name.startswith("stops")]
    assert "--stop-when-flat" not in few.sentence()


def test_false_stops_are_counted_over_all_grounds():
    runs = {"dome": Stops(20, 15, 1, 0.5), "random": Stops(20, 1, 1, 0.0)}
    check = rates.stops_check("planted", runs)
    assert (check.found.count, check.found.of, check.holds) == (2, 40, True)
    assert check.what.endswith("saved of evaluations: dome 50%")
    assert not rates.stops_check("planted", runs, 1 / 3).holds
    assert not rates.stops_check("planted", {"dome": Stops(100, 90, 6, 0.5)}).holds
    assert rates.stops_check("planted", {"dome": Stops(100, 90, 5, 0.5)}).holds


@pytest.mark.parametrize("word", [CAPPED, COMPOUNDING, UNDECIDED])
def test_a_rule_that_always_says_one_word_is_found_out(word, monkeypatch):
    monkeypatch.setattr(rates, "decide", lambda _series: LapVerdict(word, ("always",)))
    monkeypatch.setattr(searches, "EVALUATIONS", searches.BATCH)  # whatever is found, the word is the same
    found = rates.measure(quiet(), 2, processes=1)
    missed = {row.name for row in found.rows if not row.holds}
    assert missed == {kind.name for kind in BY_NAME.values() if word in kind.wrong or kind.right not in ("", word)}


def test_progress_tells_what_is_left(few):
    assert SAID[0].startswith("planted worlds, ")
    assert SAID[-1] == "planted worlds, 100% judged, 0s left"


def test_an_interval_that_misses_is_counted():
    counts = rates.Counts()
    counts.judge("ratio", Estimate(0.5, 0.4, 0.6), 0.7)
    counts.judge("ratio", Estimate(0.5, 0.4, 0.6), 0.6)
    counts.judge("ratio", None, 0.6)
    counts.judge("ratio", Estimate(0.5, 0.4, 0.6), None)
    assert (counts.held["ratio"], counts.missed["ratio"], counts.unknown["ratio"]) == (1, 1, 1)


def test_shares_have_exact_intervals():
    """No false verdict in 500 worlds leaves 0.74 % possible: 1 - 0.025^(1/500)."""
    none = rates.share(0, 500)
    assert (none.low, none.high) == (0.0, pytest.approx(0.00735, rel=0.01))
    assert rates.share(500, 500).low == pytest.approx(1 - 0.00735, rel=0.001)


def test_few_worlds_show_gross_faults_only():
    """One false verdict in 20 is no proof of more than 2 %; five in 20 are, and eleven in 500."""
    assert [rates.share(*seen).lies(0.0, 0.02) for seen in ((1, 20), (5, 20), (10, 500), (11, 500))] == [1, 0, 1, 0]
    assert [rates.share(*seen).lies(0.95, 1.0) for seen in ((17, 20), (10, 20), (475, 500), (474, 500))] == [1, 0, 1, 0]


# ---- what is kept


def test_rates_are_kept_for_their_machine(few, monkeypatch, tmp_path):
    monkeypatch.setenv("EVOLVE_CACHE", str(tmp_path))
    check = kept.Check("turns", "the verdict turns in time", rates.share(19, 20), ">= 95%", holds=True)
    few = replace(few, checks=[check])
    path = kept.keep(few)
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    assert kept.last_rates(few.machine).as_dict() == few.as_dict()
    assert kept.last_rates("another") is None


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"schema": 99}', '{"schema": 1}'])
def test_damaged_rates_are_none(few, monkeypatch, tmp_path, damage):
    monkeypatch.setenv("EVOLVE_CACHE", str(tmp_path))
    kept.keep(few).write_text(damage)
    assert kept.last_rates(few.machine) is None


def test_the_sentence_names_the_worst(few):
    rows = [replace(row, verdicts=_said(row, CAPPED, WORLDS)) if row.name == "exponential" else row for row in few.rows]
    sentence = replace(few, rows=rows).sentence()
    assert "falsely CAPPED in at most 100.0 %" in sentence
    assert "falsely COMPOUNDING in at most 0.0 %" in sentence
    assert "a first look" in sentence
    assert "a first look" not in replace(few, worlds=500).sentence()


def _said(row, word, worlds):
    return {one: rates.share(worlds if one == word else 0, worlds) for one in row.verdicts}


# ---- what is measured


def test_real_controls_are_run_so_many_times(monkeypatch):
    """Here with a loop that measures nothing, and foretells nothing either: so it is never right."""
    monkeypatch.setitem(drive.LOOPS, "batching", "planted_loop")
    monkeypatch.setattr(checks, "LAPS", {"batching": 3})
    said = []
    (check,) = checks.turned_rightly(2, said.append)
    assert (check.found.count, check.found.of, check.holds) == (0, 2, False)
    assert said[-1] == "batching, 2 of 2: making lap 3"


@pytest.mark.slow
def test_the_harness_records_its_noise():
    said = []
    recorded = record("here", said.append, blocks=10, launches=6)
    for noise in (recorded.throughput(), recorded.fresh()):
        assert all(lap.low < lap.high for lap in noise.laps)
        assert abs(np.median([lap.estimate for lap in noise.laps])) < 0.3
    assert said[-1] == "noise: a kernel against itself, fresh process 6 of 6"


# ---- when the verdict turns


@pytest.mark.parametrize(
    ("turned", "is_right"),
    [((5, 10), True), ((4, 11), True), ((3, 10), False), ((5, 12), False), ((None, 10), False), ((5, None), False)],
)
def test_a_change_of_the_verdict_may_be_one_lap_off(turned, is_right):
    foretold, turned = (dict(zip(CHANGES, laps, strict=True)) for laps in ((5, 10), turned))
    assert turning.is_in_time(foretold, turned) is is_right


def test_growth_that_ends_before_a_ratio_can_be_told_need_not_be_called_so():
    assert turning.is_in_time(dict.fromkeys(CHANGES, 2), {"last_compounding": None, "first_capped": 2})


def test_a_verdict_turns_with_the_last_of_the_one_and_the_first_of_the_other():
    said = [UNDECIDED, COMPOUNDING, UNDECIDED, CAPPED, UNDECIDED, CAPPED]
    assert turned(said) == {"last_compounding": 1, "first_capped": 3}
    assert turned([CAPPED, COMPOUNDING]) == {"last_compounding": 1, "first_capped": 0}
    assert turned([UNDECIDED]) == {"last_compounding": None, "first_capped": None}


@pytest.mark.parametrize("plant", turning.PLANTED.values(), ids=turning.PLANTED)
def test_with_little_noise_the_verdict_turns_in_time(plant):
    assert plant(setting())


def test_a_loop_that_foretells_nothing_is_not_right(tmp_path):
    laps = BY_NAME["past_bend"].plant(setting()).laps
    assert not is_right(laps)
    foretold = turned(turning.words(laps))
    assert is_right([replace(laps[0], details={"expected": foretold}), *laps[1:]])
