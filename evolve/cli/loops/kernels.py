"""``evolve loop kernels``: the open loop, from champion to champion."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

from typing import Any

import click

from evolve.cli import options
from evolve.cli.loops.starting import start, starting


@options.command("kernels", "evolve loop kernels matmul --laps 4 --budget 60s")
@click.argument("kernel", default="matmul")
@options.search_options("60s")
@click.option(
    "--launches", type=click.IntRange(3), default=6, show_default=True, help="New processes that measure a champion."
)
@starting(4)
def command(*, kernel: str, laps: int, seed: int | None, name: str | None, **given: Any) -> None:
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
    start("kernels", settings, (laps, seed, name), given)
