"""``evolve loop replicators``: the control that compounds until it is capped by the machine's cores."""

from __future__ import annotations

from typing import Any

import click

from evolve.cli import options
from evolve.cli.loops.starting import start, starting


@options.command("replicators", "evolve loop replicators --laps 9")
@click.option(
    "--workers-per-core",
    type=click.IntRange(1, 256),
    default=32,
    show_default=True,
    help="So many keep a core busy, as each works for a share of the time only.",
)
@starting(9)
def command(*, laps: int, seed: int | None, name: str | None, workers_per_core: int, **given: Any) -> None:
    """Let workers buy more workers with the work that they finish.

    Throughput grows until the cores run out; with one worker that fills the only core it is capped at once.
    """
    start("replicators", {"workers_per_core": workers_per_core}, (laps, seed, name), given)
