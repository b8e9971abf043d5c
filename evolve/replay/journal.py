"""What a recording has measured so far: a file of JSON lines beside the one that it will be, only ever added to.

The first line says what is measured and against what; each further line is what came of one schedule. A later line of
a schedule replaces an earlier one. A process that is killed leaves at most one line that is torn, which is dropped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from evolve.errors import EvolveError, UsageError
from evolve.replay.recording import Subject, Timing

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = 1


@dataclass(frozen=True)
class Heading:
    """What is measured, and against what.

    Attributes:
        subject: problem, machine and versions.
        schedules: how many there are.
        code: key of what the default schedule runs: another one shows that the kernel has changed.
        anchor: whom they are raced against: ``"default"`` for the default schedule, ``"baseline"`` for the plain loop.
        anchor_s: its seconds a call: the unit of all times.
        baseline_s: seconds a call of the plain loop.
    """

    subject: Subject
    schedules: int
    code: str
    anchor: str
    anchor_s: float
    baseline_s: float


@dataclass(frozen=True)
class Line:
    """What came of one schedule.

    Attributes:
        at: its place among all schedules.
        key: equal for schedules that run the same code with the same run-time values; "" for none.
        timing: its time.
        is_confirmed: it was measured again, with all the rounds.
    """

    at: int
    key: str
    timing: Timing
    is_confirmed: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"at": self.at, "key": self.key, **vars(self.timing), "is_confirmed": self.is_confirmed}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Line:
        """The inverse of ``as_dict``."""
        timing = Timing(**{name: told[name] for name in Timing.__annotations__ if name in told})
        return cls(told["at"], told["key"], timing, told["is_confirmed"])


class Journal:
    """A journal and what it holds.

    Args:
        path: the file; it is made with the first line.

    Attributes:
        heading: None while nothing is written.
        lines: the newest of each schedule, by place.

    Raises:
        EvolveError: it cannot be used, or a line in its midst is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.heading: Heading | None = None
        self.lines: dict[int, Line] = {}
        try:
            self._load()
        except OSError as error:
            raise EvolveError(f"{path} cannot be used ({error.strerror})", "name another file with --out") from error

    @classmethod
    def beside(cls, target: Path) -> Journal:
        """The journal of the recording that ``target`` will be."""
        return cls(target.with_name(f"{target.name}.journal"))

    def begin(self, heading: Heading) -> None:
        """Write the first line."""
        self.heading = heading
        self._write({"journal": SCHEMA, **asdict(heading)})

    def end(self) -> None:
        """Remove the file: what it holds stands in the recording."""
        self.path.unlink(missing_ok=True)

    def add(self, line: Line) -> None:
        """Keep what came of a schedule; it outlives this process, however that ends."""
        self.lines[line.at] = line
        self._write(line.as_dict())

    def check(self, subject: Subject, schedules: int) -> None:
        """See that this is the same recording.

        Raises:
            UsageError: it was begun with something else.
        """
        if self.heading is None:
            return
        known = {**vars(self.heading.subject), "schedules": self.heading.schedules}
        for name, value in {**vars(subject), "schedules": schedules}.items():
            if known[name] != value:
                raise self._of_another(f"{name} {known[name]}, this is {value}")

    def check_code(self, code: str) -> None:
        """See that the kernel is still the same.

        Raises:
            UsageError: its default schedule runs other code than then.
        """
        if self.heading is not None and self.heading.code != code:
            raise self._of_another("another version of the kernel")

    def check_key(self, at: int, key: str) -> None:
        """See that a schedule still runs what was measured of it.

        Raises:
            UsageError: it does not.
        """
        if self.lines[at].key != key:
            raise self._of_another("another version of the kernel")

    def _of_another(self, what: str) -> UsageError:
        remedy = "remove it to begin anew, or name another file with --out"
        return UsageError(f"{self.path} was begun with {what}: times of two do not mix", remedy)

    def _write(self, values: Mapping[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(values, separators=(",", ":")) + "\n")

    def _load(self) -> None:
        if not self.path.exists():
            return
        raw = self.path.read_bytes()
        whole = raw[: raw.rfind(b"\n") + 1]
        if whole != raw:
            with self.path.open("r+b") as stream:
                stream.truncate(len(whole))
        for number, text in enumerate(whole.splitlines(), 1):
            try:
                self._take(json.loads(text))
            except (ValueError, KeyError, TypeError) as error:
                raise EvolveError(
                    f"line {number} of {self.path} is damaged ({type(error).__name__}: {error})",
                    "remove the journal to begin anew",
                ) from error

    def _take(self, told: Mapping[str, Any]) -> None:
        if self.heading is not None:
            line = Line.from_dict(told)
            self.lines[line.at] = line
        elif told["journal"] == SCHEMA:
            rest = {name: told[name] for name in Heading.__annotations__ if name != "subject"}
            self.heading = Heading(Subject.from_dict(told["subject"]), **rest)
        else:
            raise ValueError(f"journal {told['journal']}, this version reads {SCHEMA}")
