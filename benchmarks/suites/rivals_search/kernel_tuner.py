"""Kernel Tuner's strategies with their default settings, on a runner that looks times up instead of measuring them.

Two of them, ``adaptive_tabu_greywolf`` and ``hybrid_vndx``, were written by a language model (arXiv 2510.17899) and
developed on recorded convolution, dedispersion, GEMM and hotspot spaces. The runner uses private names of 1.5.0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

from kernel_tuner import util
from kernel_tuner.interface import Options, strategy_map
from kernel_tuner.runners.runner import Runner
from kernel_tuner.searchspace import Searchspace

from benchmarks.suites.rivals_search.rival import Objective, Recorded, remembering
from kernels.language.space import Value

_NO_LIMIT = 10**9
"""Of threads in a block."""


def search(objective: Objective, seed: int, strategy: str) -> None:
    """Run a strategy, until the budget is spent or it stops by itself."""
    space = _searchspace(objective.recorded)
    try:
        strategy_map[strategy].tune(space, _Lookup(objective), _options(space, objective.budget, seed))
    except util.StopCriterionReached:
        return


class _Lookup(Runner):  # type: ignore[misc] # it is not there where types are checked
    """A runner whose kernel is the objective."""

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self._objective = objective
        self._coded = {name: dict(zip(codes(v), v, strict=True)) for name, v in objective.values.items()}

    def get_device_info(self) -> SimpleNamespace:
        """No device has fewer threads than a strategy may ask for."""
        return SimpleNamespace(max_threads=_NO_LIMIT, name="recorded")

    def get_environment(self, _options: Any) -> dict[str, Any]:
        """Nothing of it matters."""
        return {}

    def run(self, parameter_space: Iterable[Sequence[Any]], tuning_options: Any) -> list[dict[str, Any]]:
        """What came of each configuration."""
        return [self._result(configuration, tuning_options) for configuration in parameter_space]

    def _result(self, configuration: Sequence[Any], options: Any) -> dict[str, Any]:
        told = dict(zip(self._coded, configuration, strict=True))
        paid = len(self._objective.times_s)
        time_s = self._objective.ask({name: self._coded[name][code] for name, code in told.items()})
        options.budget.add_evaluations(len(self._objective.times_s) - paid)
        if time_s is None or math.isinf(time_s):
            failed = util.RuntimeFailedConfig()
            return {**told, "time": failed, "__error__": failed}
        return {**told, "time": time_s}


def codes(values: Sequence[Value]) -> list[Any]:
    """Numbers in the place of values, for some strategies compute with them: a word's rank, and 0 and 1 for a flag."""
    if any(isinstance(value, str) for value in values):
        return list(range(len(values)))
    return [int(value) if isinstance(value, bool) else value for value in values]


def _searchspace(recorded: Recorded) -> Searchspace:
    """What is legal. A new one for each run: it shuffles the lists of neighbours that it keeps."""
    parameters, legal = _listed(recorded)
    cache = {"tune_params": {name: [*values] for name, values in parameters.items()}, "cache": legal}
    return Searchspace(None, None, None, from_cache=cache)


@remembering
def _listed(recorded: Recorded) -> tuple[dict[str, list[Any]], dict[int, dict[str, Any]]]:
    """Parameters, and what is legal as a list: its own solver would look for it among all combinations."""
    parameters = {name: codes(values) for name, values in Objective(recorded, 1).values.items()}
    coded = {name: dict(zip(recorded.space.by_name[name].values, c, strict=True)) for name, c in parameters.items()}
    legal = [{name: rank[schedule[name]] for name, rank in coded.items()} for schedule in recorded.times_s]
    return parameters, dict(enumerate(legal))


def _options(space: Searchspace, budget: int, seed: int) -> Options:
    return Options(
        {
            "tune_params": space.tune_params,
            "restrictions": space.restrictions,
            "restrictions_unmodified": space.restrictions,
            "objective": ["time"],
            "objective_higher_is_better": [False],
            "verbose": False,
            "cache": {},
            "cachefile": None,
            "metrics": None,
            "seed": seed,
            "simulated_time": 0,
            "max_fevals": budget,
            "strategy_options": Options(max_fevals=budget),
            "budget": util.TuningBudget(None, budget),
        }
    )
