"""``evolve report``: one self-contained HTML file."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

import webbrowser
from pathlib import Path

import click

from evolve.cli import options
from evolve.cli.options import Output


@options.command("report", "evolve report matmul-3f9a -o matmul.html --open")
@options.run_argument
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to. [default: the cache folder]"
)
@click.option("--open", "opens", is_flag=True, help="Open it in the browser.")
@options.share_option
@options.store_option
@options.quiet_option
def command(*, run: str, output: Path | None, opens: bool, share: float | None, store: str | None, quiet: bool) -> None:
    """Write the report of RUN, one HTML file, and print its path.

    The file needs no network. RUN is an id, a name, or the beginning of one; by default the latest.
    """
    from evolve.cli.ending import write_report

    with options.opened(store) as facts:
        found = facts.run(run).id
        path = write_report(facts, found, output, share).absolute()
    click.echo(path)
    if opens:
        webbrowser.open(path.as_uri())
    Output(is_quiet=quiet, store=store).next(f"evolve show {found}", f"evolve export {found}")
