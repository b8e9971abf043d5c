"""``evolve export``: hand a champion over."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

from pathlib import Path

import click

from evolve.cli import options
from evolve.cli.options import Output


@options.command("export", "evolve export matmul-3f9a -o fast_matmul.py")
@options.run_argument
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to. [default: stdout]")
@options.store_option
@options.quiet_option
def command(*, run: str, output: Path | None, store: str | None, quiet: bool) -> None:
    """Write the champion of RUN as one Python file.

    The file needs numba and numpy alone, and checks itself when run. RUN is an id, a name, or the beginning of one;
    by default the latest.
    """
    from evolve.report.export import standalone

    with options.opened(store) as facts:
        text = standalone(facts, facts.run(run).id)
    if output is None:
        click.echo(text, nl=not text.endswith("\n"))
    else:
        output.write_text(text, encoding="utf-8")
    Output(is_quiet=quiet).next(f"python {output or 'FILE'}, which checks the kernel against its reference")
