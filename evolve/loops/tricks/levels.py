"""What other loops of a store found, each beside what it replaced: what loop ``tricks`` switches on and off.

A level is taken from the newest finished loop of its kind on the machine: off is what stood at its lap 0, on what
stands after its last lap; of a model no scales, and those that it was taught. Where there is no such loop a stand-in
takes its place: a trick that the engine has by default.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from evolve.engine import Manifest
from evolve.racing import HAND_SET, SPACE, rules_of
from evolve.replay.charge import Searching, Way
from evolve.search.settings import Settings
from evolve.tracker.status import status

if TYPE_CHECKING:
    from evolve.store import Lap, Loop, Store

NAMES = ("engine", "policy", "search", "model")
"""Of the levels: from what costs the least of an evaluation to what decides which are made."""


@dataclass(frozen=True)
class Level:
    """A trick, off and on.

    Attributes:
        name: one of ``NAMES``.
        loop: whose result it is; "" for a stand-in.
        says: what is switched, in words.
        off: plain values, which mean what the loop of that name means by them.
        on: the same of what replaced them.
    """

    name: str
    loop: str
    says: str
    off: Mapping[str, Any]
    on: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Level:
        """The inverse of ``as_dict``, through JSON too."""
        return cls(**told)


def levels(store: Store, machine: str) -> list[Level]:
    """All four, in the order of ``NAMES``.

    Args:
        store: where their loops are.
        machine: what was found on another one says nothing here.
    """
    return [_found(store, machine, level.name) or level for level in stand_ins()]


def way(known: Sequence[Level], on: Collection[str], further: Mapping[str, Any] | None = None) -> Way:
    """How kernels are evolved with some of the levels on, and the others off.

    Args:
        known: the levels.
        on: names of those that are on.
        further: settings of the search that hold for all ways.

    Raises:
        ValueError: a level is none of this version.
        TypeError: the same.
        KeyError: the same.
    """
    sides = {level.name: level.on if level.name in on else level.off for level in known}
    manifest = Manifest.from_dict(sides["engine"])
    if manifest.id != sides["engine"].get("id", manifest.id):
        raise ValueError("its kernels have changed since")
    settings = Settings.from_dict({**sides["search"], **sides["model"], **(further or {})})
    engine = json.dumps(manifest.as_dict(), sort_keys=True)
    return Way(Searching(settings, engine), rules_of(sides["policy"]))


def _found(store: Store, machine: str, name: str) -> Level | None:
    """What the newest loop of a kind found; None where there is none that this version can use."""
    loops = [loop for loop in store.loops() if loop.kind == name and loop.machine == machine]
    made = (_of_loop(store, loop) for loop in reversed(loops) if _is_finished(store, loop))
    return next((level for level in made if level is not None and _is_usable(level)), None)


def _is_finished(store: Store, loop: Loop) -> bool:
    return status(store.loop_events(loop.id)) == "finished"


def _of_loop(store: Store, loop: Loop) -> Level | None:
    laps = [lap for lap in store.laps(loop.id) if not lap.fault]
    if len(laps) < 2:
        return None
    on = _told(loop.kind, laps[-1])
    # what a model was taught stands in its lap 0 already; before it there was none
    off = {"prior": None} if loop.kind == "model" else _told(loop.kind, laps[0])
    if off is None or on is None:
        return None
    found = f"what stands after lap {laps[-1].lap}, for what stood before" if off != on else "it found nothing better"
    return Level(loop.kind, loop.id, f"loop {loop.id}: {found}", off, on)


def _told(kind: str, lap: Lap) -> Mapping[str, Any] | None:
    """The level as a lap tells it; None where it does not."""
    told: Any
    if kind == "engine":
        told = lap.details.get("engine", {}).get("manifest")
    elif kind == "policy":
        told = lap.details.get("policy", {}).get("genes")
    elif kind == "search":
        told = lap.details.get("settings")
    else:
        told = {"prior": lap.details["scales"]} if lap.details.get("scales") else None
    return told if isinstance(told, Mapping) else None


def _is_usable(level: Level) -> bool:
    """Whether this version has such a thing: kernels and settings change."""
    beside = [one for one in stand_ins() if one.name != level.name]
    try:
        for on in ((), (level.name,)):
            way([*beside, level], on)
    except (ValueError, TypeError, KeyError, AttributeError):
        return False
    return True


def stand_ins() -> list[Level]:
    """Tricks that the engine has by default, in the order of ``NAMES``."""
    patient = SPACE.schedule(hopeless_percent=200, ruinous_percent=400, clear_percent=200, futile_percent=100)
    plain, usual = Manifest.plain().as_dict(), Manifest.usual().as_dict()
    few, many = asdict(Settings(children=100, near=0)), asdict(Settings())
    return [
        Level("engine", "", "stand-in: default schedules of the engine's kernels, for plain loops", plain, usual),
        Level("policy", "", "stand-in: races that drop losers, for all the rounds", dict(patient), dict(HAND_SET)),
        Level("search", "", "stand-in: the usual broods, for small ones that look nowhere near the best", few, many),
        Level("model", "", "stand-in: learned length scales, for fixed ones", {"learning": False}, {"learning": True}),
    ]
