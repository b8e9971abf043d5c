"""``evolve resume``: go on with a run."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

from pathlib import Path

import click

from evolve.cli import options
from evolve.cli.options import Output


@options.command("resume", "evolve resume matmul-3f9a")
@options.run_argument
@click.option(
    "--report", type=click.Path(path_type=Path, dir_okay=False), help="Where to write the report. [default: cache]"
)
@click.option("--no-report", is_flag=True, help="Write no report.")
@options.anyway_option
@options.profile_options
@options.wait_option
@options.store_option
@options.json_option
@options.quiet_option
def command(  # noqa: PLR0913 - one parameter an option
    *,
    run: str,
    report: Path | None,
    no_report: bool,
    anyway: bool,
    wait: bool,
    store: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Go on with RUN exactly where it stopped.

    RUN is an id, a name, or the beginning of one; by default the latest.
    """
    from evolve.cli.ending import show_end
    from evolve.report.terminal import watching
    from evolve.run import resume

    with options.opened(store) as facts:
        with watching(is_quiet=quiet) as observer:
            terms = options.admission(wait=wait, anyway=anyway, is_quiet=quiet)
            resumed = resume(facts, run, observer, terms)
        show_end(facts, resumed.id, Output(as_json, quiet, store), report, with_report=not no_report)
