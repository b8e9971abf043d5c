"""Records to table rows and back. A column bears its field's name; what SQL has no type for is JSON text."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from benchmarks.inference import Estimate
from benchmarks.outcome import KINDS, Conditions, Outcome, Retake, Samples
from evolve.store.records import OutcomeRecord

if TYPE_CHECKING:
    import sqlite3

    from _typeshed import DataclassInstance

    Record = TypeVar("Record", bound=DataclassInstance)

Row = dict[str, Any]


def json_text(value: object) -> str:
    """Compact, valid JSON: NaN and infinities, which JSON lacks, become null."""
    return json.dumps(plain(value), allow_nan=False, separators=(",", ":"), ensure_ascii=False)


def plain(value: Any) -> Any:
    """``value`` in the types that JSON knows; what is not finite becomes None."""
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value


def _estimate(value: Mapping[str, float | None]) -> Estimate:
    """The inverse of ``Estimate.as_dict``: an end that is None is open."""
    ends = {"estimate": math.nan, "low": -math.inf, "high": math.inf}
    return Estimate(**{name: ends[name] if item is None else item for name, item in value.items()})


def _samples(value: Mapping[str, Any]) -> Samples:
    """Names that this version does not know are left out, and those that an older one did not write are defaults."""
    conditions = _tuples(value.get("conditions", {}))
    retakes = tuple(Retake(**retake) for retake in conditions.pop("retakes", ()))
    known = _known(Samples, _tuples(value))
    return Samples(**{**known, "conditions": Conditions(**_known(Conditions, conditions), retakes=retakes)})


def _tuples(value: Any) -> Any:
    """Values of JSON with tuples for its lists."""
    if isinstance(value, Mapping):
        return {name: _tuples(item) for name, item in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _known(kind: type[DataclassInstance], values: Mapping[str, Any]) -> dict[str, Any]:
    return {f.name: values[f.name] for f in fields(kind) if f.name in values}


_OBJECTS = ("versions", "options", "fingerprint", "values", "schedule", "samples", "details", "manifest")
_JSON: dict[str, Callable[[Any], Any]] = {
    "size": tuple,
    "parents": tuple,
    "speedup": _estimate,
    **dict.fromkeys(("gain", "engine", "ceiling", "endpoint"), _estimate),
    "rivals": lambda value: {name: _estimate(item) for name, item in value.items()},
    **dict.fromkeys(_OBJECTS, dict),
}


def to_row(record: DataclassInstance) -> Row:
    """Column values of a record."""
    return {f.name: _cell(f.name, getattr(record, f.name)) for f in fields(record)}


def _cell(name: str, value: Any) -> Any:
    if name in _JSON and value is not None:
        return json_text(value)
    return value.item() if isinstance(value, np.generic) else value


def from_row(kind: type[Record], row: sqlite3.Row) -> Record:
    """The record of a row that has a column for each of its fields."""
    return kind(**{f.name: _value(f.name, row[f.name]) for f in fields(kind)})


def record_of(kind: type[Record], values: Mapping[str, Any]) -> Record:
    """The record whose ``plain`` values these are; a field that is missing raises ``KeyError``."""
    return kind(**{f.name: _JSON[f.name](values[f.name]) if f.name in _JSON else values[f.name] for f in fields(kind)})


def _value(name: str, cell: Any) -> Any:
    return _JSON[name](json.loads(cell)) if name in _JSON and cell is not None else cell


_OUTCOME_CELLS = ("reason", "verify_s", "measure_s", "time_s", "log_ratio", "low", "high", "max_error")


def outcome_row(record: OutcomeRecord) -> Row:
    """Column values of an outcome, its own fields spread out; those that its kind lacks are NULL."""
    row = {f.name: _cell(f.name, getattr(record, f.name)) for f in fields(record) if f.name != "outcome"}
    own = {name: _cell("", getattr(record.outcome, name, None)) for name in _OUTCOME_CELLS}
    samples: Samples | None = getattr(record.outcome, "samples", None)
    return {**row, **own, "kind": record.outcome.kind, "samples": None if samples is None else json_text(samples)}


def outcome_of(row: sqlite3.Row) -> OutcomeRecord:
    """The inverse of ``outcome_row``; a kind that this version does not know raises ``KeyError``."""
    kept = {f.name: row[f.name] for f in fields(OutcomeRecord) if f.name != "outcome"}
    return OutcomeRecord(outcome=_outcome(row), **kept)


def _outcome(row: sqlite3.Row) -> Outcome:
    kind = KINDS[row["kind"]]
    own = {f.name for f in fields(kind)}
    values = {name: row[name] for name in _OUTCOME_CELLS if name in own and row[name] is not None}
    if "samples" in own and row["samples"] is not None:
        values["samples"] = _samples(json.loads(row["samples"]))
    return kind(**values)
