"""Nevergrad's discrete (1+1) evolution with a portfolio of mutation rates, which knows the constraints.

``NGOpt`` and ``OnePlusOne`` ask for what they know nearly always: 34 new ones of 1,153.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import nevergrad

from benchmarks.suites.rivals_search.rival import Objective
from kernels.language.space import Value

_WORST = 1e9
"""Seconds of what failed or is illegal: nothing takes as long, and infinity is more than it can compare."""


def search(objective: Objective, seed: int, optimizer: str) -> None:
    """Ask, evaluate, tell, until the budget is spent."""
    parametrization = nevergrad.p.Dict(**{name: _choice(values) for name, values in objective.values.items()})
    parametrization.random_state.seed(seed)
    parametrization.register_cheap_constraint(objective.is_legal)
    tuner = nevergrad.optimizers.registry[optimizer](
        parametrization=parametrization, budget=objective.budget, num_workers=1
    )
    while True:
        candidate = tuner.ask()
        time_s = objective.ask(candidate.value)
        tuner.tell(candidate, _WORST if time_s is None else min(_WORST, time_s))


def _choice(values: Sequence[Value]) -> Any:
    """Three values or more have an order to it; it moves along them."""
    kind = nevergrad.p.TransitionChoice if len(values) > 2 else nevergrad.p.Choice
    return kind(list(values))
