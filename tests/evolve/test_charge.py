"""What a search of a recorded space would have cost: counted, not timed, but for the searching itself."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from small_landscape import small_cache
from small_recording import BASELINE_S, small_recording

from benchmarks.race import Rules, is_decided, loops_for
from evolve.errors import UsageError
from evolve.replay import charge
from evolve.replay.charge import Attempt, Block, Searching, Space, Way, attempts, charged, charges, rounds_of, shares
from evolve.replay.read import recording
from evolve.replay.recording import Timing
from evolve.replay.score import NEAR
from evolve.search.settings import Settings

USUAL = Searching(Settings(children=200))
FIXED = Rules(may_drop=False)


@pytest.fixture
def path(tmp_path):
    return small_recording(tmp_path / "small.json.gz")


@pytest.fixture
def space(path):
    found = recording(path)
    return Space(found, found.landscape("small"))


def block(path, *ways, seed=3):
    return Block(path, seed, 0.25, 0.5, ways)


def times_s(attempt):
    return tuple(timing.time_s for timing in attempt.timings)


def attempt(times_s, spread=0.0, search_s=0.0, codes=None, **further):
    codes = codes or [""] * len(times_s)
    timings = tuple(Timing(time_s, spread, code=code) for time_s, code in zip(times_s, codes, strict=True))
    return Attempt(timings, search_s, **({"is_near": False} | further))


# ---- rounds


def test_a_race_is_as_long_as_the_harness_would_make_it():
    rng = np.random.default_rng(1)
    for gain, rules in itertools.product((-2.0, -0.3, -0.02, 0.0, 0.02, 0.3), (Rules(), FIXED, Rules(hopeless=2.0))):
        ratios = (gain + 0.02 * rng.standard_normal(64)).tolist()
        rounds = rounds_of(ratios, rules)
        assert is_decided(ratios[:rounds], rules)
        assert not any(is_decided(ratios[:n], rules) for n in range(1, rounds))


def test_what_is_far_behind_takes_a_round_and_what_drops_nobody_all():
    assert rounds_of([-2.0] * 30, Rules()) == 1
    assert rounds_of([-0.5] * 30, Rules()) == 2
    assert rounds_of([0.5] * 30, Rules()) == 6
    assert rounds_of([-2.0] * 30, FIXED) == 30


# ---- searching


def test_a_search_ends_with_the_first_schedule_near_the_optimum(space):
    near_s = NEAR * space.landscape.best_s
    for seed in range(5):
        (found,) = attempts(space, USUAL, seed)
        assert found.is_near
        assert times_s(found)[-1] <= near_s
        assert all(time_s is None or time_s > near_s for time_s in times_s(found)[:-1])
        assert found.search_s > 0


def test_the_seed_decides_what_is_tried(space):
    tried = [times_s(next(attempts(space, USUAL, seed))) for seed in (3, 3, 4)]
    assert tried[0] == tried[1]
    assert tried[0] != tried[2]


def test_a_search_that_is_not_near_is_begun_anew(space, monkeypatch):
    monkeypatch.setattr(charge, "BUDGET", 12)
    searches = [[*attempts(space, USUAL, seed)] for seed in range(12)]
    assert max(map(len, searches)) > 1
    for made in searches:
        assert not any(one.is_near for one in made[:-1])
        assert made[-1].is_near or len(made) == charge.ATTEMPTS
        assert len({times_s(one) for one in made}) == len(made)


def test_a_search_that_never_arrives_is_given_up_in_the_end(space, monkeypatch):
    monkeypatch.setattr(charge, "BUDGET", 6)
    monkeypatch.setattr(charge, "NEAR", 0.5)
    made = [*attempts(space, USUAL, 1)]
    assert [len(one.timings) for one in made] == [6] * charge.ATTEMPTS
    assert not any(one.is_near for one in made)


# ---- charging


def test_every_evaluation_is_built_and_proven_and_only_those_that_work_are_raced(space, path):
    made = [attempt((0.01, None, 0.02), search_s=0.5, is_near=True)]
    found = charged(made, FIXED, space, block(path))
    assert (found.built_s, found.proven_s) == pytest.approx((3 * 0.25, 3 * 0.5))
    # against the plain loop, then against the 10 ms that came before
    raced = [(0.01, BASELINE_S), (0.02, 0.01)]
    expected_s = sum(30 * loops_for(min(pair)) * sum(pair) for pair in raced)
    assert found.raced_s == pytest.approx(expected_s)
    assert found.total_s == pytest.approx(0.5 + 0.75 + 1.5 + expected_s)
    assert (found.evaluations, found.is_near) == (3, True)
    assert sum(shares(found).values()) == pytest.approx(1)
    assert shares(found)["search"] == pytest.approx(0.5 / found.total_s)


def test_each_attempt_begins_at_the_plain_loop(space, path):
    once = attempt((0.01,))
    one, two = (charged([once] * count, FIXED, space, block(path)) for count in (1, 2))
    assert two.raced_s == pytest.approx(2 * one.raced_s)


def test_a_code_is_built_once_and_costs_what_was_recorded(space, path):
    timings = {
        schedule: replace(timing, code=f"{at % 3}", build_s=1.0 + at if at in (0, 1) else None)
        for at, (schedule, timing) in enumerate(space.recording.timings.items())
    }
    known = Space(replace(space.recording, timings=timings), space.landscape)
    assert known.builds_s == {"0": 1.0, "1": 2.0}
    assert space.builds_s == {}
    one, other = attempt((0.01, 0.02, 0.03), codes=["0", "1", "0"]), attempt((0.01, 0.04), codes=["1", "2"])
    assert charged([one], FIXED, known, block(path)).built_s == pytest.approx(1.0 + 2.0)
    # what was compiled for the first attempt is there for the second; of the third code nothing was recorded
    assert charged([one, other], FIXED, known, block(path)).built_s == pytest.approx(1.0 + 2.0 + 0.25)


def test_a_noisy_space_takes_longer_races(space, path):
    quiet, noisy = (attempt((0.01, 0.0098) * 8, spread) for spread in (0.001, 0.1))
    found = [charged([made], Rules(), space, block(path)).raced_s for made in (quiet, noisy)]
    assert found[1] > found[0]


def test_ways_that_differ_in_their_rules_share_one_search(path):
    dropping, patient = charges(block(path, Way(USUAL, Rules()), Way(USUAL, FIXED)))
    assert dropping.search_s == patient.search_s
    assert dropping.evaluations == patient.evaluations
    assert dropping.raced_s < patient.raced_s


def test_the_noise_of_a_race_is_the_same_for_all_rules(space, path):
    """Though the race before it took more rounds by one of them: whoever is twice as slow is hopeless by one only."""
    before, close = (0.01, 0.02), (0.0101, 0.0099, 0.0102, 0.0098)

    def raced_s(times_s, rules):
        return charged([attempt(times_s, 0.05)], rules, space, block(path)).raced_s

    usual, patient = Rules(), replace(Rules(), hopeless=4.0, ruinous=4.0)
    assert raced_s(before, usual) < raced_s(before, patient)
    further = [raced_s(before + close, rules) - raced_s(before, rules) for rules in (usual, patient)]
    assert further[0] == pytest.approx(further[1])


def test_ways_with_other_searches_find_other_schedules(path):
    blocks = [
        block(path, Way(USUAL, Rules()), Way(Searching(Settings(screened=False)), Rules()), seed=s) for s in range(4)
    ]
    counts = [[one.evaluations for one in charges(each)] for each in blocks]
    assert any(first != second for first, second in counts)


def test_only_our_own_format_can_be_charged(tmp_path):
    with pytest.raises(UsageError, match="no recording of `evolve record`"):
        recording(small_cache(tmp_path / "other.json"))


def test_a_recording_is_read_with_what_a_landscape_leaves_out(path):
    found = recording(path)
    assert found.baseline_s == BASELINE_S
    assert {timing.spread for timing in found.timings.values()} == {0.0, 0.02}
    assert math.isclose(min(t.time_s for t in found.timings.values() if t.time_s), found.landscape("small").best_s)
