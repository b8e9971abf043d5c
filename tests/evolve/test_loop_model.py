"""The surrogate that is taught by its own verified proposals, on spaces where it is known what can be learned."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from planted_loop import quiet
from planted_spaces import TOPS, around, bowl, chaos, laps_of

from evolve.errors import Interrupted, UsageError
from evolve.loops import drive
from evolve.loops.model import loop as model
from evolve.loops.model.hits import RANDOM, log_ratio, quantile
from evolve.loops.model.listing import Listing
from evolve.loops.model.proposing import Scale, Taught
from evolve.loops.protocol import LapFailedError
from evolve.progress import StopRequest
from evolve.replay.read import read
from evolve.search.prior import Prior
from evolve.store import open_store
from evolve.tracker.laps import series
from evolve.tracker.rule import decide

TERMS = {"candidates": 19, "seeds": 4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four spaces of 1296 schedules: a tenth of them last for three laps and more."""
    folder = tmp_path_factory.mktemp("spaces")
    for name, top in TOPS.items():
        bowl(folder / f"{name}.json", top, values=6)
    return folder


@pytest.fixture(scope="module")
def learned(folder):
    """Three laps where times follow from genes."""
    return laps_of(lambda: model.make(around("model", folder, **TERMS)), 3)


@pytest.fixture(scope="module")
def listing(tmp_path_factory):
    return Listing(read(bowl(tmp_path_factory.mktemp("one") / "bowl.json", fails=9)))


# ---- the bar


def test_a_tenth_of_further_draws_exceed_the_bar_whatever_the_distribution():
    rng = np.random.default_rng(0)
    for make in (rng.random, rng.standard_exponential, rng.standard_cauchy):
        further = make(20_000)
        above = [np.mean(further > quantile(make(19))) for _ in range(600)]
        assert np.mean(above) == pytest.approx(RANDOM, abs=0.01)


def test_draws_that_failed_are_below_it():
    assert quantile(np.array([-np.inf] * 8 + [*range(8)])) == pytest.approx(6.3)
    assert not math.isfinite(quantile(np.array([-np.inf] * 31 + [1.0])))


def test_a_rate_over_another_has_an_interval_over_seeds():
    rng = np.random.default_rng(0)
    ours, theirs = ([rng.binomial(32, rate, 200) / 32 for _ in range(2)] for rate in (0.8, 0.1))
    found = log_ratio(ours, theirs, 1e-3)
    assert found.low < math.log(8) < found.high
    assert found.high - found.low < 0.15
    assert log_ratio(ours, ours, 1e-3).high == 0
    assert log_ratio([[0.0, 0.0]], [[0.1, 0.1]], 0.01).estimate == pytest.approx(math.log(0.1))
    assert log_ratio([[0.5]], [[0.1]], 0.01).low == -math.inf


# ---- a space as arrays


def test_places_are_those_of_the_recording(listing):
    assert listing.places(listing.rows).tolist() == [*range(len(listing))]
    assert listing.places(listing.rows[[7, 3, 3]]).tolist() == [7, 3, 3]
    assert listing.places(listing.rows[:2] + 100).tolist() == []
    assert np.flatnonzero(listing.fitness == -np.inf).tolist() == [*range(8, 625, 9)]
    assert np.median(listing.fitness[np.isfinite(listing.fitness)]) == pytest.approx(0, abs=0.01)
    assert listing.untried([0, 2]).tolist() == [1, *range(3, 625)]


def test_draws_are_of_all_schedules_alike(listing):
    drawn = listing.drawn(np.random.default_rng(0), 20_000)
    assert set(drawn.tolist()) == {*range(625)}


# ---- what the surrogate learns


def test_the_scale_rises_and_goes_on_beyond_the_best():
    known = np.array([3.0, -np.inf, 1.0, 2.0, 2.0, 10.0, 4.0, 5.0, 6.0, 7.0])
    scale = Scale(known)
    grid = scale(np.linspace(-3, 20, 100))
    assert (np.diff(grid) >= 0).all()
    assert scale(np.array([12.0]))[0] > scale(np.array([11.0]))[0] > scale(np.array([10.0]))[0]
    assert scale(np.array([-np.inf]))[0] == scale(np.array([0.0]))[0] == grid[0]
    assert np.isfinite(Scale(np.array([1.0, 1.0]))(np.array([0.0, 2.0]))).all()


def test_it_proposes_what_beats_the_bar_and_nothing_that_is_known(listing):
    rng = np.random.default_rng(0)
    known = np.unique(listing.drawn(rng, 48))
    bar = quantile(listing.fitness[known])
    found = Taught(listing, known, None).proposed(16, (bar,), rng)
    assert len(set(found.places.tolist())) == 16
    assert set(found.places.tolist()).isdisjoint(known.tolist())
    assert np.mean(listing.fitness[found.places] > bar) > 0.6
    chances = found.hits(bar)
    assert (np.diff(chances) <= 1e-9).all(), "the surest first"
    assert (found.hits(bar, -0.5) < chances).all(), "who is worse than believed beats it less often"


def test_it_knows_how_sure_it_may_be(listing):
    """Of schedules that nobody chose its 90 % interval holds most, and what it gives a chance comes as often."""
    rng, inside, foreseen, came = np.random.default_rng(1), [], [], []
    for _ in range(4):
        known = np.unique(listing.drawn(rng, 64))
        bar, others = quantile(listing.fitness[known]), listing.untried(known)
        others = others[np.isfinite(listing.fitness[others])]
        belief = Taught(listing, known, None).believed(others)
        inside.append(belief.inside(listing.fitness[others]).mean())
        foreseen.append(belief.hits(bar).mean())
        came.append(np.mean(listing.fitness[others] > bar))
    assert 0.75 < np.mean(inside) <= 1
    assert np.mean(foreseen) == pytest.approx(np.mean(came), abs=0.06)


# ---- the loop


def test_what_was_right_once_in_ten_becomes_right_until_nothing_is_left(learned):
    laps, _ = learned
    gains = [lap.gain for lap in laps]
    assert gains[0].estimate == 0
    assert gains[1].estimate > math.log(5)
    assert all(gain.estimate <= math.log(10) + 1e-9 for gain in gains)
    assert laps[0].ceiling.estimate == pytest.approx(math.log(10))
    assert laps[1].details["lift"]["low"] > 2
    assert decide(series(laps)).verdict == "CAPPED"


def test_against_the_bar_of_the_lap_before_it_declines_as_the_best_are_taken(learned):
    laps, _ = learned
    moving = [lap.details["hits_moving"]["estimate"] for lap in laps[1:]]
    assert moving[-1] < moving[0]
    left = [lap.details["mass"] for lap in laps[1:]]
    for name in ("fixed", "best"):
        assert [mass[name] for mass in left] == sorted((mass[name] for mass in left), reverse=True)
    assert laps[1].details["hits_moving"] == laps[1].details["hits"], "at first both bars are the same"


def test_a_lap_is_counted_right(learned, folder):
    """Hits, mass and endpoint of lap 2, once more by hand."""
    (_, first, second, _), _ = learned
    start, hits, left, most = learned[0][0], [], [], []
    for name in ("three", "four"):
        listing = Listing(read(folder / f"{name}.json"))
        for seed in range(TERMS["seeds"]):
            bar = np.quantile(listing.fitness[start.details["tried"][name][seed]], 0.9, method="weibull")
            known = {*start.details["tried"][name][seed], *first.details["tried"][name][seed]}
            known |= {*first.details["drawn"][name][seed]}
            proposed = second.details["tried"][name][seed]
            hits.append(np.mean([listing.fitness[place] > bar for place in proposed]))
            after = known | {*proposed, *second.details["drawn"][name][seed]}
            assert known.isdisjoint(proposed)
            untried = [place for place in range(len(listing)) if place not in after]
            left.append(np.mean(listing.fitness[untried] > bar))
            above = sum(listing.fitness[place] > bar for place in range(len(listing)) if place not in known)
            most.append(min(1.0, above / len(proposed)))
    assert second.details["hits"]["estimate"] == pytest.approx(np.mean(hits))
    assert second.details["mass"]["fixed"] == pytest.approx(np.mean(left))
    by_space = np.reshape(most, (2, -1)).mean(axis=1)
    assert second.endpoint.estimate == pytest.approx(np.mean(np.log(by_space / RANDOM)))


def test_where_nothing_can_be_learned_nothing_is_gained(tmp_path):
    laps, _ = laps_of(lambda: model.make(around("model", tmp_path, chaos, candidates=24, seeds=4)), 3)
    assert all(lap.gain.low < 0.2 for lap in laps)
    assert decide(series(laps)).verdict != "COMPOUNDING"


def test_a_forecast_is_the_models_own_and_knows_nothing_of_what_comes(learned, folder):
    laps, said = learned
    closed = model.make(around("model", folder, **TERMS))
    assert closed.forecast(laps[:3]) == said[3]
    proposed = closed.turn(laps[:3], np.random.default_rng(0)).details["tried"]
    assert proposed == laps[3].details["tried"]
    blind = model.make(around("model", folder, **TERMS))
    for listing in blind.listings:
        seen = np.unique(np.concatenate([_tried(laps[:3], listing.name), _tried(laps[:3], listing.name, "drawn")]))
        listing.fitness[listing.untried(seen.astype(np.int64))] = np.nan
    assert blind.forecast(laps[:3]) == said[3]
    for lap, expectation in said.items():
        low, high = expectation.gain.low, expectation.gain.high
        assert low <= expectation.gain.estimate <= high <= math.log(10) + 1e-9
        assert low <= laps[lap].gain.high
        assert laps[lap].gain.low <= high + 0.1


def _tried(laps, name, column="tried"):
    return np.concatenate([places for lap in laps for places in lap.details[column][name]])


def test_a_lap_follows_from_the_laps_before(learned, folder):
    laps, said = learned
    resumed, again = laps_of(lambda: model.make(around("model", folder, **TERMS)), 3, laps=laps[:2])
    assert resumed == laps
    assert again[2] == said[2]
    other, _ = laps_of(lambda: model.make(around("model", folder, seed=6, **TERMS)), 0)
    assert other[0].details["tried"] != laps[0].details["tried"]


def test_what_earlier_kernels_taught_stands_in_every_lap(learned):
    laps, _ = learned
    prior = Prior.from_dict(laps[0].details["scales"])
    assert prior.spaces == 2
    assert dict(prior.traits)["gene0/scale"] > dict(prior.traits)["gene3/cases"]
    assert all(lap.details["scales"] == laps[0].details["scales"] for lap in laps)


def test_a_loop_that_is_stopped_and_resumed_comes_to_the_same_laps(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(drive, "gate", quiet)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # no other evolve of this machine holds this lock
    options = around("model", folder, candidates=10, seeds=2).loop.options
    with open_store(str(tmp_path / "runs.db")) as store:
        asked = drive.spec(store, "model", options, laps=2, seed=5)
        whole = drive.start(store, asked, Silent())
        part = drive.start(store, replace(asked, laps=1), Silent())
        drive.resume(store, part.id, Silent(), laps=2)
        found = [[(lap.gain, lap.details) for lap in store.laps(loop.id)] for loop in (whole, part)]
        said = [[forecast.gain for forecast in store.forecasts(loop.id)] for loop in (whole, part)]
    assert found[0] == found[1]
    assert said[0] == said[1]
    assert len(said[0]) == 2


class Silent:
    def says(self, doing):
        pass

    forecast = says

    def lap(self, lap, forecast):
        pass


# ---- bad input


def test_a_space_of_which_a_tenth_is_less_than_a_lap_is_refused(folder):
    with pytest.raises(UsageError, match=r"three has 1296 schedules.*--candidates"):
        model.make(around("model", folder, candidates=130, seeds=2)).start()


def test_a_space_where_next_to_everything_fails_is_refused(tmp_path):
    for name in ("one", "two", "three", "four"):
        rare = bowl(tmp_path / f"{name}.json")
        told = json.loads(rare.read_text())
        for place, row in enumerate(told["cache"].values()):
            row["time"] = row["time"] if place % 50 == 0 else "RuntimeFailedConfig"
        rare.write_text(json.dumps(told))
    with pytest.raises(LapFailedError, match="fewer than a tenth"):
        model.make(around("model", tmp_path, **TERMS)).start()


def test_a_space_that_is_used_up_ends_the_loop(tmp_path):
    small, other = (bowl(tmp_path / f"{name}.json", top=(2, 4, 3)) for name in ("small", "other"))
    asked = around("model", tmp_path, candidates=12, seeds=2)
    asked.loop.options |= {"spaces": str(other), "held_out": str(small)}
    laps, _ = laps_of(lambda: model.make(asked), 0)
    with pytest.raises(LapFailedError, match="nothing is left to try on small"):
        laps_of(lambda: model.make(asked), 20, laps=laps)


def test_ctrl_c_ends_a_lap_between_two_fits(folder, learned):
    stop = StopRequest()
    asked = around("model", folder, stop=stop, **TERMS)
    asked = replace(asked, say=lambda doing: setattr(stop, "is_set", "seed 2" in doing))
    with pytest.raises(Interrupted, match="evolve loop resume model-1"):
        model.make(asked).forecast(learned[0][:1])
