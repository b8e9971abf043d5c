"""``evolve loop rollback``: put the engine of an earlier lap to work again, exactly."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

import click

from evolve.cli import options
from evolve.cli.options import Output
from evolve.errors import UsageError


@options.command("rollback", "evolve loop rollback engine-3f9a --lap 1")
@click.argument("loop", default="latest")
@click.option("--lap", type=click.IntRange(0), help="Whose engine is to work again; 0 is the frozen one.")
@click.option("--to", "engine", metavar="ID", help="The engine itself, by its id, or `usual`.")
@options.store_option
@options.json_option
@options.quiet_option
def command(*, loop: str, lap: int | None, engine: str | None, store: str | None, as_json: bool, quiet: bool) -> None:
    """Put the engine of an earlier lap of LOOP to work on this machine again.

    Searches that begin from now on work with it; one that goes on keeps its own. An engine that cannot be made again to
    the letter, because its kernels have changed since, is refused.
    """
    from evolve import deployed
    from evolve.machines import known_machine

    if (lap is None) == (engine is None):
        raise UsageError("say which engine", "--lap K of the loop, or --to ID")
    output = Output(as_json, quiet, store)
    with options.opened(store) as facts:
        key = deployed.engine_of_lap(facts, loop, lap) if lap is not None else str(engine)
        machine, manifest = known_machine(facts).id, deployed.manifest_of(facts, key)
        whose = f"lap {lap} of loop {facts.loop(loop).id}" if lap is not None else f"engine {manifest.id}"
        deployed.deploy(facts, machine, manifest, f"rolled back by hand to {whose}")
        at_work = deployed.deployment(facts, machine)
        assert at_work is not None
    plain = {"schema": 1, "engine": at_work.engine_id, "at": at_work.at, "reason": at_work.reason}
    output.result(plain, f"engine {at_work.engine_id} is at work on this machine: {at_work.reason}")
    output.next("evolve run", f"evolve loop show {loop}")
