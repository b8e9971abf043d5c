"""``evolve record``: measure a space from end to end, so that searches of it can be replayed."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evolve.cli import options
from evolve.cli.options import Output
from evolve.errors import UsageError

if TYPE_CHECKING:
    from benchmarks.contestant import Task
    from evolve.replay.landscape import Landscape
    from evolve.replay.recording import Recording


@options.command("record", "evolve record softmax --size 256x1024 --out softmax.json.gz")
@click.argument("kernel")
@click.option(
    "--space",
    type=click.Choice(("small", "all")),
    default="small",
    show_default=True,
    help="The kernel's small space of some thousand schedules, or all there are.",
)
@options.size_option
@options.dtype_option
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Threads of the kernel.")
@options.policy_option
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Where to. [default: your data]"
)
@options.anyway_option
@options.profile_options
@options.wait_option
@options.store_option
@options.json_option
@options.quiet_option
def command(  # noqa: PLR0913 - one parameter an option
    *,
    kernel: str,
    space: str,
    out: Path | None,
    anyway: bool,
    wait: bool,
    store: str | None,
    as_json: bool,
    quiet: bool,
    **asked: Any,
) -> None:
    """Measure all schedules of a space of KERNEL, so that searches of it can be replayed.

    Each is proven and raced as in a run; this may take hours. What is measured is kept at once, in a journal beside
    FILE: after Ctrl-C, or whatever else ended it, the same command goes on.
    """
    from evolve.cli import asked as wishes
    from evolve.replay.record import record
    from evolve.report.terminal import steps

    task = wishes.task(kernel, asked["size"], asked["dtype"], asked["threads"], asked["policy"])
    target = _target(out, task, space)
    output = Output(as_json, quiet, store)
    with options.opened(store, create=True) as facts, steps(is_quiet=quiet) as say:
        terms = options.admission(wait=wait, anyway=anyway, is_quiet=quiet)
        made = record(facts, task, space, target, say, terms)
    landscape = made.landscape(target.name.partition(".")[0])
    output.result(_plain(made, landscape, target), _text(made, landscape, target))
    output.next(f"evolve replay {target} --strategy genetic,random")


def _target(out: Path | None, task: Task, space: str) -> Path:
    """The file; what cannot be written must fail before hours of measuring, not after them."""
    target = out or _default_target(task, space)
    if target.exists():
        raise UsageError(f"{target} is there already", "remove it to record anew, or name another file with --out")
    options.check_targets(target)
    return target


def _default_target(task: Task, space: str) -> Path:
    from evolve.paths import data_folder
    from evolve.report.quantities import extents

    folder = data_folder() / "recordings"
    folder.mkdir(parents=True, exist_ok=True)
    shared = f"-{task.threads}threads" if task.threads > 1 else ""
    policy = "" if task.policy == "hot" else f"-{task.policy}"
    return folder / f"{task.definition.name}-{extents(task.size)}-{task.dtype}{shared}{policy}-{space}.json.gz"


def _plain(made: Recording, landscape: Landscape, target: Path) -> dict[str, Any]:
    return {
        "schema": 1,
        "file": str(target),
        "kernel": made.subject.kernel,
        "problem": {"size": list(made.subject.size), "dtype": made.subject.dtype, "threads": made.subject.threads},
        "machine": made.subject.machine,
        "space": made.subject.space,
        "schedules": len(landscape.times_s),
        "failed": landscape.failed,
        "failures": _failures(made),
        "best_s": landscape.best_s,
        "median_s": landscape.median_s,
        "baseline_s": made.baseline_s,
    }


def _failures(made: Recording) -> dict[str, int]:
    """How many schedules failed in which way."""
    return dict(Counter(timing.outcome for timing in made.timings.values() if timing.time_s is None).most_common())


def _text(made: Recording, landscape: Landscape, target: Path) -> str:
    from evolve.report.quantities import capacity, seconds
    from evolve.report.text import facts

    kinds = ", ".join(f"{count} {kind}" for kind, count in _failures(made).items())
    failed = f"{landscape.failed} failed" + (f" ({kinds})" if kinds else "")
    times = f"best {seconds(landscape.best_s)}, median {seconds(landscape.median_s)} a call"
    return facts(
        [
            ("recorded", landscape.source),
            ("schedules", f"{len(landscape.times_s)}, of which {failed}"),
            ("times", times),
            ("file", f"{target}, {capacity(target.stat().st_size)}"),
        ]
    )
