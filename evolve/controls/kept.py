"""The error rates of the verdict on a machine, and the file that keeps them for every report that follows."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evolve.paths import cache_folder

SCHEMA = 1
VERDICTS = ("CAPPED", "COMPOUNDING", "UNDECIDED")

MOST_WRONG = 0.02
LEAST_RIGHT = 0.95
COVERAGE = (0.92, 0.98)
LEAST_WORLDS = 100
"""Of a kind; rates of fewer are a first look, and say so."""


@dataclass(frozen=True)
class Share:
    """So many of so many, with the exact binomial interval of the share."""

    count: int
    of: int
    low: float
    high: float
    level: float = 0.95

    @property
    def share(self) -> float:
        """0 to 1."""
        return self.count / self.of

    def lies(self, low: float, high: float) -> bool:
        """Whether it is as a bar says; where it rests on few, whether it can be told that it is not."""
        if self.of < LEAST_WORLDS:
            return self.low <= high and low <= self.high
        return low <= self.share <= high

    def as_dict(self) -> dict[str, float]:
        """Plain values for JSON, an estimate among them."""
        ends = {"low": self.low, "high": self.high, "level": self.level}
        return {"count": self.count, "of": self.of, "estimate": self.share, **ends}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Share:
        """The inverse of ``as_dict``."""
        return cls(int(told["count"]), int(told["of"]), float(told["low"]), float(told["high"]), float(told["level"]))


@dataclass(frozen=True)
class Row:
    """What was said of the worlds of one kind.

    Attributes:
        name: of the kind.
        what: the same in words.
        verdicts: the share of each word.
        wrong: words that are false of this kind.
        right: the word that must be reached; "" where none is asked for.
        most_wrong: of each wrong word.
        least_right: of the right one.
    """

    name: str
    what: str
    verdicts: Mapping[str, Share]
    wrong: tuple[str, ...] = ()
    right: str = ""
    most_wrong: float = MOST_WRONG
    least_right: float = LEAST_RIGHT

    @property
    def holds(self) -> bool:
        """Whether the rates are as they must be."""
        is_right = not self.right or self.verdicts[self.right].lies(self.least_right, 1.0)
        return is_right and all(self.verdicts[word].lies(0.0, self.most_wrong) for word in self.wrong)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        worlds = next(iter(self.verdicts.values())).of
        rates = {word: share.as_dict() for word, share in self.verdicts.items()}
        bars = {"most_wrong": self.most_wrong, "least_right": self.least_right}
        said = {"wrong": list(self.wrong), "right": self.right}
        return {"what": self.what, "worlds": worlds, **rates, **said, **bars, "holds": self.holds}

    @classmethod
    def from_dict(cls, name: str, told: Mapping[str, Any]) -> Row:
        """The inverse of ``as_dict``."""
        verdicts = {word: Share.from_dict(told[word]) for word in VERDICTS}
        bars = float(told["most_wrong"]), float(told["least_right"])
        return cls(name, str(told["what"]), verdicts, tuple(told["wrong"]), str(told["right"]), *bars)


@dataclass(frozen=True)
class Covering:
    """How often the 95 % interval of a planted value held it.

    Attributes:
        name: for programs.
        what: of which value, in which worlds.
        held: the share of intervals.
        unknown: worlds in which no interval was given.
        is_promised: False where the assumptions do not hold, and the figure says what that costs.
    """

    name: str
    what: str
    held: Share
    unknown: int = 0
    is_promised: bool = True

    @property
    def holds(self) -> bool:
        """Whether the share is as it must be; what is not promised cannot be broken."""
        return not self.is_promised or self.held.lies(*COVERAGE)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain = {"what": self.what, **self.held.as_dict(), "unknown": self.unknown}
        return {**plain, "is_promised": self.is_promised, "holds": self.holds}

    @classmethod
    def from_dict(cls, name: str, told: Mapping[str, Any]) -> Covering:
        """The inverse of ``as_dict``."""
        return cls(name, str(told["what"]), Share.from_dict(told), int(told["unknown"]), bool(told["is_promised"]))


@dataclass(frozen=True)
class Check:
    """A share that must be as its bar says.

    Attributes:
        name: for programs.
        what: in words.
        found: the share.
        bar: in words.
        holds: whether it is.
    """

    name: str
    what: str
    found: Share
    bar: str
    holds: bool

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"what": self.what, **self.found.as_dict(), "bar": self.bar, "holds": self.holds}

    @classmethod
    def from_dict(cls, name: str, told: Mapping[str, Any]) -> Check:
        """The inverse of ``as_dict``."""
        return cls(name, str(told["what"]), Share.from_dict(told), str(told["bar"]), bool(told["holds"]))


@dataclass(frozen=True)
class Rates:
    """The error rates of the verdict on one machine.

    Attributes:
        machine: its id.
        measured_at: when, ISO 8601.
        worlds: of each kind.
        laps: of each loop.
        rows: by kind of world.
        coverings: by planted value.
        noise: by what measured it: laps, their spread and half-width in ln units, intervals that held the truth.
        elapsed_s: how long all of it took.
        checks: what else was tried: the stop rule, the real loops.
    """

    machine: str
    measured_at: str
    worlds: int
    laps: int
    rows: Sequence[Row]
    coverings: Sequence[Covering] = ()
    noise: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    elapsed_s: float = 0.0
    checks: Sequence[Check] = ()

    @property
    def broken(self) -> list[str]:
        """Names of what is not as it must be."""
        rows = [row.name for row in self.rows if not row.holds]
        coverings = [one.name for one in self.coverings if not one.holds]
        return [*rows, *coverings, *(one.name for one in self.checks if not one.holds)]

    def worst(self, word: str) -> Row:
        """The kind of which a word that is false of it is said most often."""
        return max((row for row in self.rows if word in row.wrong), key=lambda row: row.verdicts[word].share)

    def weakest(self) -> Row:
        """The kind whose right verdict is reached least often."""
        asked = (row for row in self.rows if row.right in VERDICTS[:2])
        return min(asked, key=lambda row: row.verdicts[row.right].share)

    def sentence(self) -> str:
        """What a report says of them."""
        falsely = [f"falsely {word} in at most {_percent(self.worst(word).verdicts[word])}" for word in VERDICTS[:2]]
        weakest = self.weakest()
        few = "" if self.worlds >= LEAST_WORLDS else " (a first look: so few worlds tell little)"
        return (
            f"In {self.worlds} planted worlds of each kind, with this machine's own noise, the verdict was "
            f"{' and '.join(falsely)} of them, and right, where there is a right one, in "
            f"{_percent(weakest.verdicts[weakest.right])} or more{few}.{self._of_stops()}"
        )

    def _of_stops(self) -> str:
        stops = [_percent(one.found) for one in self.checks if one.name == "stops_planted"]
        return f" --stop-when-flat stopped {stops[0]} of planted runs with over 2 % still to gain." if stops else ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "schema": SCHEMA,
            "machine": self.machine,
            "measured_at": self.measured_at,
            "worlds_a_kind": self.worlds,
            "laps": self.laps,
            "noise": dict(self.noise),
            "elapsed_s": self.elapsed_s,
            "worlds": {row.name: row.as_dict() for row in self.rows},
            "coverage": {one.name: one.as_dict() for one in self.coverings},
            "checks": {one.name: one.as_dict() for one in self.checks},
            "broken": self.broken,
        }

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Rates:
        """The inverse of ``as_dict``.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        if told["schema"] != SCHEMA:
            raise ValueError(f"schema {told['schema']} is not {SCHEMA}")
        return cls(
            machine=str(told["machine"]),
            measured_at=str(told["measured_at"]),
            worlds=int(told["worlds_a_kind"]),
            laps=int(told["laps"]),
            rows=[Row.from_dict(name, row) for name, row in told["worlds"].items()],
            coverings=[Covering.from_dict(name, one) for name, one in told["coverage"].items()],
            noise=dict(told["noise"]),
            elapsed_s=float(told["elapsed_s"]),
            checks=[Check.from_dict(name, one) for name, one in told["checks"].items()],
        )


def _percent(share: Share) -> str:
    return f"{100 * share.share:.1f} % [{100 * share.low:.1f}, {100 * share.high:.1f}]"


def keep(rates: Rates) -> Path:
    """Keep the rates of a machine in the place of those before.

    Raises:
        EvolveError: the cache folder cannot be written.
    """
    path = _path(rates.machine)
    path.parent.mkdir(exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_text(json.dumps(rates.as_dict(), indent=1, allow_nan=False), encoding="utf-8")
    return unfinished.replace(path)


def last_rates(machine: str) -> Rates | None:
    """The rates that were kept last for a machine; None where there are none that can be read."""
    try:
        return Rates.from_dict(json.loads(_path(machine).read_text(encoding="utf-8")))
    except (OSError, KeyError, TypeError, ValueError):
        return None


def _path(machine: str) -> Path:
    return cache_folder() / "controls" / f"{machine}.json"
