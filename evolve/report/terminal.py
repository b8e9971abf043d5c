"""What a run shows while it works, on stderr: a view in place on a terminal, lines elsewhere, nothing where asked.

Nothing here has a thread or a timer: a refresh in the background would disturb what is being timed. The view is drawn
when the observer is called, which a run does between measurements only.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from benchmarks.inference import exponential
from evolve.report.outlook import gained
from evolve.report.quantities import clock, factor, number, percent, rate, seconds, speedup, terms

if TYPE_CHECKING:
    from rich.console import RenderableType

    from evolve.progress import Observer, Progress
    from evolve.prospects import Prospect

Clock = Callable[[], float]

LEAST_REDRAW_S = 0.2  # a drawing takes some 5 ms
LEAST_LINE_S = 10.0
LEAST_STEP_S = 1.0
_BLOCKS = "▁▂▃▄▅▆▇█"
_PLAIN_BLOCKS = "_.-~=+*#"


@contextmanager
def watching(*, is_quiet: bool = False, stream: TextIO | None = None) -> Iterator[Observer]:
    """An observer that shows progress as the stream allows, for the length of the block."""
    target = stream or sys.stderr
    if is_quiet:
        yield lambda _progress: None
    elif not _is_screen(target):
        yield Lines(target)
    else:
        with _live(target) as live:
            yield View(live)


@contextmanager
def steps(*, is_quiet: bool = False, stream: TextIO | None = None) -> Iterator[Callable[[str], None]]:
    """The same for work that has no progress but a sequence of steps."""
    target = stream or sys.stderr
    if is_quiet:
        yield lambda _step: None
    elif not _is_screen(target):
        yield _spaced(target)
    else:
        with _live(target) as live:
            yield lambda step: live.update(Text(step, style="dim", no_wrap=True, overflow="ellipsis"), refresh=True)


def _spaced(stream: TextIO, now: Clock = time.monotonic) -> Callable[[str], None]:
    """Write steps, but not those that follow within a second."""
    said_s = -math.inf

    def say(step: str) -> None:
        nonlocal said_s
        if now() - said_s >= LEAST_STEP_S:
            said_s = now()
            print(step, file=stream, flush=True)

    return say


def _is_screen(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _live(stream: TextIO) -> Live:
    return Live(console=Console(file=stream), auto_refresh=False, transient=True)


class View:
    """A view in place. Drawn at most five times a second, but for the last words of a stage.

    Args:
        live: where it is drawn.
        now: seconds, for the least time between two drawings.
    """

    def __init__(self, live: Live, now: Clock = time.monotonic) -> None:
        self._live, self._now = live, now
        self._drawn_s, self._stage = -math.inf, ""

    def __call__(self, progress: Progress) -> None:
        """Draw, unless that was done a moment ago."""
        if progress.stage == self._stage and self._now() - self._drawn_s < LEAST_REDRAW_S:
            return
        self._live.update(view(progress, self._live.console), refresh=True)
        self._drawn_s, self._stage = self._now(), progress.stage


class Lines:
    """A line for each improvement and each new stage, and one every ten seconds otherwise."""

    def __init__(self, stream: TextIO, now: Clock = time.monotonic) -> None:
        self._stream, self._now = stream, now
        self._said_s, self._stage, self._best = -math.inf, "", 1.0

    def __call__(self, progress: Progress) -> None:
        """Write a line if there is news."""
        best = progress.history[-1] if progress.history else self._best
        is_news = best > self._best or progress.stage != self._stage
        if not is_news and self._now() - self._said_s < LEAST_LINE_S:
            return
        print(line(progress), file=self._stream, flush=True)
        self._said_s, self._stage, self._best = self._now(), progress.stage, max(best, self._best)


def line(progress: Progress) -> str:
    """A run's standing in one line of ASCII."""
    parts = [f"[{clock(progress.elapsed_s):>7} {percent(progress.fraction):>5}]"]
    if progress.evaluations:
        parts.append(f"{progress.evaluations} evaluated")
    if progress.best is not None:
        parts.append(f"best {speedup(progress.best.as_dict())}{_by_now(progress)}")
    if progress.bound_fraction is not None:
        parts.append(f"{percent(progress.bound_fraction)} of the bound")
    return f"{parts[0]} {', '.join([*parts[1:], doing(progress)])}"


def _by_now(progress: Progress) -> str:
    """What the races since the last measurement say: where the plain loop is slow, that one is long ago."""
    return f", by now about {factor(progress.best_now)}" if progress.best_now else ""


def doing(progress: Progress) -> str:
    """The work under way, after the name of its stage where that says more."""
    is_said = progress.stage == "search" or progress.doing.startswith(progress.stage)
    return progress.doing if is_said else f"{progress.stage}: {progress.doing}"


# ---- the view, from top to bottom


def view(progress: Progress, console: Console) -> RenderableType:
    """All that fits into 80 columns and a dozen lines."""
    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_column(style="dim", no_wrap=True, min_width=len("of the bound"))
    facts.add_column(no_wrap=True, overflow="ellipsis")
    rows = {
        "now": doing(progress),
        "best so far": _best(progress),
        "of the bound": _bound(progress),
        "luck": _luck(progress.prospect),
        "to come": _to_come(progress.prospect),
        "evaluations": _evaluations(progress),
        "outcomes": ", ".join(f"{count} {kind}" for kind, count in progress.counts.items()),
        "time goes to": _phases(progress.phases_s),
        "curve": _curve(progress, console),
    }
    for label, value in rows.items():
        if value:
            facts.add_row(label, value)
    return Group(_title(progress), _budget(progress), facts)


def _title(progress: Progress) -> RenderableType:
    title = Table.grid(expand=True)
    title.add_column(no_wrap=True, overflow="ellipsis")
    title.add_column(justify="right", no_wrap=True)
    what = Text(f"{progress.kernel} {progress.size_text}", style="bold")
    what.append(f" {progress.dtype}, {terms(progress.threads, progress.policy)}", style="not bold")
    title.add_row(what, Text(progress.run, style="dim"))
    return title


def _budget(progress: Progress) -> RenderableType:
    bar = Table.grid(expand=True, padding=(0, 1, 0, 0))
    bar.add_column(ratio=1)
    bar.add_column(no_wrap=True)
    text = f"{percent(progress.fraction)} of the budget, {clock(progress.elapsed_s)} so far{_left(progress)}"
    bar.add_row(ProgressBar(total=1.0, completed=min(1.0, progress.fraction), complete_style="cyan"), text)
    return bar


def _left(progress: Progress) -> str:
    """Time left is that of the search: what is published after it takes as long as it takes."""
    if progress.stage != "search" or progress.left_s is None:
        return ""
    return f", {clock(progress.left_s)} left"


def _best(progress: Progress) -> Text | None:
    if progress.best is None:
        return None
    best = Text(speedup(progress.best.as_dict()), style="bold green")
    best.append(_by_now(progress) or " the plain loop", style="not bold default")
    if progress.best_time_s is not None:
        best.append(f"   {seconds(progress.best_time_s)} a call", style="not bold default")
    return best


def _bound(progress: Progress) -> str | None:
    if progress.bound_fraction is None:
        return None
    cap = f", cap {factor(progress.cap)}" if progress.cap else ""
    return f"{percent(progress.bound_fraction)} ({progress.bound_limit}{cap}){_throughput(progress)}"


def _luck(prospect: Prospect | None) -> str | None:
    """The expected best of random draws, and the search with as many."""
    if prospect is None or (point := prospect.luck) is None:
        return None
    search = f", the search then {factor(math.exp(prospect.search))}" if math.isfinite(prospect.search) else ""
    return f"{speedup(exponential(point.fitness).as_dict())} in {point.n} draws{search}"


def _to_come(prospect: Prospect | None) -> str | None:
    if prospect is None or (found := prospect.gain) is None:
        return None
    return f"{gained(found.as_dict()['gain'])} more from {found.evaluations} evaluations more"


def _throughput(progress: Progress) -> str:
    if progress.flop_per_s:
        return f"   {rate(progress.flop_per_s, 'FLOP/s')}"
    return f"   {rate(progress.bytes_per_s, 'B/s')}" if progress.bytes_per_s else ""


def _evaluations(progress: Progress) -> str | None:
    if not progress.evaluations:
        return None
    return f"{progress.evaluations}, {number(progress.evaluations_per_s)} a second"


def _phases(phases_s: Mapping[str, float]) -> str | None:
    total_s = sum(phases_s.values())
    if not total_s:
        return None
    return "  ".join(f"{name} {percent(value_s / total_s)}" for name, value_s in phases_s.items())


def _curve(progress: Progress, console: Console) -> str | None:
    if not progress.history:
        return None
    top = max(progress.cap or 1.0, *progress.history)
    blocks = _PLAIN_BLOCKS if console.options.ascii_only else _BLOCKS
    room = console.width - len("of the bound   1x    cap") - len(factor(top))
    drawn = sparkline(progress.history, low=1.0, high=top, width=max(8, room), blocks=blocks)
    return f"1x {drawn} {factor(top)}{' cap' if top == progress.cap else ''}"


def sparkline(values: tuple[float, ...], *, low: float, high: float, width: int, blocks: str = _BLOCKS) -> str:
    """Values on a logarithmic scale from ``low`` to ``high``, each column the last value of its share of them.

    Values that are not positive and finite are blank.
    """
    columns = min(width, len(values))
    shown = [values[(k + 1) * len(values) // columns - 1] for k in range(columns)]
    span = math.log(high / low) or 1.0
    return "".join(_block(math.log(value / low) / span, blocks) if 0 < value < math.inf else " " for value in shown)


def _block(height: float, blocks: str) -> str:
    """The full block is the top itself, so that a curve below the cap never looks as if it had reached it."""
    return blocks[max(0, min(len(blocks) - 1, int(height * (len(blocks) - 1))))]
