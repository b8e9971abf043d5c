"""``evolve wisdom``: the champions that programs on this machine get, and their way to other machines."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich_click import RichGroup

from evolve.cli import options
from evolve.cli.options import Output

if TYPE_CHECKING:
    from evolve.store import Champion

_HEADER = ("KERNEL", "SIZE", "DTYPE", "THREADS", "OVER PLAIN", "OF BOUND", "MEASURED (UTC)", "")


@click.group(
    "wisdom",
    cls=RichGroup,
    no_args_is_help=True,
    epilog=f"Example: evolve wisdom export wisdom.json\n\n{options.EXIT_CODES}",
)
def command() -> None:
    """Look at the champions that `evolve.best` hands to programs, and take them to other machines.

    In Python: `import evolve; matmul = evolve.best("matmul", size=1024)`.
    """


@options.command("list", "evolve wisdom list")
@options.store_option
@options.json_option
@options.quiet_option
def list_(*, store: str | None, as_json: bool, quiet: bool) -> None:
    """List this machine's champions, and the candidates that were imported."""
    from evolve.wisdom import exported

    output = Output(as_json, quiet, store)
    with options.opened(store) as facts:
        own, candidates = exported(facts)["champions"], [*map(_plain, facts.candidates())]
    told = [*own, *candidates]
    rows = [_row(one, "" if one in own else "imported, a candidate") for one in told]
    output.result({"schema": 1, "champions": own, "candidates": candidates}, _table(rows))
    output.next("evolve wisdom export FILE" if own else "evolve run matmul")


@options.command("export", "evolve wisdom export wisdom.json")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@options.store_option
@options.quiet_option
def export(*, file: Path, store: str | None, quiet: bool) -> None:
    """Write the best champion of each problem into FILE; - is stdout."""
    from evolve.wisdom import exported

    with options.opened(store) as facts:
        told = exported(facts)
    text = json.dumps(told, indent=2)
    if str(file) == "-":
        click.echo(text)
    else:
        file.write_text(f"{text}\n", encoding="utf-8")
    output = Output(is_quiet=quiet, store=store)
    output.note(f"{_counted(len(told['champions']), 'champion')}")
    output.next(f"evolve wisdom import {file}, on another machine")


@options.command("import", "evolve wisdom import wisdom.json")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@options.store_option
@options.quiet_option
def import_(*, file: Path, store: str | None, quiet: bool) -> None:
    """Keep the champions in FILE as candidates: a run here begins at the nearest one, and measures it."""
    from evolve.wisdom import imported

    with options.opened(store, create=True) as facts:
        new = imported(facts, _read(file))
    output = Output(is_quiet=quiet, store=store)
    output.note(f"{_counted(len(new), 'new candidate')}")
    output.next(f"evolve run {new[0].kernel}" if new else "evolve wisdom list")


def _read(file: Path) -> Any:
    from evolve.errors import UsageError

    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise UsageError(f"{file} is no wisdom ({error})", "`evolve wisdom export` writes it") from error


def _plain(champion: Champion) -> dict[str, Any]:
    from dataclasses import asdict

    from evolve.store.rows import plain

    told: dict[str, Any] = plain(asdict(champion))
    return told


def _table(rows: list[tuple[str, ...]]) -> str:
    from evolve.report.text import table

    return table(_HEADER, rows) if rows else "no champions yet"


def _row(one: dict[str, Any], standing: str) -> tuple[str, ...]:
    from evolve.report.quantities import extents, percent, speedup

    return (
        one["kernel"],
        extents(one["size"]),
        one["dtype"],
        str(one["threads"]),
        speedup(one["speedup"]),
        percent(one["bound_fraction"]),
        one["measured_at"][:16].replace("T", " "),
        standing,
    )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


for _command in (list_, export, import_):
    command.add_command(_command)
