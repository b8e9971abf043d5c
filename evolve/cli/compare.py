"""``evolve compare``: machines side by side."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evolve.cli import options
from evolve.cli.options import Output
from evolve.errors import EvolveError, UsageError

if TYPE_CHECKING:
    from evolve.compare import Comparison
    from evolve.sheet import Sheet


@options.command("compare", "evolve compare here.json there.json --open")
@click.argument("given", nargs=-1, required=True, metavar="A B...")
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Where to. [default: the cache folder]")
@click.option("--open", "opens", is_flag=True, help="Open it in the browser.")
@options.store_option
@options.json_option
@options.quiet_option
def command(
    *, given: tuple[str, ...], report: Path | None, opens: bool, store: str | None, as_json: bool, quiet: bool
) -> None:
    """Lay what several machines found side by side.

    A, B and more are files that `evolve bench --save` wrote, or runs of the store. Each machine is held against its own
    ceilings and its own plain loop. Champions travel as schedules, never as seconds: `evolve bench --with FILE`
    measures those of another machine's file.
    """
    from evolve.compare import compare
    from evolve.report.compare import plain, text

    output = Output(as_json, quiet, store)
    comparison = compare([sheet for one in given for sheet in _sheets(one, store)])
    path = _written(comparison, report)
    output.result({**plain(comparison), "report": str(path)}, text(comparison))
    output.note(f"\nreport  {path}")
    if opens:
        webbrowser.open(path.as_uri())


def _sheets(given: str, store: str | None) -> list[Sheet]:
    """Of a file, where there is one or the word can mean nothing else; else of a run."""
    from evolve.sheet import read_sheet, sheet_of_run

    path = Path(given)
    if path.exists() or path.suffix or len(path.parts) > 1:
        return [read_sheet(path)]
    try:
        with options.opened(store) as facts:
            return [sheet_of_run(facts, facts.run(given))]
    except UsageError:
        raise
    except EvolveError as error:
        raise UsageError(f"{given} is no file, and no run ({error.message})", "name files of `evolve bench`") from error


def _written(comparison: Comparison, path: Path | None) -> Path:
    from evolve.paths import cache_folder
    from evolve.report.compare_page import write

    if path is None:
        folder = cache_folder() / "reports"
        folder.mkdir(exist_ok=True)
        path = folder / f"compare-{'-'.join(profile.machine[:6] for profile in comparison.profiles)}.html"
    return write(comparison, path).absolute()
