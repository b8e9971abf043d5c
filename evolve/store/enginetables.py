"""Engines and their deployments in an SQLite file."""

from __future__ import annotations

from evolve.store import rows
from evolve.store.database import Database
from evolve.store.enginerecords import Deployment, EngineRecord


class EngineTables(Database):
    """The part of a ``Store`` that keeps engines; the contract stands there."""

    def add_engine(self, engine: EngineRecord) -> None:
        """Keep what an engine is made of; one that is known already stays as it is."""
        with self._transaction() as connection:
            row = rows.to_row(engine)
            connection.execute("INSERT OR IGNORE INTO engine VALUES (:id, :manifest, :kept_at)", row)

    def engines(self) -> list[EngineRecord]:
        """All engines, in the order in which they were kept."""
        return [rows.from_row(EngineRecord, row) for row in self._query("SELECT * FROM engine ORDER BY rowid")]

    def add_deployment(self, deployment: Deployment) -> None:
        """Keep that an engine was put to work."""
        self._add("deployment", deployment)

    def deployments(self, machine_id: str) -> list[Deployment]:
        """Those of a machine, in order."""
        return self._of("machine", Deployment, "deployment", machine_id)
