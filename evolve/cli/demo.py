"""``evolve demo``: the whole line in three minutes, explained."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from evolve.cli import options
from evolve.cli.options import Output

if TYPE_CHECKING:
    from evolve.machines import Here
    from evolve.store import Store

KERNEL, SIZE, DTYPE = "matmul", "512", "float64"


@options.command("demo", "evolve demo")
@click.option("--budget", default="75s", show_default=True, help="Of the search; all else takes about a minute.")
@options.wait_option
@options.store_option
@options.quiet_option
def command(*, budget: str, wait: bool, store: str | None, quiet: bool) -> None:
    """See it all in three minutes, explained.

    This machine's limits, a short evolution of matmul, the champion against OpenBLAS, and the cap on all gains.
    """
    output = Output(is_quiet=quiet, store=store)
    with options.opened(store, create=True) as facts:
        _explain(1, "What can this machine do at most? Arithmetic and memory traffic are measured, not looked up.")
        click.echo(_limits(_here(facts, wait=wait, is_quiet=quiet)))
        _explain(
            2,
            f"Now {KERNEL} of two {SIZE} x {SIZE} matrices evolves for {budget}. A genetic search mutates schedules: "
            "block sizes, loop orders, vector lengths. Numba compiles each; it must prove that its result is right, "
            "and then races the best so far.",
        )
        _evolve(facts, budget, output, wait=wait, is_quiet=quiet)


def _evolve(store: Store, budget: str, output: Output, *, wait: bool, is_quiet: bool) -> None:
    from evolve.cli.asked import request
    from evolve.cli.ending import write_report
    from evolve.report.terminal import watching
    from evolve.run import start
    from evolve.tracker.summary import summary

    options_of_run = {
        "size": SIZE,
        "dtype": DTYPE,
        "budget": budget,
        "seed": None,
        "threads": 1,
        "strategy": "genetic",
        "control_share": 0.15,
    }
    with watching(is_quiet=is_quiet) as observer:
        run = start(store, request(KERNEL, options_of_run), observer, wait=wait, on_wait=options.say_waiting)
    _conclude(summary(store, run.id))
    _explain(5, "The report, one file that needs no network, shows the curve, the cap and the luck:")
    click.echo(f"   {write_report(store, run.id, None)}\n")
    output.next(f"evolve show {run.id}", f"evolve export {run.id} > matmul.py")


def _conclude(told: dict[str, Any]) -> None:
    """Champion against the plain loop and OpenBLAS, then what is left below the cap."""
    from evolve.report import result
    from evolve.report.text import facts

    said = result.champion(told)
    _explain(
        3,
        "The champion is measured afresh, in new processes and on new inputs, against the plain loop that it grew from "
        "and against libraries; numpy multiplies with OpenBLAS, which experts tuned by hand.",
    )
    click.echo(facts(pair for pair in said if pair[0] != "bound"))
    _explain(
        4,
        "How far can it go? The bound is the shortest time that the limits of step 1 allow. As the champion comes near "
        "it, gains end, however long the search goes on: they are capped. Luck is what as many random draws find.",
    )
    click.echo(facts([*[pair for pair in said if pair[0] == "bound"], ("luck", result.luck(told))]))


def _here(store: Store, *, wait: bool, is_quiet: bool) -> Here:
    from evolve.cli.machine import measured
    from evolve.report.terminal import steps

    with steps(is_quiet=is_quiet) as say:
        return measured(store, say, remeasure=False, wait=wait)


def _limits(here: Here) -> str:
    from evolve.report.quantities import rate
    from evolve.report.text import facts

    traffic = {level: patterns["triad"]["1"] for level, patterns in here.best["bytes_per_s"].items()}
    return facts(
        [
            ("cpu", here.fingerprint.cpu),
            ("arithmetic", f"{rate(here.best['flop_per_s'][DTYPE]['fma']['1'], 'FLOP/s')} in {DTYPE}, one core"),
            ("traffic", ", ".join(f"{level} {rate(value, 'B/s')}" for level, value in traffic.items())),
        ]
    )


def _explain(step: int, text: str) -> None:
    from evolve.report.text import paragraph

    click.echo(f"\n{paragraph(f'{step}. {text}')}")
