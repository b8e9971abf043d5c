"""``evolve loop``: closed loops, lap after lap, and what came of them."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich_click import RichGroup

from evolve.cli import options
from evolve.cli.loops import COMMANDS
from evolve.cli.loops.starting import measuring, page, report_option, run
from evolve.cli.options import Output
from evolve.cli.rates import kept_rates, known_rates

if TYPE_CHECKING:
    from evolve.store import Loop, Store

_HEADER = ("LOOP", "NAME", "STATUS", "LAPS", "OVER LAP 0", "VERDICT", "STARTED (UTC)")

loop_argument = click.argument("loop", default="latest")


@click.group(
    "loop",
    cls=RichGroup,
    no_args_is_help=True,
    epilog=f"Example: evolve loop batching --laps 16\n\n{options.EXIT_CODES}",
)
def command() -> None:
    """Close the loop: each lap is made with what the last one gave.

    What a lap will give is said before it begins, and scored after it.
    """


@options.command("resume", "evolve loop resume batching-3f9a")
@loop_argument
@click.option("--laps", type=click.IntRange(1, 100), help="Go on up to this lap. [default: as first asked]")
@measuring
def resume(*, loop: str, laps: int | None, **given: Any) -> None:
    """Go on with LOOP behind the last lap that is kept.

    LOOP is an id, a name, or the beginning of one; by default the latest.
    """
    from evolve.loops import drive

    run(given, lambda facts, observer, terms: drive.resume(facts, loop, observer, terms, laps), create=False)


@options.command("show", "evolve loop show batching-3f9a --json")
@loop_argument
@report_option
@options.store_option
@options.json_option
@options.quiet_option
def show(*, loop: str, report: Path | None, store: str | None, as_json: bool, quiet: bool) -> None:
    """Show all that came of LOOP, lap by lap, and the verdict.

    LOOP is an id, a name, or the beginning of one; by default the latest.
    """
    from evolve.report.loop import full
    from evolve.tracker.turns import turns

    output = Output(as_json, quiet, store)
    with options.opened(store) as facts:
        told = turns(facts, facts.loop(loop).id)
        rates = known_rates(told["machine"])
        output.result({**told, "error_rates": kept_rates(told["machine"])}, full(told, rates))
        if report:
            output.note(f"\nreport  {page(facts, told['loop'], report, rates)}")
    is_open = told["status"] in ("killed", "interrupted", "failed")
    output.next(f"evolve {'loop resume' if is_open else 'verdict'} {told['loop']}")


@options.command("list", "evolve loop list")
@options.store_option
@options.json_option
@options.quiet_option
def list_(*, store: str | None, as_json: bool, quiet: bool) -> None:
    """List all loops with their verdicts; the newest comes last."""
    output = Output(as_json, quiet, store)
    with options.opened(store) as facts:
        listed = [_entry(facts, loop) for loop in facts.loops()]
    output.result({"schema": 1, "loops": listed}, _table(listed))
    output.next(f"evolve loop show {listed[-1]['loop']}" if listed else "evolve loop batching")


for module in COMMANDS:
    command.add_command(import_module(f"evolve.cli.loops.{module}").command)
for subcommand in (resume, show, list_):
    command.add_command(subcommand)


# ---- listing


def _entry(store: Store, loop: Loop) -> dict[str, Any]:
    from evolve.tracker.laps import series
    from evolve.tracker.rule import word
    from evolve.tracker.status import status
    from evolve.tracker.turns import antilog

    laps = store.laps(loop.id)
    found = [factor for lap in laps if (factor := antilog(lap.gain)) is not None]
    return {
        "loop": loop.id,
        "name": loop.name,
        "kind": loop.kind,
        "status": status(store.loop_events(loop.id)),
        "laps_asked": loop.laps,
        "laps": max(0, len(laps) - 1),
        "factor": found[-1].as_dict() if found else None,
        "verdict": word(series(laps)),
        "created_at": loop.created_at,
    }


def _table(listed: list[dict[str, Any]]) -> str:
    from evolve.report.text import table

    if not listed:
        return "no loops yet"
    is_named = any(entry["name"] for entry in listed)
    shown = [k for k, title in enumerate(_HEADER) if title != "NAME" or is_named]
    rows = [_row(entry) for entry in listed]
    return table([_HEADER[k] for k in shown], [[row[k] for k in shown] for row in rows])


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    from evolve.report.quantities import speedup

    return (
        entry["loop"],
        entry["name"] or "",
        entry["status"],
        f"{entry['laps']} of {entry['laps_asked']}",
        speedup(entry["factor"]) if entry["factor"] else "-",
        entry["verdict"],
        entry["created_at"][5:16].replace("T", " "),
    )
