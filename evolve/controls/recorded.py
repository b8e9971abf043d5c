"""Tuning spaces that somebody measured from end to end, as surfaces to search: no clock involved.

A file is a Kernel Tuner cache (gzip or plain JSON): ``tune_params_keys`` and ``cache``, whose entries have a time in
milliseconds, or an error string where the configuration failed.
"""

from __future__ import annotations

import gzip
import inspect
import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kernels.language.space import Parameter, Schedule, Space, Value, choice, integer

if TYPE_CHECKING:
    from evolve.controls.stops import Surface

PATTERNS = ("*.json.gz", "*.json")
Row = tuple[Value, ...]


def spaces(folder: Path) -> list[Path]:
    """The recorded spaces of a folder, by name."""
    return sorted(path for pattern in PATTERNS for path in folder.glob(pattern))


def load(path: Path) -> tuple[Space, Surface]:
    """A recorded space, and ln(t_default / t) of its schedules; the first one recorded is the default.

    Raises:
        ValueError: the file is no such record.
    """
    names, table = _table(path)
    kept = [at for at in range(len(names)) if len({row[at] for row in table}) > 1]
    times = {tuple(row[at] for at in kept): time for row, time in table.items()}
    chosen = [names[at] for at in kept]
    default = next(row for row, time in times.items() if time is not None)
    columns = zip(chosen, default, zip(*times, strict=True), strict=True)
    space = Space([_parameter(*column) for column in columns], [(_listed(chosen, times), "it was not recorded")])
    return space, _surface(times, default, chosen)


def _table(path: Path) -> tuple[list[str], dict[Row, float | None]]:
    raw = path.read_bytes()
    known = json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)
    try:
        names = list(known["tune_params_keys"])
        rows = {tuple(one[name] for name in names): _time(one["time"]) for one in known["cache"].values()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no recorded space: {error!r}") from error
    if not any(rows.values()):
        raise ValueError(f"{path} has no configuration that was measured")
    return names, rows


def _time(told: Any) -> float | None:
    return float(told) if isinstance(told, (int, float)) and 0 < told < math.inf else None


def _parameter(name: str, default: Value, values: Sequence[Value]) -> Parameter:
    distinct = sorted(set(values), key=str)
    numbers = [value for value in distinct if isinstance(value, int)]
    if len(numbers) == len(distinct):
        return integer(name, numbers, "recorded", default=default)
    return choice(name, distinct, "recorded", default=default)


def _listed(names: Sequence[str], known: Collection[Row]) -> Callable[..., bool]:
    """A predicate over all parameters; a constraint reads their names from its signature."""

    def is_recorded(*values: Value) -> bool:
        return values in known

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature([inspect.Parameter(name, kind) for name in names])
    is_recorded.__signature__ = signature  # type: ignore[attr-defined]
    return is_recorded


def _surface(times: Mapping[Row, float | None], default: Row, names: Sequence[str]) -> Surface:
    base = times[default]
    assert base is not None

    def fitness(schedule: Schedule) -> float | None:
        time = times[tuple(schedule[name] for name in names)]
        return None if time is None else math.log(base / time)

    return fitness
