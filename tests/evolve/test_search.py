"""Strategies keep their contract, and the genetic one beats chance clearly."""

import functools
import importlib.util
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.search import STRATEGIES, make
from evolve.search.control import FOUNDERS, ControlArm, owed
from evolve.search.genetic import Genetic
from evolve.search.local import Local
from evolve.search.nsga2 import Nsga2
from evolve.search.protocol import Proposal, Result
from evolve.search.random import Random
from evolve.search.settings import Settings
from evolve.search.testing import SYNTHETIC, TINY, StrategyContract, best, search, synthetic_fitness
from kernels.language.space import Space, integer

ROOT = Path(__file__).parents[2]


def generator(seed=0):
    return np.random.default_rng(seed)


class TestGenetic(StrategyContract):
    def make(self, space, rng):
        return Genetic(space, rng)


class TestNsga2(StrategyContract):
    def make(self, space, rng):
        return Nsga2(space, rng)


class TestLocal(StrategyContract):
    def make(self, space, rng):
        return Local(space, rng)


class TestRandom(StrategyContract):
    def make(self, space, rng):
        return Random(space, rng)


SEEDS = range(10)


@functools.cache
def searches(strategy):
    """The results of searches, each in order: who looks at fewer evaluations looks at its beginning."""
    return [search(strategy(SYNTHETIC, generator(seed)), synthetic_fitness, 300) for seed in SEEDS]


def median_best(strategy, evaluations=300):
    return np.median([best(results[:evaluations]) for results in searches(strategy)])


def test_genetic_beats_random_search_clearly():
    rng = generator(99)
    lucky = [synthetic_fitness(SYNTHETIC.sample(rng)) for _ in range(6000)]
    found = median_best(Genetic)
    assert found > median_best(Random) + 0.3
    assert found > max(f for f in lucky if f is not None)  # 20 times the evaluations do not make up for it


def test_genetic_beats_random_search_early():
    assert median_best(Genetic, 100) > median_best(Random, 100) + 0.15


def test_local_beats_random_search():
    assert median_best(Local) > median_best(Random) + 0.2


def test_genetic_beats_chance_with_its_control_arm():
    found = [best(search(make("genetic", SYNTHETIC, generator(s)), synthetic_fitness, 300)) for s in SEEDS[::2]]
    assert np.median(found) > median_best(Random) + 0.3


def test_genetic_begins_with_the_default_and_random_draws():
    founders = Genetic(SYNTHETIC, generator()).ask(32)
    assert founders[0].schedule == SYNTHETIC.default
    assert Counter(p.operator for p in founders) == {"default": 1, "random": 31}


def test_genetic_takes_what_others_drew_for_its_founders():
    strategy, rng = Genetic(SYNTHETIC, generator()), generator(1)
    drawn = [SYNTHETIC.sample(rng) for _ in range(10)]
    strategy.tell([Result(schedule, synthetic_fitness(schedule)) for schedule in drawn])
    assert Counter(p.operator for p in strategy.ask(8))["random"] < 4


def test_genetic_breeds_from_what_worked():
    strategy = Genetic(SYNTHETIC, generator())
    results = search(strategy, synthetic_fitness, 64)
    failed = {r.schedule for r in results if r.fitness is None}
    proposals = strategy.ask(200)
    assert failed
    assert failed.isdisjoint(parent for p in proposals for parent in p.parents)
    assert {"mutate", "crossover", "neighbour"} <= {p.operator for p in proposals}
    count = {"crossover": (1, 2), "mutate": (1,), "neighbour": (1,), "random": (0,)}
    assert all(len(p.parents) in count[p.operator] for p in proposals)


def test_genetic_looks_near_in_its_share_where_it_learns_nothing():
    strategy = Genetic(SYNTHETIC, generator(), Settings(screened=False))
    search(strategy, synthetic_fitness, 64)
    share = np.mean([p.operator == "neighbour" for p in strategy.ask(100)])
    assert 0.1 < share < 0.4


OFF = {
    "unscreened": Settings(screened=False),
    "unlearned": Settings(learning=False),
    "unshunned": Settings(shunning=False),
    "no crosses": Settings(crosses=0.0),
    "no mutants": Settings(mutants=0.0),
    "nothing near": Settings(near=0),
    "few lessons": Settings(lessons=20),
    "few lessons of every age": Settings(lessons=20, novel=False),
}


@pytest.mark.parametrize("settings", OFF.values(), ids=OFF)
def test_genetic_works_with_any_part_switched_off(settings):
    strategy = Genetic(SYNTHETIC, generator(), settings)
    results = search(strategy, synthetic_fitness, 80)
    assert len({r.schedule for r in results}) == 80
    assert best(results) > synthetic_fitness(SYNTHETIC.default)


def test_genetic_learns_more_than_it_breeds():
    def median(settings):
        made = [Genetic(SYNTHETIC, generator(seed), settings) for seed in range(8)]
        return np.median([best(search(one, synthetic_fitness, 100)) for one in made])

    assert median(Settings()) > median(Settings(screened=False)) + 0.1


def test_genetic_shuns_what_fails():
    def fails(schedule):
        return schedule.lanes == 8 or schedule.variant == "packed"

    def failures(settings):
        strategy = Genetic(SYNTHETIC, generator(), settings)
        results = search(strategy, lambda s: None if fails(s) else synthetic_fitness(s), 120)
        return sum(fails(r.schedule) for r in results[40:])

    assert failures(Settings()) < 0.7 * failures(Settings(shunning=False))


def test_genetic_population_holds_the_best_in_order():
    strategy = Genetic(SYNTHETIC, generator(), Settings(population=10))
    results = search(strategy, synthetic_fitness, 100)
    expected = sorted((r.fitness for r in results if r.fitness is not None), reverse=True)[:10]
    assert [r.fitness for r in strategy.population] == expected
    assert strategy.logbook[-1]["best"] == expected[0]
    assert strategy.logbook[-1]["seen"] == 100


def test_genetic_believes_the_newest_result():
    strategy = Genetic(TINY, generator())
    lucky, sound = TINY.schedule(variant="tiled"), TINY.default
    strategy.tell([Result(lucky, 9.0), Result(sound, 1.0)])
    strategy.tell([Result(lucky, 0.5)])
    assert strategy.population == [Result(sound, 1.0), Result(lucky, 0.5)]
    strategy.tell([Result(lucky, None)])
    assert strategy.population == [Result(sound, 1.0)]


def test_genetic_keeps_what_is_as_fast_as_the_baseline():
    strategy = Genetic(TINY, generator())
    strategy.tell([Result(TINY.default, 0.0)])
    assert strategy.population == [Result(TINY.default, 0.0)]


def test_genetic_breeds_from_an_immigrant():
    strategy = Genetic(SYNTHETIC, generator())
    search(strategy, synthetic_fitness, 40)
    immigrant = SYNTHETIC.sample(generator(7))
    strategy.tell([Result(immigrant, 99.0)])
    assert any(immigrant in p.parents for p in strategy.ask(20))


def test_two_genetic_searches_do_not_disturb_each_other():
    alone = search(Genetic(SYNTHETIC, generator(1)), synthetic_fitness, 80)
    one, other = Genetic(SYNTHETIC, generator(1)), Genetic(SYNTHETIC, generator(2))
    together = []
    for _ in range(10):
        together += search(one, synthetic_fitness, 8)
        search(other, synthetic_fitness, 8)
    assert together == alone


def hill(schedule):
    return -abs(schedule.x - 40.0) - abs(schedule.y - 20.0)


HILL = Space([integer("x", range(64), ""), integer("y", range(64), "")])


def test_local_climbs_to_the_top():
    results = search(Local(HILL, generator()), hill, 400, batch=4)
    assert best(results) == 0.0


def test_local_starts_elsewhere_once_it_is_on_top():
    strategy = Local(HILL, generator())
    results = search(strategy, lambda schedule: float(schedule == HILL.default), 4, batch=1)
    assert [strategy.ask(1)[0].parents for _ in range(2)] == [(results[3].schedule,)] * 2
    strategy.tell(results[:1])  # the control arm draws the old top again: no reason to go back
    assert strategy.ask(1)[0].parents == (results[3].schedule,)


def test_local_moves_to_a_better_immigrant_once():
    strategy = Local(HILL, generator())
    search(strategy, lambda schedule: 0.0, 2, batch=2)
    immigrant = Result(HILL.schedule(x=50, y=50), 5.0)
    strategy.tell([immigrant])
    assert strategy.ask(1)[0].parents == (immigrant.schedule,)


class Told:
    """A strategy that proposes what it is given, and remembers what it hears."""

    def __init__(self, schedules):
        self.schedules, self.heard = list(schedules), []

    def ask(self, n):
        taken, self.schedules = self.schedules[:n], self.schedules[n:]
        return [Proposal(schedule, "mine") for schedule in taken]

    def tell(self, results):
        self.heard += results


@pytest.mark.parametrize("batch", [1, 3, 8, 32])
@pytest.mark.parametrize("share", [0.05, 0.15, 0.5])
def test_control_share_is_exact(batch, share):
    arm = ControlArm(Random(SYNTHETIC, generator(1)), SYNTHETIC, generator(2), share)
    operators = [p.operator for _ in range(480 // batch) for p in arm.ask(batch)]
    assert abs(operators.count("control") - share * 480) <= 1


@given(st.integers(0, 3000), st.floats(0, 0.99))
def test_control_draws_come_one_by_one_and_never_fall_behind_their_share(slots, share):
    assert 0 <= owed(slots + 1, share) - owed(slots, share) <= 1
    assert share * slots - 1 <= owed(slots, share) <= max(FOUNDERS, share * slots)
    assert owed(slots, share) < slots or not slots


def test_control_draws_are_the_founders_then_there_is_none_until_their_share_has_caught_up():
    assert [owed(slots, 0.15) for slots in (0, 1, 2, 8, 46, 47, 60, 100, 200)] == [0, 0, 1, 7, 7, 7, 9, 15, 30]
    assert owed(54, 0.15) == 8
    assert [owed(slots, 0.0) for slots in (0, 1, 1000)] == [0, 0, 0]


def test_a_genetic_search_breeds_as_soon_with_its_control_arm_as_without():
    for share in (0.15, 0.0):
        made = make("genetic", SYNTHETIC, generator(), share)
        genetic = getattr(made, "strategy", made)
        search(made, synthetic_fitness, 8)
        assert genetic.looked_at == 0
        assert "control" not in {p.operator for p in made.ask(8)}
        assert genetic.looked_at > 0


def test_a_search_begins_where_its_user_wants_it_to():
    first = make("genetic", SYNTHETIC, generator(), 0.15).ask(8)
    assert [p.operator for p in first] == ["default"] + 7 * ["control"]


@pytest.mark.parametrize("name", ["genetic", "nsga2", "exhaustive"])
def test_a_search_that_begins_elsewhere_looks_at_the_kernels_own_default_next(name):
    start = SYNTHETIC.sample(generator(7))
    asked = make(name, SYNTHETIC, generator(), 0.0, start).ask(2)
    assert [p.schedule for p in asked] == [start, SYNTHETIC.default]


def test_control_draws_are_the_generators_own_whatever_the_strategy():
    def control(name):
        strategy = make(name, SYNTHETIC, generator(3))
        proposals = []
        for _ in range(20):
            asked = strategy.ask(8)
            strategy.tell([Result(p.schedule, synthetic_fitness(p.schedule)) for p in asked])
            proposals += [p.schedule for p in asked if p.operator == "control"]
        return proposals

    assert control("genetic") == control("local") == control("random")


def test_control_draws_may_repeat():
    arm = ControlArm(Told([TINY.default] * 100), TINY, generator(), 0.5)
    drawn = [p.schedule for p in arm.ask(40) if p.operator == "control"]
    assert len(drawn) == 20
    assert set(drawn) <= {TINY.sample(generator(s)) for s in range(100)}
    assert len(set(drawn)) < len(drawn)


def test_control_draws_take_precedence_over_the_same_proposal():
    arm = ControlArm(Random(TINY, generator(1)), TINY, generator(2), 0.5)
    proposals = arm.ask(40)
    controls = {p.schedule for p in proposals if p.operator == "control"}
    others = [p.schedule for p in proposals if p.operator != "control"]
    assert controls
    assert controls.isdisjoint(others)
    assert controls.union(others) == {TINY.sample(generator(s)) for s in range(100)}


def test_control_arm_stops_with_the_search():
    assert ControlArm(Told([]), TINY, generator()).ask(8) == []


def test_control_arm_passes_everything_on():
    inner = Told([])
    results = [Result(TINY.default, 1.0), Result(TINY.default, None)]
    ControlArm(inner, TINY, generator()).tell(results)
    assert inner.heard == results


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_control_share_out_of_range_is_refused(share):
    with pytest.raises(ValueError, match="control share"):
        make("random", TINY, generator(), control_share=share)


def test_a_misspelt_word_is_no_setting():
    with pytest.raises(TypeError, match="no strategy takes setings"):
        make("genetic", TINY, generator(), setings=None)


HERE = [name for name in STRATEGIES if name != "tpe" or importlib.util.find_spec("optuna")]


@pytest.mark.parametrize("name", HERE)
def test_make_knows_every_strategy(name):
    assert len(make(name, SYNTHETIC, generator()).ask(8)) == 8
    assert "control" not in {p.operator for p in make(name, SYNTHETIC, generator(), control_share=0).ask(8)}


def test_make_takes_a_file_of_ones_own(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("from evolve.search.random import Random\n\n\nclass Mine(Random):\n    pass\n")
    assert type(make(f"{file}:Mine", TINY, generator(), control_share=0)).__name__ == "Mine"
    with pytest.raises(ValueError, match="has no class 'Other'"):
        make(f"{file}:Other", TINY, generator())


@pytest.mark.parametrize("name", ["simulated-annealing", "nowhere.py:Class", "nowhere.at.all:Class"])
def test_make_lists_the_strategies_there_are(name):
    with pytest.raises(ValueError, match="exhaustive, genetic, local, nsga2, random, tpe"):
        make(name, TINY, generator())


def test_a_fitness_that_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="NaN"):
        Result(TINY.default, float("nan"))


def python(code, hash_seed="0"):
    env = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout


def test_importing_the_search_is_light():
    heavy = "{'numba', 'llvmlite', 'scipy', 'deap', 'moocore'}"
    imports = "import sys, evolve.search, evolve.search.protocol, evolve.search.control"
    assert python(f"{imports}; print({heavy} & set(sys.modules))") == "set()\n"


def test_a_search_is_the_same_in_every_process():
    code = f"""
import numpy as np
from evolve.search import make
from evolve.search.testing import SYNTHETIC, search, synthetic_fitness
for name in {HERE!r}:
    for result in search(make(name, SYNTHETIC, np.random.default_rng(4)), synthetic_fitness, 80):
        print(name, result.schedule)
"""
    assert python(code, "1") == python(code, "2")
