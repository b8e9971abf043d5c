"""At which lap the verdict turns: a loop that compounds until it is capped must be called both, each in its time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from evolve.controls import laws
from evolve.controls.planted import Setting
from evolve.loops import batching, replicators
from evolve.loops.reinvestment import units
from evolve.tracker.laps import Series, series
from evolve.tracker.ratio import LEAST_LAPS
from evolve.tracker.rule import word
from evolve.tracker.turns import turned

if TYPE_CHECKING:
    from evolve.store.looprecords import Lap

MOST_LAPS_OFF = 1
ENDS = math.log(300), math.log(1200)
"""Of batching, in ln S: a call from Python costs as much as so many requests."""
CORES = 2
OVER = math.log(1 / 0.9)
"""By how much the machine's ceiling lies above what the kernel of batching comes to."""
LAPS = {"batching": 16, "replicators": 9}
"""As ``evolve loop`` makes them unless told otherwise."""

Laps = Mapping[str, int | None]
"""``last_compounding`` and ``first_capped``; None where there is no such lap."""


def requests(setting: Setting) -> bool:
    """Whether the verdict on planted batching turns when it must."""
    end = setting.rng.uniform(*ENDS)

    def law(_lap: int, capital: float) -> float:
        return batching.gain_of(units(capital), math.exp(-end))

    laps = laws.reinvested(law, 1.0, end + OVER, setting, LAPS["batching"], end)
    return is_in_time(batching.expected([end]), turned(words(laps)))


def robots(setting: Setting) -> bool:
    """The same of robots that buy robots, until there are no cores left for them."""
    end = math.log(CORES * replicators.WORKERS_PER_CORE)
    laps = laws.reinvested(
        lambda _lap, capital: min(math.log(units(capital)), end), 1.0, end, setting, LAPS["replicators"]
    )
    return is_in_time(replicators.expected(end), turned(words(laps)))


PLANTED = {"batching": requests, "replicators": robots}


def words(laps: Sequence[Lap]) -> list[str]:
    """The verdict as each lap arrives, from lap 0 on."""
    return [word(_until(laps, lap)) for lap in range(len(laps))]


def _until(laps: Sequence[Lap], last: int) -> Series:
    return series(laps[: last + 1])


def is_in_time(foretold: Laps, came: Laps) -> bool:
    """Whether both changes came where they were foretold, give or take a lap."""
    return _is_near(_tellable(foretold["last_compounding"]), came["last_compounding"]) and _is_near(
        foretold["first_capped"], came["first_capped"]
    )


def _tellable(lap: int | None) -> int | None:
    """Growth that ends before a ratio can be told at all cannot be called anything."""
    return lap if lap is None or lap >= LEAST_LAPS else None


def _is_near(foretold: int | None, turned: int | None) -> bool:
    if foretold is None or turned is None:
        return foretold is turned
    return abs(foretold - turned) <= MOST_LAPS_OFF
