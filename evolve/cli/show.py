"""``evolve show``: all that a run shows."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

from evolve.cli import options
from evolve.cli.options import Output


@options.command("show", "evolve show matmul-3f9a --share 0.053")
@options.run_argument
@options.share_option
@options.store_option
@options.json_option
@options.quiet_option
def command(*, run: str, share: float | None, store: str | None, as_json: bool, quiet: bool) -> None:
    """Show all that came of RUN.

    RUN is an id, a name, or the beginning of one; by default the latest.
    """
    from evolve.cli.rates import known_rates
    from evolve.report.result import full
    from evolve.tracker.summary import summary

    output = Output(as_json, quiet, store)
    with options.opened(store) as facts:
        told = summary(facts, facts.run(run).id, share)
    output.result(told, full(told, known_rates(told["machine"])))
    output.next(*_following(told["run"], told["status"], has_champion=told["champion"] is not None))


def _following(run_id: str, status: str, *, has_champion: bool) -> list[str]:
    if status in ("killed", "interrupted", "failed"):
        return [f"evolve resume {run_id}"]
    return [f"evolve report {run_id}", *([f"evolve export {run_id}"] if has_champion else [])]
