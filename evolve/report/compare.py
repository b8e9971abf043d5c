"""Several machines side by side, for a terminal and as plain values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from evolve.compare import named
from evolve.report.quantities import fraction, speedup
from evolve.report.text import facts, paragraph, table
from evolve.sheet import PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.inference import Estimate
    from evolve.compare import Aligned, Cell, Comparison, Portable
    from evolve.sheet import Leader, ProfileKey

SCHEMA = 1


def plain(comparison: Comparison) -> dict[str, Any]:
    """Plain values for JSON; machines are named by their labels."""
    labels = comparison.labels
    return {
        "schema": SCHEMA,
        "machines": [
            {
                "label": labels[profile.key],
                "machine": profile.machine,
                "policy": profile.policy,
                "description": profile.description,
                "fingerprint": dict(profile.fingerprint),
                "ceilings": dict(profile.ceilings),
            }
            for profile in comparison.profiles
        ],
        "problems": [_plain_problem(one, labels) for one in comparison.problems],
        "alone": [{"problem": named(problem), "machine": labels[key]} for problem, key in comparison.alone],
        "remarks": list(comparison.remarks),
    }


def _plain_problem(one: Aligned, labels: Mapping[ProfileKey, str]) -> dict[str, Any]:
    return {
        "problem": named(one.problem),
        "kernel": one.problem.kernel,
        "dtype": one.problem.dtype,
        "size": list(one.problem.size),
        "threads": one.problem.threads,
        "machines": {labels[key]: _plain_leader(leader) for key, leader in one.leaders.items()},
        "cross": [_plain_cell(cell, labels) for cell in one.cells],
        "genes": [
            {
                "name": gene.name,
                "agrees": gene.agrees,
                "values": {labels[key]: value for key, value in gene.values.items()},
            }
            for gene in one.genes
        ],
        "portable": _plain_portable(one.portable, labels) if one.portable else None,
        "is_settled": one.is_settled,
    }


def _plain_leader(leader: Leader) -> dict[str, Any]:
    return {
        "contestant": leader.contestant,
        "run": leader.run,
        "schedule": dict(leader.schedule),
        "bound_fraction": leader.fraction.as_dict() if leader.fraction else None,
        "limit": leader.limit,
        "speedups": {name: value.as_dict() for name, value in leader.speedups.items()},
        "flags": list(leader.flags),
    }


def _plain_cell(cell: Cell, labels: Mapping[ProfileKey, str]) -> dict[str, Any]:
    return {
        "champion_of": labels[cell.home],
        "on": labels[cell.host],
        "kind": cell.kind,
        "fraction": cell.fraction.as_dict() if cell.fraction else None,
        "note": cell.note,
    }


def _plain_portable(portable: Portable, labels: Mapping[ProfileKey, str]) -> dict[str, Any]:
    return {
        "champion_of": labels[portable.home],
        "costs": {labels[key]: cost.as_dict() for key, cost in portable.costs.items()},
        "worst": labels[portable.worst],
    }


# ---- words


def text(comparison: Comparison) -> str:
    """For a terminal."""
    labels = comparison.labels
    machines = facts((labels[one.key], f"{one.description} ({one.machine})") for one in comparison.profiles)
    parts = [machines, *("\n".join(_problem(one, labels)) for one in comparison.problems)]
    if comparison.alone:
        solved = ", ".join(f"{named(problem)} ({labels[key]})" for problem, key in comparison.alone)
        parts.append(paragraph(f"of one machine only, and so left out: {solved}"))
    if comparison.remarks:
        parts.append("\n".join(f"note: {remark}" for remark in comparison.remarks))
    return "\n\n".join(parts)


def _problem(one: Aligned, labels: Mapping[ProfileKey, str]) -> Iterator[str]:
    yield named(one.problem)
    rows = [_leader(labels[key], leader) for key, leader in one.leaders.items()]
    yield table(("  machine", "of its own bound", "by", "vs its plain loop", "leader"), rows)
    yield ""
    columns = [labels[key] for key in one.leaders]
    yield table(
        ("  champion of", *(f"on {column}" for column in columns)), [_row(one, key, labels) for key in one.leaders]
    )
    yield from _missing(one)
    yield ""
    yield facts((f"  {label}", said) for label, said in (*_genes(one, labels), ("portable", portable(one, labels))))


def _leader(label: str, leader: Leader) -> tuple[str, ...]:
    own = fraction(leader.fraction.as_dict()) if leader.fraction else "not known"
    over = speedup(leader.speedups[PLAIN].as_dict()) if PLAIN in leader.speedups else ""
    return f"  {label}", own, leader.limit, over, origin(leader)


def origin(leader: Leader) -> str:
    """Where a leader comes from."""
    if leader.contestant != "champion":
        return "default schedule, no run"
    return f"champion of {leader.run}" if leader.run else "champion"


def _row(one: Aligned, home: ProfileKey, labels: Mapping[ProfileKey, str]) -> tuple[str, ...]:
    return f"  {labels[home]}", *(cell_text(cell) for cell in one.cells if cell.home == home)


def cell_text(cell: Cell) -> str:
    """What a cell says in a table."""
    if cell.kind == "measured" and cell.fraction:
        return fraction(cell.fraction.as_dict())
    return {"own": "100 %, its own", "same": "100 %, the same", "refused": "refused", "missing": "?"}[cell.kind]


def _missing(one: Aligned) -> Iterator[str]:
    for cell in one.cells:
        if cell.kind == "refused":
            yield f"  refused  {cell.note}"
    commands = dict.fromkeys(cell.note for cell in one.cells if cell.kind == "missing")
    yield from (f"  ?  {command}" for command in commands)


def _genes(one: Aligned, labels: Mapping[ProfileKey, str]) -> Iterator[tuple[str, str]]:
    yield "agree", ", ".join(f"{gene.name}={gene.agreed}" for gene in one.genes if gene.agreed)
    differing = [gene for gene in one.genes if not gene.agrees]
    order = " / ".join(labels[key] for key in one.leaders)
    said = ", ".join(f"{gene.name} {' / '.join(value or '-' for value in gene.values.values())}" for gene in differing)
    yield "differ", f"{said} (in order of {order})" if differing else "nothing"


def portable(one: Aligned, labels: Mapping[ProfileKey, str]) -> str:
    """Which schedule would do for all machines, and what it would cost each of them."""
    found = one.portable
    if found is None:
        return "not known: no champion has been measured on all machines"
    if one.is_one:
        return "all of them are led by the same schedule"
    costs = ", ".join(f"{labels[key]} {surcharge(cost)}" for key, cost in found.costs.items() if key != found.home)
    settled = "" if one.is_settled else "; others are not measured everywhere yet"
    return f"champion of {labels[found.home]}, at more time than with its own: {costs}{settled}"


def surcharge(cost: Estimate) -> str:
    """More time, in per cent with its interval: ``+12 % [10, 15]``."""
    centre, low, high = (100 * (end - 1) for end in (cost.estimate, cost.low, cost.high))
    if cost.low == cost.high:
        return "+0 %"
    if cost.low <= 0 or not math.isfinite(high):
        return f"{centre:+.0f} % (interval open)"
    return f"{centre:+.0f} % [{low:.0f}, {high:.0f}]"
