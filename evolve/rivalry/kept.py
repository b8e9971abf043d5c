"""What was played stays: one file of JSON lines for an entrant on a space, one line a seed, appended and never changed.

So a comparison that is interrupted goes on where it stopped, and one more strategy costs no more than itself.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Played:
    """One run of an entrant on a space.

    Attributes:
        seed: of all its draws.
        times_s: of the new legal schedules it asked for, in order; None where one failed.
        search_s: processor time it took; measuring took none.
    """

    seed: int
    times_s: tuple[float | None, ...]
    search_s: float

    @classmethod
    def of(cls, seed: int, times_s: Iterable[float | None], search_s: float) -> Played:
        """The same for times of which those that are not finite failed."""
        kept = (time_s if time_s is not None and math.isfinite(time_s) else None for time_s in times_s)
        return cls(seed, tuple(kept), search_s)

    @property
    def line(self) -> str:
        """As a file holds it."""
        return json.dumps({"seed": self.seed, "search_s": self.search_s, "times_s": self.times_s})

    @classmethod
    def read(cls, line: str) -> Played | None:
        """From a line; None where that was torn off."""
        try:
            told: dict[str, Any] = json.loads(line)
            return cls(int(told["seed"]), tuple(told["times_s"]), float(told["search_s"]))
        except (ValueError, KeyError, TypeError):
            return None


@dataclass(frozen=True)
class Record:
    """The file of one entrant on one space; it need not exist."""

    path: Path

    @classmethod
    def of(cls, folder: Path, title: str, made_of: Sequence[str]) -> Record:
        """The one in a folder for what is played on the same terms.

        Args:
            folder: of all these files.
            title: for people.
            made_of: everything that decides what is played, the space and the budget too: other words, another file.
        """
        digest = hashlib.sha256("\0".join(made_of).encode()).hexdigest()
        return cls(folder / f"{re.sub(r'[^A-Za-z0-9]+', '-', title)}-{digest[:16]}.jsonl")

    def read(self) -> dict[int, Played]:
        """What was played, by seed; the first line of a seed counts."""
        if not self.path.exists():
            return {}
        lines = self.path.read_text(encoding="utf-8").splitlines()
        known = [played for line in lines if (played := Played.read(line))]
        return {played.seed: played for played in reversed(known)}

    def add(self, played: Played) -> None:
        """Append a line, in one write: two comparisons at a time do not tear each other's.

        It begins on a new line, for the one before may have been torn off; an empty line is no harm.

        Raises:
            OSError: it cannot be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        file = os.open(self.path, flags, 0o644)
        try:
            os.write(file, f"\n{played.line}\n".encode())
        finally:
            os.close(file)
