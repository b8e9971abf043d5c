"""What SQLite complains of, said in one line each: the only place that knows its error codes."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from evolve.errors import EvolveError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ELSEWHERE = "choose another store with --store or EVOLVE_STORE"
_FAULTS = {
    sqlite3.SQLITE_FULL: (
        "store {path} cannot grow, the disk is full",
        "free some space and `evolve resume`; nothing written so far is lost",
    ),
    sqlite3.SQLITE_IOERR: (
        "store {path} cannot be read or written ({error})",
        "look at the disk, then `evolve resume`; nothing written so far is lost",
    ),
    sqlite3.SQLITE_READONLY: ("store {path} is read-only", f"change its permissions, or {_ELSEWHERE}"),
    sqlite3.SQLITE_PERM: ("store {path} may not be used", f"change its permissions, or {_ELSEWHERE}"),
    sqlite3.SQLITE_CANTOPEN: ("store {path} cannot be opened", f"check the path and its permissions, or {_ELSEWHERE}"),
    sqlite3.SQLITE_NOTADB: ("{path} is not a store of evolve", _ELSEWHERE),
    sqlite3.SQLITE_CORRUPT: (
        "store {path} is damaged ({error})",
        f"`sqlite3 {{path}} .recover` may save what is left; {_ELSEWHERE}",
    ),
    sqlite3.SQLITE_BUSY: ("store {path} has been locked by another program for 30 s", "stop it or try again"),
}


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Turn any error of SQLite into an ``EvolveError`` that names the store and the remedy."""
    try:
        yield
    except sqlite3.Error as error:
        # the low byte of an extended code is the primary one (sqlite.org/rescode.html)
        code = getattr(error, "sqlite_errorcode", -1) & 0xFF
        what, remedy = _FAULTS.get(code, ("store {path}: {error}", ""))
        raise EvolveError(what.format(path=path, error=error), remedy.format(path=path)) from error
