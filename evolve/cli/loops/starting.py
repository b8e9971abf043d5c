"""What all loops' commands share: their options, the laps themselves, and what is said at the end."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evolve.cli import options
from evolve.cli.options import Output
from evolve.cli.rates import known_rates

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from evolve.loops.protocol import LoopObserver
    from evolve.run import Admission
    from evolve.store import Loop, Store

    Make = Callable[[Store, LoopObserver, Admission], Loop]

report_option = click.option(
    "--report", type=click.Path(path_type=Path, dir_okay=False), help="Where to write the page. [default: cache]"
)
no_report_option = click.option("--no-report", is_flag=True, help="Write no page.")


def measuring(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of whatever measures laps."""
    for option in (
        options.quiet_option,
        options.json_option,
        options.store_option,
        options.wait_option,
        options.profile_options,
        options.anyway_option,
        no_report_option,
        report_option,
    ):
        command = option(command)
    return command


def starting(laps: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options of whatever starts a loop; ``laps`` is the default."""
    given = (
        click.option("--name", help="A word of yours for the loop."),
        click.option("--seed", type=click.IntRange(0), help="Of the loop. [default: a new one, which is kept]"),
        click.option("--laps", type=click.IntRange(1, 100), default=laps, show_default=True, help="How many."),
    )

    def decorated(command: Callable[..., Any]) -> Callable[..., Any]:
        command = measuring(command)
        for option in given:
            command = option(command)
        return command

    return decorated


def start(
    kind: str, settings: Mapping[str, Any], asked: tuple[int, int | None, str | None], given: Mapping[str, Any]
) -> None:
    """Start a loop, carry it to its last lap, and say what came of it.

    Args:
        kind: which loop.
        settings: its own; they are kept with it.
        asked: laps, seed and name.
        given: the options of ``measuring``, by name.
    """
    from evolve.loops import drive

    laps, seed, name = asked

    def started(facts: Store, observer: LoopObserver, terms: Admission) -> Loop:
        spec = drive.spec(facts, kind, settings, laps=laps, seed=seed, name=name)
        return drive.start(facts, spec, observer, terms)

    run(given, started, create=True)


def run(given: Mapping[str, Any], make: Make, *, create: bool) -> None:
    """Have a loop made and say what came of it.

    Args:
        given: the options of ``measuring``, by name.
        make: makes the laps.
        create: a store that is not there yet.
    """
    from evolve.report.lap_lines import telling

    quiet = given["quiet"]
    with options.opened(given["store"], create=create) as facts:
        terms = options.admission(wait=given["wait"], anyway=given["anyway"], is_quiet=quiet)
        with telling(facts, is_quiet=quiet) as observer:
            loop = make(facts, observer, terms)
        _show_end(facts, loop.id, Output(given["as_json"], quiet, given["store"]), given)


def _show_end(store: Store, loop_id: str, output: Output, given: Mapping[str, Any]) -> None:
    """Print the verdict first, for writing the page may fail."""
    from evolve.report.loop import brief
    from evolve.tracker.turns import turns

    told = turns(store, loop_id)
    rates = known_rates(told["machine"])
    output.result(told, brief(told, rates))
    if not given["no_report"]:
        output.note(f"\nreport  {page(store, loop_id, given['report'], rates)}")
    output.next(f"evolve loop show {loop_id}", "evolve verdict --controls")


def page(store: Store, loop_id: str, path: Path | None, rates: str) -> Path:
    """Write a loop's page where asked, else into the cache."""
    from evolve.report.loop_page import write

    target = path or options.report_path(loop_id)
    target.parent.mkdir(parents=True, exist_ok=True)
    return write(store, [loop_id], target, rates)
