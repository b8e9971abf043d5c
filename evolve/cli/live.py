"""``python -m benchmarks.suites.search``: real runs on this machine, and what they say of the search."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import click

from evolve.cli import options, suites
from evolve.cli.options import Output
from evolve.errors import Interrupted
from evolve.live import PARTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from evolve.live.figures import Figures
    from evolve.live.lineup import Lineup
    from evolve.live.make import Making
    from evolve.store import Store

PROGRAM = "python -m benchmarks.suites.search"


@options.command("search", f"{PROGRAM} --only speed --seeds 5 --results benchmarks/RESULTS.md")
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="This part; may be given again. [default: all]")
@click.option("--seeds", type=click.IntRange(1), help="Runs of each. [default: 3, of speed 5]")
@click.option("--budget", help="Of each run: 5m or 300evals. [default: 10m, speed 5m, warm 3m]")
@click.option("--name", default="live", show_default=True, help="Begins the runs' names: another makes all anew.")
@click.option("--quick", is_flag=True, help="Small problems: to see that it works, not to be quoted.")
@click.option("--read", "is_reading", is_flag=True, help="Make no runs, only read those that are there.")
@options.results_option("the search, live")
@options.anyway_option
@options.wait_option
@options.store_option
@options.json_option
@options.quiet_option
def command(  # noqa: PLR0913 - one parameter an option
    *,
    only: tuple[str, ...],
    seeds: int | None,
    budget: str | None,
    name: str,
    quick: bool,
    is_reading: bool,
    results: Path | None,
    anyway: bool,
    wait: bool,
    store: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run the search on this machine and say how good it is, live.

    Three parts: evaluations a second and where the time goes (throughput), time until near the best against random
    draws (speed), and what a start at the champion of another size, dtype or instruction set is worth (warm). All of it
    takes three and a half hours. Every run has a name of its own in the store: an interrupted command goes on
    where it stopped, and what is finished is only read.
    """
    from evolve.live.figures import figures_of
    from evolve.live.lineup import Terms, lineups
    from evolve.report import live

    options.check_targets(results)
    _check(budget)
    output = Output(as_json, quiet, store)
    wanted = lineups(only or PARTS, Terms(name, budget, seeds, quick))
    with options.opened(store, create=not is_reading) as facts:
        if not is_reading:
            _make(facts, wanted, _making(output, wait=wait, anyway=anyway))
        found = figures_of(facts, wanted, is_quick=quick)
        parts = {one.part: figures_of(facts, [one], is_quick=quick) for one in wanted if results}
    output.result(found.as_dict(), live.text(found))
    if results:
        _write(parts, results, output)


def _check(budget: str | None) -> None:
    from evolve.budget import Budget

    try:
        Budget.parse(budget or "1m")
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _making(output: Output, *, wait: bool, anyway: bool) -> Making:
    from evolve.live.make import Making
    from evolve.report.terminal import watching

    def say(line: str) -> None:
        # progress is no part of the result: who asked for JSON sees it too
        if not output.is_quiet:
            click.echo(line, err=True)

    given = {"--wait": wait, "--anyway": anyway, "--quiet": output.is_quiet}
    return Making(
        watch=functools.partial(watching, is_quiet=output.is_quiet),
        admission=options.admission(wait=wait, anyway=anyway, is_quiet=output.is_quiet),
        say=say,
        options=tuple(option for option, is_given in given.items() if is_given),
    )


def _make(store: Store, wanted: Sequence[Lineup], making: Making) -> None:
    from evolve.live.make import complete_all

    try:
        complete_all(store, [one for lineup in wanted for one in lineup.runs], making)
    except (Interrupted, KeyboardInterrupt):
        making.say("the same command goes on with the run under way, and those that are missing")
        raise


def _write(parts: Mapping[str, Figures], results: Path, output: Output) -> None:
    from evolve.report import live
    from evolve.report.parts import put

    for part, found in parts.items():
        if not found.left_out:
            put(results, live.markdown(found, part, _made()))
    output.note(f"results  {results}")


def _made() -> dict[str, str]:
    from evolve.run import versions

    made = suites.made()
    packages = (f"{name} {version}" for name, version in versions().items())
    return {**made, "versions": ", ".join([made["versions"], *packages])}


def main() -> None:
    """The command as a program of its own."""
    suites.run(command, PROGRAM)


if __name__ == "__main__":
    main()
