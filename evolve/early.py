"""When a run's search ends before its budget is used up: where that was asked for and it has gone flat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evolve.tracker.stopping import is_flat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evolve.session import Session
    from evolve.store.records import Value

_OPTION = "stop_when_flat"


def stopping_early() -> Mapping[str, Value | float]:
    """The option of a run whose search may stop before its budget is used up."""
    return {_OPTION: True}


def has_gone_flat(session: Session) -> bool:
    """True where a search that may stop early has gone flat; the first time that is noted, with the reason.

    The answer follows from what is known of the run: one that was killed after it stopped stops again.
    """
    if not session.run.options.get(_OPTION):
        return False
    found = is_flat(session.individuals)
    if found.is_flat and "flat" not in {event.kind for event in session.store.events(session.run.id)}:
        session.store.add_event(session.run.id, "flat", found.says)
    return found.is_flat
