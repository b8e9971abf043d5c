"""``evolve demo``: the whole argument in five minutes, explained."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from evolve.cli import options
from evolve.cli.options import Output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evolve.store import Store

KERNEL, SIZE, DTYPE = "matmul", "512", "float64"
KERNEL_LAPS, BATCHING_LAPS = 4, 14

LIMITS = "What can this machine do at most? Arithmetic and memory traffic are measured, not looked up."
SEARCH = (
    f"A loop that improves a kernel: {KERNEL} of two {SIZE} x {SIZE} matrices evolves for {{budget}} a lap, and each "
    "lap starts from the champion of the lap before. Numba compiles what the search proposes; it must prove that its "
    "result is right, and then races the best so far. What a lap will give is said before it begins."
)
CHAMPION = (
    "The last champion, measured afresh in new processes and on new inputs, against the plain loop that it grew from. "
    "The bound is the shortest time that the limits of step 1 allow: as the champion comes near it, gains end."
)
REINVEST = (
    "A loop that does compound, for a while: calls from Python answer requests in batches, and the throughput that a "
    "lap reached pays for the next lap's larger batch. As long as the overhead of a call dwarfs the work in it, "
    "throughput doubles with the batch; then it bends at what the machine can do."
)
ARGUMENT = (
    "Both loops side by side. A verdict rests on the ratio of gains from lap to lap, on the measured ceiling, and on "
    "how much of a gain comes back as further gain; how often it would be wrong was measured on planted worlds."
)
REPORT = "The page, one file that needs no network, shows all of it:"


@options.command("demo", "evolve demo")
@click.option("--budget", default="15s", show_default=True, help="Of the search in each lap; all else takes 3 minutes.")
@options.profile_options
@options.wait_option
@options.store_option
def command(*, budget: str, wait: bool, store: str | None) -> None:
    """See the whole argument in five minutes, explained.

    This machine's limits, a kernel that evolves to its cap, a loop that compounds and then bends, both verdicts and
    how often such verdicts are wrong.
    """
    kernel = _kernel_options(budget)
    with options.opened(store, create=True) as facts:
        _explain(1, LIMITS)
        click.echo(_limits(facts, wait=wait))
        _explain(2, SEARCH.format(budget=budget))
        evolving = _loop(facts, "kernels", kernel, laps=KERNEL_LAPS, wait=wait)
        run = _champion(facts, evolving)
        _explain(4, REINVEST)
        batching = _loop(facts, "batching", {}, laps=BATCHING_LAPS, wait=wait)
        _conclude(facts, [evolving, batching])
    export = [f"evolve export {run} -o {KERNEL}.py"] if run else []
    Output(store=store).next(f"evolve loop show {batching}", *export)


def _kernel_options(budget: str) -> dict[str, Any]:
    """The options of the kernels' loop, checked before anything is measured."""
    from evolve.cli.asked import request
    from evolve.report.quantities import extents

    wishes = {"size": SIZE, "dtype": DTYPE, "budget": budget, "seed": None, "threads": 1, "policy": "hot"}
    asked = request(KERNEL, {**wishes, "strategy": "genetic", "control_share": 0.15})
    kept = {name: getattr(asked, name) for name in ("kernel", "dtype", "policy", "strategy", "control_share")}
    return {**kept, "size": extents(asked.size), "budget": budget, "launches": 3}


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


def _loop(store: Store, kind: str, settings: Mapping[str, Any], *, laps: int, wait: bool) -> str:
    """Start a loop and carry it to its last lap; returns its id."""
    from evolve.loops import drive
    from evolve.report.lap_lines import telling
    from evolve.report.loop import lap_table
    from evolve.tracker.turns import turns

    asked = drive.spec(store, kind, settings, laps=laps)
    with telling(store) as observer:
        made = drive.start(store, asked, observer, options.admission(wait=wait, anyway=True))
    click.echo(f"\n{lap_table(turns(store, made.id))}")
    return made.id


def _champion(store: Store, loop: str) -> str:
    """Show the champion of the last lap; returns its run, "" where there is no champion to export."""
    from evolve.report import result
    from evolve.report.text import facts
    from evolve.tracker.summary import summary

    run = next((lap.details["run"] for lap in reversed(store.laps(loop)) if lap.details.get("run")), "")
    if not run:
        return ""
    told = summary(store, store.run(run).id)
    _explain(3, CHAMPION)
    click.echo(facts(result.champion(told)))
    return str(told["run"]) if told["champion"] and told["champion"]["source"] == "published" else ""


def _conclude(store: Store, loops: list[str]) -> None:
    """The whole argument on one screen, and where its page lies."""
    from evolve.cli.loop import known_rates
    from evolve.report.argument import argument
    from evolve.report.loop_page import write
    from evolve.tracker.turns import turns

    told = [turns(store, loop) for loop in loops]
    rates = known_rates(told[0]["machine"])
    _explain(5, ARGUMENT)
    click.echo(argument(told, rates))
    _explain(6, REPORT)
    path = options.report_path("demo")
    path.parent.mkdir(parents=True, exist_ok=True)
    click.echo(f"{write(store, loops, path, rates)}\n")


def _explain(step: int, text: str) -> None:
    from evolve.report.text import paragraph

    click.echo(f"\n{paragraph(f'{step}. {text}')}")
