"""``evolve loop tricks``: what the other loops found, on and off, as a full factorial."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from evolve.cli import options
from evolve.cli.loops.starting import start, starting
from evolve.errors import UsageError

_LEVELS = 4


@options.command("tricks", "evolve loop tricks --held-out conv2d.json.gz --seeds 40")
@click.option(
    "--held-out",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A space of `evolve record` that nothing was tuned on; again for more. [default: those that are shipped]",
)
@click.option(
    "--seeds",
    type=click.IntRange(2),
    default=16,
    show_default=True,
    help="Searches of each way on each space, in a lap.",
)
@click.option(
    "--children", type=click.IntRange(50), help="Bred for an ask, whatever level is on. [default: the level's]"
)
@starting(_LEVELS)
def command(
    *,
    laps: int,
    seed: int | None,
    name: str | None,
    held_out: tuple[Path, ...],
    seeds: int,
    children: int | None,
    **given: Any,
) -> None:
    """Switch on, one a lap, what the loops engine, policy, search and model found, and see how it stacks.

    The work is a search of a space that nothing was tuned on, until it is within 5 % of the optimum, in processor
    seconds: building, proving, racing and searching. Where a loop is not finished in the store a stand-in takes its
    place, and the lap says so.
    """
    from evolve.loops.spaces import joined
    from evolve.loops.tricks.loop import grounds

    if laps > _LEVELS:
        raise UsageError(f"there are {_LEVELS} levels to switch on, a lap each", f"take --laps {_LEVELS}")
    settings = {"held_out": joined(held_out), "seeds": seeds, "children": children}
    asked = {key: value for key, value in settings.items() if value}
    # a file that is none must fail before there is a loop, not in it
    grounds(asked)
    start("tricks", asked, (laps, seed, name), given)
