"""``evolve demo``: the whole line in three minutes, explained."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from evolve.cli import options
from evolve.cli.options import Output

if TYPE_CHECKING:
    from evolve.run import Request
    from evolve.store import Run, Store

KERNEL, SIZE, DTYPE = "matmul", "512", "float64"

LIMITS = "What can this machine do at most? Arithmetic and memory traffic are measured, not looked up."
SEARCH = (
    f"Now {KERNEL} of two {SIZE} x {SIZE} matrices evolves for {{budget}}. A genetic search mutates schedules: "
    "block sizes, loop orders, vector lengths. Numba compiles each; it must prove that its result is right, and then "
    "races the best so far. A real run refuses a machine that is too noisy to measure on; this one goes on and says so."
)
CHAMPION = (
    "The champion is measured afresh, in new processes and on new inputs, against the plain loop that it grew from "
    "and against libraries; numpy multiplies with OpenBLAS, which experts tuned by hand."
)
CAP = (
    "How far can it go? The bound is the shortest time that the limits of step 1 allow. As the champion comes near it, "
    "gains end, however long the search goes on: they are capped. Luck is what as many random draws find."
)
REPORT = "The report, one file that needs no network, shows the curve, the cap and the luck:"


@options.command("demo", "evolve demo")
@click.option("--budget", default="60s", show_default=True, help="Of the search; all else takes about two minutes.")
@options.profile_options
@options.wait_option
@options.store_option
def command(*, budget: str, wait: bool, store: str | None) -> None:
    """See it all in three minutes, explained.

    This machine's limits, a short evolution of matmul, the champion against OpenBLAS, and the cap on all gains.
    """
    asked = _asked(budget)
    with options.opened(store, create=True) as facts:
        _explain(1, LIMITS)
        click.echo(_limits(facts, wait=wait))
        _explain(2, SEARCH.format(budget=budget))
        run = _evolve(facts, asked, wait=wait)
        _conclude(facts, run.id)
    Output(store=store).next(f"evolve show {run.id}", f"evolve export {run.id} -o {KERNEL}.py")


def _asked(budget: str) -> Request:
    from evolve.cli.asked import request

    wishes = {"size": SIZE, "dtype": DTYPE, "budget": budget, "seed": None}
    return request(KERNEL, {**wishes, "threads": 1, "policy": "hot", "strategy": "genetic", "control_share": 0.15})


def _limits(store: Store, *, wait: bool) -> str:
    from evolve.cli.machine import measured
    from evolve.report.quantities import rate
    from evolve.report.terminal import steps
    from evolve.report.text import facts

    with steps() as say:
        machine = measured(store, say, remeasure=False, wait=wait).machine
    best = store.best_ceilings(machine.id) or {}
    traffic = {level: patterns["triad"]["1"] for level, patterns in best["bytes_per_s"].items()}
    return facts(
        [
            ("cpu", machine.fingerprint["cpu"]),
            ("arithmetic", f"{rate(best['flop_per_s'][DTYPE]['fma']['1'], 'FLOP/s')} in {DTYPE}, one core"),
            ("traffic", ", ".join(f"{level} {rate(value, 'B/s')}" for level, value in traffic.items())),
        ]
    )


def _evolve(store: Store, asked: Request, *, wait: bool) -> Run:
    from evolve.report.terminal import watching
    from evolve.run import start

    with watching() as observer:
        return start(store, asked, observer, options.admission(wait=wait, anyway=True))


def _conclude(store: Store, run_id: str) -> None:
    """Champion against the plain loop and OpenBLAS, then what is left below the cap, and where the report lies."""
    from evolve.cli.ending import write_report
    from evolve.report import result
    from evolve.report.text import facts
    from evolve.tracker.summary import summary

    told: dict[str, Any] = summary(store, run_id)
    said = result.champion(told)
    _explain(3, CHAMPION)
    click.echo(facts(pair for pair in said if pair[0] != "bound"))
    _explain(4, CAP)
    click.echo(facts([*(pair for pair in said if pair[0] == "bound"), ("luck", result.luck(told))]))
    _explain(5, REPORT)
    click.echo(f"{write_report(store, run_id, None)}\n")


def _explain(step: int, text: str) -> None:
    from evolve.report.text import paragraph

    click.echo(f"\n{paragraph(f'{step}. {text}')}")
