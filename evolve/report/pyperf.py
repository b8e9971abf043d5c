"""What the suites measured, as a suite of pyperf: for those who have its tools.

Each fresh process is one of pyperf's runs. All contestants get as many runs, and all runs as many values, though there
are more: pyperf takes samples of unequal count for significantly different without looking at them (``compare_to`` of
20 and 19 equal values says so; version 2.10).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.fresh import AGAINST_PLAIN, SLOW_LAUNCHES
from evolve.errors import EvolveError, UsageError
from evolve.sheet import PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

RUNS, VALUES = SLOW_LAUNCHES, AGAINST_PLAIN.least_rounds
"""As many as even the slowest contestant has."""

_REMEDY = 'install it with `pip install "evolve-kernels[export]"`'


def check_available() -> None:
    """Raise where pyperf is missing, before anything is measured.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import pyperf  # noqa: F401, PLC0415 - optional
    except ImportError as error:
        raise UsageError("--pyperf needs pyperf", _REMEDY) from error


def write(suites: Mapping[str, Any], path: Path) -> None:
    """Write a suite of pyperf, one benchmark a contestant; replaces the file.

    Args:
        suites: the JSON of ``evolve bench``, samples included.
        path: of the file, in a folder that exists.

    Raises:
        UsageError: pyperf is not installed.
        EvolveError: nothing was raced, or the file cannot be written.
    """
    check_available()
    import pyperf  # noqa: PLC0415 - optional

    benchmarks = [
        pyperf.Benchmark([pyperf.Run(values, metadata=metadata, collect_metadata=False) for values in runs])
        for metadata, runs in _benchmarks(suites)
    ]
    if not benchmarks:
        raise EvolveError("there is nothing to export: no champion was raced")
    try:
        pyperf.BenchmarkSuite(benchmarks).dump(str(path), replace=True)
    except OSError as error:
        raise EvolveError(f"{path} cannot be written ({error.strerror})", "choose another place") from error


def _benchmarks(suites: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], list[Sequence[float]]]]:
    """Metadata of each contestant, and its values by process."""
    machine, policy = suites["machine_info"]["node"], suites["evolve"]["policy"]
    for one in suites["benchmarks"]:
        told = one["extra_info"]
        for name, launches in _launches(told).items():
            loops = max(launch["loops"] for launch in told["samples"].get(name, told["samples"][PLAIN]))
            metadata = {"name": f"{one['group']} {name}", "unit": "second", "loops": loops}
            yield {**metadata, "machine": machine, "policy": policy, **_figures(told, name)}, launches


def _launches(told: Mapping[str, Any]) -> dict[str, list[Sequence[float]]]:
    """By contestant the first values of its first processes, the leader's from its races against the plain loop."""
    samples = told.get("samples", {})
    found = {name: [launch["opponent_s"][:VALUES] for launch in launches] for name, launches in samples.items()}
    if samples:
        found[told["contestant"]] = [launch["leader_s"][:VALUES] for launch in samples[PLAIN]]
    return {name: launches[:RUNS] for name, launches in found.items()}


def _figures(told: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What was found of the leader against it; pyperf's metadata are texts and numbers."""
    speedup = told["speedups"].get(name)
    if speedup is None:
        return {"source_hash": told["source_hash"]}
    ends = {f"leader_speedup_{end}": speedup[end] for end in ("estimate", "low", "high") if speedup[end] is not None}
    return {"leader": told["contestant"], **ends}
