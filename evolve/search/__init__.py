"""The search: what to try next.

A *strategy* proposes schedules (``ask``) and hears what came of them (``tell``); ``protocol.Strategy`` is its contract.
It never evaluates anything and never sees a clock, so a search can be tested on any function of a schedule, and a run
is resumed by replaying its tells. One strategy is one file: ``genetic`` (the default), ``local`` (a hill climber that
restarts), ``nsga2`` (time against error), ``exhaustive`` (every schedule), ``random`` (what the others must beat),
``tpe`` (Optuna's, where that is installed). ``control.ControlArm`` puts independent random draws between the proposals
of any of them. One's own is a class in a file, ``path.py:Class``; ``testing.StrategyContract`` says whether it keeps
the contract; ``README.md`` in this folder shows how to write one.

How a ``genetic`` ask goes: ``alphabet`` (genomes as rows of an array), ``breeding`` (a few thousand children),
``embedding`` and ``surrogate`` (what the outcomes in the ``archive`` say of them; ``lessons``, of too many),
``columns`` and ``expectation`` (the same of very many children), ``screening`` (which to measure). Distances and sums
over all pairs are the work of ``evolve.engine``.

Strategy modules are imported when asked for: some need libraries that the command line's help can do without.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from evolve.search.protocol import CONTROL_SHARE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    import numpy as np

    from evolve.search.protocol import Strategy
    from kernels.language.space import Space, Value

STRATEGIES = {
    "exhaustive": "evolve.search.exhaustive:Exhaustive",
    "genetic": "evolve.search.genetic:Genetic",
    "local": "evolve.search.local:Local",
    "nsga2": "evolve.search.nsga2:Nsga2",
    "random": "evolve.search.random:Random",
    "tpe": "evolve.search.tpe:Tpe",
}
_FURTHER = {"settings", "engine"}


def make(
    name: str,
    space: Space,
    rng: np.random.Generator,
    control_share: float = CONTROL_SHARE,
    start: Mapping[str, Value] | None = None,
    **further: Any,
) -> Strategy:
    """The strategy called ``name``, with a control arm unless its share is 0.

    Args:
        name: a key of ``STRATEGIES``, or ``path.py:Class`` for one's own.
        space: the legal schedules.
        rng: split in two, for the strategy and the control arm: equal seeds give equal control draws to any strategy.
        control_share: of all evaluations, at least 0 and below 1.
        start: the legal schedule at which the search begins; the kernel's default where none is given.
        further: what is not as usual, each None where it is: ``settings``, of a strategy that breeds; ``engine``, whose
            kernels it runs on: strategies that need none do without.

    Raises:
        ValueError: no such strategy, a control share out of range, or an illegal start.
        TypeError: ``further`` says anything else.
    """
    if unknown := further.keys() - _FURTHER:
        raise TypeError(f"no strategy takes {', '.join(sorted(unknown))}")
    searching, controlling = rng.spawn(2)
    begun, made = space.starting_at(start) if start else space, strategy_class(name)
    taken = {*inspect.signature(made).parameters, "settings"}
    given = {word: value for word, value in further.items() if value is not None and word in taken}
    strategy = cast("Strategy", made(begun, searching, **given))
    if control_share == 0:
        return strategy
    from evolve.search.control import ControlArm  # noqa: PLC0415 - as lazy as the strategies

    return ControlArm(strategy, space, controlling, control_share)


def strategy_class(name: str) -> Any:
    """The class of the strategy called ``name``, as ``make`` takes it.

    Raises:
        ValueError: there is none, or its file cannot be imported.
    """
    source, _, attribute = STRATEGIES.get(name, name).rpartition(":")
    if name in STRATEGIES:
        module = importlib.import_module(source)
    elif source.endswith(".py") and Path(source).is_file():
        module = _from_file(Path(source))
    else:
        raise ValueError(f"no strategy {name!r}; there are {', '.join(STRATEGIES)}, or path.py:Class for your own")
    if not hasattr(module, attribute):
        raise ValueError(f"{source} has no class {attribute!r}")
    return getattr(module, attribute)


def _from_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # anybody's file may raise anything
        raise ValueError(f"{path} cannot be imported ({type(error).__name__}: {error})") from error
    return module
