"""The pytest-benchmark suites with a store's champions in them: what goes in, how they run, what comes out."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import benchmarks
import kernels
from benchmarks.contestant import Task
from evolve.errors import EvolveError, UsageError
from evolve.paths import cache_folder, data_folder, source_folder
from evolve.repeats import Repeats, repeats
from evolve.sheet import read_json, read_sheet
from evolve.store import Machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from evolve.machines import Here
    from evolve.sheet import Leader, Problem, Sheet
    from evolve.store import Run, Store

SUITES = Path(benchmarks.__file__).parent / "suites"

AA_PROBLEM = Task("matmul", (64, 64, 64), "float64")
TRIALS, QUICK_TRIALS = 20, 3

_STDERR = 2  # descriptor: stdout is for the result


@dataclass(frozen=True)
class Request:
    """What is to be measured.

    Attributes:
        names: of kernels; none for all, and for the time of starting up.
        policy: what the caches hold before each call: one of ``benchmarks.contestant.POLICIES``.
        threads: of the problems: with more than one, only of kernels that threads can share.
        is_quick: few samples.
        is_quiet: show what pytest says only where something failed.
    """

    names: tuple[str, ...] = ()
    policy: str = "hot"
    threads: int = 1
    is_quick: bool = False
    is_quiet: bool = False


@dataclass(frozen=True)
class Measured:
    """What the suites found.

    Attributes:
        suites: the JSON of pytest-benchmark, samples included.
        file: where it is kept.
    """

    suites: Mapping[str, Any]
    file: Path


@dataclass(frozen=True)
class Results:
    """All that was measured on one machine.

    Attributes:
        machine: which.
        ceilings: the best ever found there.
        measured: by the suites.
        runs: summaries of the runs behind the champions, and of others worth a line.
        repeats: the same speedups measured before; None where that was not asked for, or there are none.
        names: of the kernels that were asked for; none for all.
    """

    machine: Machine
    ceilings: Mapping[str, Any]
    measured: Measured
    runs: tuple[Mapping[str, Any], ...]
    repeats: Repeats | None = None
    names: tuple[str, ...] = ()

    @property
    def threads(self) -> int:
        """That shared each call."""
        return int(self.suites["evolve"].get("threads", 1))

    @property
    def suites(self) -> Mapping[str, Any]:
        """The JSON of pytest-benchmark."""
        return self.measured.suites


def read_results(path: Path) -> Results:
    """What a file says that was saved before; it says nothing of the runs behind its champions.

    Raises:
        UsageError, CheckFailedError: see ``evolve.sheet.read_sheet``.
    """
    profile = read_sheet(path).profile
    machine = Machine(profile.machine, profile.fingerprint)
    return Results(machine, profile.ceilings.get("best", {}), Measured(read_json(path), path), ())


def champion_runs(store: Store, runs: Iterable[Run], machine: str, request: Request) -> list[Run]:
    """The run published last for each problem, under the policy and with the threads that are asked for."""
    latest = {}
    wanted = request.names or kernels.names()
    terms = (machine, request.policy, request.threads)
    own = [run for run in runs if run.kernel in wanted and (run.machine, run.policy, run.threads) == terms]
    found = [(store.publication(run.id), run) for run in own]
    published = [(made.measured_at, run) for made, run in found if made and made.is_promoted]
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


def guests(sheets: Iterable[Sheet], here: str, request: Request) -> list[dict[str, Any]]:
    """What the suites are told of other machines' champions: their genomes, and none of their times.

    Args:
        sheets: what the other machines found.
        here: id of this machine.
        request: what is measured here.

    Raises:
        UsageError: a sheet is of this very machine, or has nothing that is measured here.
    """
    found = []
    for sheet in sheets:
        if sheet.profile.key == (here, request.policy):
            raise UsageError(f"{sheet.source} is of this very machine ({here})", "--with takes other machines' files")
        own = [_guest(sheet, problem, leader) for problem, leader in sheet.leaders.items()]
        own = [one for one in own if one["kernel"] in (request.names or kernels.names())]
        own = [one for one in own if one["threads"] == request.threads]
        if not own:
            theirs = ", ".join(sorted({problem.kernel for problem in sheet.leaders})) or "no kernel"
            raise UsageError(
                f"{sheet.source} has nothing that is measured here, but {theirs}", "name one of its kernels"
            )
        found += own
    return found


def _guest(sheet: Sheet, problem: Problem, leader: Leader) -> dict[str, Any]:
    profile = sheet.profile
    home = {"machine": profile.machine, "profile": profile.description, "policy": profile.policy}
    return {
        "kernel": problem.kernel,
        "size": list(problem.size),
        "dtype": problem.dtype,
        "threads": problem.threads,
        "schedule": dict(leader.schedule),
        "home": home,
    }


def machine_facts(here: Here, best: Mapping[str, Any], request: Request, say: Callable[[str], None]) -> dict[str, Any]:
    """What the JSON says of the machine beside its fingerprint: ceilings, what A/A finds, active protections.

    Args:
        here: the machine.
        best: its best ceilings.
        request: what is going to be measured.
        say: is told what is being measured.
    """
    from benchmarks import sandbox  # noqa: PLC0415 - tries what the system allows

    known = {"machine": here.machine.id, "measured_at": here.ceilings.measured_at}
    return {
        "ceilings": {**known, "latest": dict(here.ceilings.values), "best": dict(best)},
        "aa": _self_comparison(request, say),
        "protections": [asdict(one) for one in sandbox.active()],
    }


def _self_comparison(request: Request, say: Callable[[str], None]) -> dict[str, Any]:
    """How far equals seem to differ here and now."""
    from benchmarks import aa  # noqa: PLC0415 - imports numba
    from benchmarks.exchange import ContestantFailedError  # noqa: PLC0415
    from benchmarks.harness import Harness  # noqa: PLC0415

    say("a function raced against itself")
    with Harness(replace(AA_PROBLEM, policy=request.policy), source_folder()) as harness:
        try:
            races = aa.same(harness, aa.itself(harness), QUICK_TRIALS if request.is_quick else TRIALS)
        except ContestantFailedError as error:
            raise EvolveError(
                f"a function raced against itself failed ({error})", "`evolve doctor` looks why"
            ) from error
    return {**aa.judged(races).as_dict(), "problem": AA_PROBLEM.kernel, "policy": request.policy}


def earlier_medians(machine: str, until: str) -> dict[str, float]:
    """By benchmark the median that was saved last, in seconds.

    Args:
        machine: id of the machine.
        until: time of day (``datetime`` of pytest-benchmark's JSON) before which it was measured.
    """
    medians: dict[str, float] = {}
    for data in _before(machine, until):
        medians |= {one["name"]: one["stats"]["median"] for one in data["benchmarks"]}
    return medians


def earlier_speedups(machine: str, now: Mapping[str, Any]) -> Repeats | None:
    """The speedups of the same schedules in the last file that has any of them, measured as long and as warm as now."""
    manner = {name: now["evolve"][name] for name in ("policy", "is_quick")}
    for data in reversed(_before(machine, began_at(now))):
        ours = data.get("evolve", {})
        if {name: ours.get(name) for name in manner} == manner and (found := repeats(data, now)):
            return found
    return None


def began_at(suites: Mapping[str, Any]) -> str:
    """Time of day of the first piece of a measurement."""
    return str(suites["evolve"].get("began_at") or suites["datetime"])


def saved(machine: str, since: str = "") -> list[Measured]:
    """All that was kept of a machine from some time of day (UTC, ISO 8601) on, the oldest first."""
    found = []
    for file in sorted(_storage(machine).glob("*/[0-9]*.json"), key=lambda file: file.name):
        # a measurement that was killed while it was saved left half a file
        with contextlib.suppress(ValueError, KeyError, TypeError):
            data = json.loads(file.read_text(encoding="utf-8"))
            if data["datetime"] >= since and data["benchmarks"]:
                found.append(Measured(data, file))
    return found


def _before(machine: str, until: str) -> list[Mapping[str, Any]]:
    return [one.suites for one in saved(machine) if one.suites["datetime"] < until]


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
    champions: list[dict[str, Any]], facts: Mapping[str, Any], machine: str, request: Request, *files: str
) -> Measured:
    """Run the suites in a process of their own and keep their figures in the data folder.

    Args:
        champions: as ``champion`` and ``guests`` describe them.
        facts: see ``machine_facts``.
        machine: id of this machine.
        request: what is to be measured.
        files: which suites; by default that of kernels, or all where no kernel is named.

    Raises:
        EvolveError: a contestant was wrong or failed.
    """
    storage = _made(_storage(machine))
    before = set(storage.glob("*/*.json"))
    with tempfile.TemporaryDirectory(prefix="evolve-bench-") as folder:
        told, known, measured = (Path(folder) / f"{name}.json" for name in ("champions", "machine", "measured"))
        told.write_text(json.dumps(champions), encoding="utf-8")
        known.write_text(json.dumps(facts), encoding="utf-8")
        command = [
            *pytest_command(request, *files),
            *(f"--champions={told}", f"--machine={known}", f"--benchmark-json={measured}"),
            *(f"--benchmark-storage=file://{storage}", "--benchmark-save=bench"),
        ]
        _run(command, is_quiet=request.is_quiet)
        if not measured.exists():  # pytest-benchmark saves nothing where all were skipped
            raise EvolveError("nothing could be measured", "pytest says above why")
        found: dict[str, Any] = json.loads(measured.read_text(encoding="utf-8"))
    file = max(set(storage.glob("*/*.json")) - before, key=lambda path: path.name)
    return Measured(found, file)


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


def pytest_command(request: Request, *files: str) -> list[str]:
    """The command line of pytest: the suites' own rules, whatever stands in the working directory."""
    suites = files or (("bench_kernels.py",) if request.names else ("",))
    return [
        *(sys.executable, "-m", "pytest", *(str(SUITES / name) for name in suites)),
        *("-c", str(SUITES / "pytest.ini"), "--rootdir", str(SUITES)),
        *("-v", "--no-header", "--benchmark-only", f"--sources={cache_folder() / 'sources'}"),
        *(f"--policy={request.policy}", f"--threads={request.threads}"),
        *((f"--kernels={','.join(request.names)}",) if request.names else ()),
        *(("--quick",) if request.is_quick else ()),
    ]
