"""Loops of which nothing may be said: each is a good one, with something broken in what a store holds of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.inference import Estimate
from evolve.controls.planted import CAPPED, COMPOUNDING, UNDECIDED, Kind, Setting, World
from evolve.controls.worlds import ANY_END, KINDS

if TYPE_CHECKING:
    from evolve.store.looprecords import Lap

Break = Callable[[Sequence["Lap"], Setting], list["Lap"]]
_GOOD = tuple(kind for kind in KINDS if kind.right in (CAPPED, COMPOUNDING))


def _broken(breaks: Break, setting: Setting) -> World:
    kind = _GOOD[int(setting.rng.integers(len(_GOOD)))]
    return World(breaks(kind.plant(setting).laps, setting))


def _with(laps: Sequence[Lap], number: int, **changes: object) -> list[Lap]:
    return [replace(lap, **changes) if lap.lap == number else lap for lap in laps]  # type: ignore[arg-type]


def _middle(laps: Sequence[Lap], setting: Setting) -> int:
    return int(setting.rng.integers(1, len(laps)))


def _machines(laps: Sequence[Lap], setting: Setting) -> list[Lap]:
    moved = _middle(laps, setting)
    return [replace(lap, machine="another") if lap.lap >= moved else lap for lap in laps]


def _failed(laps: Sequence[Lap], setting: Setting) -> list[Lap]:
    return _with(laps, _middle(laps, setting), gain=None, engine=None, fault="all candidates failed")


def _all_failed(laps: Sequence[Lap], _setting: Setting) -> list[Lap]:
    return [replace(lap, gain=None, engine=None, fault="all candidates failed") for lap in laps]


def _missing(laps: Sequence[Lap], setting: Setting) -> list[Lap]:
    lost = int(setting.rng.integers(len(laps) - 1))
    return [lap for lap in laps if lap.lap != lost]


def _ceiling_moved(laps: Sequence[Lap], setting: Setting) -> list[Lap]:
    """Half as much again, from some lap on."""
    moved = _middle(laps, setting)
    return [replace(lap, ceiling=_up(lap.ceiling, math.log(1.5))) if lap.lap >= moved else lap for lap in laps]


def _up(ceiling: Estimate | None, by: float) -> Estimate | None:
    return ceiling and Estimate(ceiling.estimate + by, ceiling.low + by, ceiling.high + by)


def _still(laps: Sequence[Lap], _setting: Setting) -> list[Lap]:
    """A clock that stands: every lap the same to the last bit."""
    return [replace(lap, gain=Estimate(0.0, 0.0, 0.0), engine=None) for lap in laps]


def _slower(laps: Sequence[Lap], _setting: Setting) -> list[Lap]:
    """A champion that is slower than the baseline, and slower each lap."""
    return [replace(lap, gain=_mirrored(lap.gain), engine=None) for lap in laps]


def _mirrored(gain: Estimate | None) -> Estimate | None:
    return gain and Estimate(-gain.estimate, -gain.high, -gain.low)


def _not_a_number(laps: Sequence[Lap], setting: Setting) -> list[Lap]:
    return _with(laps, _middle(laps, setting), gain=Estimate(math.nan, math.nan, math.nan))


def _open(laps: Sequence[Lap], setting: Setting) -> list[Lap]:
    """An interval without an end, as too few launches give it."""
    return _with(laps, _middle(laps, setting), gain=Estimate(0.5, -math.inf, math.inf))


def _no_input(laps: Sequence[Lap], setting: Setting) -> list[Lap]:
    return _with(laps, _middle(laps, setting), inputs=0.0)


def _above_ceiling(laps: Sequence[Lap], _setting: Setting) -> list[Lap]:
    """All laps beyond what the machine can do: one of both figures is wrong."""
    ends = [lap.gain.estimate for lap in laps if lap.gain]
    low = Estimate(ends[-1] - 0.5, ends[-1] - 0.52, ends[-1] - 0.48)
    return [replace(lap, ceiling=low) for lap in laps]


def _none(_laps: Sequence[Lap], _setting: Setting) -> list[Lap]:
    return []


def _kind(name: str, what: str, breaks: Break) -> Kind:
    return Kind(f"fault_{name}", what, partial(_broken, breaks), ANY_END, UNDECIDED)


FAULTS: tuple[Kind, ...] = (
    _kind("none", "no laps at all", _none),
    _kind("start", "lap 0 alone", lambda laps, _setting: [*laps[:1]]),
    _kind("machines", "laps of two machines", _machines),
    _kind("failed", "a lap that came to nothing", _failed),
    _kind("all_failed", "all candidates failed, in every lap", _all_failed),
    _kind("missing", "a lap is missing", _missing),
    _kind("ceiling", "a ceiling that changed between laps", _ceiling_moved),
    _kind("above", "laps above the ceiling", _above_ceiling),
    _kind("still", "no variance at all", _still),
    _kind("slower", "a champion slower than its baseline", _slower),
    _kind("nan", "a lap without a number", _not_a_number),
    _kind("open", "a lap with an open interval", _open),
    _kind("input", "a lap without research input", _no_input),
)
