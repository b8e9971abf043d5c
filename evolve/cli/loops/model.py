"""``evolve loop model``: a surrogate is taught by what was verified of its own proposals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from evolve.cli import options
from evolve.cli.loops.recorded import recorded_options, split_of
from evolve.cli.loops.starting import start, starting


@options.command("model", "evolve loop model --laps 4")
@click.option(
    "--candidates", type=click.IntRange(10), default=39, show_default=True, help="Schedules that a lap proposes."
)
@click.option("--seeds", type=click.IntRange(2), default=16, show_default=True, help="On each space.")
@recorded_options
@starting(4)
def command(  # noqa: PLR0913 - one parameter an option
    *,
    laps: int,
    seed: int | None,
    name: str | None,
    candidates: int,
    seeds: int,
    spaces: tuple[Path, ...],
    held_out: tuple[Path, ...],
    **given: Any,
) -> None:
    """Let a surrogate propose, learn from what was verified, and propose again, on recorded spaces.

    Does what was right once in ten times become right nine times in ten? No clock is involved.
    """
    terms = {"candidates": candidates, "seeds": seeds}
    start("model", {**terms, **split_of(spaces, held_out)}, (laps, seed, name), given)
