"""The pytest-benchmark suites with a store's champions in them: what goes in, how they run, what comes out."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import benchmarks
import kernels
from evolve.errors import EvolveError
from evolve.paths import cache_folder, data_folder

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from evolve.store import Machine, Run, Store

SUITES = Path(benchmarks.__file__).parent / "suites"

_STDERR = 2  # descriptor: stdout is for the result


@dataclass(frozen=True)
class Results:
    """All that was measured on one machine.

    Attributes:
        machine: which.
        ceilings: the best ever found there.
        suites: the JSON of pytest-benchmark.
        runs: summaries of the runs behind the champions, and of others worth a line.
    """

    machine: Machine
    ceilings: Mapping[str, Any]
    suites: Mapping[str, Any]
    runs: tuple[Mapping[str, Any], ...]


def champion_runs(store: Store, runs: Iterable[Run], machine: str, names: Collection[str]) -> list[Run]:
    """The run published last for each problem, of these kernels, or of all installed ones where none is named."""
    latest = {}
    wanted = names or kernels.names()
    own = [run for run in runs if run.machine == machine and run.kernel in wanted]
    published = [(publication.measured_at, run) for run in own if (publication := store.publication(run.id))]
    for _, run in sorted(published, key=lambda pair: pair[0]):
        latest[run.kernel, run.dtype, run.size, run.threads] = run
    return [run for _, run in sorted(latest.items())]


def champion(store: Store, run: Run) -> dict[str, Any]:
    """What the suites are told of a published champion."""
    publication = store.publication(run.id)
    assert publication is not None
    return {
        "kernel": run.kernel,
        "size": list(run.size),
        "dtype": run.dtype,
        "threads": run.threads,
        "schedule": dict(store.individuals(run.id)[publication.evaluation - 1].evaluation.schedule),
        "run": run.id,
        "name": run.name,
        "budget": run.budget,
        "evaluations": sum(store.counts(run.id).values()),
        "bound": {"limit": publication.bound_limit, "time_s": publication.bound_time_s},
        "published": {"source_hash": publication.source_hash, "speedup": publication.speedup.as_dict()},
    }


def earlier_medians(machine: str, until: str) -> dict[str, float]:
    """By benchmark the median that was saved last, in seconds.

    Args:
        machine: id of the machine.
        until: time of day (``datetime`` of pytest-benchmark's JSON) before which it was measured.
    """
    medians: dict[str, float] = {}
    for file in sorted(_storage(machine).glob("*/[0-9]*.json"), key=lambda file: file.name):
        # a measurement that was killed while it was saved left half a file
        with contextlib.suppress(ValueError, KeyError):
            data = json.loads(file.read_text(encoding="utf-8"))
            if data["datetime"] < until:
                medians |= {one["name"]: one["stats"]["median"] for one in data["benchmarks"]}
    return medians


def _storage(machine: str) -> Path:
    """One folder a machine: pytest-benchmark itself tells them apart by operating system and Python only."""
    return data_folder().absolute() / "benchmarks" / machine


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        remedy = "set XDG_DATA_HOME to a folder that can be written"
        raise EvolveError(f"data folder {folder} cannot be made ({error.strerror})", remedy) from error
    return folder


def run_suites(
    champions: list[dict[str, Any]], names: Collection[str], machine: str, *, is_quick: bool, is_quiet: bool = False
) -> dict[str, Any]:
    """Run the suites in a process of their own and keep their figures in the data folder.

    Args:
        champions: as ``champion`` describes them.
        names: kernels; none for all, and for the time of starting up.
        machine: id of this machine.
        is_quick: few samples.
        is_quiet: show what pytest says only where something failed.

    Returns:
        The JSON of pytest-benchmark, samples included.

    Raises:
        EvolveError: a contestant was wrong or failed.
    """
    storage = _made(_storage(machine))
    with tempfile.TemporaryDirectory(prefix="evolve-bench-") as folder:
        told, measured = Path(folder) / "champions.json", Path(folder) / "measured.json"
        told.write_text(json.dumps(champions), encoding="utf-8")
        command = [
            *pytest_command(names, is_quick=is_quick),
            *(f"--champions={told}", f"--benchmark-json={measured}"),
            *(f"--benchmark-storage=file://{storage}", "--benchmark-save=bench"),
        ]
        _run(command, is_quiet=is_quiet)
        found: dict[str, Any] = json.loads(measured.read_text(encoding="utf-8"))
    return found


def _run(command: list[str], *, is_quiet: bool) -> None:
    done = subprocess.run(
        command,
        check=False,
        text=True,
        stdout=subprocess.PIPE if is_quiet else _STDERR,
        stderr=subprocess.STDOUT if is_quiet else None,
        # where the packages lie: so they are found, and nothing of the user's own folder is
        cwd=SUITES.parents[1],
    )
    if done.returncode:
        sys.stderr.write(done.stdout or "")
        raise EvolveError("a benchmark failed", "pytest says above which and why")


def pytest_command(names: Collection[str], *, is_quick: bool) -> list[str]:
    """The command line of pytest: the suites' own rules, whatever stands in the working directory."""
    suite = SUITES / "bench_kernels.py" if names else SUITES
    return [
        *(sys.executable, "-m", "pytest", str(suite), "-c", str(SUITES / "pytest.ini"), "--rootdir", str(SUITES)),
        *("-v", "--no-header", "--benchmark-only", f"--sources={cache_folder() / 'sources'}"),
        *((f"--kernels={','.join(names)}",) if names else ()),
        *(("--quick",) if is_quick else ()),
    ]
