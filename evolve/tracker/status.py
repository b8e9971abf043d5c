"""How a run or a loop is doing and how long it has worked, read from its facts: nothing is ever rewritten."""

from __future__ import annotations

import socket
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import psutil

from evolve.store.records import NOTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from evolve.store import LoopEvent, RunEvent

    Event = RunEvent | LoopEvent

_BEGINNINGS = ("started", "resumed")


def is_alive(event: Event) -> bool:
    """False where the process that wrote an event is known to be gone; another host's is believed to live."""
    if event.host != socket.gethostname():
        return True
    try:
        # a process that began after the event has only inherited the number
        return psutil.Process(event.pid).create_time() <= datetime.fromisoformat(event.at).timestamp() + 1
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def status(events: Sequence[Event], alive: Callable[[Event], bool] = is_alive) -> str:
    """``created``, ``running``, ``killed`` (died without a word), ``interrupted``, ``finished`` or ``failed``."""
    turns = [event for event in events if event.kind not in NOTES]
    if not turns:
        return "created"
    if turns[-1].kind not in _BEGINNINGS:
        return turns[-1].kind
    return "running" if alive(turns[-1]) else "killed"


def elapsed_s(events: Sequence[Event], facts: Iterable[str]) -> float:
    """Wall time that a run or loop has worked, the pauses between its sessions left out.

    A killed session ends with the last fact that it wrote.

    Args:
        events: its turns and notes.
        facts: times of day at which anything else was written, in any order.
    """
    moments = sorted([(event.at, event.kind in _BEGINNINGS) for event in events] + [(at, False) for at in facts])
    return sum(_seconds(a, b) for (a, _), (b, begins) in pairwise(moments) if not begins)


def _seconds(a: str, b: str) -> float:
    return (datetime.fromisoformat(b) - datetime.fromisoformat(a)).total_seconds()
