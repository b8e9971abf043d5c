"""``evolve loop search``: the search tunes its own settings, lap after lap."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from evolve.cli import options
from evolve.cli.loops.recorded import recorded_options, split_of
from evolve.cli.loops.starting import start, starting


@options.command("search", "evolve loop search --laps 4")
@click.option(
    "--start",
    "first",
    type=click.Choice(["plain", "usual"]),
    default="plain",
    show_default=True,
    help="Settings of lap 0: a textbook genetic algorithm, or what we ship.",
)
@click.option("--budget", type=click.IntRange(10), default=100, show_default=True, help="Evaluations of each search.")
@click.option("--candidates", type=click.IntRange(4), default=40, show_default=True, help="Settings that a lap tries.")
@click.option("--seeds", type=click.IntRange(4), default=64, show_default=True, help="That judge a lap on each space.")
@recorded_options
@starting(4)
def command(  # noqa: PLR0913 - one parameter an option
    *,
    laps: int,
    seed: int | None,
    name: str | None,
    first: str,
    budget: int,
    candidates: int,
    seeds: int,
    spaces: tuple[Path, ...],
    held_out: tuple[Path, ...],
    **given: Any,
) -> None:
    """Let the search tune its own settings on recorded spaces, each lap with the settings of the lap before.

    It is judged on spaces that it never saw. No clock is involved.
    """
    terms = {"start": first, "budget": budget, "candidates": candidates, "seeds": seeds}
    start("search", {**terms, **split_of(spaces, held_out)}, (laps, seed, name), given)
