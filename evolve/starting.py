"""Where a run's search begins: at the kernel's default, or at a schedule that another run found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evolve.store import RunSpec
    from evolve.store.records import Value
    from kernels.language.space import Schedule, Space

_OPTION, _ORIGIN = "start", "start_from"
_LANES = "lanes"
"""What every kernel of vectors calls the numbers in one of them."""


def starting_at(schedule: Mapping[str, Value] | None, origin: str = "") -> dict[str, Value | float]:
    """The options of a run that begins at a schedule; none for the kernel's default.

    Args:
        schedule: the parameter values.
        origin: in words, whose they are.
    """
    if not schedule:
        return {}
    told = {_ORIGIN: origin} if origin else {}
    return {_OPTION: json.dumps(dict(schedule), separators=(",", ":")), **told}


def start_of(run: RunSpec) -> dict[str, Value] | None:
    """The schedule at which a run's search begins; None for the kernel's default."""
    text = run.options.get(_OPTION)
    return dict(json.loads(text)) if isinstance(text, str) else None


def origin_of(options: Mapping[str, Value | float]) -> str:
    """Whose champion a run begins at, in words; "" where it begins at the kernel's default, or nobody said."""
    return str(options.get(_ORIGIN, ""))


def fitted(space: Space, schedule: Mapping[str, Value], found_for: str, dtype: str) -> Schedule | None:
    """A champion's schedule as the beginning of another problem's search; None where its space has none like it.

    Vectors stay as many bytes wide, where the space allows that: with as many lanes, a champion of float64 would fill
    half of each register in float32, and one of float32 would need two for each vector in float64.

    Args:
        space: of the problem that is to be searched.
        schedule: that was found.
        found_for: the dtype that it was found for.
        dtype: of the problem that is to be searched.
    """
    if set(schedule) != set(space.names):
        return None
    told = [dict(schedule)]
    if isinstance(lanes := schedule.get(_LANES), int):
        told.insert(0, {**schedule, _LANES: lanes * np.dtype(found_for).itemsize // np.dtype(dtype).itemsize})
    return next((made for made in map(space.canonical, told) if space.is_legal(made) is None), None)
