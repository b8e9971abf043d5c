"""Closed loops in an SQLite file."""

from __future__ import annotations

import os
import socket
from dataclasses import fields
from typing import TYPE_CHECKING

from evolve.errors import EvolveError, UsageError
from evolve.store import names, rows
from evolve.store.database import Database
from evolve.store.looprecords import Forecast, Lap, Loop, LoopEvent, LoopSpec
from evolve.store.records import Run, utc_now

if TYPE_CHECKING:
    from evolve.store.records import Turn


class LoopTables(Database):
    """The part of a ``Store`` that keeps loops, forecasts and laps; the contract stands there."""

    def _runs(self) -> list[Run]:
        return [rows.from_row(Run, row) for row in self._query("SELECT * FROM run ORDER BY created_at, rowid")]

    def _words(self) -> set[str | None]:
        """What neither a run nor a loop may be called any more: commands take either."""
        return names.taken([*self._runs(), *self.loops()])

    def create_loop(self, spec: LoopSpec) -> Loop:
        """Open a closed loop under a new id."""
        with self._transaction():
            words = self._words()
            names.refuse_taken(spec.name, words)
            given = {f.name: getattr(spec, f.name) for f in fields(LoopSpec)}
            loop = Loop(id=names.new_id(spec.kind, words), created_at=utc_now(), **given)
            self._insert("loop", rows.to_row(loop))
        return loop

    def loops(self) -> list[Loop]:
        """All loops, the oldest first."""
        return [rows.from_row(Loop, row) for row in self._query("SELECT * FROM loop ORDER BY created_at, rowid")]

    def loop(self, key: str) -> Loop:
        """The loop of that id or name, or of an unambiguous beginning of either, or the ``latest``."""
        try:
            return names.find("loop", self.loops(), key, self.path)
        except UsageError as error:
            raise names.of_the_other_kind(error, "run", self._runs(), key) from None

    def add_loop_event(self, loop_id: str, kind: Turn, detail: str = "") -> None:
        """Keep a turn in a loop's life, now, by this process."""
        self._add("loop_event", LoopEvent(loop_id, kind, utc_now(), detail, os.getpid(), socket.gethostname()))

    def loop_events(self, loop_id: str) -> list[LoopEvent]:
        """A loop's events in order."""
        return self._of("loop", LoopEvent, "loop_event", loop_id)

    def add_forecast(self, forecast: Forecast) -> None:
        """Keep what is said of a lap before it begins; a lap that is begun anew is forecast anew."""
        self._add("forecast", forecast)

    def forecasts(self, loop_id: str) -> list[Forecast]:
        """A loop's forecasts in order; of a lap the last one counts."""
        return self._of("loop", Forecast, "forecast", loop_id)

    def add_lap(self, lap: Lap) -> None:
        """Keep a lap."""
        with self._transaction():
            if self._query("SELECT 1 FROM lap WHERE loop = ? AND lap = ?", lap.loop, lap.lap):
                raise EvolveError(
                    f"another process goes on with loop {lap.loop}: it has lap {lap.lap} already",
                    "let it finish, or stop it and resume",
                )
            self._insert("lap", rows.to_row(lap))

    def laps(self, loop_id: str) -> list[Lap]:
        """A loop's laps in order."""
        return sorted(self._of("loop", Lap, "lap", loop_id), key=lambda lap: lap.lap)
