"""A machine and its ceilings, made readable: facts by name, and one table for each kind of peak."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evolve.report.quantities import capacity, rate, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evolve.store import Machine

_TITLES = {
    "flop_per_s": "Arithmetic, by mix of operations",
    "operations_per_s": "Functions and slow operations",
    "bytes_per_s": "Memory traffic, by level and pattern",
    "latency_s": "Latency of one dependent load",
    "clock_hz": "Clock during the sweep",
}


@dataclass(frozen=True)
class CeilingTable:
    """Peaks of one kind.

    Attributes:
        title: what they are.
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
        ("caches", ", ".join(caches)),
        ("memory", capacity(known["memory_bytes"]) if "memory_bytes" in known else ""),
        ("huge pages", known.get("huge_pages") or ""),
        ("governor", known.get("governor") or ""),
        ("system", known.get("system", "")),
    ]
    return [(label, text) for label, text in facts if text]


def ceiling_tables(values: Mapping[str, Any]) -> list[CeilingTable]:
    """A table for each kind of peak; the last word of a name is its unit."""
    tables = [_table(name, peaks) for name, peaks in values.items() if name.endswith(("_s", "_hz"))]
    return [table for table in tables if table.rows]


def _table(name: str, peaks: Any) -> CeilingTable:
    cells: dict[str, dict[str, str]] = {}
    for (row, *path), value in _leaves(peaks):
        cells.setdefault(row, {})[" ".join(path)] = _with_unit(name, value)
    columns = tuple(dict.fromkeys(column for row in cells.values() for column in row))
    rows = tuple((label, tuple(row.get(column, "") for column in columns)) for label, row in cells.items())
    return CeilingTable(_TITLES.get(name, name.replace("_", " ")), columns, rows)


def _leaves(values: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    """Numbers with the names that lead to them; the count of threads is left out where it is 1."""
    if isinstance(values, Mapping):
        for name, inner in values.items():
            yield from _leaves(inner, path if name == "1" else (*path, str(name).replace("_", " ")))
    elif isinstance(values, int | float):
        yield path or ("",), float(values)


def _with_unit(name: str, value: float) -> str:
    if name.endswith("_per_s"):
        units = {"flop_per_s": "FLOP/s", "bytes_per_s": "B/s"}
        return rate(value, units.get(name, "/s"))
    return rate(value, "Hz") if name.endswith("_hz") else seconds(value)
