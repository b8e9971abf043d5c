"""``evolve replay``: score strategies on recorded spaces, no clock involved."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from evolve.cli import options
from evolve.cli.options import Output
from evolve.errors import EvolveError, UsageError
from evolve.search.protocol import CONTROL_SHARE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evolve.replay.seeds import Ground


@options.command("replay", "evolve replay matmul --strategy genetic,random")
@click.argument("files", nargs=-1, metavar="[SPACE]...", type=click.Path(path_type=Path))
@click.option(
    "--strategy",
    default="genetic",
    show_default=True,
    metavar="A,B",
    help="Names as of `evolve run`, or path.py:Class.",
)
@click.option("--seeds", type=click.IntRange(1), default=100, show_default=True, help="Searches of each.")
@click.option("--budget", type=click.IntRange(1), default=200, show_default=True, help="Legal schedules, each once.")
@click.option("--batch", type=click.IntRange(1), default=8, show_default=True, help="Schedules asked for at once.")
@click.option("--no-control", is_flag=True, help="Without the 15 % of random draws that a run makes.")
@options.json_option
@options.quiet_option
def command(  # noqa: PLR0913 - one parameter an option
    *,
    files: tuple[Path, ...],
    strategy: str,
    seeds: int,
    budget: int,
    batch: int,
    no_control: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Score strategies on recorded spaces, no clock involved.

    SPACE is a file that `evolve record` wrote, a Kernel Tuner cache or a T4 file, each of which may be gzip; a folder
    of them; or the name of one that comes with evolve, as in matmul. Without any, all of those are searched, and those
    in the folder that EVOLVE_RECORDED names.

    Strategies search as they do in a run, on all cores. A strategy's score is 0 where it does as random search does,
    and 1 where it has the optimum at once.
    """
    from evolve.replay.seeds import Ground, Terms, searched
    from evolve.replay.shipped import named
    from evolve.report.replay import plain, remarks, text
    from evolve.report.terminal import steps

    output = Output(as_json, quiet)
    terms = Terms(seeds, budget, 0.0 if no_control else CONTROL_SHARE, batch)
    with steps(is_quiet=quiet) as say:
        say("reading recorded spaces")
        grounds = [Ground.of(file, budget) for file in named(files)]
        strategies = _known(strategy, grounds)
        entries = searched(grounds, strategies, terms, say)
    output.result(plain(grounds, entries, terms), text(grounds, entries, terms))
    for remark in remarks(grounds, entries, terms):
        output.note(remark)
    if faults := [entry.fault for entry in entries if entry.fault]:
        raise EvolveError(f"{len(faults)} of {len(entries)} came to nothing", faults[0])
    output.next(f"evolve run matmul --strategy {strategies[0]}")


def _known(given: str, grounds: Sequence[Ground]) -> list[str]:
    from evolve.cli.asked import check_strategy

    names = [*dict.fromkeys(filter(None, (name.strip() for name in given.split(","))))]
    if not names:
        raise UsageError("--strategy names none", "as in --strategy genetic,random")
    for name in names:
        check_strategy(grounds[0].landscape.space, name)
    return names
