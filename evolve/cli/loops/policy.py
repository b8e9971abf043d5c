"""``evolve loop policy``: the rules by which races end, evolved at equal decision error."""

from __future__ import annotations

from typing import Any

import click

from evolve.cli import options
from evolve.cli.loops.starting import start, starting


@options.command("policy", "evolve loop policy --laps 4")
@click.option(
    "--policies", type=click.IntRange(16), default=128, show_default=True, help="Tried in a lap, on recorded races."
)
@click.option(
    "--races", type=click.IntRange(8), default=24, show_default=True, help="Recorded of each problem in a lap."
)
@starting(4)
def command(*, laps: int, seed: int | None, name: str | None, policies: int, races: int, **given: Any) -> None:
    """Evolve the rules by which a race of candidates ends, at equal decision error.

    What a policy saves is measured as evaluations a second of kernels that it was not evolved on, beside the hand-set
    policy; one that finds winners among equals, or misses gains, more often than that is refused.
    """
    start("policy", {"policies": policies, "races": races}, (laps, seed, name), given)
