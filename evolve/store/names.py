"""Ids, and how runs and loops are found by them, by their names, or by the beginning of either."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from evolve.errors import EvolveError, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from evolve.store.looprecords import Loop
    from evolve.store.records import Run

    Named = TypeVar("Named", Run, Loop)

LATEST = "latest"
_ID_TRIES = 16
_MADE_AND_LISTED = {"run": ("evolve run", "evolve runs"), "loop": ("evolve loop batching", "evolve loop list")}


def taken(known: Sequence[Run | Loop]) -> set[str | None]:
    """What no further run or loop may be called."""
    return {word for one in known for word in (one.id, one.name)} | {LATEST}


def refuse_taken(name: str | None, words: Collection[str | None]) -> None:
    """Refuse a user's own word that is empty or means something else already.

    Raises:
        UsageError: it does.
    """
    if name is not None and (not name.strip() or name in words):
        raise UsageError(f"the name {name!r} is taken or empty", "choose another with --name")


def new_id(subject: str, words: Collection[str | None]) -> str:
    """A free id such as ``matmul-3f9a``; the caller holds the write lock, so it stays free."""
    word = re.sub(r"[^a-z0-9]+", "-", Path(subject).name.removesuffix(".py").lower()).strip("-") or "run"
    for attempt in range(_ID_TRIES):
        if (candidate := f"{word}-{secrets.token_hex(2 + attempt // 4)}") not in words:
            return candidate
    raise EvolveError(f"no free id for {subject} in {_ID_TRIES} tries", "choose another store with --store")


def find(what: str, known: Sequence[Named], key: str, path: Path) -> Named:
    """The ``"run"`` or ``"loop"`` that a key means.

    Args:
        what: which of them.
        known: all that there are, the oldest first.
        key: an id, a name, the beginning of either, or ``latest``.
        path: of the store, for the message.

    Raises:
        UsageError: there is none, or several begin so.
    """
    maker, lister = _MADE_AND_LISTED[what]
    if not known:
        raise UsageError(f"no {what} in store {path}", f"`{maker}` makes one")
    if key == LATEST:
        return known[-1]
    exact = [one for one in known if key in (one.id, one.name)]
    found = exact or [one for one in known if key and (one.id.startswith(key) or (one.name or "").startswith(key))]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{key!r} may be {', '.join(one.id for one in found[-5:])}", "write more of it")
    raise UsageError(f"no {what} {key!r} in store {path}", f"`{lister}` lists them")


def of_the_other_kind(error: UsageError, what: str, others: Sequence[Run | Loop], key: str) -> UsageError:
    """What to say instead where the key means a ``"run"`` or ``"loop"``, and the other of them was asked for."""
    if not any(key in (one.id, one.name) for one in others):
        return error
    command = {"run": "evolve show", "loop": "evolve loop show"}[what]
    return UsageError(f"{key} is a {what}", f"look at it with `{command} {key}`")
