"""``evolve bench``: baseline, rivals and champions through pytest-benchmark."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evolve.cli import options
from evolve.cli.options import Output
from evolve.errors import UsageError

if TYPE_CHECKING:
    from evolve.bench import Results
    from evolve.store import Run, Store


@options.command("bench", "evolve bench matmul triad --compare")
@click.argument("kernels", nargs=-1, metavar="[KERNEL]...")
@click.option("--evolve", "is_evolving", is_flag=True, help="First complete the standard runs (30 minutes).")
@click.option("--quick", is_flag=True, help="Few samples: to see that it works, not to be quoted.")
@click.option("--compare", is_flag=True, help="Show the figures saved before beside the new ones.")
@click.option("--results", type=click.Path(path_type=Path, dir_okay=False), help="Rewrite this Markdown file.")
@options.wait_option
@options.store_option
@options.json_option
@options.quiet_option
def command(  # noqa: PLR0913 - one parameter an option
    *,
    kernels: tuple[str, ...],
    is_evolving: bool,
    quick: bool,
    compare: bool,
    results: Path | None,
    wait: bool,
    store: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure champions against plain loops and libraries.

    Of all kernels or of some, with this machine's latest champion for each problem in the store, through
    pytest-benchmark. Figures are saved in your data folder.
    """
    from evolve.bench import earlier_medians
    from evolve.cli.asked import known_kernel
    from evolve.report import bench

    for name in kernels:
        known_kernel(name)
    _check_target(results)
    output = Output(as_json, quiet, store)
    with options.opened(store, create=True) as facts:
        runs = _standard_runs(facts, kernels, wait=wait, is_quiet=quiet) if is_evolving else facts.runs()
        found = _measured(facts, runs, kernels, is_quick=quick, wait=wait, is_quiet=quiet)
    before = earlier_medians(found.machine.id, found.suites["datetime"]) if compare else {}
    output.result(bench.plain(found), bench.text(found, before))
    if results:
        results.write_text(bench.markdown(found), encoding="utf-8")
        output.note(f"\nresults  {results}")
    output.next("evolve bench --compare" if found.runs else "evolve run matmul")


def _check_target(path: Path | None) -> None:
    """What cannot be written must fail before half an hour of measuring, not after it."""
    if path is not None and not os.access(path.absolute().parent, os.W_OK):
        raise UsageError(f"results cannot be written to {path}", "name a file in a folder that exists and is yours")


def _standard_runs(store: Store, kernels: tuple[str, ...], *, wait: bool, is_quiet: bool) -> list[Run]:
    from evolve.machines import known_machine
    from evolve.report.terminal import watching
    from evolve.standard import complete, known, wanted

    machine, standards = known_machine(store).id, wanted(kernels)
    for standard in standards:
        known(store, standard, machine)  # a name that is taken must be told before the first of them runs
    runs = []
    for number, standard in enumerate(standards, 1):
        if not is_quiet:
            click.echo(f"standard run {number} of {len(standards)}: {standard.name}, {standard.budget}", err=True)
        with watching(is_quiet=is_quiet) as observer:
            runs.append(complete(store, standard, machine, observer, wait=wait, on_wait=options.say_waiting))
    return runs


def _measured(
    store: Store, runs: list[Run], kernels: tuple[str, ...], *, is_quick: bool, wait: bool, is_quiet: bool
) -> Results:
    from evolve.bench import Results, champion, champion_runs, run_suites
    from evolve.lock import MeasuringLock
    from evolve.machines import this_machine
    from evolve.report.terminal import steps
    from evolve.standard import is_standard
    from evolve.tracker.summary import summary

    with MeasuringLock("bench", wait=wait, on_wait=options.say_waiting):
        with steps(is_quiet=is_quiet) as say:
            machine = this_machine(store, say).machine
        best = champion_runs(store, runs, machine.id, kernels)
        champions = [champion(store, run) for run in best]
        suites = run_suites(champions, kernels, machine.id, is_quick=is_quick, is_quiet=is_quiet)
    listed = [run for run in runs if run in best or (is_standard(run) and run.machine == machine.id)]
    ceilings = store.best_ceilings(machine.id) or {}
    return Results(machine, ceilings, suites, tuple(summary(store, run.id) for run in listed))
