"""Where a store is: ``sqlite:///runs.db`` relative, ``sqlite:////home/me/runs.db`` absolute, or just the path."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from evolve.errors import UsageError
from evolve.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from evolve.store.base import Store

_SQLITE = "sqlite:///"


def open_store(url: str, *, create: bool = True) -> Store:
    """Open the store that a URL or a plain path names.

    Args:
        url: as above; ``~`` is the home folder.
        create: make it where it is not there yet.

    Raises:
        UsageError: the URL names no kind of store that there is.
        EvolveError: the store cannot be used.
    """
    path = url.removeprefix(_SQLITE)
    if "://" in path or not path.strip():
        raise UsageError(f"{url!r} names no store", f"write a path, or {_SQLITE}PATH")
    return SqliteStore(Path(path).expanduser(), create=create)
