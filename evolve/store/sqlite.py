"""The default store: one SQLite file, many readers, many writers."""

from __future__ import annotations

import os
import re
import secrets
import socket
import sqlite3
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from evolve.errors import EvolveError, UsageError
from evolve.store import rows, schema
from evolve.store.ceilings import best_of, last_of
from evolve.store.faults import reported
from evolve.store.records import (
    PHASES,
    Batch,
    Bound,
    Ceilings,
    Checkpoint,
    Evaluation,
    EventKind,
    Individual,
    Machine,
    OutcomeRecord,
    Publication,
    Run,
    RunEvent,
    RunSpec,
    utc_now,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType

    from _typeshed import DataclassInstance

    Record = TypeVar("Record", bound=DataclassInstance)

_BUSY_S = 30.0
_ID_TRIES = 16


class SqliteStore:
    """A ``Store`` in one SQLite file; the contract stands there.

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

    def _of_run(self, kind: type[Record], table: str, run_id: str) -> list[Record]:
        found = self._query(f"SELECT * FROM {table} WHERE run = ? ORDER BY rowid", run_id)  # noqa: S608 our own names
        return [rows.from_row(kind, row) for row in found]

    # -- machines -----------------------------------------------------------------------------------------------------

    def add_machine(self, machine: Machine) -> None:
        """Make a machine known; its first fingerprint stays."""
        with self._transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO machine VALUES (:id, :fingerprint)", rows.to_row(machine))

    def machine(self, machine_id: str) -> Machine | None:
        """What is known of a machine."""
        return next((machine for machine in self.machines() if machine.id == machine_id), None)

    def machines(self) -> list[Machine]:
        """All machines, in order of their ids."""
        return [rows.from_row(Machine, row) for row in self._query("SELECT * FROM machine ORDER BY id")]

    def add_ceilings(self, ceilings: Ceilings) -> None:
        """Keep what a sweep found."""
        self._add("ceilings", ceilings)

    def _ceilings(self, machine_id: str) -> list[Ceilings]:
        found = self._query("SELECT * FROM ceilings WHERE machine = ? ORDER BY measured_at, rowid", machine_id)
        return [rows.from_row(Ceilings, row) for row in found]

    def latest_ceilings(self, machine_id: str) -> Ceilings | None:
        """What the last sweeps of a machine found, leaf by leaf: a brief one leaves the others' values standing."""
        sweeps = self._ceilings(machine_id)
        if not sweeps:
            return None
        return Ceilings(machine_id, sweeps[-1].measured_at, last_of([sweep.values for sweep in sweeps]))

    def best_ceilings(self, machine_id: str) -> dict[str, Any] | None:
        """Leaf by leaf the best value ever found: the largest, or the smallest of a latency (named ``..._s``)."""
        sweeps = self._ceilings(machine_id)
        return best_of([sweep.values for sweep in sweeps]) if sweeps else None

    # -- runs ---------------------------------------------------------------------------------------------------------

    def create_run(self, spec: RunSpec) -> Run:
        """Open a run under a new id."""
        with self._transaction():
            runs = self.runs()
            taken = {word for run in runs for word in (run.id, run.name)} | {"latest"}
            if spec.name is not None and (not spec.name.strip() or spec.name in taken):
                raise UsageError(f"the name {spec.name!r} is taken or empty", "choose another with --name")
            given = {f.name: getattr(spec, f.name) for f in fields(RunSpec)}
            run = Run(id=_new_id(spec.kernel, taken), created_at=utc_now(), **given)
            self._insert("run", rows.to_row(run))
        return run

    def runs(self) -> list[Run]:
        """All runs, the oldest first."""
        return [rows.from_row(Run, row) for row in self._query("SELECT * FROM run ORDER BY created_at, rowid")]

    def run(self, key: str) -> Run:
        """The run of that id or name, or of an unambiguous beginning of either, or the ``latest``."""
        runs = self.runs()
        if not runs:
            raise UsageError(f"no run in store {self.path}", "`evolve run` makes one")
        if key == "latest":
            return runs[-1]
        exact = [run for run in runs if key in (run.id, run.name)]
        found = exact or [run for run in runs if key and (run.id.startswith(key) or (run.name or "").startswith(key))]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(f"{key!r} may be {', '.join(run.id for run in found[-5:])}", "write more of it")
        raise UsageError(f"no run {key!r} in store {self.path}", "`evolve runs` lists them")

    def add_event(self, run_id: str, kind: EventKind, detail: str = "") -> None:
        """Keep a turn in a run's life, or a note, now, by this process."""
        self._add("event", RunEvent(run_id, kind, utc_now(), detail, os.getpid(), socket.gethostname()))

    def events(self, run_id: str) -> list[RunEvent]:
        """A run's events in order."""
        return self._of_run(RunEvent, "event", run_id)

    def add_bound(self, bound: Bound) -> None:
        """Keep what a run's problem costs at least here."""
        self._add("bound", bound)

    def bound(self, run_id: str) -> Bound | None:
        """The last bound of a run."""
        return next(reversed(self._of_run(Bound, "bound", run_id)), None)

    # -- evaluations --------------------------------------------------------------------------------------------------

    def add_batch(self, batch: Batch, evaluations: Sequence[Evaluation]) -> None:
        """Keep what was asked for, before any of it is evaluated."""
        with self._transaction():
            if self._query('SELECT 1 FROM batch WHERE run = ? AND "index" = ?', batch.run, batch.index):
                raise EvolveError(
                    f"another process goes on with run {batch.run}", "let it finish, or stop it and resume"
                )
            self._insert("batch", rows.to_row(batch))
            for evaluation in evaluations:
                self._insert("evaluation", rows.to_row(evaluation))

    def batches(self, run_id: str) -> list[Batch]:
        """A run's asks in order."""
        return self._of_run(Batch, "batch", run_id)

    def add_outcome(self, record: OutcomeRecord) -> None:
        """Keep what came of an evaluation. A duplicate has no outcome of its own."""
        with self._transaction():
            self._insert("outcome", rows.outcome_row(record))

    def _evaluations(self, run_id: str) -> list[Evaluation]:
        found = self._query("SELECT * FROM evaluation WHERE run = ? ORDER BY number", run_id)
        return [rows.from_row(Evaluation, row) for row in found]

    def individuals(self, run_id: str) -> list[Individual]:
        """All that was asked for, in order, with what came of it."""
        evaluations = self._evaluations(run_id)
        known = {
            row["evaluation"]: rows.outcome_of(row)
            for row in self._query("SELECT * FROM outcome WHERE run = ?", run_id)
        }
        return [Individual(e, known.get(e.duplicate_of or e.number)) for e in evaluations]

    def pending(self, run_id: str) -> list[Evaluation]:
        """What was asked for and has no outcome yet, duplicates left out."""
        return [
            i.evaluation for i in self.individuals(run_id) if i.record is None and i.evaluation.duplicate_of is None
        ]

    def known_sources(self, run_id: str) -> dict[str, int]:
        """By source key the number of the evaluation that has, or will have, its outcome."""
        found = self._query(
            """SELECT source_key, number FROM evaluation
               WHERE run = ? AND source_key IS NOT NULL AND duplicate_of IS NULL ORDER BY number""",
            run_id,
        )
        return dict(map(tuple, found))

    def outcome_by_source(self, run_id: str, source_key: str) -> OutcomeRecord | None:
        """The known outcome of a source within a run."""
        number = self.known_sources(run_id).get(source_key)
        found = self._query("SELECT * FROM outcome WHERE run = ? AND evaluation = ?", run_id, number)
        return rows.outcome_of(found[0]) if found else None

    def counts(self, run_id: str) -> dict[str, int]:
        """Known outcomes by kind, duplicates left out."""
        found = self._query("SELECT kind, count(*) FROM outcome WHERE run = ? GROUP BY kind ORDER BY kind", run_id)
        return dict(map(tuple, found))

    def add_phases(self, run_id: str, batch: int, seconds: Mapping[str, float]) -> None:
        """Keep where a batch's time went, a further increment by phase."""
        if unknown := set(seconds) - set(PHASES):
            raise ValueError(f"unknown phases {', '.join(sorted(unknown))}; a phase is one of {', '.join(PHASES)}")
        with self._transaction():
            for phase, value in seconds.items():
                self._insert("phase", {"run": run_id, "batch": batch, "phase": phase, "seconds": float(value)})

    def phases(self, run_id: str) -> dict[str, float]:
        """Seconds of a run by phase: build, verify, measure, search, other."""
        found = self._query("SELECT phase, sum(seconds) FROM phase WHERE run = ? GROUP BY phase", run_id)
        return dict.fromkeys(PHASES, 0.0) | dict(map(tuple, found))

    # -- fresh measurements -------------------------------------------------------------------------------------------

    def add_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Keep a fresh measurement of the champion of a moment."""
        self._add("checkpoint", checkpoint)

    def checkpoints(self, run_id: str) -> list[Checkpoint]:
        """A run's checkpoints in order."""
        return self._of_run(Checkpoint, "checkpoint", run_id)

    def add_publication(self, publication: Publication) -> None:
        """Keep the final measurement."""
        self._add("publication", publication)

    def publication(self, run_id: str) -> Publication | None:
        """The last publication of a run."""
        return next(reversed(self._of_run(Publication, "publication", run_id)), None)


def _new_id(kernel: str, taken: set[str | None]) -> str:
    """A free id such as ``matmul-3f9a``; the caller holds the write lock, so it stays free."""
    word = re.sub(r"[^a-z0-9]+", "-", Path(kernel).name.removesuffix(".py").lower()).strip("-") or "run"
    for attempt in range(_ID_TRIES):
        if (candidate := f"{word}-{secrets.token_hex(2 + attempt // 4)}") not in taken:
            return candidate
    raise EvolveError(f"no free id for a run of {kernel} in {_ID_TRIES} tries", "choose another store with --store")
