"""Champions in an SQLite file: this machine's own from their runs, and those of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evolve.store import rows
from evolve.store.database import Database
from evolve.store.records import Champion

if TYPE_CHECKING:
    from collections.abc import Sequence

_PUBLISHED = """SELECT run.kernel, run.size, run.dtype, run.threads, run.policy, evaluation.schedule, source_hash,
    run.machine, measured_at, time_s, speedup, bound_fraction
    FROM publication JOIN run ON run.id = publication.run
    JOIN evaluation ON evaluation.run = publication.run AND evaluation.number = publication.evaluation
    WHERE coalesce(json_extract(details, '$.promotion.is_promoted'), 1)"""
_IMPORTED = "SELECT * FROM candidate WHERE 1"


class WisdomTables(Database):
    """The part of a ``Store`` that hands champions on; the contract stands there."""

    def champions(self, kernel: str | None = None) -> list[Champion]:
        """Every promoted publication, of one kernel or of all, the oldest first."""
        return self._champions(_PUBLISHED, kernel, "measured_at, publication.rowid")

    def add_candidates(self, candidates: Sequence[Champion]) -> None:
        """Keep champions of other machines."""
        with self._transaction():
            for candidate in candidates:
                self._insert("candidate", rows.to_row(candidate))

    def candidates(self, kernel: str | None = None) -> list[Champion]:
        """Those of one kernel or of all, in the order in which they came."""
        return self._champions(_IMPORTED, kernel, "rowid")

    def _champions(self, query: str, kernel: str | None, order: str) -> list[Champion]:
        found = self._query(f"{query} AND (? IS NULL OR kernel = ?) ORDER BY {order}", kernel, kernel)
        return [rows.from_row(Champion, row) for row in found]
