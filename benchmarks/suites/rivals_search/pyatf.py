"""pyATF's round robin over its own techniques, in a space of chained trees where only what is legal exists.

Its evaluations count repeats (its bandit: 29 new ones of 100), so that only the objective ends the search.
"""

# ruff: noqa: PLC0415 - importing it takes Ctrl-C over, which is to be given back

from __future__ import annotations

import inspect
import math
import signal
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from benchmarks.suites.rivals_search.rival import Objective, beginnings
from kernels.language.space import Value

_NO_END = 10**9


def search(objective: Objective, _seed: int, technique: str) -> None:
    """Let it call the objective, until the budget is spent."""
    before = signal.getsignal(signal.SIGINT)
    import pyatf
    from pyatf import search_techniques
    from pyatf.abort_conditions import Evaluations
    from pyatf.tuning_data import CostFunctionError

    signal.signal(signal.SIGINT, before)

    def cost(configuration: Mapping[str, Value]) -> float:
        time_s = objective.ask(configuration)
        if time_s is None or math.isinf(time_s):
            raise CostFunctionError("it failed")
        return time_s

    tuner = pyatf.Tuner().verbosity(0).tuning_parameters(*_parameters(objective))
    tuner.search_technique(getattr(search_techniques, technique)()).tune(cost, Evaluations(_NO_END))


def _parameters(objective: Objective) -> list[Any]:
    from pyatf import TP, Set

    names, legal = list(objective.values), beginnings(objective)
    return [
        TP(name, Set(*values), _allowed(names[: k + 1], legal[k]))
        for k, (name, values) in enumerate(objective.values.items())
    ]


def _allowed(names: Sequence[str], legal: Collection[tuple[Value, ...]]) -> Callable[..., bool]:
    """A constraint reads the names of earlier parameters, and its own, from its signature."""

    def is_legal(**values: Value) -> bool:
        return tuple(values[name] for name in names) in legal

    kind = inspect.Parameter.KEYWORD_ONLY
    signature = inspect.Signature([inspect.Parameter(name, kind) for name in names])
    is_legal.__signature__ = signature  # type: ignore[attr-defined]
    return is_legal
