"""``evolve loop engine``: the engine's own kernels, evolved and redeployed into the engine."""

from __future__ import annotations

from typing import Any

import click

from evolve.budget import Budget
from evolve.cli import options
from evolve.cli.loops.starting import start, starting
from evolve.errors import UsageError


@options.command("engine", "evolve loop engine --laps 4 --children 1000000")
@click.option("--budget", default="30s", show_default=True, help="Of a lap's search, parts together: 90s or 300evals.")
@click.option(
    "--children", type=click.IntRange(5_000), default=250_000, show_default=True, help="Bred and screened for one ask."
)
@click.option(
    "--mode",
    type=click.Choice(["screening", "usual"]),
    default="screening",
    show_default=True,
    help="Measure the engine by its own work, or (usual) by real runs, in which compiling and measuring dominate.",
)
@click.option(
    "--launches", type=click.IntRange(3), default=4, show_default=True, help="New processes that measure a champion."
)
@starting(4)
def command(*, laps: int, seed: int | None, name: str | None, **given: Any) -> None:
    """Evolve the kernels on which the search itself runs, redeploy them, and measure the search.

    Each lap's engine is measured against the frozen one of lap 0, on spaces that it was not evolved for, and evolves
    the next one. What Amdahl's law allows is said beforehand. A part that crashes, errs or is slower in its place is
    refused, and the old one goes on.
    """
    settings = {option: given.pop(option) for option in ("budget", "children", "mode", "launches")}
    _check(settings["budget"])
    start("engine", settings, (laps, seed, name), given)


def _check(budget: str) -> None:
    try:
        Budget.parse(budget)
    except ValueError as error:
        raise UsageError(str(error)) from error
