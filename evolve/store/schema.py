"""The tables, version by version. A file's ``user_version`` says how many of ``VERSIONS`` it has been through."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING

from evolve.errors import EvolveError

if TYPE_CHECKING:
    from pathlib import Path

APPLICATION_ID = int.from_bytes(b"Evol")
"""Marks an SQLite file as ours (sqlite.org/fileformat2.html, offset 68)."""

_BUSY_S = 30.0
_TABLES = {
    "machine": "id TEXT PRIMARY KEY, fingerprint TEXT NOT NULL CHECK (json_valid(fingerprint))",
    "ceilings": """machine TEXT NOT NULL REFERENCES machine (id), measured_at TEXT NOT NULL,
        "values" TEXT NOT NULL CHECK (json_valid("values"))""",
    "run": """id TEXT PRIMARY KEY, name TEXT UNIQUE, kernel TEXT NOT NULL, size TEXT NOT NULL, dtype TEXT NOT NULL,
        threads INTEGER NOT NULL, strategy TEXT NOT NULL, control_share REAL NOT NULL, seed INTEGER NOT NULL,
        budget TEXT NOT NULL, batch_size INTEGER NOT NULL, machine TEXT NOT NULL REFERENCES machine (id),
        versions TEXT NOT NULL, options TEXT NOT NULL, created_at TEXT NOT NULL""",
    "event": """run TEXT NOT NULL REFERENCES run (id), kind TEXT NOT NULL, at TEXT NOT NULL, detail TEXT NOT NULL,
        pid INTEGER NOT NULL, host TEXT NOT NULL""",
    "bound": """run TEXT NOT NULL REFERENCES run (id), measured_at TEXT NOT NULL, "limit" TEXT NOT NULL,
        time_s REAL NOT NULL, baseline_s REAL NOT NULL""",
    "batch": """run TEXT NOT NULL REFERENCES run (id), "index" INTEGER NOT NULL, asked_at TEXT NOT NULL,
        PRIMARY KEY (run, "index")""",
    "evaluation": """run TEXT NOT NULL, number INTEGER NOT NULL, batch INTEGER NOT NULL, position INTEGER NOT NULL,
        arm TEXT NOT NULL CHECK (arm IN ('search', 'control')), operator TEXT NOT NULL, parents TEXT NOT NULL,
        schedule TEXT NOT NULL CHECK (json_valid(schedule)), source_key TEXT, duplicate_of INTEGER,
        PRIMARY KEY (run, number), FOREIGN KEY (run, batch) REFERENCES batch (run, "index"),
        FOREIGN KEY (run, duplicate_of) REFERENCES evaluation (run, number), CHECK (duplicate_of < number)""",
    "outcome": """run TEXT NOT NULL, evaluation INTEGER NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL,
        time_s REAL, fitness REAL, log_ratio REAL, low REAL, high REAL, max_error REAL, incumbent INTEGER,
        build_s REAL NOT NULL, verify_s REAL NOT NULL, measure_s REAL NOT NULL, launch INTEGER NOT NULL,
        finished_at TEXT NOT NULL, samples TEXT CHECK (samples IS NULL OR json_valid(samples)),
        PRIMARY KEY (run, evaluation), FOREIGN KEY (run, evaluation) REFERENCES evaluation (run, number)""",
    "phase": """run TEXT NOT NULL REFERENCES run (id), batch INTEGER NOT NULL, phase TEXT NOT NULL,
        seconds REAL NOT NULL""",
    "checkpoint": """run TEXT NOT NULL, evaluation INTEGER NOT NULL, evaluations INTEGER NOT NULL,
        elapsed_s REAL NOT NULL, cpu_s REAL NOT NULL, speedup TEXT NOT NULL, samples TEXT NOT NULL,
        measured_at TEXT NOT NULL, FOREIGN KEY (run, evaluation) REFERENCES evaluation (run, number)""",
    "publication": """run TEXT NOT NULL, evaluation INTEGER NOT NULL, measured_at TEXT NOT NULL,
        launches INTEGER NOT NULL, rounds INTEGER NOT NULL, time_s REAL NOT NULL, speedup TEXT NOT NULL,
        rivals TEXT NOT NULL, bound_limit TEXT NOT NULL, bound_time_s REAL NOT NULL, bound_fraction REAL NOT NULL,
        source_hash TEXT NOT NULL, samples TEXT NOT NULL,
        FOREIGN KEY (run, evaluation) REFERENCES evaluation (run, number)""",
}


def _append_only(table: str) -> list[str]:
    """Triggers that hold the promise: a fact is neither changed nor taken back."""
    return [
        f"""CREATE TRIGGER {table}_keeps_{change} BEFORE {change} ON {table}
            BEGIN SELECT RAISE(ABORT, '{table}: a fact once written stays'); END"""
        for change in ("UPDATE", "DELETE")
    ]


_FIRST = (
    *(f"CREATE TABLE {name} ({columns}) STRICT" for name, columns in _TABLES.items()),
    *(trigger for name in _TABLES for trigger in _append_only(name)),
    """CREATE TRIGGER duplicate_has_no_outcome BEFORE INSERT ON outcome
        WHEN (SELECT duplicate_of FROM evaluation WHERE run = NEW.run AND number = NEW.evaluation) IS NOT NULL
        BEGIN SELECT RAISE(ABORT, 'a duplicate shares the outcome of its original'); END""",
    *(
        f"CREATE INDEX {name}_by_run ON {name} (run)"
        for name in ("event", "bound", "phase", "checkpoint", "publication")
    ),
)

_SECOND = (
    "ALTER TABLE run ADD COLUMN policy TEXT NOT NULL DEFAULT 'hot'",
    "ALTER TABLE publication ADD COLUMN details TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(details))",
)

_LOOP_TABLES = {
    "loop": """id TEXT PRIMARY KEY, name TEXT UNIQUE, kind TEXT NOT NULL, laps INTEGER NOT NULL, seed INTEGER NOT NULL,
        machine TEXT NOT NULL REFERENCES machine (id), versions TEXT NOT NULL CHECK (json_valid(versions)),
        options TEXT NOT NULL CHECK (json_valid(options)), created_at TEXT NOT NULL""",
    "loop_event": """loop TEXT NOT NULL REFERENCES loop (id), kind TEXT NOT NULL, at TEXT NOT NULL,
        detail TEXT NOT NULL, pid INTEGER NOT NULL, host TEXT NOT NULL""",
    "forecast": """loop TEXT NOT NULL REFERENCES loop (id), lap INTEGER NOT NULL CHECK (lap > 0), at TEXT NOT NULL,
        gain TEXT NOT NULL CHECK (json_valid(gain)), reason TEXT NOT NULL""",
    "lap": """loop TEXT NOT NULL REFERENCES loop (id), lap INTEGER NOT NULL CHECK (lap >= 0),
        started_at TEXT NOT NULL, finished_at TEXT NOT NULL, machine TEXT NOT NULL REFERENCES machine (id), gain TEXT,
        engine TEXT, inputs REAL NOT NULL, ceiling TEXT, endpoint TEXT, cpu_s REAL NOT NULL,
        details TEXT NOT NULL CHECK (json_valid(details)), fault TEXT NOT NULL, PRIMARY KEY (loop, lap)""",
}

_THIRD = (
    *(f"CREATE TABLE {name} ({columns}) STRICT" for name, columns in _LOOP_TABLES.items()),
    *(trigger for name in _LOOP_TABLES for trigger in _append_only(name)),
    *(f"CREATE INDEX {name}_by_loop ON {name} (loop)" for name in ("loop_event", "forecast")),
)

_FOURTH = (
    """CREATE TABLE candidate (kernel TEXT NOT NULL, size TEXT NOT NULL CHECK (json_valid(size)), dtype TEXT NOT NULL,
        threads INTEGER NOT NULL, policy TEXT NOT NULL, schedule TEXT NOT NULL CHECK (json_valid(schedule)),
        source_hash TEXT NOT NULL, machine TEXT NOT NULL, measured_at TEXT NOT NULL, time_s REAL NOT NULL,
        speedup TEXT NOT NULL CHECK (json_valid(speedup)), bound_fraction REAL NOT NULL) STRICT""",
    *_append_only("candidate"),
)

_ENGINE_TABLES = {
    "engine": """id TEXT PRIMARY KEY, manifest TEXT NOT NULL CHECK (json_valid(manifest)), kept_at TEXT NOT NULL""",
    "deployment": """engine_id TEXT NOT NULL REFERENCES engine (id), machine TEXT NOT NULL REFERENCES machine (id),
        at TEXT NOT NULL, reason TEXT NOT NULL""",
}

_FIFTH = (
    *(f"CREATE TABLE {name} ({columns}) STRICT" for name, columns in _ENGINE_TABLES.items()),
    *(trigger for name in _ENGINE_TABLES for trigger in _append_only(name)),
)

VERSIONS: tuple[tuple[str, ...], ...] = (_FIRST, _SECOND, _THIRD, _FOURTH, _FIFTH)
"""``VERSIONS[k]`` takes a file from version k to k + 1."""


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make a new file a store, bring an old store up to date, refuse everything else.

    Raises:
        EvolveError: the file is another program's, or a newer evolve wrote it.
        sqlite3.Error: it is no database, damaged, locked, read-only ...
    """
    _refuse_foreign(connection, path)
    _use_wal(connection)
    if _pragma(connection, "user_version") < len(VERSIONS):
        _upgrade(connection)


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    is_empty = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if not is_empty and _pragma(connection, "application_id") != APPLICATION_ID:
        raise EvolveError(f"{path} is an SQLite file of another program", "choose another store with --store")
    if (version := _pragma(connection, "user_version")) > len(VERSIONS):
        remedy = "upgrade evolve-kernels, or choose another store with --store"
        raise EvolveError(f"store {path} has schema {version}, this evolve knows up to {len(VERSIONS)}", remedy)


def _use_wal(connection: sqlite3.Connection) -> None:
    """Let readers and a writer go on side by side.

    Two processes that switch a new file at once are told "locked" without any wait, hence the loop. A file system
    without shared memory keeps its rollback journal, which is as safe.
    """
    deadline = time.monotonic() + _BUSY_S
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _upgrade(connection: sqlite3.Connection) -> None:
    """Run the missing versions in one transaction; another process may have done so since, hence the second look."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statements in VERSIONS[_pragma(connection, "user_version") :]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(VERSIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
