"""Optuna's estimator keeps the contract of a strategy; without Optuna a clear word."""

import sys

import numpy as np
import pytest

from evolve.search import make
from evolve.search.random import Random
from evolve.search.testing import SYNTHETIC, TINY, StrategyContract, best, search, synthetic_fitness


def test_without_optuna_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ValueError, match=r"pip install 'evolve-kernels\[tpe\]'"):
        make("tpe", TINY, np.random.default_rng(0))


class TestTpe(StrategyContract):
    def make(self, space, rng):
        pytest.importorskip("optuna", reason="Optuna is not installed")
        from evolve.search.tpe import Tpe

        return Tpe(space, rng)

    def test_beats_random_search(self):
        found = [best(search(self.made(seed=s), synthetic_fitness, 120)) for s in range(4)]
        lucky = [best(search(Random(SYNTHETIC, np.random.default_rng(s)), synthetic_fitness, 120)) for s in range(40)]
        assert np.median(found) > np.median(lucky) + 0.15
