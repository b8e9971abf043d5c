"""``evolve demo``: the whole argument in five minutes, explained."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from evolve.cli import options
from evolve.cli.options import Output
from evolve.search.protocol import CONTROL_SHARE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evolve.run import Request
    from evolve.store import Store

KERNEL, SIZE, DTYPE = "matmul", "500", "float64"
LAUNCHES = 6
LAPS = {"kernels": 4, "batching": 14}
POLYNOMIAL = "horner"
LAP = {"policy": "hot", "strategy": "genetic", "control_share": CONTROL_SHARE, "budget": "24evals", "launches": 6}

LIMITS = "What can this machine do at most? Arithmetic and memory traffic are measured, not looked up."
SEARCH = (
    f"Now {KERNEL} of two {SIZE} x {SIZE} matrices evolves for {{budget}}. A genetic search mutates schedules: "
    "block sizes, loop orders, vector lengths. Numba compiles each; it must prove that its result is right, and then "
    "races the best so far. A real run refuses a machine that is too noisy to measure on; this one goes on and says so."
)
CHAMPION = (
    "The champion is measured afresh, in new processes and on new inputs, against the plain loop that it grew from "
    "and against libraries; numpy multiplies with OpenBLAS, which experts tuned by hand. The bound is the shortest "
    "time that the limits of step 1 allow; luck is what as many random draws find."
)
AGAIN = (
    "Do such gains feed further gains? A kernel's loop: a polynomial evolves lap after lap, each lap from the champion "
    "of the one before. What a lap will give is said before it begins, and scored after it."
)
REINVEST = (
    "A loop that does compound, for a while: the same polynomial is served to callers in batches, and the throughput "
    "that a lap reached pays for the next lap's larger batch. As long as the overhead of a call dwarfs the work in it, "
    "throughput doubles with the batch; then it bends at what the machine can do."
)
ARGUMENT = (
    "Both loops side by side. A verdict rests on the ratio of gains from lap to lap, on the measured ceiling, and on "
    "how much of a gain comes back as further gain; how often it would be wrong was measured on planted worlds."
)
REPORT = "All of it, as pages that need no network: first the run of step 2, then both loops."


@options.command("demo", "evolve demo")
@click.option("--budget", default="30s", show_default=True, help="Of the search; all else takes about four minutes.")
@options.profile_options
@options.wait_option
@options.store_option
def command(*, budget: str, wait: bool, store: str | None) -> None:
    """See the whole argument in five minutes, explained.

    This machine's limits, a short evolution of matmul beside OpenBLAS, a kernel that reaches its cap, a loop that
    compounds and then bends, the verdict on both, and how often such verdicts are wrong.
    """
    asked = _asked(budget)
    with options.opened(store, create=True) as facts:
        _explain(1, LIMITS)
        click.echo(_limits(facts, wait=wait))
        _explain(2, SEARCH.format(budget=budget))
        run = _evolve(facts, asked, wait=wait)
        _explain(3, CHAMPION)
        click.echo(_champion(facts, run))
        _explain(4, AGAIN)
        evolving = _loop(facts, "kernels", _polynomial(), wait=wait)
        _explain(5, REINVEST)
        batching = _loop(facts, "batching", {}, wait=wait)
        _conclude(facts, run, [evolving, batching], wait=wait)
    Output(store=store).next(f"evolve loop show {batching}", f"evolve export {run} -o {KERNEL}.py")


def _asked(budget: str) -> Request:
    from evolve.cli.asked import request

    wishes = {"size": SIZE, "dtype": DTYPE, "budget": budget, "seed": None}
    return request(
        KERNEL, {**wishes, "threads": 1, "policy": "hot", "strategy": "genetic", "control_share": CONTROL_SHARE}
    )


def _polynomial() -> dict[str, Any]:
    """The options of the kernels' loop."""
    import kernels
    from evolve.report.quantities import extents

    size = extents(kernels.get(POLYNOMIAL).default_size)
    return {"kernel": POLYNOMIAL, "size": size, "dtype": DTYPE, **LAP}


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


def _evolve(store: Store, asked: Request, *, wait: bool) -> str:
    """Evolve, and measure the champion in a few launches; returns the run's id."""
    from functools import partial

    from evolve.publish import publish_briefly
    from evolve.report.terminal import watching
    from evolve.run import start

    ending = partial(publish_briefly, launches=LAUNCHES)
    with watching() as observer:
        return start(store, asked, observer, options.admission(wait=wait, anyway=True), ending).id


def _champion(store: Store, run: str) -> str:
    """The champion against the plain loop, OpenBLAS, the bound and luck."""
    from evolve.report import result
    from evolve.report.text import facts
    from evolve.tracker.summary import summary

    told = summary(store, run)
    return facts([*result.champion(told), ("luck", result.luck(told))])


def _loop(store: Store, kind: str, settings: Mapping[str, Any], *, wait: bool) -> str:
    """Start a loop and carry it to its last lap; returns its id."""
    from evolve.loops import drive
    from evolve.report.lap_lines import telling
    from evolve.report.loop import lap_table
    from evolve.tracker.turns import turns

    asked = drive.spec(store, kind, settings, laps=LAPS[kind])
    with telling(store) as observer:
        made = drive.start(store, asked, observer, options.admission(wait=wait, anyway=True))
    click.echo(f"\n{lap_table(turns(store, made.id))}")
    return made.id


def _conclude(store: Store, run: str, loops: list[str], *, wait: bool) -> None:
    """The whole argument on one screen, and where its pages lie."""
    from evolve.cli.ending import write_report
    from evolve.report.argument import argument
    from evolve.report.loop_page import write
    from evolve.tracker.turns import turns

    _explain(6, ARGUMENT)
    told = [turns(store, loop) for loop in loops]
    rates = _rates(told[0]["machine"], wait=wait)
    click.echo(argument(told, rates))
    _explain(7, REPORT)
    path = options.report_path("demo")
    click.echo(f"{write_report(store, run, None)}\n{write(store, loops, path, rates)}\n")


def _rates(machine: str, *, wait: bool) -> str:
    """How often verdicts are wrong on this machine; a first look where that was never measured."""
    from evolve.cli.rates import known_rates
    from evolve.controls.kept import keep
    from evolve.controls.rates import first_look
    from evolve.lock import MeasuringLock
    from evolve.report.terminal import steps

    if known := known_rates(machine):
        return known
    with MeasuringLock("demo", wait=wait, on_wait=options.say_waiting), steps() as say:
        rates = first_look(machine, say)
    keep(rates)
    return rates.sentence()


def _explain(step: int, text: str) -> None:
    from evolve.report.text import paragraph

    click.echo(f"\n{paragraph(f'{step}. {text}')}")
