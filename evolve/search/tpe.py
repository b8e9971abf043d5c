"""Optuna's tree-structured Parzen estimator (Bergstra et al. 2011), as a strategy: what others tune with.

Every gene is a list of unlike cases to it, all genes together (``multivariate``): so it did far better on recorded
spaces than on indices. It asks for illegal schedules, and again for known ones; both are told to it for nothing.
"""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Any

from evolve.search.protocol import Novel, Proposal

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from evolve.search.protocol import Result
    from kernels.language.space import Schedule, Space

_MOST_SUGGESTIONS = 200  # in a row that are illegal or known
_EXTRA = "evolve-kernels[tpe]"


class Tpe(Novel):
    """The default schedule, then what Optuna suggests; a random one where it suggests nothing new.

    Raises:
        ValueError: Optuna is not installed.
    """

    def __init__(self, space: Space, rng: np.random.Generator) -> None:
        super().__init__(space, rng)
        self._optuna = _optuna()
        kinds = self._optuna.distributions.CategoricalDistribution
        self._kinds = {p.name: kinds(p.values) for p in space.parameters}
        self._study = self._made_study(int(rng.integers(2**31)))
        self._trials: dict[Schedule, Any] = {}
        self._fitness: dict[Schedule, float | None] = {}

    def following(self) -> Proposal | None:
        """What was suggested and is new."""
        if (known := self.beginning()) is not None:
            return known
        for _ in range(_MOST_SUGGESTIONS):
            trial = self._study.ask(self._kinds)
            schedule = self.space.canonical(trial.params)
            if self.space.is_legal(schedule) is None and schedule not in self.seen:
                self._trials[schedule] = trial
                return Proposal(schedule, "suggest")
            self._close(trial, self._fitness.get(schedule))
        return self.random_proposal()

    def tell(self, results: Sequence[Result]) -> None:
        """Pass on what came of suggestions, and of others as if they had been suggested."""
        super().tell(results)
        for result in results:
            trial = self._trials.pop(result.schedule, None) or self._imagined(result.schedule)
            self._close(trial, result.fitness)
            self._fitness[result.schedule] = result.fitness

    def _imagined(self, schedule: Schedule) -> Any:
        """A trial of a schedule that was not suggested."""
        self._study.enqueue_trial(dict(schedule))
        return self._study.ask(self._kinds)

    def _close(self, trial: Any, fitness: float | None) -> None:
        """Tell Optuna a fitness; what has none counts as worse than all others."""
        pruned = self._optuna.trial.TrialState.PRUNED
        self._study.tell(trial, fitness, state=pruned if fitness is None else None)

    def _made_study(self, seed: int) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", self._optuna.exceptions.ExperimentalWarning)
            sampler = self._optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)
        return self._optuna.create_study(direction="maximize", sampler=sampler)


def _optuna() -> Any:
    try:
        optuna = importlib.import_module("optuna")
    except ImportError as error:
        raise ValueError(f"the strategy tpe needs Optuna, which is not installed; pip install '{_EXTRA}'") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
