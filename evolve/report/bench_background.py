"""What stands behind the suites' figures: the runs, the machine's ceilings, and what starting up and calling cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evolve.report.machine import ceiling_tables
from evolve.report.quantities import clock, number, percent, problem, seconds
from evolve.report.text import markdown_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from evolve.bench import Results

_PHASES = ("build", "verify", "measure", "search", "other")


def engine(results: Results) -> Iterator[str]:
    """The runs of the champions: wall time by phase, and what came of the schedules that they evaluated."""
    yield "## Engine"
    if not results.runs:
        yield "No run stands behind these figures."
        return
    yield "Wall time of the runs by phase, and what came of the schedules that they evaluated."
    header = ("run", "problem", "budget", "wall time", "evaluations", "evaluations a second", *_PHASES, "outcomes")
    yield markdown_table(header, [_run(told) for told in results.runs])


def _run(told: Mapping[str, Any]) -> tuple[str, ...]:
    total_s = sum(told["phases_s"].values())
    of = {"kernel": told["kernel"], **told["problem"]}
    return (
        *(told["name"] or told["run"], problem(of), told["budget"], clock(told["elapsed_s"])),
        *(str(told["evaluations"]), number(told["evaluations_per_s"])),
        *(percent(told["phases_s"].get(phase, 0.0) / total_s) if total_s else "" for phase in _PHASES),
        ", ".join(f"{count} {kind}" for kind, count in told["outcomes"].items()),
    )


def of_machine(results: Results) -> Iterator[str]:
    """The best of all sweeps of ceilings, and what starting up and calling cost."""
    yield from _ceilings(results)
    yield from _startup(results)
    yield from _door(results)


def _ceilings(results: Results) -> Iterator[str]:
    yield "## Ceilings of the machine"
    yield "The best of all sweeps; of one thread where it does not say otherwise."
    for peaks in ceiling_tables(results.ceilings):
        yield f"{peaks.title}:"
        yield markdown_table(("", *peaks.columns), [(label, *cells) for label, cells in peaks.rows])


def _startup(results: Results) -> Iterator[str]:
    if rows := _times(results, "command"):
        yield "## Start-up"
        yield "Whole processes. What is to be called by `evolve.best` was compiled before."
        yield markdown_table(("command", "median", "least"), rows)


def _door(results: Results) -> Iterator[str]:
    if rows := _times(results, "door"):
        yield "## The door"
        yield "What the check of a call costs, with the output given and arrays as they should be: a kernel of nothing."
        yield markdown_table(("kernel", "median", "least"), rows)


def _times(results: Results, what: str) -> list[tuple[str, ...]]:
    """Name, median and least time of the benchmarks that say what they are."""
    measured = [one for one in results.suites["benchmarks"] if what in one["extra_info"]]
    return [
        (f"`{one['extra_info'][what]}`", *(seconds(one["stats"][name]) for name in ("median", "min")))
        for one in measured
    ]
