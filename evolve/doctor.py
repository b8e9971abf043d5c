"""Can this machine be trusted to measure, and down to which difference?

Looks at installation, clock, load, settings, protections and folders, then races equals.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import quiet, sandbox
from benchmarks.clock import core_clock_hz, timer
from benchmarks.harness import Harness
from benchmarks.machine import Fingerprint, fingerprint
from benchmarks.precision import FULL, PROBLEM, QUICK, Extent, Precision, precision
from evolve.errors import EvolveError
from evolve.installation import DISTRIBUTION, PACKAGES, claimants
from evolve.paths import cache_folder
from evolve.store import open_store
from kernels.language import SourceFolder

Say = Callable[[str], None]

EXTENTS = {False: QUICK, True: FULL}
"""By whether all trials are wanted."""

_THREAD_SETTINGS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_OFF = {"", "0"}
_RUINOUS = {
    "NUMBA_DISABLE_JIT": "nothing is compiled",
    "NUMBA_BOUNDSCHECK": "every access is checked",
    "NUMBA_DEBUGINFO": "code is compiled for a debugger",
}
"""Settings of Numba under which times mean nothing, and why."""

_MEASURED = ("aa", "noise", "smallest_gain", "rounds_for", "conditions")


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
        system: cores, huge pages, governor; whether a process may be bound to a core, whether layouts are random.
        threads: settings of thread counts found in the environment.
        protections: what candidate code is kept from, tried out.
        folders: where sources and runs are kept.
        precision: what races of equals say; None where nothing can be measured.
        findings: what is not as it should be.
    """

    machine: str
    clock: Mapping[str, float]
    readings: quiet.Readings
    system: Mapping[str, Any]
    threads: Mapping[str, str]
    protections: tuple[sandbox.Protection, ...]
    folders: Mapping[str, str]
    precision: Precision | None
    findings: tuple[Finding, ...]

    @property
    def fatal(self) -> tuple[Finding, ...]:
        """What makes measuring impossible."""
        return tuple(finding for finding in self.findings if finding.is_fatal)

    @property
    def objections(self) -> tuple[str, ...]:
        """Why what is measured here now cannot be trusted; empty where it can."""
        return self.precision.same.objections if self.precision else ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        measured = self.precision.as_dict() if self.precision else dict.fromkeys(_MEASURED)
        return {
            "schema": 1,
            "machine": self.machine,
            "clock": dict(self.clock),
            "readings": self.readings.as_dict(),
            "system": dict(self.system),
            "threads": dict(self.threads),
            "protections": [asdict(protection) for protection in self.protections],
            "folders": dict(self.folders),
            **measured,
            "objections": list(self.objections),
            "findings": [asdict(finding) for finding in self.findings],
        }


def examine(store_url: str, say: Say, extent: Extent = QUICK) -> Diagnosis:
    """Look at everything; takes some fifteen seconds, in which nothing else should run.

    Args:
        store_url: where runs are kept.
        say: is told what is looked at.
        extent: of the races of equals.
    """
    say("the load of the machine")
    readings = quiet.read()
    say("the clock")
    clock, machine, system = timer(), fingerprint(), _system()
    say("what candidates are kept from")
    protections = sandbox.active()
    found = [*installation(), *settings(os.environ), *folders(store_url)]
    seen = None if any(finding.is_fatal for finding in found) else _precision(extent, say)
    disturbances = [
        *quiet.disturbances(readings),
        *quiet.standing_disturbances(
            machine, clock.step_s, is_bound=system["is_bound"], is_layout_fixed=system["is_layout_fixed"]
        ),
        *(quiet.race_disturbances(seen.conditions["races"], seen.conditions["flags"]) if seen else ()),
    ]
    return Diagnosis(
        machine=machine.machine_id,
        clock={**asdict(clock), "core_hz": core_clock_hz()},
        readings=readings,
        system={**_cores(machine), **system},
        threads={name: os.environ[name] for name in _THREAD_SETTINGS if name in os.environ},
        protections=protections,
        folders={"store": store_url, "cache": os.environ.get("EVOLVE_CACHE") or _shown_cache()},
        precision=seen,
        findings=(*found, *_gaps(protections), *map(_of_machine, disturbances)),
    )


def _gaps(protections: Sequence[sandbox.Protection]) -> list[Finding]:
    """Protections that do not hold here."""
    return [
        Finding(
            "protection",
            f"{one.name}: {one.reason}",
            "schedules of ours do no such thing, but another's kernel file might",
            "run kernel files of others on a system that has what is missing, as in a container of its own",
        )
        for one in protections
        if not one.is_active
    ]


def _system() -> dict[str, bool]:
    return {"is_bound": quiet.may_be_bound(), "is_layout_fixed": sandbox.aslr_is_off()}


def _cores(machine: Fingerprint) -> dict[str, Any]:
    names = ("logical_cores", "physical_cores", "huge_pages", "governor")
    return {name: getattr(machine, name) for name in names}


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


def _precision(extent: Extent, say: Say) -> Precision:
    # a folder of its own: what is compiled here has no place in the cache
    with (
        tempfile.TemporaryDirectory(prefix="evolve-doctor-") as folder,
        Harness(PROBLEM, SourceFolder(Path(folder))) as harness,
    ):
        return precision(harness, extent, np.random.default_rng(0), say)


def _shown_cache() -> str:
    try:
        return str(cache_folder())
    except EvolveError:
        return ""
