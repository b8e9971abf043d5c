"""The best a machine ever showed: ceilings are peaks, so a quieter moment's sweep may only raise them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def best_of(sweeps: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Sweeps merged leaf by leaf; the unit says which way is better.

    Args:
        sweeps: nested mappings, the oldest first. Numbers under a name that ends in ``_s`` or ``_ns`` but not in
            ``_per_s`` are durations: the smallest counts. Of other numbers the largest, of anything else the last.
    """
    best: dict[str, Any] = {}
    for sweep in sweeps:
        best = _merged(best, sweep, is_duration=False)
    return best


def last_of(sweeps: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Sweeps merged leaf by leaf, the last value of each: a brief sweep measures a few of them only."""
    last: dict[str, Any] = {}
    for sweep in sweeps:
        last = _updated(last, sweep)
    return last


def _updated(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    updated = dict(old)
    for name, value in new.items():
        before = old.get(name)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            updated[name] = _updated(before, value)
        elif value is not None:
            updated[name] = value
    return updated


def _merged(old: Mapping[str, Any], new: Mapping[str, Any], *, is_duration: bool) -> dict[str, Any]:
    merged = dict(old)
    for name, value in new.items():
        below = is_duration or (name.endswith(("_s", "_ns")) and not name.endswith("_per_s"))
        merged[name] = _better(old.get(name), value, is_duration=below)
    return merged


def _better(old: Any, new: Any, *, is_duration: bool) -> Any:
    if isinstance(new, Mapping):
        return _merged(old if isinstance(old, Mapping) else {}, new, is_duration=is_duration)
    if not _is_number(old) or not _is_number(new):
        return old if new is None else new
    return min(old, new) if is_duration else max(old, new)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
