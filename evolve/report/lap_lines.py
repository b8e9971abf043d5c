"""What a closed loop says while it works, on stderr: a forecast before each lap, what came of it after."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from evolve.report.loop import forecast_line, lap_line
from evolve.report.terminal import steps
from evolve.tracker.laps import series
from evolve.tracker.rule import word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evolve.loops.protocol import LoopObserver
    from evolve.store import Forecast, Lap, Store


@contextmanager
def telling(store: Store, *, is_quiet: bool = False) -> Iterator[LoopObserver]:
    """An observer that shows a loop's laps for the length of the block.

    Args:
        store: where the laps are kept: the verdict so far rests on all of them.
        is_quiet: say nothing.
    """
    with steps(is_quiet=is_quiet) as says:
        yield LapLines(store, says, _nothing if is_quiet else _line)


def _line(text: str) -> None:
    """A line that stays; ``steps`` on a terminal redirects stderr, so that it comes to stand above the passing one."""
    stream = sys.stderr
    print(text, file=stream, flush=True)


def _nothing(_text: str) -> None:
    pass


class LapLines:
    """A line for what is said of a lap, and one for what it gave.

    Args:
        store: where the laps are kept.
        says: shows what is being done, which passes.
        line: shows a line, which stays.
    """

    def __init__(self, store: Store, says: Callable[[str], None], line: Callable[[str], None]) -> None:
        self._store, self._line = store, line
        self.says = says

    def forecast(self, forecast: Forecast) -> None:
        """Say what is expected of the lap that begins now."""
        self._line(forecast_line(forecast))

    def lap(self, lap: Lap, forecast: Forecast | None) -> None:
        """Say what a lap gave, and what the laps up to it show."""
        self._line(f"{lap_line(lap, forecast)}{self._verdict(lap) if lap.lap else ''}")
        for note in lap.details.get("notes", ()):
            self._line(f"  {note}")

    def _verdict(self, lap: Lap) -> str:
        return f"; so far {word(series(self._store.laps(lap.loop)))}"
