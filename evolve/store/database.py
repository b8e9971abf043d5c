"""An SQLite file that is a store: how it is opened, written and read."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self, TypeVar

from evolve.errors import EvolveError
from evolve.store import rows, schema
from evolve.store.faults import reported

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from _typeshed import DataclassInstance

    Record = TypeVar("Record", bound=DataclassInstance)

_BUSY_S = 30.0


class Database:
    """A connection to one SQLite file, and rows as records.

    The journal is a write-ahead log with ``synchronous = NORMAL``: what is committed survives ``kill -9``, a power
    failure may take back the last moments (sqlite.org/wal.html, "Performance Considerations"), and no commit waits for
    the disk while something is measured.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path.absolute()
        self._refuse_unusable(create=create)
        with reported(self.path):
            uri = f"{self.path.as_uri()}?mode={'rwc' if create else 'rw'}"
            self._connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None)
        try:
            with reported(self.path):
                self._connection.row_factory = sqlite3.Row
                self._connection.execute("PRAGMA foreign_keys = ON")
                self._connection.execute("PRAGMA synchronous = NORMAL")
                schema.prepare(self._connection, self.path)
        except BaseException:
            self._connection.close()
            raise

    def _refuse_unusable(self, *, create: bool) -> None:
        if self.path.is_dir():
            raise EvolveError(f"store {self.path} is a folder", "name a file in it")
        if create:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise EvolveError(
                    f"cannot make the folder of store {self.path} ({error.strerror})", "choose another with --store"
                ) from error
        elif not self.path.exists():
            raise EvolveError(f"there is no store {self.path}", "`evolve run` makes one")

    @property
    def url(self) -> str:
        """What opens this store again."""
        return f"sqlite:///{self.path}"

    def close(self) -> None:
        """Close the file."""
        with reported(self.path):
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None, /
    ) -> None:
        self.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with reported(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _insert(self, table: str, row: rows.Row) -> None:
        columns = ", ".join(f'"{name}"' for name in row)
        marks = ", ".join(f":{name}" for name in row)
        self._connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", row)  # noqa: S608 our own names

    def _add(self, table: str, record: DataclassInstance) -> None:
        with self._transaction():
            self._insert(table, rows.to_row(record))

    def _query(self, sql: str, *values: object) -> list[sqlite3.Row]:
        with reported(self.path):
            return self._connection.execute(sql, values).fetchall()

    def _of(self, owner: str, kind: type[Record], table: str, owner_id: str) -> list[Record]:
        """The records of one ``"run"`` or ``"loop"``, in the order in which they were written."""
        found = self._query(f"SELECT * FROM {table} WHERE {owner} = ? ORDER BY rowid", owner_id)  # noqa: S608 our own
        return [rows.from_row(kind, row) for row in found]
