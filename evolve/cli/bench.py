"""``evolve bench``: baseline, rivals and champions through pytest-benchmark."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evolve.cli import options
from evolve.cli.options import FILE, Output
from evolve.errors import EvolveError, UsageError

if TYPE_CHECKING:
    from evolve.bench import Measured, Request, Results
    from evolve.sheet import Sheet
    from evolve.store import Run, Store


@options.command("bench", "evolve bench matmul triad --compare")
@click.argument("kernels", nargs=-1, metavar="[KERNEL]...")
@click.option("--all", "with_all", is_flag=True, help="All kernels, as where none is named.")
@click.option("--evolve", "is_evolving", is_flag=True, help="First complete the standard runs (three hours).")
@click.option("--quick", is_flag=True, help="Few samples: to see that it works, not to be quoted.")
@click.option("--compare", is_flag=True, help="Hold the figures against those saved before.")
@click.option(
    "--with", "others", type=FILE, multiple=True, metavar="FILE", help="Another machine's: its champions too."
)
@click.option("--save", type=FILE, metavar="FILE", help="Copy the JSON there, to be carried to another machine.")
@click.option("--pyperf", type=FILE, metavar="FILE", help="Write the samples as a suite of pyperf too.")
@click.option("--within", metavar="TIME", help="What was measured so long ago at most is taken as it is, as in 12h.")
@options.policy_option
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Threads of the kernels.")
@click.option("--results", type=FILE, metavar="FILE", help="Rewrite this Markdown file.")
@click.option("--report", type=FILE, metavar="FILE", help="Write the roofline, with all contestants on it, as a page.")
@click.option("--picture", type=FILE, metavar="FILE", help="Draw the roofline as an SVG file, as for a README.")
@click.option("--read", type=FILE, metavar="FILE", help="Measure nothing: show and draw what was saved there.")
@options.profile_options
@options.wait_option
@options.store_option
@options.json_option
@options.quiet_option
def command(  # noqa: PLR0913 - one parameter an option
    *,
    kernels: tuple[str, ...],
    with_all: bool,
    is_evolving: bool,
    quick: bool,
    compare: bool,
    others: tuple[Path, ...],
    save: Path | None,
    pyperf: Path | None,
    results: Path | None,
    report: Path | None,
    picture: Path | None,
    read: Path | None,
    within: str | None,
    policy: str,
    threads: int,
    wait: bool,
    store: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure champions against plain loops and libraries.

    Of all kernels or of some, with this machine's latest champion for each problem in the store, through
    pytest-benchmark. Figures are saved in your data folder; `evolve compare` lays files of several machines side by
    side.
    """
    from evolve.bench import Request
    from evolve.cli.asked import known_kernel
    from evolve.run import check_threads

    targets, output = Targets(save, pyperf, results, report, picture), Output(as_json, quiet, store)
    targets.check()
    if read:
        asked = {"KERNEL": kernels, "--evolve": is_evolving, "--quick": quick, "--compare": compare, "--with": others}
        terms = {"--policy": policy != "hot", "--threads": threads > 1, "--within": within}
        _show_read(read, targets, output, {**asked, **terms, "--save": save, "--results": results})
        return
    for name in kernels:
        check_threads(known_kernel(name), threads)
    if kernels and with_all:
        raise UsageError(f"--all takes all kernels: leave out {' '.join(kernels)}")
    request = Request(kernels, policy, threads, quick, quiet)
    job = _Job(request, _sheets(others), is_evolving, compare, wait, _seconds(within))
    with options.opened(store, create=True) as facts:
        found = job.results(facts)
    _say(found, targets, output, is_comparing=compare)


@dataclass(frozen=True)
class Targets:
    """Files that were asked for."""

    save: Path | None
    pyperf: Path | None
    results: Path | None
    report: Path | None = None
    picture: Path | None = None

    def check(self) -> None:
        """What cannot be written must fail before half an hour of measuring, not after it."""
        if self.pyperf:
            from evolve.report.pyperf import check_available

            check_available()
        options.check_targets(self.save, self.pyperf, self.results, self.report, self.picture)

    def write(self, found: Results, output: Output) -> None:
        """Write them, and say where what was measured lies."""
        from evolve.report import bench, pyperf
        from evolve.report.parts import put

        if self.results:
            put(self.results, bench.markdown(found))
            output.note(f"\nresults  {self.results}")
        if self.report:
            from evolve.report import roofline

            output.note(f"\nreport   {roofline.write(found, self.report)}")
        if self.pyperf:
            pyperf.write(found.suites, self.pyperf)
            output.note(f"\npyperf   {self.pyperf}")
        output.note(f"\nsaved    {_saved(found.measured, self.save)}")
        if self.picture:
            from evolve.report import roofline_svg

            output.note(f"\npicture  {roofline_svg.write(found, self.picture)}")


def _saved(measured: Measured, target: Path | None) -> Path:
    if target is None:
        return measured.file
    try:
        shutil.copyfile(measured.file, target)
    except OSError as error:
        raise EvolveError(f"{target} cannot be written ({error.strerror})", f"it is kept as {measured.file}") from error
    return target


def _show_read(path: Path, targets: Targets, output: Output, others: dict[str, object]) -> None:
    """Show a file's figures, and draw them."""
    from evolve.bench import read_results

    if told := [name for name, value in others.items() if value]:
        raise UsageError(f"--read takes what was measured before: leave out {' '.join(told)}")
    _say(read_results(path), targets, output, is_comparing=False)


def _seconds(within: str | None) -> float:
    """Of a time as a user writes it."""
    from evolve.budget import Budget

    try:
        found = Budget.parse(within).seconds if within else 0.0
    except ValueError as error:
        raise UsageError(f"--within {within}: {error}") from error
    if found is None:
        raise UsageError(f"--within {within} is no time", "take 12h or 90m")
    return found


def _sheets(paths: tuple[Path, ...]) -> list[Sheet]:
    from evolve.sheet import read_sheet

    return [read_sheet(path) for path in paths]


def _say(found: Results, targets: Targets, output: Output, *, is_comparing: bool) -> None:
    from evolve.bench import began_at, earlier_medians
    from evolve.report import bench

    before = earlier_medians(found.machine.id, began_at(found.suites)) if is_comparing else {}
    output.result(bench.plain(found), bench.text(found, before))
    targets.write(found, output)
    output.next("evolve bench --compare" if found.runs else "evolve run matmul", "evolve compare FILE FILE")


@dataclass(frozen=True)
class _Job:
    """What is to be done with a store."""

    request: Request
    sheets: list[Sheet]
    is_evolving: bool
    is_comparing: bool
    wait: bool
    within_s: float

    def results(self, store: Store) -> Results:
        """Measure, and gather what belongs to it."""
        from evolve.bench import Results, earlier_speedups
        from evolve.standard import is_standard
        from evolve.tracker.summary import summary

        runs = self._standard_runs(store) if self.is_evolving else store.runs()
        machine, best, measured = self._measured(store, runs)
        own = [run for run in runs if (run.machine, run.threads) == (machine.id, self.request.threads)]
        listed = [run for run in runs if run in best or (run in own and is_standard(run))]
        repeats = earlier_speedups(machine.id, measured.suites) if self.is_comparing else None
        ceilings = store.best_ceilings(machine.id) or {}
        summaries = tuple(summary(store, run.id) for run in listed)
        return Results(machine, ceilings, measured, summaries, repeats, self.request.names)

    def _measured(self, store: Store, runs: list[Run]) -> tuple[Any, list[Run], Measured]:
        from evolve.bench import champion, champion_runs, guests, machine_facts
        from evolve.lock import MeasuringLock
        from evolve.machines import known_machine, this_machine
        from evolve.pieces import gathered
        from evolve.report.terminal import steps

        invited = guests(self.sheets, known_machine(store).id, self.request)
        with MeasuringLock("bench", wait=self.wait, on_wait=options.say_waiting):
            with steps(is_quiet=self.request.is_quiet) as say:
                here = this_machine(store, say)
                facts = machine_facts(here, store.best_ceilings(here.machine.id) or {}, self.request, say)
            best = champion_runs(store, runs, here.machine.id, self.request)
            champions = [*(champion(store, run) for run in best), *invited]
            return here.machine, best, gathered(champions, facts, here.machine.id, self.request, self.within_s)

    def _standard_runs(self, store: Store) -> list[Run]:
        from evolve.machines import known_machine
        from evolve.report.terminal import watching
        from evolve.standard import complete, known, wanted

        machine, standards = known_machine(store).id, wanted(self.request.names, self.request.threads)
        for standard in standards:
            known(store, standard, machine)  # a name that is taken must be told before the first of them runs
        runs = []
        for number, standard in enumerate(standards, 1):
            if not self.request.is_quiet:
                click.echo(f"standard run {number} of {len(standards)}: {standard.name}, {standard.budget}", err=True)
            with watching(is_quiet=self.request.is_quiet) as observer:
                terms = options.admission(wait=self.wait, is_quiet=self.request.is_quiet)
                runs.append(complete(store, standard, machine, observer, terms))
        return runs
