"""What the laps of a loop show beside their gain: a table for each kind of loop that has something to add."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from evolve.report import engine_details, model_details, policy_details, search_details, tricks_details
from evolve.report.text import facts, table

Told = Mapping[str, Any]
Table = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""Headings, and a row a lap."""


def lap_details(told: Told) -> Table | None:
    """The table of a loop's kind; None where it has none, or no lap yet."""
    make = TABLES.get(told["kind"])
    if make is None:
        return None
    header, rows = make(told)
    return (header, rows) if rows else None


def remarks(told: Told) -> list[tuple[str, str]]:
    """What is to be said under it, each with its label: first what was said of each lap when it was over."""
    notes = [(f"lap {lap['lap']}", note) for lap in told["laps"] for note in lap["details"].get("notes", ())]
    make = REMARKS.get(told["kind"])
    return [*notes, *(make(told) if make and lap_details(told) else ())]


def text(told: Told) -> str:
    """Both for a terminal; "" where there is nothing."""
    found = lap_details(told)
    return "\n\n".join(filter(None, [table(*found) if found else "", facts(remarks(told))]))


def _policy(told: Told) -> Table:
    return policy_details.HEADER, policy_details.rows(told)


TABLES: dict[str, Callable[[Told], Table]] = {
    "search": search_details.table,
    "model": model_details.table,
    "policy": _policy,
    "engine": engine_details.parts,
    "tricks": tricks_details.table,
}
"""By kind of loop."""
REMARKS: dict[str, Callable[[Told], Iterator[tuple[str, str]]]] = {
    "search": search_details.remarks,
    "model": model_details.remarks,
    "policy": policy_details.remarks,
    "engine": engine_details.remarks,
    "tricks": tricks_details.remarks,
}
"""By kind of loop: labels and sentences."""
