"""Which protections hold here: not what was asked for, but what a child could not do."""

from __future__ import annotations

import functools
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import landlock, probes, reach, syscalls
from benchmarks.isolation import start_process

_PATIENCE_S = 30.0


@dataclass(frozen=True)
class Protection:
    """One thing that candidate code is kept from.

    Attributes:
        name: what is protected.
        is_active: whether a child was kept from it when it tried.
        reason: by what, or what the child could do and what is missing here.
    """

    name: str
    is_active: bool
    reason: str


def active() -> tuple[Protection, ...]:
    """Tried out once, in a child that is confined as those are that run candidates."""
    found = _tried()
    limits = [_judged(found, name, "a resource limit", "the system sets no such limit") for name in _LIMITS]
    outside = Protection("audit", found["audit"] is None, found["audit"] or "the parent reads and writes its memory")
    return (*(_judged(found, name, *_held_by(name)) for name in _REFUSED), *limits, outside)


def aslr_is_off() -> bool:
    """Whether all children that race are placed alike: then none has better luck than others."""
    return bool(_tried()["layout"])


_LIMITS = ("file size", "memory")
_REFUSED = ("files", "processes", "programs", "other processes", "network")


def _judged(found: dict[str, Any], name: str, holder: str, missing: str) -> Protection:
    done = found[name]
    return Protection(name, done is None, holder if done is None else f"{done}: {missing}")


def _held_by(name: str) -> tuple[str, str]:
    """By what it is held, and what is missing where it is not."""
    version, no_filter = landlock.version(), syscalls.why_not()
    no_landlock = "" if version else "this kernel has no Landlock, or it is switched off"
    if name == "files":
        return f"Landlock {version}", no_landlock
    missing = no_filter or "the system allows no seccomp filter"
    return ("seccomp" if not no_filter else f"Landlock {version}"), missing


@functools.cache
def _tried() -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="evolve-probe-") as place:
        own = Path(place) / "own"
        own.mkdir()
        process, pipe = start_process(probes.serve, (own, Path(place) / "elsewhere", 1))
        try:
            if not pipe.poll(_PATIENCE_S):
                raise RuntimeError(f"a confined child said nothing for {_PATIENCE_S:.0f} s")
            found: dict[str, Any] = json.loads(pipe.recv_bytes())
            return {**found, "audit": reach.why_not(process.pid)}
        finally:
            process.kill()
            process.join()
            pipe.close()
