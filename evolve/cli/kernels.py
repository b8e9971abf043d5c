"""``evolve kernels``: what can be evolved."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from rich_click import RichGroup

from evolve.cli import options
from evolve.cli.options import Output
from evolve.errors import CheckFailedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernels import Kernel

Checked = dict[str, Any]


@click.group(
    "kernels",
    cls=RichGroup,
    invoke_without_command=True,
    epilog=f"Example: evolve kernels show matmul\n\n{options.EXIT_CODES}",
)
@options.json_option
@click.pass_context
def command(context: click.Context, *, as_json: bool) -> None:
    """List the kernels, show one, check them; alone it lists."""
    if context.invoked_subcommand is None:
        context.invoke(list_, as_json=as_json)


@options.command("list", "evolve kernels list")
@options.json_option
def list_(*, as_json: bool) -> None:
    """List all kernels with their dimensions, dtypes and numbers of schedules."""
    import kernels
    from evolve.report.text import table

    found = [kernels.get(name) for name in kernels.names()]
    rows = [(k.name, "x".join(k.dims), " ".join(k.dtypes), _count(k), _about(k)) for k in found]
    output = Output(as_json)
    output.result(
        {"schema": 1, "kernels": [_plain(kernel) for kernel in found]},
        table(("KERNEL", "SIZE", "DTYPES", "SCHEDULES", "WHAT IT DOES"), rows),
    )
    output.next(f"evolve kernels show {found[0].name}", f"evolve run {found[0].name}")


@options.command("show", "evolve kernels show matmul")
@click.argument("name")
@options.json_option
def show(*, name: str, as_json: bool) -> None:
    """Show what the kernel NAME computes, and what can be changed about it."""
    from evolve.cli.asked import known_kernel
    from evolve.report.text import facts

    kernel = known_kernel(name)
    genes = [(p.name, f"{p.doc}: {' '.join(map(str, p.values))}{_condition(p.when)}") for p in kernel.space.parameters]
    rules = [("rule", constraint.reason) for constraint in kernel.space.constraints]
    head = [
        ("schedules", _count(kernel)),
        ("size", f"{'x'.join(kernel.dims)}, by default {'x'.join(map(str, kernel.default_size))}"),
        ("dtypes", ", ".join(kernel.dtypes)),
        ("rivals", ", ".join(kernel.rivals)),
        ("next 10 %", kernel.left),
    ]
    output = Output(as_json)
    output.result({"schema": 1, **_plain(kernel)}, "\n\n".join([kernel.doc.strip(), facts(head), facts(genes + rules)]))
    output.next(f"evolve run {name}", f"evolve kernels check {name}")


@options.command("check", "evolve kernels check matmul")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--schedules", type=click.IntRange(1), default=6, show_default=True, help="Random ones, besides the default."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the random schedules.")
@options.json_option
@options.quiet_option
def check(*, names: tuple[str, ...], schedules: int, seed: int, as_json: bool, quiet: bool) -> None:
    """Check that kernels are right: compile default and random schedules, and prove them on awkward sizes.

    All kernels, or those named. Exit code 3 if anything fails.
    """
    import kernels
    from evolve.cli.asked import known_kernel
    from evolve.report.terminal import steps

    wanted = {name: known_kernel(name) for name in names or kernels.names()}
    with steps(is_quiet=quiet) as say:
        checked = [_check(name, dtype, (schedules, seed), say) for name, k in wanted.items() for dtype in k.dtypes]
    output = Output(as_json, quiet)
    output.result({"schema": 1, "checked": checked}, "\n".join(map(_verdict, checked)))
    if wrong := sorted({one["kernel"] for one in checked if one["failures"]}):
        raise CheckFailedError(f"{', '.join(wrong)} failed", "the failures stand above")
    output.next(f"evolve run {next(iter(wanted))}")


for subcommand in (list_, show, check):
    command.add_command(subcommand)


def _check(name: str, dtype: str, sample: tuple[int, int], say: Callable[[str], None]) -> Checked:
    """Build and verify in isolated children, as a run does, without any timing."""
    import numpy as np

    import kernels
    from benchmarks.contestant import Task
    from benchmarks.harness import Harness
    from evolve.paths import source_folder

    kernel = kernels.get(name)
    count, seed = sample
    rng = np.random.default_rng(seed)
    chosen = dict.fromkeys([kernel.space.default, *(kernel.space.sample(rng) for _ in range(count))])
    failures = []
    with Harness(Task(name, kernel.verify_sizes[0], dtype), source_folder()) as harness:
        plans = [harness.plan(schedule) for schedule in chosen]
        for done, built in enumerate(harness.build(plans), 1):
            say(f"{kernel.name} {dtype}: {done} of {len(plans)} schedules")
            if built.failure:
                failures.append(
                    {
                        "schedule": dict(built.plan.schedule),
                        "outcome": built.failure.kind,
                        "reason": built.failure.reason,
                    }
                )
    return {"kernel": kernel.name, "dtype": dtype, "schedules": len(plans), "failures": failures}


def _verdict(checked: Checked) -> str:
    what = f"{checked['kernel']} {checked['dtype']}"
    if not checked["failures"]:
        return f"{what}: {checked['schedules']} schedules right"
    lines = [f"{what}: {len(checked['failures'])} of {checked['schedules']} schedules failed"]
    for failure in checked["failures"]:
        values = " ".join(f"{name}={value}" for name, value in failure["schedule"].items())
        lines.append(f"  {failure['outcome']}: {failure['reason']}\n    {values}")
    return "\n".join(lines)


def _plain(kernel: Kernel) -> dict[str, Any]:
    return {
        "kernel": kernel.name,
        "summary": kernel.summary,
        "dims": list(kernel.dims),
        "dtypes": list(kernel.dtypes),
        "default_size": list(kernel.default_size),
        "schedules": kernel.space.size,
        "rivals": list(kernel.rivals),
        "left": kernel.left,
        "parameters": [
            {"name": p.name, "kind": p.kind, "values": list(p.values), "default": p.default, "doc": p.doc}
            for p in kernel.space.parameters
        ],
    }


def _count(kernel: Kernel) -> str:
    return "uncounted" if kernel.space.size is None else f"{kernel.space.size:.3g}"


def _about(kernel: Kernel) -> str:
    """The summary without the name that it begins with."""
    return kernel.summary.removeprefix(f"{kernel.name}: ").rstrip(".")


def _condition(when: Any) -> str:
    return "".join(f" ({name} {'/'.join(map(str, values))} only)" for name, values in when.items())
