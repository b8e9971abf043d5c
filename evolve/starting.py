"""Where a run's search begins: at the kernel's default, or at a schedule that another run found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evolve.store import RunSpec
    from evolve.store.records import Value

_OPTION = "start"


def starting_at(schedule: Mapping[str, Value] | None) -> dict[str, Value | float]:
    """The option of a run that begins at a schedule; none for the kernel's default."""
    return {_OPTION: json.dumps(dict(schedule), separators=(",", ":"))} if schedule else {}


def start_of(run: RunSpec) -> dict[str, Value] | None:
    """The schedule at which a run's search begins; None for the kernel's default."""
    text = run.options.get(_OPTION)
    return dict(json.loads(text)) if isinstance(text, str) else None
