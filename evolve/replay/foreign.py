"""Recorded spaces of other projects: Kernel Tuner's cache files, and T4, the results format of the FAIR initiative.

A cache file has ``tune_params_keys`` and ``cache``, whose entries hold the values, and ``time`` in milliseconds, or an
error string where the configuration failed. T4 has ``results``, each with a ``configuration``, an ``invalidity``, and
``measurements`` with units (Hozzova et al., FAIR Sharing of Data in Autotuning Research, 2024). Both list what was
tried, and know no other rules: what is not in the file is not legal.
"""

from __future__ import annotations

import json
import keyword
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from evolve.errors import EvolveError
from evolve.replay.landscape import Landscape, ListedSpace
from kernels.language.space import Parameter, Schedule, Value, choice, flag, integer

Row = tuple[Value, ...]
Table = Mapping[Row, float | None]

_UNITS_S = {"s": 1.0, "seconds": 1.0, "ms": 1e-3, "milliseconds": 1e-3, "us": 1e-6, "microseconds": 1e-6}
_UNITS_S |= {"ns": 1e-9, "nanoseconds": 1e-9, "": 1e-3}
"""Kernel Tuner, whose T4 files are nearly all there are, means milliseconds where it says nothing."""
_T4_MAJOR = "1"


def cache_landscape(told: Mapping[str, Any], name: str) -> Landscape:
    """The landscape of a Kernel Tuner cache.

    Raises:
        EvolveError: there is nothing to search in it.
        Exception: it is none, in one of many ways.
    """
    names = list(told["tune_params_keys"])
    table = {_row(entry, names): _milliseconds(entry["time"]) for entry in told["cache"].values()}
    where = [str(told[key]) for key in ("kernel_name", "device_name") if told.get(key)]
    return _landscape(name, names, table, f"{' on '.join(where) or 'unnamed'}, a Kernel Tuner cache")


def t4_landscape(told: Mapping[str, Any], name: str) -> Landscape:
    """The landscape of a T4 file; what its constraints forbade is no part of the space.

    Raises:
        EvolveError: it is of a later version, or there is nothing to search in it.
        Exception: it is none, in one of many ways.
    """
    version = str(told.get("schema_version", _T4_MAJOR))
    if version.partition(".")[0] != _T4_MAJOR:
        raise EvolveError(f"it is T4 of version {version}, this version reads {_T4_MAJOR}.x", "update evolve")
    tried = [result for result in told["results"] if result.get("invalidity") != "constraints"]
    names = list(tried[0]["configuration"]) if tried else []
    table = {_row(result["configuration"], names): _t4_seconds(result) for result in tried}
    return _landscape(name, names, table, "a T4 file")


def _t4_seconds(result: Mapping[str, Any]) -> float | None:
    if result.get("invalidity", "correct") != "correct":
        return None
    wanted = (result.get("objectives") or ["time"])[0]
    found = {one["name"]: one for one in result.get("measurements", ())}
    measured = found.get(wanted) or found["time"]
    unit = str(measured.get("unit") or "")
    if unit not in _UNITS_S:
        raise EvolveError(f"its measurements {measured['name']!r} are in {unit!r}, and no times")
    return _positive(measured["value"], _UNITS_S[unit])


def _milliseconds(told: Any) -> float | None:
    return _positive(told, 1e-3)


def _positive(told: Any, unit_s: float) -> float | None:
    """Seconds; None for an error string, and for what is no time."""
    is_number = isinstance(told, (int, float)) and not isinstance(told, bool)
    return told * unit_s if is_number and 0 < told < math.inf else None


def _row(values: Mapping[str, Any], names: Sequence[str]) -> Row:
    return tuple(_value(values[name]) for name in names)


def _value(told: Any) -> Value:
    """A list or an object is what it reads like; a number stays one, though it may have a point."""
    plain: Value = told if isinstance(told, (int, float, str)) else json.dumps(told)  # type: ignore[assignment]
    return plain


def _landscape(name: str, names: Sequence[str], table: Table, source: str) -> Landscape:
    """Parameters that never change are left out; the first configuration that was measured is the default."""
    kept = [at for at in range(len(names)) if len({row[at] for row in table}) > 1]
    if not kept:
        raise EvolveError("it has fewer than two configurations, and nothing to search")
    rows = {tuple(row[at] for at in kept): time_s for row, time_s in table.items()}
    default = next((row for row, time_s in rows.items() if time_s is not None), None)
    if default is None:
        raise EvolveError("it has no configuration that was measured")
    columns = zip([_identifier(names[at]) for at in kept], default, zip(*rows, strict=True), strict=True)
    parameters = [_parameter(*column) for column in columns]
    times_s = {_schedule(parameters, row): time_s for row, time_s in rows.items()}
    return Landscape(name, ListedSpace(parameters, [*times_s]), times_s, source)


def _schedule(parameters: Sequence[Parameter], row: Row) -> Schedule:
    return Schedule({p.name: value for p, value in zip(parameters, row, strict=True)})


def _identifier(name: str) -> str:
    """A name that a parameter may have: an identifier, and no word or method of Python's."""
    plain = re.sub(r"\W", "_", name) or "_"
    is_taken = keyword.iskeyword(plain) or hasattr(Schedule, plain)
    return f"p_{plain}" if is_taken or not plain.isidentifier() else plain


def _parameter(name: str, default: Value, values: Sequence[Value]) -> Parameter:
    distinct = set(values)
    if distinct == {False, True} and all(isinstance(value, bool) for value in distinct):
        return flag(name, "recorded", default=default)
    numbers = [value for value in distinct if isinstance(value, (int, float))]
    if len(numbers) == len(distinct):
        return integer(name, numbers, "recorded", default=default)  # one with a point is ordered too
    return choice(name, sorted(distinct, key=str), "recorded", default=default)
