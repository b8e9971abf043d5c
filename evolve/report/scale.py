"""What the search takes at its largest, for a terminal and as a part of the file of results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evolve import __version__
from evolve.report.quantities import clock, number, seconds
from evolve.report.text import markdown_table, table, yes_or_no

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from evolve.scale import Asks, LongRun, Scale

TITLE = "# Scale"
ASK_S, RUN_BYTES, STORED_BYTES = 0.5, 400e6, 2000.0
"""What may be taken at 10^5 children, by 10^5 evaluations, and for one in the store."""
_HEADER = ("what", "figure", "at most", "holds", "remark")

Row = tuple[str, str, str, str, str]


def text(scale: Scale) -> str:
    """A row for each figure."""
    return table([cell.upper() for cell in _HEADER], _rows(scale))


def markdown(scale: Scale, made: Mapping[str, str]) -> str:
    """The part of ``benchmarks/RESULTS.md``.

    Args:
        scale: what was measured.
        made: how: the date, the machine, versions.
    """
    first = f"Measured on {made['date']} with evolve-kernels {__version__}, {made['versions']}, on {made['machine']}"
    command = "python -m benchmarks.suites.scale --results"
    about = (
        f"{first}; `{command}` wrote this part and will overwrite it. Times are processor time of one process with one "
        f"thread. The space has {scale.run.space:.1e} schedules, its fitness is a function: no kernel is built."
    )
    return f"{TITLE}\n\n{about}\n\n{markdown_table(_HEADER, _rows(scale))}\n"


def _rows(scale: Scale) -> Iterator[Row]:
    yield _ask("an ask", scale.usual)
    yield _ask("an ask of a large search", scale.large)
    run, stored = scale.run, scale.store
    holds = _holds(run.peak_bytes, RUN_BYTES)
    yield f"memory of a run of {run.evaluations} evaluations", *holds, _course(run)
    raw = f"{number(stored.raw_bytes / stored.evaluations)} B of raw samples each come on top"
    remark = f"{stored.evaluations} evaluations of matmul; {raw}"
    yield "store, an evaluation beside raw samples", *_holds(stored.beside_bytes, STORED_BYTES), remark


def _ask(what: str, asks: Asks) -> Row:
    range_ = f"{seconds(asks.seconds[0])} to {seconds(asks.seconds[-1])} in {len(asks.seconds)} asks"
    known = f"{asks.known} outcomes known, population {asks.population}"
    screened = f"{asks.screened} children screened, legal and no twins, of {asks.bred} bred"
    remark = f"{screened}; {known}; {range_}, a tell {seconds(asks.tell_s)}"
    median_s = asks.median_s
    return f"{what}, median", seconds(median_s), seconds(ASK_S), yes_or_no(median_s <= ASK_S), remark


def _holds(found_bytes: float, most_bytes: float) -> tuple[str, str, str]:
    return _decimal(found_bytes), _decimal(most_bytes), yes_or_no(found_bytes <= most_bytes)


def _decimal(value_bytes: float) -> str:
    return f"{number(value_bytes / 1e6)} MB" if value_bytes >= 1e6 else f"{number(value_bytes / 1e3)} kB"


def _course(run: LongRun) -> str:
    first, last = (f"{seconds(10 * run.tenths_s[k] / run.evaluations)} an evaluation" for k in (0, -1))
    took = f"{clock(sum(run.tenths_s))}, {run.batch} asked at once"
    return f"{took}; {first} in the first tenth, {last} in the last"
