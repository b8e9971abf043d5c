"""``evolve machine``: what this machine is, and the most that it can do."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from evolve.cli import options
from evolve.cli.options import Output

if TYPE_CHECKING:
    from collections.abc import Callable

    from evolve.machines import Here
    from evolve.store import Store

Ceilings = Mapping[str, Any]


@options.command("machine", "evolve machine --json")
@click.option("--remeasure", is_flag=True, help="Measure the ceilings once more; the best of all sweeps is kept.")
@options.profile_options
@options.wait_option
@options.store_option
@options.json_option
@options.quiet_option
def command(*, remeasure: bool, wait: bool, store: str | None, as_json: bool, quiet: bool) -> None:
    """Show this machine and its measured ceilings.

    Arithmetic by mix of operations, traffic by cache level and pattern, latency; one core, all cores, and narrower
    instruction sets. Ceilings are measured once, which takes some seconds, and kept in the store.
    """
    from evolve.report.terminal import steps

    output = Output(as_json, quiet, store)
    with options.opened(store, create=True) as facts, steps(is_quiet=quiet) as say:
        here = measured(facts, say, remeasure=remeasure, wait=wait)
        best = facts.best_ceilings(here.machine.id) or {}
    output.result(_plain(here, best), _text(here, best))
    output.next("evolve doctor", "evolve run matmul")


def measured(store: Store, say: Callable[[str], None], *, remeasure: bool, wait: bool) -> Here:
    """The machine with ceilings; the measuring lock is taken only where they must be measured."""
    from evolve.lock import MeasuringLock
    from evolve.machines import known_machine, this_machine

    if not remeasure and store.latest_ceilings(known_machine(store).id):
        return this_machine(store)
    with MeasuringLock("ceilings", wait=wait, on_wait=options.say_waiting):
        return this_machine(store, say, remeasure=remeasure)


def _plain(here: Here, best: Ceilings) -> dict[str, Any]:
    fingerprint = dict(here.machine.fingerprint)
    return {
        "schema": 1,
        "machine": here.machine.id,
        "fingerprint": fingerprint,
        "cpu": fingerprint["cpu"],
        "caches": fingerprint["caches"],
        "ceilings": dict(best),
        "measured_at": here.ceilings.measured_at,
    }


def _text(here: Here, best: Ceilings) -> str:
    from evolve.report.machine import ceiling_tables, machine_facts
    from evolve.report.text import facts, table

    versions = ", ".join(f"{name} {version}" for name, version in here.machine.fingerprint["versions"].items())
    tables = [
        f"{found.title}\n" + table(["", *found.columns], [[label, *cells] for label, cells in found.rows])
        for found in ceiling_tables(best)
    ]
    return "\n\n".join([facts([*machine_facts(here.machine), ("with", versions)]), *tables, _when(here)])


def _when(here: Here) -> str:
    from evolve.report.text import paragraph

    remarks = "; ".join(here.ceilings.values.get("remarks", ()))
    at = here.ceilings.measured_at[:19].replace("T", " ")
    said = f"last measured {at} UTC; shown is the best of all sweeps"
    return paragraph(f"{said}. The last one: {remarks}" if remarks else said)
