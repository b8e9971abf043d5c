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

    from evolve.store import Store
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
@options.results_option("these loops, which must be of one machine")
@click.option("--picture", type=options.FILE, metavar="FILE", help="Draw it as an SVG file, as for a README.")
@options.store_option
@options.json_option
@options.quiet_option
def command(  # noqa: PLR0913 - one parameter an option
    *,
    loops: tuple[str, ...],
    life: str,
    report: Path | None,
    no_report: bool,
    results: Path | None,
    picture: Path | None,
    store: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Show what loops gave for all that they cost, in one picture.

    Verified work per processor second of a whole life, the improving, proving and measuring of all laps included, and
    which laps moved the front of cost and gap, and which only walked along it. LOOP is an id, a name, or the beginning
    of one; by default the newest of each kind.
    """
    from evolve.report import growth_svg
    from evolve.report.growth import plain, text
    from evolve.report.parts import put
    from evolve.tracker.growth import grown, newest

    life_s, output = _life_s(life), Output(as_json, quiet, store)
    options.check_targets(results, picture)
    with options.opened(store) as facts:
        shown = [grown(facts, key) for key in dict.fromkeys(loops or newest(facts))]
        if not shown:
            raise UsageError("no loop has a lap yet", "start one: `evolve loop batching`")
        part = _part(facts, shown, life_s) if results else ""
    output.result(plain(shown, life_s), text(shown, life_s))
    if results:
        put(results, part)
        output.note(f"\nresults  {results}")
    if picture:
        output.note(f"\npicture  {growth_svg.write(shown, life_s, picture)}")
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


def _part(facts: Store, shown: list[Grown], life_s: float) -> str:
    """The part of the file of results."""
    from evolve.report.growth_results import markdown
    from evolve.tracker.turns import turns

    machines = {one.loop.machine for one in shown}
    if len(machines) > 1 or not all(one.stages for one in shown):
        what = "these loops ran on several machines" if len(machines) > 1 else "a loop without a lap has no results"
        raise UsageError(what, "name loops of one machine that have laps")
    told = [turns(facts, one.loop.id) for one in shown]
    machine = facts.machine(machines.pop())
    assert machine is not None
    return markdown(shown, told, machine, life_s)


def _page(shown: list[Grown], life_s: float, path: Path | None) -> Path:
    from evolve.report.growth_page import write

    target = path or options.report_path("growth")
    target.parent.mkdir(parents=True, exist_ok=True)
    return write(shown, life_s, target)
