"""A machine and its ceilings, made readable: facts by name, and one table for each kind of peak."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evolve.report.quantities import capacity, number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evolve.store import Machine

_KINDS = {
    "flop_per_s": ("Arithmetic by mix of operations, GFLOP/s", 1e9),
    "operations_per_s": ("Functions and slow operations, billions a second", 1e9),
    "bytes_per_s": ("Memory traffic by level and pattern, GB/s as a program counts them", 1e9),
    "latency_s": ("Latency of one dependent load, ns", 1e-9),
    "chain_latency_s": ("Latency of one dependent operation, ns", 1e-9),
    "capacity_bytes": ("What one core really gets of a shared cache, MiB", 1 << 20),
    "clock_hz": ("Clock during the sweep, GHz", 1e9),
}
"""Title and unit of each kind of peak, in the order in which they are shown."""

_BY_ISA = ("flop_per_s", "operations_per_s")


@dataclass(frozen=True)
class CeilingTable:
    """Peaks of one kind.

    Attributes:
        title: what they are, and their unit.
        columns: headings.
        rows: a label, and a text for each column; "" where there is no such peak.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def machine_facts(machine: Machine | None) -> list[tuple[str, str]]:
    """What is known of a machine, label and text."""
    if machine is None:
        return []
    known = machine.fingerprint
    caches = [
        f"{c['level']} {capacity(c['bytes'])}" + (f" shared by {c['shared_by']}" if c["shared_by"] > 1 else "")
        for c in known.get("caches", ())
    ]
    facts = [
        ("machine", machine.id),
        ("restricted to", known.get("profile", "")),
        ("processor", known.get("cpu", "")),
        ("microarchitecture", known.get("llvm_cpu", "")),
        (
            "vectors",
            f"{8 * known['vector_bytes']} bits ({', '.join(known.get('features', ()))})"
            if "vector_bytes" in known
            else "",
        ),
        (
            "cores",
            f"{known['logical_cores']} logical, {known['physical_cores']} physical"
            if "physical_cores" in known
            else "",
        ),
        ("caches", ", ".join(caches) + (" (assumed)" if known.get("caches_assumed") else "")),
        ("memory", capacity(known["memory_bytes"]) if "memory_bytes" in known else ""),
        ("huge pages", known.get("huge_pages") or ""),
        ("governor", known.get("governor") or ""),
        ("system", known.get("system", "")),
    ]
    return [(label, text) for label, text in facts if text]


def ceiling_tables(values: Mapping[str, Any]) -> list[CeilingTable]:
    """A table for each kind of peak: one thread first, then all cores, then narrower instruction sets."""
    tables = [_table(name, list(_cells(name, values))) for name in _KINDS]
    return [table for table in tables if table.rows]


def _cells(name: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str, str, float]]:
    """Row, what the row is of, column and value of each figure of a kind."""
    for (row, *path), value in _leaves(values.get(name, {})):
        threads = path.pop() if path and path[-1].isdigit() else "1"
        yield row, "" if threads == "1" else f"{threads} cores", " ".join(path), value
    for isa, peaks in values.get("by_isa", {}).items() if name in _BY_ISA else ():
        for (row, *path), value in _leaves(peaks.get(name, {})):
            yield row, isa, path[0], value


def _table(name: str, cells: list[tuple[str, str, str, float]]) -> CeilingTable:
    title, unit = _KINDS[name]
    columns = tuple(dict.fromkeys(column for _, _, column, _ in cells))
    texts = {(row, of, column): number(value / unit) for row, of, column, value in cells}
    order = list(dict.fromkeys(row for row, _, _, _ in cells))
    labels = sorted(dict.fromkeys((row, of) for row, of, _, _ in cells), key=lambda label: order.index(label[0]))
    rows = [
        (", ".join(filter(None, (row, of))), tuple(texts.get((row, of, column), "") for column in columns))
        for row, of in labels
    ]
    return CeilingTable(title, tuple(column.replace("_", " ") for column in columns), tuple(rows))


def _leaves(values: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    """Numbers with the names that lead to them."""
    if isinstance(values, Mapping):
        for name, inner in values.items():
            yield from _leaves(inner, (*path, str(name)))
    elif isinstance(values, int | float):
        yield path or ("",), float(values)
