"""Is the machine quiet enough to measure on? Readings, and one closed list of disturbances with cause and remedy."""

from __future__ import annotations

import os
import re
import time
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.machine import Fingerprint

_PROC = Path("/proc")
_IDLE, _IOWAIT, _STEAL = 3, 4, 7
"""Fields of the first line of /proc/stat (proc(5)); the two guest fields are counted in user and nice already."""

MOST_BUSY_SHARE = 0.05
MOST_PRESSURE_PERCENT = 5.0
MOST_STEAL_SHARE = 0.01
MOST_FLAGGED_SHARE = 0.05
COARSE_CLOCK_S = 1e-6
POLL_S = 1.0


class Disturbance(Enum):
    """What can spoil a measurement: why it does, and what to do about it."""

    BUSY = ("other processes use the cores, and the caches and memory with them", "close them, or wait until they end")
    PRESSURE = ("tasks wait for a core", "stop other jobs, or raise the CPU limit of this container")
    STEAL = ("the hypervisor gives this machine's time to others", "use a dedicated host, or measure at a quieter hour")
    GOVERNOR = ("the frequency governor does not hold the clock", "cpupower frequency-set --governor performance")
    HUGE_PAGES = (
        "transparent huge pages are off, so page walks are timed too",
        "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
    )
    ONE_CORE = ("the operating system and the timed kernel share the only core", "give this process a second core")
    HYPER_THREADS = (
        "two hardware threads share a core, so a neighbour halves its speed",
        "leave the sibling thread idle, or switch SMT off",
    )
    CACHES_UNKNOWN = ("the system does not tell its cache sizes, defaults stand in", "mount /sys in this container")
    FREQUENCY = (
        "the core's clock does not hold",
        "let nothing else run; where it persists: cpupower frequency-set --governor performance",
    )
    CONTENTION = (
        "others use the last cache or the memory, which no counter of the system tells",
        "close them; of a virtual machine, its neighbours may be it: measure at a quieter hour",
    )
    PREEMPTED = ("the timed core is given to others in the middle of samples", "close what else runs")
    AFFINITY = (
        "a timed process may not be held to one core, so it wanders",
        "allow sched_setaffinity in this container",
    )
    RANDOM_LAYOUT = (
        "every process has another memory layout, so that launches differ by more than builds",
        "allow personality in this container's seccomp profile",
    )
    COARSE_CLOCK = ("the clock's step or cost exceeds a microsecond", "set the clock source to tsc")

    @property
    def cause(self) -> str:
        """Why measurements suffer."""
        return self.value[0]

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return self.value[1]


@dataclass(frozen=True)
class Finding:
    """A disturbance that is present, with the figure that shows it."""

    disturbance: Disturbance
    detail: str

    def __str__(self) -> str:
        return f"{self.detail}: {self.disturbance.cause}; {self.disturbance.remedy}"

    def as_dict(self) -> dict[str, str]:
        """Plain values for JSON."""
        found = self.disturbance
        return {"name": found.name.lower(), "detail": self.detail, "cause": found.cause, "remedy": found.remedy}


@dataclass(frozen=True)
class Readings:
    """How busy the machine was while this process slept.

    Attributes:
        load: runnable tasks a core, mean of the last minute (our own among them).
        busy_share: share of all core time that others used; None where /proc/stat is missing.
        steal_share: share of all core time that the hypervisor took.
        pressure_percent: share of the last 10 s in which some task waited for a core; None on older kernels.
    """

    load: float
    busy_share: float | None
    steal_share: float | None
    pressure_percent: float | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def read(interval_s: float = 0.5) -> Readings:
    """Sleep for ``interval_s`` and see what the others did meanwhile; ticks of 10 ms bound the precision."""
    before = core_ticks()
    time.sleep(interval_s)
    busy_share, steal_share = shares(before, core_ticks())
    return Readings(os.getloadavg()[0] / (os.cpu_count() or 1), busy_share, steal_share, _pressure_percent())


def core_ticks(path: Path = _PROC / "stat") -> list[int]:
    """Ticks of 10 ms of all cores by use, as in the first line of /proc/stat; empty where there is none."""
    try:
        return [int(field) for field in path.read_text().split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return []


def shares(before: list[int], after: list[int]) -> tuple[float | None, float | None]:
    """Busy and stolen share of the ticks between two readings."""
    ticks = [b - a for a, b in zip(before, after, strict=False)]
    total = sum(ticks)
    if len(ticks) <= _STEAL or total <= 0:
        return None, None
    busy = total - ticks[_IDLE] - ticks[_IOWAIT] - ticks[_STEAL]
    return busy / total, ticks[_STEAL] / total


def _pressure_percent(path: Path = _PROC / "pressure/cpu") -> float | None:
    try:
        found = re.search(r"^some avg10=([\d.]+)", path.read_text(), re.MULTILINE)
    except OSError:
        return None
    return float(found[1]) if found else None


def disturbances(readings: Readings) -> list[Finding]:
    """What disturbs right now."""
    checks = (
        (Disturbance.BUSY, readings.busy_share, MOST_BUSY_SHARE, "{:.0%} of the cores' time is used by others"),
        (Disturbance.PRESSURE, readings.pressure_percent, MOST_PRESSURE_PERCENT, "tasks waited in {:.0f} % of 10 s"),
        (Disturbance.STEAL, readings.steal_share, MOST_STEAL_SHARE, "{:.1%} of the cores' time is stolen"),
    )
    return [
        Finding(kind, text.format(value)) for kind, value, most, text in checks if value is not None and value > most
    ]


def standing_disturbances(
    machine: Fingerprint, clock_step_s: float, *, is_bound: bool = True, is_layout_fixed: bool = True
) -> list[Finding]:
    """What is wrong with the machine's set-up, at any hour.

    Args:
        machine: from ``benchmarks.machine.fingerprint``.
        clock_step_s: the larger of the clock's step and its cost.
        is_bound: whether a process may be held to one core.
        is_layout_fixed: whether races run with the same memory layout in every process.
    """
    steady_governors = (None, "performance")
    checks = (
        (Disturbance.GOVERNOR, machine.governor not in steady_governors, f"the governor is {machine.governor}"),
        (Disturbance.HUGE_PAGES, machine.huge_pages == "never", "huge pages: never"),
        (Disturbance.ONE_CORE, machine.logical_cores == 1, "1 core"),
        (
            Disturbance.HYPER_THREADS,
            machine.logical_cores > machine.physical_cores,
            f"{machine.logical_cores} threads on {machine.physical_cores} cores",
        ),
        (Disturbance.CACHES_UNKNOWN, machine.caches_assumed, "no caches in /sys"),
        (Disturbance.AFFINITY, not is_bound, "no permission to set the affinity"),
        (Disturbance.RANDOM_LAYOUT, not is_layout_fixed, "address space layout is random"),
        (Disturbance.COARSE_CLOCK, clock_step_s > COARSE_CLOCK_S, f"clock step {clock_step_s * 1e6:.1f} us"),
    )
    return [Finding(kind, detail) for kind, present, detail in checks if present]


_OF_FLAGS = {
    "clock": Disturbance.FREQUENCY,
    "memory": Disturbance.CONTENTION,
    "contended": Disturbance.PREEMPTED,
    "steal": Disturbance.STEAL,
}
"""What the flags of a race's conditions stand for."""


def race_disturbances(races: int, flags: Mapping[str, int]) -> list[Finding]:
    """What disturbed more races than a passing moment would.

    Args:
        races: how many there were.
        flags: how many of them bear each flag.
    """
    return [
        Finding(_OF_FLAGS[flag], f"{flag}: {count} of {races} races")
        for flag, count in flags.items()
        if flag in _OF_FLAGS and count > MOST_FLAGGED_SHARE * races
    ]


def may_be_bound() -> bool:
    """Whether a process may be held to one core, as timed ones are."""
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {max(before)})
        os.sched_setaffinity(0, before)
    except OSError:
        return False
    return True


def wait_until_quiet(limit_s: float = 30.0) -> list[Finding]:
    """Wait for a quiet moment, ``limit_s`` at most.

    Returns:
        What still disturbs: empty as soon as nothing does, else the last findings when the time is up.
    """
    deadline = time.monotonic() + limit_s
    while (found := disturbances(read())) and time.monotonic() < deadline:
        time.sleep(min(POLL_S, max(0.0, deadline - time.monotonic())))
    return found
