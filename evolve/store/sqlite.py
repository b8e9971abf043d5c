"""The default store: one SQLite file, many readers, many writers."""

from __future__ import annotations

import os
import socket
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from evolve.errors import EvolveError, UsageError
from evolve.store import names, rows
from evolve.store.ceilings import best_of, last_of
from evolve.store.enginetables import EngineTables
from evolve.store.looptables import LoopTables
from evolve.store.records import (
    BUILDING,
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
from evolve.store.wisdomtables import WisdomTables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class SqliteStore(LoopTables, EngineTables, WisdomTables):
    """A ``Store`` in one SQLite file; the contract stands there."""

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
            words = self._words()
            names.refuse_taken(spec.name, words)
            given = {f.name: getattr(spec, f.name) for f in fields(RunSpec)}
            run = Run(id=names.new_id(spec.kernel, words), created_at=utc_now(), **given)
            self._insert("run", rows.to_row(run))
        return run

    def runs(self) -> list[Run]:
        """All runs, the oldest first."""
        return self._runs()

    def run(self, key: str) -> Run:
        """The run of that id or name, or of an unambiguous beginning of either, or the ``latest``."""
        try:
            return names.find("run", self.runs(), key, self.path)
        except UsageError as error:
            raise names.of_the_other_kind(error, "loop", self.loops(), key) from None

    def add_event(self, run_id: str, kind: EventKind, detail: str = "") -> None:
        """Keep a turn in a run's life, or a note, now, by this process."""
        self._add("event", RunEvent(run_id, kind, utc_now(), detail, os.getpid(), socket.gethostname()))

    def events(self, run_id: str) -> list[RunEvent]:
        """A run's events in order."""
        return self._of("run", RunEvent, "event", run_id)

    def add_bound(self, bound: Bound) -> None:
        """Keep what a run's problem costs at least here."""
        self._add("bound", bound)

    def bound(self, run_id: str) -> Bound | None:
        """The last bound of a run."""
        return next(reversed(self._of("run", Bound, "bound", run_id)), None)

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
        return self._of("run", Batch, "batch", run_id)

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
        if unknown := set(seconds) - {*PHASES, *BUILDING}:
            raise ValueError(f"unknown phases {', '.join(sorted(unknown))}; a phase is one of {', '.join(PHASES)}")
        with self._transaction():
            for phase, value in seconds.items():
                self._insert("phase", {"run": run_id, "batch": batch, "phase": phase, "seconds": float(value)})

    def phases(self, run_id: str) -> dict[str, float]:
        """Seconds of a run by phase: build, verify, measure, search, other."""
        return self._seconds(run_id, PHASES)

    def building(self, run_id: str) -> dict[str, float]:
        """Wall and processor seconds of a run in which it built: ``building``, ``building_cpu``."""
        return self._seconds(run_id, BUILDING)

    def _seconds(self, run_id: str, kinds: Sequence[str]) -> dict[str, float]:
        found = self._query("SELECT phase, sum(seconds) FROM phase WHERE run = ? GROUP BY phase", run_id)
        known = dict(map(tuple, found))
        return {name: known.get(name, 0.0) for name in kinds}

    # -- fresh measurements -------------------------------------------------------------------------------------------

    def add_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Keep a fresh measurement of the champion of a moment."""
        self._add("checkpoint", checkpoint)

    def checkpoints(self, run_id: str) -> list[Checkpoint]:
        """A run's checkpoints in order."""
        return self._of("run", Checkpoint, "checkpoint", run_id)

    def add_publication(self, publication: Publication) -> None:
        """Keep the final measurement."""
        self._add("publication", publication)

    def publication(self, run_id: str) -> Publication | None:
        """The last publication of a run."""
        return next(reversed(self._of("run", Publication, "publication", run_id)), None)
