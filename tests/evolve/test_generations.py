"""Generations that measure nothing: the same work for every engine, counted by part."""

from __future__ import annotations

import numpy as np
import pytest

import kernels
from evolve.engine import STEERING, Engine, Manifest
from evolve.loops.engine import generations
from evolve.loops.engine.generations import HELD_OUT, Generations, Scores, Spent
from evolve.search.settings import Settings
from kernels.language import SourceFolder

CHILDREN = 6000
"""More than are looked at one by one, so that the engine scores them."""


class Recorded(Generations):
    """It remembers what its searches asked for."""

    def __init__(self, *given):
        super().__init__(*given)
        self.asked = []
        for search in self._searches:
            search._tell = self._recording(search._tell)

    def _recording(self, tell):
        def recorded(schedules):
            self.asked.append(list(schedules))
            tell(schedules)

        return recorded


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return SourceFolder(tmp_path_factory.mktemp("sources"))


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(generations, "TOLD", 340)


def test_every_engine_searches_for_the_same(folder):
    asked = []
    for manifest in (Manifest.plain(), Manifest.usual()):
        found = Recorded(manifest, Settings(children=CHILDREN), 3, folder)
        found(), found()
        asked.append(found.asked)
    assert asked[0] == asked[1]
    assert [len(batch) for batch in asked[0]] == [8] * 2 * len(HELD_OUT)


def test_parts_are_counted_by_name_and_size_and_their_share_is_of_the_whole(folder):
    found = Generations(Manifest.usual(), Settings(children=CHILDREN), 3, folder).warmed()
    assert found.spent == []
    for _ in range(3):
        assert found() > 0
    assert {part for part, _ in found.engine.calls} == {"surrogate_predict", "novelty"}
    assert all(len(size) == 3 and calls > 0 for (_, size), calls in found.engine.calls.items())
    total_s = sum(one.total_s for one in found.spent)
    for part in ("surrogate_predict", "novelty"):
        share = found.share(part)
        assert 0 < share.estimate < 1
        counted_s = sum(one.parts_s[part] for one in found.spent)
        assert found.engine.by_part[part] == pytest.approx(counted_s)
        assert counted_s < total_s
    assert found.share("dominance").estimate == 0


@pytest.mark.parametrize(("name", "size"), [("dominance", (40, 2)), ("novelty", (7, 33, 5))])
def test_a_counted_engine_answers_as_any_other(folder, name, size):
    counted, plain = generations.Counted(Manifest.usual(), folder), Engine(Manifest.usual(), folder)
    inputs = STEERING[name].definition.problem(size, STEERING[name].dtype, np.random.default_rng(1))
    np.testing.assert_array_equal(getattr(counted, name)(*inputs), getattr(plain, name)(*inputs))
    assert counted.calls == {(name, size): 1}


def test_the_share_of_a_part_is_a_mean_with_an_interval():
    found = Generations.__new__(Generations)
    found.spent = [Spent(2.0, {"novelty": 1.0}), Spent(4.0, {"novelty": 2.4}), Spent(1.0, {"novelty": 0.4})]
    share = found.share("novelty")
    assert share.estimate == pytest.approx(0.5)
    assert share.low < 0.5 < share.high


def test_spaces_are_of_kernels_that_are_no_part_of_the_engine():
    assert not set(HELD_OUT) & set(STEERING)
    assert len(set(HELD_OUT)) > 1


@pytest.mark.parametrize("name", HELD_OUT)
def test_scores_are_fixed_differ_and_fail_for_some(name):
    space = kernels.get(name).space
    scores = Scores(space, np.random.default_rng(3))
    drawn = [space.sample(np.random.default_rng(seed)) for seed in range(300)]
    told = [scores(schedule) for schedule in drawn]
    assert told == [scores(schedule) for schedule in drawn]
    fitness = [one.fitness for one in told if one.fitness is not None]
    assert 240 < len(fitness) < 300
    assert np.std(fitness) > 0.1
    other = Scores(space, np.random.default_rng(4))
    assert [other(schedule) for schedule in drawn] != told
