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

_THREADS = "1"


@options.command("machine", "evolve machine --json")
@click.option("--remeasure", is_flag=True, help="Measure the ceilings once more; the best of all sweeps is kept.")
@options.profile_options
@options.wait_option
@options.store_option
@options.json_option
@options.quiet_option
def command(*, remeasure: bool, wait: bool, store: str | None, as_json: bool, quiet: bool) -> None:
    """Show this machine and its measured ceilings.

    Arithmetic by mix of operations, traffic by cache level and pattern, latency. Ceilings are measured once, which
    takes some seconds, and kept in the store.
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
    from evolve.report.text import facts

    return "\n\n".join(
        [
            facts(_identity(here.machine.fingerprint)),
            "arithmetic, one thread, in GFLOP/s\n" + _grid(_giga(best["flop_per_s"])),
            "functions, one thread, in billions a second\n" + _grid(_giga(best["operations_per_s"])),
            "traffic, one thread, in GB/s as a program counts them\n" + _grid(_giga(best["bytes_per_s"])),
            "one dependent load\n" + facts([(level, _latency(value)) for level, value in best["latency_s"].items()]),
            f"last measured {here.ceilings.measured_at[:19].replace('T', ' ')} UTC; shown is the best of all sweeps",
        ]
    )


def _identity(machine: Mapping[str, Any]) -> list[tuple[str, str]]:
    from evolve.report.quantities import capacity

    caches = ", ".join(f"{cache['level']} {capacity(cache['bytes'])}" for cache in machine["caches"])
    cores = f"{machine['physical_cores']} with {machine['logical_cores']} hardware threads"
    return [
        ("machine", machine["machine_id"]),
        ("cpu", f"{machine['cpu']} ({machine['llvm_cpu']}: {', '.join(machine['features'])})"),
        ("cores", cores),
        ("caches", caches + (" (assumed)" if machine["caches_assumed"] else "")),
        ("memory", capacity(machine["memory_bytes"])),
        ("system", machine["system"]),
        ("with", ", ".join(f"{name} {version}" for name, version in machine["versions"].items())),
    ]


def _giga(values: Mapping[str, Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    return {row: {name: by[_THREADS] / 1e9 for name, by in columns.items()} for row, columns in values.items()}


def _grid(values: Mapping[str, Mapping[str, float]]) -> str:
    from evolve.report.quantities import number
    from evolve.report.text import table

    header = list(next(iter(values.values())))
    return table(["", *header], [[row, *[number(columns[name]) for name in header]] for row, columns in values.items()])


def _latency(value_s: float) -> str:
    from evolve.report.quantities import seconds

    return seconds(value_s)
