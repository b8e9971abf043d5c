"""Can this machine be trusted to measure? Looks at installation, clock, load, settings and folders, then tries it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import quiet
from benchmarks.aa import SelfComparison, same
from benchmarks.clock import core_clock_hz, timer
from benchmarks.contestant import Task
from benchmarks.harness import Harness
from benchmarks.machine import fingerprint
from evolve.errors import EvolveError
from evolve.installation import DISTRIBUTION, PACKAGES, claimants
from evolve.paths import cache_folder, source_folder
from evolve.store import open_store

Say = Callable[[str], None]

PROBLEM = Task("matmul", (64, 64, 64), "float64")
"""Half a millisecond a call: long beside the clock's cost, short enough for hundreds of samples in a second or two."""

_THREAD_SETTINGS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_OFF = {"", "0"}
_RUINOUS = {
    "NUMBA_DISABLE_JIT": "nothing is compiled",
    "NUMBA_BOUNDSCHECK": "every access is checked",
    "NUMBA_DEBUGINFO": "code is compiled for a debugger",
}
"""Settings of Numba under which times mean nothing, and why."""


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be.

    Attributes:
        name: one word, for programs.
        detail: what was found, with its figure.
        cause: why that is bad.
        remedy: what to do about it.
        is_fatal: True where nothing can be measured; else the figures suffer.
    """

    name: str
    detail: str
    cause: str
    remedy: str
    is_fatal: bool = False


@dataclass(frozen=True)
class Diagnosis:
    """What was found.

    Attributes:
        machine: its id.
        clock: ``overhead_s`` and ``resolution_s`` of the clock, ``core_hz`` of the processor.
        readings: how busy the machine was.
        threads: settings of thread counts found in the environment.
        folders: where sources and runs are kept.
        aa: the A/A test; None where nothing can be measured.
        findings: what is not as it should be.
    """

    machine: str
    clock: Mapping[str, float]
    readings: quiet.Readings
    threads: Mapping[str, str]
    folders: Mapping[str, str]
    aa: SelfComparison | None
    findings: tuple[Finding, ...]

    @property
    def fatal(self) -> tuple[Finding, ...]:
        """What makes measuring impossible."""
        return tuple(finding for finding in self.findings if finding.is_fatal)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain = asdict(self)
        return {"schema": 1, **plain, "aa": {"same": self.aa.as_dict()} if self.aa else None}


def examine(store_url: str, say: Say) -> Diagnosis:
    """Look at everything; takes some seconds, in which nothing else should run.

    Args:
        store_url: where runs are kept.
        say: is told what is looked at.
    """
    say("the load of the machine")
    readings = quiet.read()
    say("the clock")
    clock = timer()
    machine = fingerprint()
    disturbances = [*quiet.disturbances(readings), *quiet.standing_disturbances(machine, clock.step_s)]
    found = [*installation(), *settings(os.environ), *folders(store_url)]
    aa = None if any(finding.is_fatal for finding in found) else _self_comparison(say)
    return Diagnosis(
        machine=machine.machine_id,
        clock={**asdict(clock), "core_hz": core_clock_hz()},
        readings=readings,
        threads={name: os.environ[name] for name in _THREAD_SETTINGS if name in os.environ},
        folders={"store": store_url, "cache": os.environ.get("EVOLVE_CACHE") or _shown_cache()},
        aa=aa,
        findings=(*found, *map(_of_machine, disturbances)),
    )


def _of_machine(found: quiet.Finding) -> Finding:
    plain = found.as_dict()
    return Finding(plain["name"], plain["detail"], plain["cause"], plain["remedy"])


def installation() -> list[Finding]:
    """Other distributions that install our import names: the next update of one of them overwrites ours."""
    return [
        Finding(
            "installation",
            f"{', '.join(others)} installs {name!r} too",
            "its next update overwrites our files without a word",
            f"give {DISTRIBUTION} a virtual environment of its own",
        )
        for name in PACKAGES
        if (others := claimants(name))
    ]


def settings(environment: Mapping[str, str]) -> list[Finding]:
    """Settings under which times mean nothing."""
    return [
        Finding("settings", f"{name}={environment[name]}", why, f"unset {name}", is_fatal=True)
        for name, why in _RUINOUS.items()
        if environment.get(name, "") not in _OFF
    ]


def folders(store_url: str) -> list[Finding]:
    """Folders that cannot be written."""
    found = []
    for name, attempt in (("cache", cache_folder), ("store", lambda: _try_store(store_url))):
        try:
            attempt()
        except EvolveError as error:
            found.append(Finding(name, error.message, "nothing can be kept", error.remedy, is_fatal=True))
    return found


def _try_store(url: str) -> None:
    """Open a store that is there; where it is not, see whether it could be made, without making it."""
    place = url.removeprefix("sqlite:///")
    path = Path(place).expanduser().absolute()
    if path.exists() or "://" in place:
        open_store(url, create=False).close()
        return
    nearest = next(folder for folder in path.parents if folder.exists())
    try:
        # a trial, for permissions do not tell of a full disk or a read-only file system
        tempfile.TemporaryFile(dir=nearest).close()
    except OSError as error:
        remedy = "choose another store with --store or EVOLVE_STORE"
        raise EvolveError(f"folder {nearest} cannot be written ({error.strerror})", remedy) from error


def _self_comparison(say: Say) -> SelfComparison:
    say("a function raced against itself")
    with Harness(PROBLEM, source_folder()) as harness:
        return same(harness)


def _shown_cache() -> str:
    try:
        return str(cache_folder())
    except EvolveError:
        return ""
