"""Where too much is known, the surrogate learns the best half and what is far from all that is kept."""

import numpy as np
import pytest

from evolve.engine import USUAL
from evolve.search.genetic import Genetic
from evolve.search.lessons import greatest, most_novel, of_every_age, to_weigh
from evolve.search.settings import Settings
from evolve.search.testing import SYNTHETIC, search, synthetic_fitness


def cluster(rng, centre, count):
    return (np.array(centre) + rng.uniform(-0.1, 0.1, (count, 2))).astype(np.float32)


def test_the_most_novel_stand_alone():
    rng = np.random.default_rng(0)
    kept, crowd = cluster(rng, (0, 0), 20), cluster(rng, (0, 0), 100)
    alone = np.array([(9, 0), (0, 9), (-9, 0), (0, -9), (7, 7), (-7, -7)], np.float32)
    pool = np.concatenate([crowd[:50], alone, crowd[50:]])
    assert most_novel(kept, pool, 6, USUAL).tolist() == [50, 51, 52, 53, 54, 55]


def test_what_is_taken_counts_as_kept():
    rng = np.random.default_rng(0)
    kept, far = cluster(rng, (0, 0), 15), (cluster(rng, (10, 0), 20), cluster(rng, (0, 9.5), 20))
    chosen = most_novel(kept, np.concatenate(far), 4, USUAL)
    assert sum(chosen < 20) == 2, "two of either cluster, though all of one are further away"


def test_all_of_a_pool_can_be_taken():
    pool = np.arange(22, dtype=np.float32).reshape(11, 2)
    assert most_novel(pool[:1], pool, 11, USUAL).tolist() == [*range(11)]


def test_ages_are_spread_evenly_and_none_twice():
    assert of_every_age(10, 4).tolist() == [0, 3, 6, 9]
    assert of_every_age(3, 150).tolist() == [0, 1, 2]
    assert len(np.unique(to_weigh(100_000, 150))) == len(to_weigh(100_000, 150)) < 2000
    assert len(to_weigh(100_000, 5000)) == 5000


@pytest.mark.parametrize("novel", [True, False])
def test_half_of_the_lessons_are_the_best_whatever_the_others(novel):
    strategy = Genetic(SYNTHETIC, np.random.default_rng(0), Settings(lessons=31, novel=novel))
    search(strategy, synthetic_fitness, 200)
    values = np.nan_to_num(strategy.archive.fitness, nan=-9.0)
    kept = strategy._kept(strategy.archive.rows, values)
    assert len(np.unique(kept)) == len(kept) == 31
    assert set(np.flatnonzero(greatest(values, 15)).tolist()) <= set(kept.tolist())


def test_novel_lessons_lie_further_apart_than_some_of_every_age():
    strategy = Genetic(SYNTHETIC, np.random.default_rng(0), Settings(lessons=60))
    search(strategy, synthetic_fitness, 300)
    values = np.nan_to_num(strategy.archive.fitness, nan=-9.0)

    def spread(novel):
        strategy.settings = Settings(lessons=60, novel=novel)
        places = strategy._surrogate.near(strategy.archive.rows[strategy._kept(strategy.archive.rows, values)[30:]])
        return USUAL.novelty(places, places).mean()

    assert spread(novel=True) > 1.05 * spread(novel=False)
