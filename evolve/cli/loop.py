"""``evolve loop``: closed loops, lap after lap, and what came of them."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich_click import RichGroup

from evolve.cli import options
from evolve.cli.options import Output

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from evolve.store import Loop, Store

_HEADER = ("LOOP", "NAME", "STATUS", "LAPS", "OVER LAP 0", "VERDICT", "STARTED (UTC)")

loop_argument = click.argument("loop", default="latest")
report_option = click.option(
    "--report", type=click.Path(path_type=Path, dir_okay=False), help="Where to write the page. [default: cache]"
)
no_report_option = click.option("--no-report", is_flag=True, help="Write no page.")


def _terms(command: Callable[..., Any]) -> Callable[..., Any]:
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


def _asked(laps: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options of whatever starts a loop; ``laps`` is the default."""
    given = (
        click.option("--name", help="A word of yours for the loop."),
        click.option("--seed", type=click.IntRange(0), help="Of the loop. [default: a new one, which is kept]"),
        click.option("--laps", type=click.IntRange(1, 100), default=laps, show_default=True, help="How many."),
    )

    def decorated(command: Callable[..., Any]) -> Callable[..., Any]:
        command = _terms(command)
        for option in given:
            command = option(command)
        return command

    return decorated


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


@options.command("kernels", "evolve loop kernels matmul --laps 4 --budget 60s")
@click.argument("kernel", default="matmul")
@options.search_options("60s")
@click.option(
    "--launches", type=click.IntRange(3), default=6, show_default=True, help="New processes that measure a champion."
)
@_asked(4)
def kernels(*, kernel: str, laps: int, seed: int | None, name: str | None, **given: Any) -> None:
    """Evolve KERNEL again and again from the champion of the lap before.

    Each champion is measured afresh against that of lap 0: what do further laps give beyond noise?
    """
    from evolve.cli import asked
    from evolve.report.quantities import extents

    names = ("size", "dtype", "policy", "budget", "strategy", "control_share")
    wishes = {name: given.pop(name) for name in names} | {"seed": seed, "threads": 1, "name": None}
    request = asked.request(kernel, wishes)
    settings = {
        "kernel": request.kernel,
        "size": extents(request.size),
        "dtype": request.dtype,
        "policy": request.policy,
        "budget": request.budget.text,
        "strategy": request.strategy,
        "control_share": request.control_share,
        "launches": given.pop("launches"),
    }
    _start("kernels", settings, (laps, seed, name), given)


@options.command("batching", "evolve loop batching --laps 16")
@click.option(
    "--degree",
    type=click.IntRange(1, 4096),
    default=32,
    show_default=True,
    help="Of the polynomial that is evaluated: the work for each element.",
)
@click.option("--dtype", type=click.Choice(["float64", "float32"]), default="float64", show_default=True)
@_asked(16)
def batching(*, laps: int, seed: int | None, name: str | None, degree: int, dtype: str, **given: Any) -> None:
    """Let the throughput that a lap reached pay for the next lap's larger batch.

    It compounds for as long as the overhead of a call dwarfs the work, then bends at what the machine can do.
    """
    _start("batching", {"degree": degree, "dtype": dtype}, (laps, seed, name), given)


@options.command("replicators", "evolve loop replicators --laps 9")
@click.option(
    "--workers-per-core",
    type=click.IntRange(1, 256),
    default=32,
    show_default=True,
    help="So many keep a core busy, as each works for a share of the time only.",
)
@_asked(9)
def replicators(*, laps: int, seed: int | None, name: str | None, workers_per_core: int, **given: Any) -> None:
    """Let workers buy more workers with the work that they finish.

    Throughput grows until the cores run out; with one worker that fills the only core it is capped at once.
    """
    _start("replicators", {"workers_per_core": workers_per_core}, (laps, seed, name), given)


@options.command("resume", "evolve loop resume batching-3f9a")
@loop_argument
@click.option("--laps", type=click.IntRange(1, 100), help="Go on up to this lap. [default: as first asked]")
@_terms
def resume(*, loop: str, laps: int | None, **given: Any) -> None:
    """Go on with LOOP behind the last lap that is kept.

    LOOP is an id, a name, or the beginning of one; by default the latest.
    """
    from evolve.loops import drive

    _run(given, lambda facts, observer, terms: drive.resume(facts, loop, observer, terms, laps), create=False)


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
        output.result({**told, "error_rates": _kept_rates(told["machine"])}, full(told, rates))
        if report:
            output.note(f"\nreport  {_page(facts, told['loop'], report, rates)}")
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


for subcommand in (kernels, batching, replicators, resume, show, list_):
    command.add_command(subcommand)


# ---- making laps


def _start(
    kind: str, settings: Mapping[str, Any], asked: tuple[int, int | None, str | None], given: dict[str, Any]
) -> None:
    """Start a loop with its own settings, and ``asked`` as laps, seed and name."""
    from evolve.loops import drive

    laps, seed, name = asked

    def started(facts: Store, observer: Any, terms: Any) -> Loop:
        spec = drive.spec(facts, kind, settings, laps=laps, seed=seed, name=name)
        return drive.start(facts, spec, observer, terms)

    _run(given, started, create=True)


def _run(given: dict[str, Any], make: Callable[[Store, Any, Any], Loop], *, create: bool) -> None:
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
        output.note(f"\nreport  {_page(store, loop_id, given['report'], rates)}")
    output.next(f"evolve loop show {loop_id}", "evolve verdict --controls")


def known_rates(machine: str) -> str:
    """How often verdicts are wrong on this machine, in words; "" where that was not measured."""
    from evolve.controls.kept import last_rates

    rates = last_rates(machine)
    return rates.sentence() if rates else ""


def _kept_rates(machine: str) -> dict[str, Any] | None:
    from evolve.controls.kept import last_rates

    rates = last_rates(machine)
    return rates.as_dict() if rates else None


def _page(store: Store, loop_id: str, path: Path | None, rates: str) -> Path:
    from evolve.report.loop_page import write

    target = path or options.report_path(loop_id)
    target.parent.mkdir(parents=True, exist_ok=True)
    return write(store, [loop_id], target, rates)


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
