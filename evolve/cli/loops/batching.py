"""``evolve loop batching``: the control that compounds until it is capped by the machine's arithmetic."""

from __future__ import annotations

from typing import Any

import click

from evolve.cli import options
from evolve.cli.loops.starting import start, starting


@options.command("batching", "evolve loop batching --laps 16")
@click.option(
    "--degree",
    type=click.IntRange(1, 4096),
    default=32,
    show_default=True,
    help="Of the polynomial that is evaluated: the work for each element.",
)
@click.option("--dtype", type=click.Choice(["float64", "float32"]), default="float64", show_default=True)
@starting(16)
def command(*, laps: int, seed: int | None, name: str | None, degree: int, dtype: str, **given: Any) -> None:
    """Let the throughput that a lap reached pay for the next lap's larger batch.

    It compounds for as long as the overhead of a call dwarfs the work, then bends at what the machine can do.
    """
    start("batching", {"degree": degree, "dtype": dtype}, (laps, seed, name), given)
