"""Options of the suites, and what their JSON says of the machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import rivals
from benchmarks.confine import library_threads
from benchmarks.contestant import POLICIES
from benchmarks.machine import fingerprint
from benchmarks.suites.record import record_of
from kernels.language import SourceFolder


def pytest_addoption(parser: pytest.Parser) -> None:
    """What ``evolve bench`` says to the suites."""
    group = parser.getgroup("kernels")
    group.addoption("--champions", type=Path, metavar="FILE", help="JSON: a list of kernel, size, dtype, schedule, …")
    group.addoption("--machine", type=Path, metavar="FILE", help="JSON: ceilings, aa, protections of this machine")
    group.addoption("--policy", choices=POLICIES, default="hot", help="what the caches hold before a call")
    group.addoption("--threads", type=int, default=1, help="that share a call of each contestant")
    group.addoption("--kernels", metavar="NAME,NAME", help="which; default: all")
    group.addoption("--sources", type=Path, metavar="FOLDER", help="of generated sources; default: a temporary one")
    group.addoption("--quick", action="store_true", help="few samples: to see that it works, not to be quoted")


@pytest.fixture(scope="session")
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SourceFolder:
    """Of generated sources and compiled code."""
    return SourceFolder(request.config.getoption("--sources") or tmp_path_factory.mktemp("sources"))


@pytest.fixture
def own_cores(request: pytest.FixtureRequest) -> Iterator[None]:
    """Bind the process to the last processors for the length of a test: interrupts mostly land on the first.

    Variables that a rival sets for its library are taken back, or fresh processes would measure another library.
    """
    fingerprint()  # counts processors, so it must see all of them
    processors, variables = os.sched_getaffinity(0), dict(os.environ)
    threads: int = request.config.getoption("--threads")
    os.sched_setaffinity(0, sorted(processors)[-threads:])
    # libraries that are loaded later, which threadpool_limits does not reach
    os.environ |= library_threads(threads)
    yield
    os.sched_setaffinity(0, processors)
    os.environ.clear()
    os.environ.update(variables)


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """The fingerprint instead of the host's name, and nothing that changes from run to run on one machine."""
    machine_info["node"] = fingerprint().machine_id
    machine_info["cpu"] = {name: value for name, value in machine_info["cpu"].items() if not name.startswith("hz_")}
    machine_info["fingerprint"] = fingerprint().as_dict()
    machine_info |= record_of(config).machine


def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """What marks the file as ours; and what the rivals are made of, read now that they have run."""
    manner = {name: config.getoption(f"--{name}") for name in ("policy", "threads")}
    output_json["evolve"] = {**record_of(config).as_dict(), **manner, "is_quick": bool(config.getoption("--quick"))}
    output_json["rivals"] = {
        "versions": rivals.versions(),
        "libraries": [library.as_dict() for library in rivals.loaded()],
    }
