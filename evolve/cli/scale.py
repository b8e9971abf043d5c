"""``python -m benchmarks.suites.scale``: what the search takes at its largest."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evolve.cli import options, suites
from evolve.cli.options import Output

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = "python -m benchmarks.suites.scale"


@options.command("scale", f"{PROGRAM} --results benchmarks/RESULTS.md")
@click.option("--children", type=click.IntRange(100), default=100_000, show_default=True, help="Screened by an ask.")
@click.option("--evaluations", type=click.IntRange(100), default=100_000, show_default=True, help="Of the long run.")
@options.results_option("scale")
@options.json_option
@options.quiet_option
def command(*, children: int, evaluations: int, results: Path | None, as_json: bool, quiet: bool) -> None:
    """Measure what the search takes at its largest.

    How long an ask takes that screens very many children, how much memory a very long run, and how much of the disk the
    store for an evaluation. No kernel is built or timed; leave it a quiet machine all the same.
    """
    from evolve.report import scale as report
    from evolve.report.parts import put
    from evolve.report.terminal import steps
    from evolve.scale import measured

    options.check_targets(results)
    output = Output(as_json, quiet)
    with steps(is_quiet=quiet) as say:
        found = measured(children, evaluations, say)
    output.result(found.as_dict(), report.text(found))
    if results:
        put(results, report.markdown(found, suites.made()))
        output.note(f"results  {results}")


def main() -> None:
    """The command as a program of its own."""
    suites.run(command, PROGRAM)


if __name__ == "__main__":
    main()
