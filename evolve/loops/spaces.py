"""Recorded spaces of a loop: on some it learns, and on the others, which it never learns from, it is judged."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evolve.errors import EvolveError, UsageError
from evolve.replay.seeds import Ground
from evolve.replay.shipped import HELD_OUT, TRAINING, called, shipped


def joined(files: Iterable[Path]) -> str:
    """Files as an option of a loop, which is a plain value: as ``PATH`` has them."""
    return os.pathsep.join(str(file.absolute()) for file in files)


@dataclass(frozen=True)
class Split:
    """The spaces of a loop.

    Attributes:
        training: those that it may learn from.
        held_out: those that judge it.
    """

    training: tuple[Ground, ...]
    held_out: tuple[Ground, ...]

    @classmethod
    def of(cls, options: Mapping[str, Any], budget: int = 1) -> Split:
        """The spaces that a loop's options ``spaces`` and ``held_out`` name; those that are shipped by default.

        Args:
            options: of the loop; either may be missing or "".
            budget: evaluations for which chance is worked out.

        Raises:
            UsageError: only one of both is given, a space is given twice, or there is none.
            EvolveError: one cannot be read, or there is nothing to search for in it.
        """
        training, held_out = (_files(options.get(name)) for name in ("spaces", "held_out"))
        if bool(training) != bool(held_out):
            raise UsageError("a loop learns on some spaces, is judged on others", "name both --spaces and --held-out")
        training, held_out = (training, held_out) if training else _shipped()
        _refuse_twins([*training, *held_out])
        grounds = {file: Ground.of(file, budget) for file in (*training, *held_out)}
        return cls(*(tuple(grounds[file] for file in files) for files in (training, held_out)))

    def as_list(self) -> list[dict[str, Any]]:
        """What is kept of them with lap 0: plain values for JSON."""
        pairs = [("training", ground) for ground in self.training] + [("held out", ground) for ground in self.held_out]
        return [
            {
                "space": ground.landscape.name,
                "role": role,
                "schedules": len(ground.landscape.times_s),
                "source": ground.landscape.source,
                "digest": hashlib.sha256(ground.path.read_bytes()).hexdigest(),
            }
            for role, ground in pairs
        ]

    def check(self, told: Sequence[Mapping[str, Any]]) -> None:
        """Refuse to go on where a file is not what it was at lap 0.

        Args:
            told: ``as_list`` of lap 0.

        Raises:
            EvolveError: it is another one.
        """
        before = {(one["space"], one["role"]): one["digest"] for one in told}
        for one in self.as_list():
            if before.get((one["space"], one["role"])) != one["digest"]:
                raise EvolveError(f"recorded space {one['space']} is not what it was at lap 0", "start a new loop")


def _files(given: str | None) -> list[Path]:
    return [Path(name) for name in (given or "").split(os.pathsep) if name]


def _shipped() -> tuple[list[Path], list[Path]]:
    known = {called(file): file for file in shipped()}
    training, held_out = ([known[name] for name in names if name in known] for names in (TRAINING, HELD_OUT))
    if not training or not held_out:
        remedy = "name --spaces and --held-out; `evolve record` makes one of a kernel"
        raise UsageError("this installation has no recorded spaces", remedy)
    return training, held_out


def _refuse_twins(files: Sequence[Path]) -> None:
    names = [called(file) for file in files]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"two of the spaces are called {name}", "name each once, or a copy by another name")
