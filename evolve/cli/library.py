"""``evolve run --all``: the whole library, run after run, and a table at the end."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from evolve.cli import options
from evolve.errors import EvolveError, Interrupted, NoisyMachineError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evolve.cli.options import Output
    from evolve.run import Admission
    from evolve.standard import Standard
    from evolve.store import Store

_HEADER = ("RUN", "EVALS", "TIME", "OVER PLAIN", "OVER BEST RIVAL", "OF BOUND", "LIMIT")
_FOUND_S = 2.0
"""What takes less was not run, but found finished."""

Told = dict[str, Any]


def run_all(budget: str, name: str | None, threads: int, terms: Admission, output: Output) -> None:
    """Evolve every kernel in turn; what was interrupted goes on, what is finished stays.

    Args:
        budget: that they share, as a user writes it.
        name: begins the runs' names; by default the budget is in them.
        threads: that share each call.
        terms: on which each begins to measure.
        output: how the table is said.

    Raises:
        UsageError: the budget cannot be shared out.
        Interrupted: the user asked to stop; the same command goes on.
        EvolveError: some of them came to nothing, which is said after the table.
    """
    from evolve.budget import Budget
    from evolve.standard import shared

    try:
        given = Budget.parse(budget)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    standards = shared(given, name or f"all-{given.text}", threads)
    with options.opened(output.store, create=True) as facts:
        told, failures = _completed(facts, standards, terms, output)
    output.result({"schema": 1, "runs": told, "failures": failures}, _text(told, failures))
    output.next("evolve wisdom list", "evolve bench --compare")
    if failures:
        raise EvolveError(f"{len(failures)} of {len(standards)} runs came to nothing", "the table says why")


def _completed(
    store: Store, standards: Sequence[Standard], terms: Admission, output: Output
) -> tuple[list[Told], dict[str, str]]:
    """Summaries of the runs, and why others failed: one that fails must not cost the night."""
    told, failures, pace = [], {}, _Pace()
    for number, standard in enumerate(standards, 1):
        left = pace.left(len(standards) - number + 1)
        output.note(f"run {number} of {len(standards)}: {standard.name}, {standard.budget}{left}")
        try:
            told.append(_one(store, standard, terms, output))
        except (Interrupted, NoisyMachineError):
            raise
        except EvolveError as error:
            failures[standard.name] = str(error)
    return told, failures


class _Pace:
    """How long runs take here: proving and publishing come on top of a search's share, and take longer for some."""

    def __init__(self) -> None:
        self._last_s = monotonic()
        self._taken_s: list[float] = []

    def left(self, runs: int) -> str:
        """Said before a run: how long it and those after it will take; "" before the first."""
        now_s = monotonic()
        if now_s - self._last_s > _FOUND_S:
            self._taken_s.append(now_s - self._last_s)
        self._last_s = now_s
        if not self._taken_s:
            return ""
        from evolve.report.quantities import clock

        return f"; some {clock(runs * sum(self._taken_s) / len(self._taken_s))} to go, at the pace so far"


def _one(store: Store, standard: Standard, terms: Admission, output: Output) -> Told:
    from evolve.machines import known_machine
    from evolve.report.terminal import watching
    from evolve.standard import complete
    from evolve.tracker.summary import summary

    with watching(is_quiet=output.is_quiet) as observer:
        run = complete(store, standard, known_machine(store).id, observer, terms)
    return summary(store, run.id)


def _text(told: Sequence[Told], failures: Mapping[str, str]) -> str:
    from evolve.report.text import table

    return "\n".join([table(_HEADER, map(_row, told)), *(f"{name}: {reason}" for name, reason in failures.items())])


def _row(one: Told) -> tuple[str, ...]:
    from evolve.report.quantities import percent, seconds, speedup

    best = one["champion"]
    if best is None:
        return one["name"], str(one["evaluations"]), *("-",) * 5
    rival = min(best["rivals"].items(), key=lambda pair: float(pair[1]["estimate"]), default=None)
    return (
        one["name"],
        str(one["evaluations"]),
        seconds(best["time_s"]),
        speedup(best["speedup"]),
        f"{speedup(rival[1])} {rival[0]}" if rival else "-",
        percent(best["bound_fraction"]),
        best["bound"]["limit"],
    )
