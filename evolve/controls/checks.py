"""What is tried beside the planted worlds: the positive controls really run, and the stop rule on what was recorded."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from evolve.controls.kept import LEAST_RIGHT, Check
from evolve.controls.rates import share, stops_check
from evolve.controls.stops import LEAST_SAVED, recorded
from evolve.controls.turning import LAPS, MOST_LAPS_OFF, is_in_time, words
from evolve.loops import drive
from evolve.loops.protocol import Around
from evolve.progress import StopRequest
from evolve.run import POLITE
from evolve.store import open_store
from evolve.tracker.turns import turned

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evolve.store import Forecast, Lap

Say = Callable[[str], None]


class _Quiet:
    """Tells what is done, but nothing of forecasts and laps."""

    def __init__(self, say: Say) -> None:
        self.says = say

    def forecast(self, forecast: Forecast) -> None:
        """Nobody waits for it."""

    def lap(self, lap: Lap, forecast: Forecast | None) -> None:
        """The store has it."""


def turned_rightly(times: int, say: Say) -> Iterator[Check]:
    """Run each control so many times; the measuring lock is to be held meanwhile.

    Args:
        times: of each.
        say: is told how far it is.

    Raises:
        EvolveError: a lap came to nothing.
    """
    for kind in LAPS:
        right = sum(is_right(_run(kind, _of(say, f"{kind}, {number} of {times}"))) for number in range(1, times + 1))
        what = f"{kind}, really run: the verdict turns at the laps foretold, give or take {MOST_LAPS_OFF}"
        seen = share(right, times)
        yield Check(f"turns_{kind}", what, seen, f">= {LEAST_RIGHT:.0%}", seen.share >= LEAST_RIGHT)


def stopped_rightly(folder: Path, say: Say) -> Check:
    """What ``--stop-when-flat`` does with searches of recorded spaces.

    Args:
        folder: where they are.
        say: is told how far it is.

    Raises:
        EvolveError: a file is no recorded space.
    """
    return stops_check("recorded", recorded(folder, say), LEAST_SAVED)


def _of(say: Say, where: str) -> Say:
    return lambda line: say(f"{where}: {line}")


def _run(kind: str, say: Say) -> Sequence[Lap]:
    """The laps of one loop in a store of its own, which nobody needs again."""
    with tempfile.TemporaryDirectory(prefix="evolve-loop-") as folder, open_store(f"{folder}/runs.db") as store:
        loop = store.create_loop(drive.spec(store, kind, {}, laps=LAPS[kind]))
        around = Around(store, loop, say, StopRequest(), replace(POLITE, is_held=True))
        with closing(drive.make(around)) as closed:
            drive.drive(store, loop, closed, _Quiet(say), around.stop)
        return store.laps(loop.id)


def is_right(laps: Sequence[Lap]) -> bool:
    """Whether the verdict turned where it must by what the loop knows of its end; False where it knows nothing."""
    known = [lap.details["expected"] for lap in laps if lap.details.get("expected")]
    return bool(known) and is_in_time(known[-1], turned(words(laps)))
