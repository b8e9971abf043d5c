"""The real harness at all three levels, with few trials: what is counted, not how it comes out."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import aa
from benchmarks.harness import Harness
from benchmarks.precision import PROBLEM, Extent, precision


@pytest.fixture(scope="module")
def harness(folder, alone):
    with Harness(PROBLEM, folder) as made:
        yield made


def test_another_build_is_the_same_source_compiled_once_more(harness):
    plans = [aa.another_build(harness) for _ in range(2)]
    one, other = aa.proven(harness, plans)
    assert one.handle.key != other.handle.key
    texts = [(harness.folder.path / f"k{made.handle.key}.py").read_text().splitlines() for made in (one, other)]
    assert texts[0][:-1] == texts[1][:-1]
    assert texts[0][-1].startswith("# build ")


def test_every_level_is_raced(harness):
    said = []
    found = precision(harness, Extent(trials=6, builds=3, launches=3), np.random.default_rng(1), said.append)
    assert {name: level.trials for name, level in found.levels.items()} == {"same": 6, "rebuilt": 6, "relaunched": 3}
    assert all(level.expected == pytest.approx(0.0227, abs=1e-4) for level in found.levels.values())
    assert found.conditions["races"] == 12
    assert len(said) == 3
    told = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert told["aa"].keys() == {"same", "rebuilt", "relaunched"}
    assert told["noise"].keys() == {"round", "build", "launch"}
    assert told["smallest_gain"].keys() == {"8", "15", "30", "60"}


def test_launches_are_timed_in_turn_and_every_two_of_them_are_a_race(harness):
    races = aa.relaunched(harness, aa.itself(harness), 3)
    assert len(races) == 3
    assert {len(race.candidate_s) for race in races} == {aa.ROUNDS}
    first, second, third = races  # 0 and 1, 0 and 2, 1 and 2
    assert first.candidate_s == second.candidate_s
    assert first.incumbent_s == third.candidate_s != first.candidate_s
