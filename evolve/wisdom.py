"""Wisdom: what was found on a machine is kept, for programs on it and as candidates for other machines.

The name is FFTW's, whose plans are kept alike (Frigo and Johnson, The Design and Implementation of FFTW3, Proceedings
of the IEEE 93, 2005). Here a champion counts on the machine that measured it and as long as its kernel makes the very
source that was measured; from elsewhere it is where a search begins.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from benchmarks.contestant import Task
from benchmarks.machine import own_id
from evolve.errors import EvolveError, UsageError
from evolve.made import Made
from evolve.paths import default_store
from evolve.ready import known_kernel
from evolve.starting import fitted, starting_at
from evolve.store import Champion, open_store
from evolve.store.rows import plain, record_of
from kernels.language import Schedule, TemplateError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evolve.run import Request
    from evolve.store import Store
    from kernels import Size
    from kernels.language import SourceFolder

SCHEMA = 1
"""Of an exported file; raised when a field changes its meaning."""
REACH = 8.0
"""A champion counts for problems of which no extent differs from its own by more than this factor: three doublings
change which cache holds what."""


def nearest(champions: Iterable[Champion], size: Size) -> list[Champion]:
    """Those within reach of a size, the nearest first, the fastest first of those that are as near."""
    within = [one for one in champions if _apart(one.size, size) <= math.log(REACH) + 1e-9]
    return sorted(within, key=lambda one: (_distance(one.size, size), one.time_s))


def champions_of(task: Task, store: str | None) -> list[Champion]:
    """Those that runs of this machine published for a task's kernel, dtype and threads, of any size.

    Raises:
        EvolveError: the store cannot be read; or is not there, and was named.
    """
    try:
        opened = open_store(store or default_store(), create=False)
    except EvolveError:
        if store:
            raise
        return []  # who never ran evolve has no store of his own
    with opened as facts:
        found = [one for one in facts.champions(task.kernel) if one.machine == own_id()]
        return [one for one in found if (one.dtype, one.threads) == (task.dtype, task.threads)]


def chosen(task: Task, champions: Sequence[Champion], folder: SourceFolder) -> Made:
    """The nearest champion that still makes the source that was measured; failing that the default schedule."""
    for one in nearest(champions, task.size):
        schedule = Schedule(one.schedule)
        if task.definition.space.is_legal(schedule) is None:
            with contextlib.suppress(TemplateError):
                made = Made(task, schedule, folder)
                if made.identity == one.source_hash:
                    return made
    return Made(task, task.definition.space.default, folder)


def exported(store: Store) -> dict[str, Any]:
    """The best champion of each problem and machine in a store, as plain values."""
    found: dict[tuple[Any, ...], Champion] = {}
    for one in store.champions():
        problem = (one.kernel, one.size, one.dtype, one.threads, one.policy, one.machine)
        if problem not in found or one.time_s < found[problem].time_s:
            found[problem] = one
    return {"schema": SCHEMA, "champions": [plain(asdict(one)) for one in found.values()]}


def imported(store: Store, told: Mapping[str, Any]) -> list[Champion]:
    """Keep what came from another store, as candidates; returns those that are new.

    Raises:
        UsageError: it is nothing that ``exported`` made, or a newer evolve did.
    """
    given = _read(told)
    have = [*store.candidates(), *store.champions()]
    new = [one for one in given if one not in have]
    store.add_candidates(new)
    return new


def begun(store: Store, request: Request) -> Request:
    """The same request, whose search begins at the nearest champion that is known, where there is one.

    This machine's own come before imported candidates, then the same dtype before the other, then the nearest size.
    Champions of other profiles of this machine are none of its own, so that each can be held against the other.
    """
    own = [one for one in store.champions(request.kernel) if one.machine == own_id()]
    given = [one for one in (*own, *store.candidates(request.kernel)) if one.threads == request.threads]
    ranked = sorted(nearest(given, request.size), key=lambda one: (one not in own, one.dtype != request.dtype))
    space = known_kernel(request.kernel).space
    for one in ranked:
        if (start := fitted(space, one.schedule, one.dtype, request.dtype)) is not None:
            return replace(request, options={**request.options, **starting_at(start, _origin(one, own))})
    return request


def _origin(champion: Champion, own: Sequence[Champion]) -> str:
    where = "" if champion in own else f", found on machine {champion.machine}"
    return f"{champion.kernel} {'x'.join(map(str, champion.size))} {champion.dtype}{where}"


def _read(told: Mapping[str, Any]) -> list[Champion]:
    if not isinstance(told, dict) or not isinstance(told.get("champions"), list):
        raise UsageError("this is no wisdom", "`evolve wisdom export` writes it")
    if told.get("schema") != SCHEMA:
        raise UsageError(f"this wisdom has schema {told.get('schema')}, this evolve reads {SCHEMA}")
    try:
        return [record_of(Champion, one) for one in told["champions"]]
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"this wisdom is damaged ({type(error).__name__}: {error})") from error


def _apart(one: Size, other: Size) -> float:
    """The largest difference of two sizes, in ln units."""
    return max((abs(math.log(a / b)) for a, b in zip(one, other, strict=True)), default=0.0)


def _distance(one: Size, other: Size) -> float:
    return math.hypot(*(math.log(a / b) for a, b in zip(one, other, strict=True)))
