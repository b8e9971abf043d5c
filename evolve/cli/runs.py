"""``evolve runs``: list what was run."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evolve.cli import options
from evolve.cli.options import Output

if TYPE_CHECKING:
    from evolve.store import Run, Store

_HEADER = ("RUN", "NAME", "SIZE", "DTYPE", "POLICY", "STATUS", "EVALS", "SPEEDUP", "STARTED (UTC)")


@options.command("runs", "evolve runs")
@options.store_option
@options.json_option
@options.quiet_option
def command(*, store: str | None, as_json: bool, quiet: bool) -> None:
    """List all runs, with their champions' speedups.

    The newest comes last. Speedups are over the plain loop, measured afresh at the end of the run.
    """
    output = Output(as_json, quiet, store)
    with options.opened(store) as facts:
        listed = [_entry(facts, run) for run in facts.runs()]
    output.result({"schema": 1, "runs": listed}, _table(listed))
    output.next(f"evolve show {listed[-1]['run']}" if listed else "evolve run matmul")


def _entry(store: Store, run: Run) -> dict[str, Any]:
    from evolve.tracker.status import status

    publication = store.publication(run.id)
    return {
        "run": run.id,
        "name": run.name,
        "kernel": run.kernel,
        "problem": {"size": list(run.size), "dtype": run.dtype, "threads": run.threads, "policy": run.policy},
        "status": status(store.events(run.id)),
        "evaluations": sum(store.counts(run.id).values()),
        "speedup": publication.speedup.as_dict() if publication and publication.is_promoted else None,
        "is_promoted": publication.is_promoted if publication else None,
        "created_at": run.created_at,
    }


def _table(listed: list[dict[str, Any]]) -> str:
    from evolve.report.text import table

    if not listed:
        return "no runs yet"
    # most people name no run and keep the policy, and a terminal has 80 columns
    is_said = {
        "NAME": any(entry["name"] for entry in listed),
        "POLICY": any(entry["problem"]["policy"] != "hot" for entry in listed),
    }
    shown = [k for k, title in enumerate(_HEADER) if is_said.get(title, True)]
    rows = [_row(entry) for entry in listed]
    return table([_HEADER[k] for k in shown], [[row[k] for k in shown] for row in rows])


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    from evolve.report.quantities import extents, speedup

    return (
        entry["run"],
        entry["name"] or "",
        extents(entry["problem"]["size"]),
        entry["problem"]["dtype"],
        entry["problem"]["policy"],
        entry["status"],
        str(entry["evaluations"]),
        speedup(entry["speedup"]) if entry["speedup"] else "-",
        entry["created_at"][5:16].replace("T", " "),
    )
