"""Which engine it is: of each steering part the schedule, and a name that follows from the code that this makes."""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evolve.engine.parts import STEERING
from kernels.language import Schedule

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Manifest:
    """All that an engine consists of.

    Attributes:
        schedules: of each steering part; None for the kernel's plain loop.

    Raises:
        ValueError: a part is missing, unknown or one that judges, or its schedule is not legal.
    """

    schedules: Mapping[str, Schedule | None]

    def __post_init__(self) -> None:
        if wrong := set(self.schedules) ^ set(STEERING):
            raise ValueError(f"an engine consists of {', '.join(STEERING)}: {', '.join(sorted(wrong))} does not fit")
        for name, schedule in self.schedules.items():
            reason = None if schedule is None else STEERING[name].definition.space.is_legal(schedule)
            if reason:
                raise ValueError(f"{name} has no such schedule: {reason}")

    @classmethod
    def plain(cls) -> Manifest:
        """The loops that everybody writes."""
        return cls(dict.fromkeys(STEERING))

    @classmethod
    def usual(cls) -> Manifest:
        """The kernels' default schedules."""
        return cls({name: part.definition.space.default for name, part in STEERING.items()})

    def replaced(self, part: str, schedule: Mapping[str, Any] | None) -> Manifest:
        """The same with another schedule of a part.

        Raises:
            ValueError: see the class.
        """
        return Manifest({**self.schedules, part: None if schedule is None else Schedule(schedule)})

    @functools.cached_property
    def sources(self) -> dict[str, str]:
        """By part the hash of what it is compiled from, and of the parameters that are passed when it is called."""
        return {name: _digest(name, schedule) for name, schedule in sorted(self.schedules.items())}

    @property
    def id(self) -> str:
        """A name that engines of the same code share, and no others."""
        return hashlib.sha256(json.dumps(self.sources).encode()).hexdigest()[:16]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: the id, and of each part its schedule and its source's hash."""
        parts = {
            name: {"schedule": None if schedule is None else dict(schedule), "source": self.sources[name]}
            for name, schedule in self.schedules.items()
        }
        return {"id": self.id, "parts": parts}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Manifest:
        """What ``as_dict`` told. Its ``id`` is another one where the kernels are no longer what they were then.

        Raises:
            ValueError: see the class.
            KeyError: it is nothing that ``as_dict`` told.
        """
        schedules = {name: part["schedule"] for name, part in told["parts"].items()}
        return cls({name: None if found is None else Schedule(found) for name, found in schedules.items()})


def _digest(part: str, schedule: Schedule | None) -> str:
    source = STEERING[part].source(schedule)
    passed = {} if schedule is None else {name: schedule[name] for name in source.runtime}
    return hashlib.sha256(json.dumps([source.identity, STEERING[part].dtype, passed]).encode()).hexdigest()
