"""What commands share: their options, and how they say what came out."""

from __future__ import annotations

import difflib
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich_click import RichCommand

from evolve.errors import UsageError
from evolve.search.protocol import CONTROL_SHARE

if TYPE_CHECKING:
    from evolve.lock import Holder
    from evolve.run import Admission
    from evolve.store import Store

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

INSTRUCTION_SETS = ("sse2", "avx2", "native")
POLICIES = ("hot", "rotate", "flush")

EXIT_CODES = (
    "Exit codes: 0 done, 1 failed, 2 usage, 3 a check did not hold, 4 machine too noisy to judge, "
    "130 interrupted with state saved."
)

store_option = click.option(
    "--store", metavar="URL", help="Where runs are kept, a path or sqlite:///PATH. [default: EVOLVE_STORE or your data]"
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
quiet_option = click.option("-q", "--quiet", is_flag=True, help="Print nothing but the result.")
wait_option = click.option("--wait", is_flag=True, help="Wait while another evolve measures, instead of giving up.")
anyway_option = click.option("--anyway", is_flag=True, help="Measure on a machine too noisy to judge, and say so.")
share_option = click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Of a program's time that the plain kernel takes: 0.053 says what the whole program gains.",
)
size_option = click.option(
    "--size", metavar="N|MxNxK", help="Extents of the problem, one for all or one each. [default: kernel's]"
)
dtype_option = click.option(
    "--dtype", metavar="NAME", help="float64 or float32, as the kernel has them. [default: float64]"
)
policy_option = click.option(
    "--policy",
    type=click.Choice(POLICIES),
    default="hot",
    show_default=True,
    help="What caches hold when a call begins: its data, other data (rotate), nothing (flush).",
)
FILE = click.Path(path_type=Path, dir_okay=False)
run_argument = click.argument("run", default="latest")


def command(name: str, example: str) -> Callable[[Callable[..., Any]], click.Command]:
    """A command whose help ends with an example and the exit codes."""
    return click.command(name, cls=RichCommand, epilog=f"Example: {example}\n\n{EXIT_CODES}")


def results_option(part: str) -> Decorator:
    """``--results``, of a command that writes this part of the file."""
    return click.option("--results", type=FILE, metavar="FILE", help=f"Rewrite this Markdown file's part on {part}.")


def opened(url: str | None, *, create: bool = False) -> Store:
    """The store that ``--store`` names, or the user's own.

    Raises:
        EvolveError: it cannot be used, or is not there and not to be made.
    """
    from evolve.paths import default_store  # noqa: PLC0415 - help needs no store
    from evolve.store import open_store  # noqa: PLC0415 - imports numpy

    return open_store(url or default_store(), create=create)


def report_path(run_id: str) -> Path:
    """Where a run's report lies unless asked for elsewhere: it can be made again at any time."""
    from evolve.paths import cache_folder  # noqa: PLC0415 - help needs no folder

    return cache_folder() / "reports" / f"{run_id}.html"


def check_targets(*paths: Path | None) -> None:
    """See that files can be written: what cannot be must fail before an hour of measuring, not after it.

    Raises:
        UsageError: one cannot.
    """
    for path in paths:
        if path is not None and not os.access(path.absolute().parent, os.W_OK):
            raise UsageError(f"{path} cannot be written", "name a file in a folder that exists and is yours")


def closest(word: str, known: Iterable[str]) -> str:
    """A question that offers what a user may have meant; empty where nothing is close."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else ""


def admission(*, wait: bool, anyway: bool = False, is_quiet: bool = False) -> Admission:
    """The terms on which a run begins, as the options say them; what is found of the machine goes to stderr."""
    from evolve.run import Admission  # noqa: PLC0415 - imports numba

    return Admission(wait, say_waiting, anyway, None if is_quiet else _say_found)


def _say_found(line: str) -> None:
    # not by click: it writes past the live view, which then leaves a torn copy of itself behind
    sys.stderr.write(f"{line}\n")


def say_waiting(holder: Holder) -> None:
    """Tell whom a command waits for."""
    sys.stderr.write(f"waiting until another evolve has measured ({holder})\n")


def _restrict(_context: click.Context, _option: click.Parameter, isa: str | None) -> None:
    from benchmarks.isa import RestrictionError, restrict  # noqa: PLC0415 - help restricts nothing

    if isa is None:
        return
    try:
        restrict(isa)
    except RestrictionError as error:
        raise UsageError(f"--isa {isa}: {error}") from error


def _limit_cores(_context: click.Context, _option: click.Parameter, cores: int | None) -> None:
    from benchmarks.isa import RestrictionError, limit_cores  # noqa: PLC0415 - help restricts nothing

    if cores is None:
        return
    try:
        limit_cores(cores)
    except RestrictionError as error:
        raise UsageError(f"--cores {cores}: {error}") from error


def profile_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--isa`` and ``--cores``: this machine in the place of a lesser one, from before Numba is imported."""
    isa = click.option(
        "--isa",
        type=click.Choice(INSTRUCTION_SETS),
        callback=_restrict,
        is_eager=True,
        expose_value=False,
        help="Stand in for a machine with no more than these instructions.",
    )
    cores = click.option(
        "--cores",
        type=click.IntRange(1),
        callback=_limit_cores,
        is_eager=True,
        expose_value=False,
        help="Stand in for a machine with so many cores.",
    )
    return isa(cores(command))


def search_options(budget: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """What a search is of, and how it goes; ``budget`` is the default."""
    given = (
        size_option,
        dtype_option,
        policy_option,
        click.option("--budget", default=budget, show_default=True, help="Of a search: 90s, 5m, 1h30m or 300evals."),
        click.option(
            "--strategy",
            default="genetic",
            show_default=True,
            help="genetic, local, nsga2 (time against error), random, exhaustive, tpe (Optuna's), or path.py:Class.",
        ),
        click.option(
            "--control-share",
            type=click.FloatRange(0, 1, max_open=True),
            default=CONTROL_SHARE,
            show_default=True,
            help="Share of evaluations that are random draws: what luck finds.",
        ),
    )

    def decorated(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(given):
            command = option(command)
        return command

    return decorated


@dataclass(frozen=True)
class Output:
    """How a command says what came out.

    Attributes:
        as_json: the result as one JSON object.
        is_quiet: nothing but the result.
        store: as given with ``--store``, which the next command will need too.
    """

    as_json: bool = False
    is_quiet: bool = False
    store: str | None = None

    def result(self, plain: Mapping[str, Any], text: str) -> None:
        """Print the result on stdout, as plain values or in words."""
        click.echo(json.dumps(plain, indent=2, allow_nan=False) if self.as_json else text)

    def note(self, text: str = "") -> None:
        """Say on stderr what is no part of the result."""
        if not self.is_quiet and not self.as_json:
            click.echo(text, err=True)

    def next(self, *commands: str) -> None:
        """Name the commands that may come next, in the last line."""
        store = f" --store {self.store}" if self.store else ""
        self.note("next: " + "  or  ".join(f"{command}{store}" for command in commands))
