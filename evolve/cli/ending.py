"""The end of a run on the command line: what came of it, its report, and what to do next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from evolve.cli.options import report_path
from evolve.cli.rates import known_rates
from evolve.report import result
from evolve.tracker.summary import summary

if TYPE_CHECKING:
    from evolve.cli.options import Output
    from evolve.store import Store


def show_end(
    store: Store, run_id: str, output: Output, report: Path | None, *, with_report: bool = True
) -> dict[str, Any]:
    """Print the result first, for writing the report may fail; returns the run's summary."""
    told = summary(store, run_id)
    output.result(told, result.brief(told))
    if with_report:
        path = write_report(store, run_id, report)
        output.note(f"\nreport  {path}")
    export = f"evolve export {run_id} -o {Path(told['kernel']).stem}.py"
    is_published = bool(told["champion"]) and told["champion"]["source"] == "published"
    output.next(f"evolve show {run_id}", *([export] if is_published else []))
    return told


def write_report(store: Store, run_id: str, path: Path | None, share: float | None = None) -> Path:
    """Write a run's report where asked, else into the cache."""
    from evolve.report.html import write  # noqa: PLC0415 - imports plotly

    target = path or report_path(run_id)
    target.parent.mkdir(parents=True, exist_ok=True)
    return write(store, run_id, target, share, known_rates(store.run(run_id).machine))
