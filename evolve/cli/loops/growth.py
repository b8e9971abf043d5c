"""``evolve loop growth``: what loops gave for all that they cost, in one picture."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evolve.cli import options
from evolve.cli.loops.starting import no_report_option, report_option
from evolve.cli.options import Output
from evolve.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from evolve.tracker.growth import Grown


@options.command("growth", "evolve loop growth engine-3f9a batching-77c1 --life 30h")
@click.argument("loops", nargs=-1, metavar="[LOOP...]")
@click.option(
    "--life",
    default="24h",
    show_default=True,
    help="Processor time of a life, laps and use together, as in 90m or 24h.",
)
@report_option
@no_report_option
@options.store_option
@options.json_option
@options.quiet_option
def command(  # noqa: PLR0913 - one parameter an option
    *,
    loops: tuple[str, ...],
    life: str,
    report: Path | None,
    no_report: bool,
    store: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Show what loops gave for all that they cost, in one picture.

    Verified work per processor second of a whole life, the improving, proving and measuring of all laps included, and
    which laps moved the front of cost and gap, and which only walked along it. LOOP is an id, a name, or the beginning
    of one; by default the newest of each kind.
    """
    from evolve.report.growth import plain, text
    from evolve.tracker.growth import grown, newest

    life_s, output = _life_s(life), Output(as_json, quiet, store)
    with options.opened(store) as facts:
        shown = [grown(facts, key) for key in dict.fromkeys(loops or newest(facts))]
    if not shown:
        raise UsageError("no loop has a lap yet", "start one: `evolve loop batching`")
    output.result(plain(shown, life_s), text(shown, life_s))
    if not no_report:
        output.note(f"\nreport  {_page(shown, life_s, report)}")
    output.next(f"evolve loop show {shown[-1].loop.id}", "evolve loop list")


def _life_s(life: str) -> float:
    from evolve.budget import Budget

    try:
        found = Budget.parse(life).seconds
    except ValueError:
        found = None
    if found is None:
        raise UsageError(f"--life {life} is no length of time", "write 90m, 24h or 1h30m")
    return found


def _page(shown: list[Grown], life_s: float, path: Path | None) -> Path:
    from evolve.report.growth_page import write

    target = path or options.report_path("growth")
    target.parent.mkdir(parents=True, exist_ok=True)
    return write(shown, life_s, target)
