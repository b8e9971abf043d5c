"""``evolve verdict``: what a loop or a run shows, and how often such a verdict is wrong."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evolve.cli import options
from evolve.cli.options import Output
from evolve.errors import CheckFailedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evolve.controls.kept import Check, Rates
    from evolve.store import Store

LEAST_WORLDS, MOST_WORLDS = 10, 100_000


@options.command("verdict", "evolve verdict batching-3f9a")
@click.argument("loop", required=False)
@click.option("--controls", is_flag=True, help="Measure how often verdicts are wrong here (under ten minutes).")
@click.option(
    "--worlds",
    type=click.IntRange(LEAST_WORLDS, MOST_WORLDS),
    default=500,
    show_default=True,
    help="With --controls: planted worlds of each kind.",
)
@click.option(
    "--loops",
    type=click.IntRange(0, 100),
    default=0,
    show_default=True,
    help="With --controls: run each real control so many times too.",
)
@click.option(
    "--recorded",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="With --controls: try the stop rule on the recorded spaces of this folder too.",
)
@click.option("--results", type=options.FILE, help="With --controls: keep the figures in this file.")
@options.profile_options
@options.wait_option
@options.store_option
@options.json_option
@options.quiet_option
def command(*, loop: str | None, controls: bool, store: str | None, as_json: bool, quiet: bool, **given: Any) -> None:
    """Say what LOOP shows: CAPPED, COMPOUNDING or UNDECIDED, and why.

    LOOP is the id or name of a loop or of a run, or the beginning of one; by default the latest loop.
    """
    output = Output(as_json, quiet, store)
    if controls:
        _check(loop, given["results"])
        _measure(output, given)
        return
    if given["results"] or given["loops"] or given["recorded"]:
        raise UsageError("--results, --loops and --recorded belong to the error rates", "add --controls")
    with options.opened(store) as facts:
        _tell(facts, loop or "latest", output)


# ---- the verdict on a loop, or a run


def _tell(store: Store, key: str, output: Output) -> None:
    try:
        found = store.loop(key).id
    except UsageError:
        _tell_of_run(store, key, output)
        return
    from evolve.cli.rates import known_rates
    from evolve.report.loop import brief
    from evolve.tracker.turns import turns

    told = turns(store, found)
    output.result(told, brief(told, known_rates(told["machine"])))
    output.next(f"evolve loop show {found}", "evolve verdict --controls")


def _tell_of_run(store: Store, key: str, output: Output) -> None:
    """One run has no laps, and its verdict no error rates: it says what was found of how much there can be.

    Raises:
        UsageError: there is no such run either.
    """
    from evolve.report.text import facts
    from evolve.tracker.summary import summary

    told = summary(store, _run_of(store, key))
    verdict = told["verdict"]
    reasons = [("", reason) for reason in verdict["reasons"]]
    output.result(told, facts([("run", told["run"]), ("verdict", verdict["verdict"]), *reasons]))
    output.next(f"evolve show {told['run']}", "evolve loop kernels")


def _run_of(store: Store, key: str) -> str:
    try:
        return store.run(key).id
    except UsageError as error:
        what = "there is no loop and no run yet" if key == "latest" else f"no one loop or run is {key!r}"
        raise UsageError(
            what, "see `evolve loop list` and `evolve runs`, or start one: `evolve loop batching`"
        ) from error


# ---- the error rates


def _check(loop: str | None, results: Path | None) -> None:
    """What cannot be written must fail before ten minutes of work, not after it."""
    if loop is not None:
        raise UsageError("--controls is about all verdicts of this machine, not about one loop", "leave LOOP out")
    options.check_targets(results)


def _measure(output: Output, given: dict[str, Any]) -> None:
    from evolve.controls.kept import keep
    from evolve.report import controls
    from evolve.report.parts import put
    from evolve.report.terminal import steps

    with steps(is_quiet=output.is_quiet) as say:
        rates = _rates(given, say)
    keep(rates)
    output.result(rates.as_dict(), controls.text(rates))
    if given["results"]:
        put(given["results"], controls.markdown(rates))
        output.note(f"\nresults  {given['results']}")
    if rates.broken:
        raise CheckFailedError(f"{', '.join(rates.broken)} missed the bar", "the tables above say by how much")
    output.next("evolve loop batching", "evolve verdict")


def _rates(given: dict[str, Any], say: Callable[[str], None]) -> Rates:
    """Record the noise while nothing else measures, then plant worlds, which needs no quiet."""
    from dataclasses import replace

    from benchmarks.machine import fingerprint
    from evolve.controls import noise, rates
    from evolve.lock import MeasuringLock

    with MeasuringLock("verdict --controls", wait=given["wait"], on_wait=options.say_waiting):
        recorded = noise.record(fingerprint().machine_id, say)
        checks = [*_of_loops(given["loops"], say)]
    found = rates.measure(recorded, given["worlds"], say)
    return replace(found, checks=[*found.checks, *_of_recorded(given["recorded"], say), *checks])


def _of_loops(times: int, say: Callable[[str], None]) -> Iterator[Check]:
    if times:
        from evolve.controls.checks import turned_rightly

        yield from turned_rightly(times, say)


def _of_recorded(folder: Path | None, say: Callable[[str], None]) -> Iterator[Check]:
    if folder is not None:
        from evolve.controls.checks import stopped_rightly

        yield stopped_rightly(folder, say)
