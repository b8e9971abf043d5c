"""A recorded space in the repository's own format: one JSON object, gzip where its name ends in ``.gz``.

Whatever a reader of later years needs is in it: the problem, the machine, the versions, and the parameters with their
values, so that neither the kernel nor its space need still be what they were. What there is one of a schedule stands in
columns, which gzip makes little of: 20,000 schedules take some 200 KB.

``schema`` is 1. ``genes`` holds, by parameter, the index of each schedule's value; ``times_s`` the seconds a call, null
where it failed; ``spreads`` half the interquartile range of the rounds' ln ratios; ``failures`` what became of those
that failed, by the schedule's place. Two columns may be missing: ``codes``, equal numbers for schedules that run the
same compiled code, and ``build_s``, what compiling it took, for the first of each code only and null for the others.
Pieces that two codes share count for the one that was built first.
"""

from __future__ import annotations

import gzip
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evolve.errors import EvolveError
from evolve.replay.landscape import Landscape, ListedSpace
from kernels.language.space import Parameter, Schedule

FORMAT = "evolve recording"
SCHEMA = 1
_DIGITS, _SPREAD_DIGITS, _BUILD_DIGITS = 4, 2, 3
"""A median is known to some tenths of a per cent at best, a spread to a half."""


@dataclass(frozen=True)
class Subject:
    """What was measured, and on which terms: times of two of them do not mix.

    Attributes:
        kernel: its name.
        size: extents of the problem.
        dtype: as in ``"float64"``.
        threads: that shared each call.
        policy: what the caches held when a call began.
        space: ``"small"`` or ``"all"``.
        machine: id of the machine.
        cpu: its name.
        versions: of the libraries whose change could change a time.
    """

    kernel: str
    size: tuple[int, ...]
    dtype: str
    threads: int
    policy: str
    space: str
    machine: str
    cpu: str
    versions: Mapping[str, str]

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Subject:
        """The subject among other values of a JSON object."""
        return cls(**{name: told[name] for name in cls.__annotations__ if name != "size"}, size=tuple(told["size"]))

    def __str__(self) -> str:
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{self.kernel} {'x'.join(map(str, self.size))} {self.dtype}, {threads}, {self.policy} caches"


@dataclass(frozen=True)
class Timing:
    """What came of a schedule.

    Attributes:
        time_s: seconds a call; None where it failed.
        spread: half the interquartile range of the rounds' ln ratios; 0 where it failed.
        outcome: the name of the outcome's class.
        build_s: seconds of one core that compiling it took; None where its code was there from another schedule, where
            it failed before, and in older recordings.
        code: equal for schedules that run the same code, whatever is passed to it; "" where that is not known.
    """

    time_s: float | None
    spread: float = 0.0
    outcome: str = "Measured"
    build_s: float | None = None
    code: str = ""


@dataclass(frozen=True)
class Recording:
    """A space with what came of each of its schedules.

    Attributes:
        subject: what was measured.
        recorded_at: when it was done, ISO 8601 in UTC.
        baseline_s: seconds a call of the plain loop.
        parameters: of the space, with their values.
        timings: of every schedule.
    """

    subject: Subject
    recorded_at: str
    baseline_s: float
    parameters: tuple[Parameter, ...]
    timings: Mapping[Schedule, Timing]

    def landscape(self, name: str) -> Landscape:
        """What a search sees of it."""
        times_s = {schedule: timing.time_s for schedule, timing in self.timings.items()}
        source = f"{self.subject}, on {self.subject.cpu} ({self.subject.machine}), {self.recorded_at[:10]}"
        return Landscape(name, ListedSpace(self.parameters, [*self.timings]), times_s, source)

    def write(self, path: Path) -> None:
        """Write it whole, or not at all.

        Raises:
            EvolveError: it cannot be written.
        """
        text = json.dumps(self.as_dict(), separators=(",", ":")).encode()
        # no time of day in it: the same recording makes the same file
        raw = gzip.compress(text, mtime=0) if path.suffix == ".gz" else text
        try:
            handle, temporary = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
            with os.fdopen(handle, "wb") as stream:
                stream.write(raw)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except OSError as error:
            raise EvolveError(f"{path} cannot be written ({error.strerror})", "name another with --out") from error

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, in columns."""
        timings = [*self.timings.values()]
        return {
            "format": FORMAT,
            "schema": SCHEMA,
            **vars(self.subject),
            "recorded_at": self.recorded_at,
            "baseline_s": _rounded(self.baseline_s, _DIGITS),
            "schedules": len(timings),
            "parameters": [plain_parameter(parameter) for parameter in self.parameters],
            "genes": {p.name: [p.values.index(schedule[p.name]) for schedule in self.timings] for p in self.parameters},
            "times_s": [_rounded(timing.time_s, _DIGITS) for timing in timings],
            "spreads": [_rounded(timing.spread, _SPREAD_DIGITS) for timing in timings],
            "failures": {str(at): timing.outcome for at, timing in enumerate(timings) if timing.time_s is None},
            **_builds(timings),
        }

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Recording:
        """The inverse of ``as_dict``.

        Raises:
            EvolveError: it is of a later version, or is not all there.
            Exception: it is none, in one of many ways.
        """
        if told["schema"] != SCHEMA:
            raise EvolveError(f"it has schema {told['schema']}, this version reads {SCHEMA}", "update evolve")
        parameters = tuple(_parameter(one) for one in told["parameters"])
        count, unknown = told["schedules"], [None] * len(told["times_s"])
        builds = told.get("build_s", unknown), told.get("codes", unknown)
        columns = [told["times_s"], told["spreads"], *builds, *(told["genes"][p.name] for p in parameters)]
        if len({count, *map(len, columns)}) != 1:
            raise EvolveError(f"it is incomplete, with {min(map(len, columns))} of {count} schedules", "record it anew")
        outcomes = [told["failures"].get(str(at), "Measured") for at in range(count)]
        codes = ["" if code is None else str(code) for code in builds[1]]
        timings = map(Timing, told["times_s"], told["spreads"], outcomes, builds[0], codes)
        schedules = _schedules(parameters, told["genes"])
        return cls(
            Subject.from_dict(told),
            told["recorded_at"],
            told["baseline_s"],
            parameters,
            dict(zip(schedules, timings, strict=True)),
        )


def plain_parameter(parameter: Parameter) -> dict[str, Any]:
    """A parameter without its description."""
    when = {name: list(values) for name, values in parameter.when.items()}
    values = {"kind": parameter.kind, "values": list(parameter.values), "default": parameter.default}
    return {"name": parameter.name, **values, "when": when}


def _parameter(told: Mapping[str, Any]) -> Parameter:
    when = {name: tuple(values) for name, values in told["when"].items()}
    return Parameter(told["name"], told["kind"], tuple(told["values"]), told["default"], "recorded", when)


def _schedules(parameters: tuple[Parameter, ...], genes: Mapping[str, list[int]]) -> list[Schedule]:
    columns = [[p.values[index] for index in genes[p.name]] for p in parameters]
    names = [p.name for p in parameters]
    return [Schedule(dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]


def _builds(timings: Sequence[Timing]) -> dict[str, Any]:
    """The columns on builds; none where nothing is known of them."""
    numbers = {code: number for number, code in enumerate(dict.fromkeys(one.code for one in timings if one.code))}
    if not numbers:
        return {}
    codes = [numbers.get(timing.code) for timing in timings]
    return {"build_s": [_rounded(timing.build_s, _BUILD_DIGITS) for timing in timings], "codes": codes}


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else float(f"{value:.{digits}g}")
