"""``evolve run``: evolve a kernel here."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from evolve.cli import options
from evolve.cli.options import Output
from evolve.errors import UsageError

_ANY_COMMAND = {"anyway", "wait", "store", "as_json", "quiet", "isa", "cores"}
_HEEDED = {"with_all", "budget", "name", "threads", "no_report", *_ANY_COMMAND}
"""What ``--all`` heeds; it writes no report of each run, so that --no-report changes nothing."""


@options.command("run", "evolve run matmul --size 512 --budget 2m")
@click.argument("kernel", required=False)
@click.option("--all", "with_all", is_flag=True, help="All kernels, which share --budget; again, it goes on.")
@options.search_options("5m")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Threads of the kernel.")
@click.option("--seed", type=click.IntRange(0), help="Of search and inputs. [default: a new one, which is kept]")
@click.option("--max-error", type=click.FloatRange(0, min_open=True), help="Of the champion, relative: 1e-6.")
@click.option("--stop-when-flat", is_flag=True, help="Stop early once as much again is not expected to bring 2 %.")
@click.option(
    *("--cold", "--no-wisdom", "is_cold"),
    is_flag=True,
    help="Begin at the kernel's default, not at the nearest champion that is known here.",
)
@click.option("--engine", metavar="ID", help="Of the search: an id, or usual. [default: what a loop put to work here]")
@click.option("--raced-by", metavar="LOOP", help="End races by the rules that a loop `policy` found, not by the usual.")
@click.option("--name", help="A word of yours for the run.")
@click.option(
    "--report", type=click.Path(path_type=Path, dir_okay=False), help="Where to write the report. [default: cache]"
)
@click.option("--no-report", is_flag=True, help="Write no report.")
@options.anyway_option
@options.profile_options
@options.wait_option
@options.store_option
@options.json_option
@options.quiet_option
def command(  # noqa: PLR0913 - one parameter an option
    *,
    kernel: str | None,
    with_all: bool,
    report: Path | None,
    no_report: bool,
    is_cold: bool,
    engine: str | None,
    raced_by: str | None,
    anyway: bool,
    wait: bool,
    store: str | None,
    as_json: bool,
    quiet: bool,
    **asked: Any,
) -> None:
    """Evolve KERNEL here: search, prove, measure afresh, report.

    Where this machine has a champion of a size or dtype nearby, or wisdom was imported, the search begins there.

    First the machine is asked whether it can be trusted to measure; exit code 4 where it can't.
    The champion is then measured in new processes against the plain loop and against libraries.
    Ctrl-C once finishes the measurement under way and saves; `evolve resume` goes on from there.
    """
    if with_all:
        from evolve.cli.library import run_all

        _refuse_other(kernel)
        terms = options.admission(wait=wait, anyway=anyway, is_quiet=quiet)
        run_all(asked["budget"], asked["name"], asked["threads"], terms, Output(as_json, quiet, store))
        return
    if kernel is None:
        raise UsageError("KERNEL is missing", "`evolve kernels` lists them; --all takes all")
    from evolve import racing
    from evolve.cli import asked as wishes
    from evolve.cli.ending import show_end
    from evolve.deployed import equipped
    from evolve.report.terminal import watching
    from evolve.run import start
    from evolve.starting import origin_of
    from evolve.wisdom import begun

    request, output = wishes.request(kernel, asked), Output(as_json, quiet, store)
    with options.opened(store, create=True) as facts:
        request = equipped(facts, request if is_cold else begun(facts, request), engine)
        if raced_by:
            request = replace(request, options={**request.options, **racing.raced_by(racing.found_by(facts, raced_by))})
        if origin := origin_of(request.options):
            output.note(f"the search begins at the champion of {origin}; --cold begins at the kernel's default")
        with watching(is_quiet=quiet) as observer:
            run = start(facts, request, observer, options.admission(wait=wait, anyway=anyway, is_quiet=quiet))
        show_end(facts, run.id, output, report, with_report=not no_report)


def _refuse_other(kernel: str | None) -> None:
    """Problems and search of ``--all`` are fixed, so that one machine's table can be held against another's."""
    context = click.get_current_context()
    given = [
        option.opts[0]
        for option in context.command.params
        if option.name not in _HEEDED and context.get_parameter_source(str(option.name)) is ParameterSource.COMMANDLINE
    ]
    if given:
        raise UsageError(f"--all has problems of its own: leave out {kernel or ' '.join(given)}")
