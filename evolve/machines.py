"""The machine we are on, and its ceilings, kept per machine in the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evolve.paths import source_folder
from evolve.store import Ceilings, Machine, Store, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.bound import Roof
    from benchmarks.machine import Fingerprint


@dataclass(frozen=True)
class Here:
    """This machine, as the store knows it.

    Attributes:
        machine: id and fingerprint.
        ceilings: what the last sweep found.
        roof: the same for bounds: what efficiency is held against, and by the best-ever what is impossible.
        is_new: True where the sweep was made just now.
    """

    machine: Machine
    ceilings: Ceilings
    roof: Roof
    is_new: bool = False


def this_machine(store: Store, say: Callable[[str], None] | None = None, *, remeasure: bool = False) -> Here:
    """This machine with its ceilings, which are measured where the store has none, or where asked for.

    Args:
        store: where they are kept.
        say: is told what is being measured.
        remeasure: measure once more, though there are some.
    """
    from benchmarks import ceilings  # noqa: PLC0415 - imports numba
    from benchmarks.bound import Roof  # noqa: PLC0415 - imports numpy

    machine, found = _introduced(store)
    is_new = remeasure or store.latest_ceilings(machine.id) is None
    if is_new:
        values = ceilings.measure(say, source_folder())
        store.add_ceilings(Ceilings(machine.id, utc_now(), values.as_dict()))
    latest, best = store.latest_ceilings(machine.id), store.best_ceilings(machine.id)
    assert latest is not None
    assert best is not None
    read = ceilings.Ceilings.from_dict
    return Here(machine, latest, Roof(read(latest.values), read(best), found.caches), is_new)


def known_machine(store: Store) -> Machine:
    """This machine, made known to the store."""
    return _introduced(store)[0]


def described(store: Store, machine_id: str) -> str:
    """A machine in words: its id, and what it was restricted to."""
    profile = profile_of(store, machine_id)
    return f"machine {machine_id} ({profile})" if profile else f"machine {machine_id}"


def profile_of(store: Store, machine_id: str) -> str:
    """What a machine was restricted to, as in ``"avx2, 1 core"``; "" for the whole of it."""
    machine = store.machine(machine_id)
    return str(machine.fingerprint.get("profile") or "") if machine else ""


def _introduced(store: Store) -> tuple[Machine, Fingerprint]:
    from benchmarks.machine import fingerprint  # noqa: PLC0415 - reads the machine with psutil and llvmlite

    found = fingerprint()
    machine = Machine(found.machine_id, found.as_dict())
    store.add_machine(machine)
    return machine, found
