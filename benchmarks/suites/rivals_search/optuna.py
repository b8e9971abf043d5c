"""Optuna's tree-structured Parzen estimator (Bergstra and others, NIPS 2011), over all parameters together.

Values are categories: coded by their rank they do far worse. It suggests what it knows again, which is free here.
"""

from __future__ import annotations

import math

import optuna

from benchmarks.suites.rivals_search.rival import Objective


def search(objective: Objective, seed: int, _setting: str) -> None:
    """Ask, evaluate, tell, until the budget is spent."""
    sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True)
    study = optuna.create_study(sampler=sampler)
    while True:
        trial = study.ask()
        values = {name: trial.suggest_categorical(name, choices) for name, choices in objective.values.items()}
        time_s = objective.ask(values)
        if time_s is None:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        elif math.isinf(time_s):
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, time_s)
