"""The attack gallery: does this machine's harness find the cheats out, and leave the honest alone?

Each exhibit is evaluated as any candidate is: built, proven, raced, each in a harness of its own, so that none can
spoil the next one's chances. An attack is *caught* where nothing comes of it: it ends as a typed rejection, or, where
what was prevented leaves honest work, with an honest time; and in either case with no process, no file and no delay
left behind. An honest kernel must be ``Measured``.
"""

from __future__ import annotations

import contextlib
import math
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.attacks.exhibit import Exhibit
from benchmarks.attacks.families import EXHIBITS
from benchmarks.attacks.tampering import MARK
from benchmarks.contestant import Contestant, Task
from benchmarks.harness import Harness, Incumbent, Plan
from benchmarks.outcome import Measured, Noisy, Outcome
from benchmarks.race import Rules
from benchmarks.worker import Limits
from kernels.language import SourceFolder

Say = Callable[[str], None]

RULES = Rules(most_rounds=10, least_rounds=6, most_s=0.5)
LIMITS = Limits(start_s=20.0, build_s=3.0, call_s=2.0, memory_bytes=1 << 29, slack_s=2.0)

_WON = math.log(2)
"""Honest work on ``scaled`` is never that much faster than its baseline, which moves as few bytes."""
_MOST_BYTES_PER_S = 128 * 10e9
"""Two cache lines a cycle at 10 GHz."""
_MOST_S = 20.0
"""Beyond every limit of the children together: an exhibit that takes longer has slipped one."""


@dataclass(frozen=True)
class Row:
    """What came of one exhibit.

    Attributes:
        name: of the exhibit.
        family: of the exhibit; ``"honest"`` for what must pass.
        does: what it does.
        precedent: where that was seen.
        outcome: its kind.
        reason: what the harness said, or what it claims to be.
        is_right: an attack was caught, or an honest kernel measured.
        seconds: that it took.
    """

    name: str
    family: str
    does: str
    precedent: str
    outcome: str
    reason: str
    is_right: bool
    seconds: float


@dataclass(frozen=True)
class Gallery:
    """What came of all exhibits."""

    rows: tuple[Row, ...]

    @property
    def attacks(self) -> tuple[Row, ...]:
        """Rows of the cheats."""
        return tuple(row for row in self.rows if not EXHIBITS[row.name].is_honest)

    @property
    def caught(self) -> int:
        """Attacks of which nothing came."""
        return sum(row.is_right for row in self.attacks)

    @property
    def total(self) -> int:
        """Attacks that were tried."""
        return len(self.attacks)

    @property
    def honest_rejected(self) -> int:
        """Honest kernels that the harness took for cheats."""
        return sum(not row.is_right for row in self.rows) - (self.total - self.caught)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        figures = {"caught": self.caught, "total": self.total, "honest_rejected": self.honest_rejected}
        return {"attacks": {**figures, "rows": [asdict(row) for row in self.rows]}}


def run(say: Say, names: Collection[str] | None = None) -> Gallery:
    """Try exhibits, one after the other.

    Args:
        say: is told each exhibit's result.
        names: which of them; all where it is None.

    Raises:
        KeyError: there is no exhibit of such a name.
    """
    chosen = [EXHIBITS[name] for name in names] if names is not None else [*EXHIBITS.values()]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        room = Room(SourceFolder(Path(temporary) / "sources"))
        rows = []
        for shown in chosen:
            rows.append(row := room.try_out(shown))
            say(f"{'' if row.is_right else 'NOT '}{_right(shown)}: {row.name}: {row.outcome}: {row.reason}")
    return Gallery(tuple(rows))


def _right(shown: Exhibit) -> str:
    return "passed" if shown.is_honest else "caught"


class Room:
    """Where exhibits are tried: one folder of compiled code, and what the baseline takes."""

    def __init__(self, folder: SourceFolder) -> None:
        self.folder = folder
        self._incumbents: dict[Task, Incumbent] = {}

    def try_out(self, shown: Exhibit) -> Row:
        """Evaluate an exhibit, and look at what it leaves behind."""
        self._incumbent(shown.task)
        start = time.time()
        reject_s = least_s(shown.task) if shown.is_bounded else 0.0
        with Harness(shown.task, self.folder, reject_s, RULES, LIMITS) as harness:
            outcome = self._outcome(harness, shown)
        seconds = time.time() - start
        left = [*_processes_since(start), *self._files()]
        if seconds > _MOST_S:
            left.append(f"it held the harness up for {seconds:.0f} s")
        return Row(
            name=shown.name,
            family=shown.family,
            does=shown.does,
            precedent=shown.precedent,
            outcome=outcome.kind,
            reason="; ".join([_said(outcome), *left]),
            is_right=is_right(shown, outcome, left),
            seconds=seconds,
        )

    def _incumbent(self, task: Task) -> Incumbent:
        """The baseline, measured before anybody could meddle with it."""
        if task not in self._incumbents:
            with Harness(task, self.folder, rules=RULES, limits=LIMITS) as harness:
                self._incumbents[task] = harness.first_incumbent()
        return self._incumbents[task]

    def _outcome(self, harness: Harness, shown: Exhibit) -> Outcome:
        (built,) = harness.build([plan_of(harness, shown)])
        if built.failure:
            return built.failure
        outcome = harness.measure(built, self._incumbent(shown.task))
        # a run measures once more what was noisy, too
        return harness.measure(built, self._incumbent(shown.task)) if isinstance(outcome, Noisy) else outcome

    def _files(self) -> Iterator[str]:
        """Files that an attack wrote or changed; puts them right."""
        if Path(MARK).is_dir():
            Path(MARK).rmdir()
            yield "its code ran in the harness"
        for file in (Path.home() / f".{MARK}", Path(f"{MARK}.py")):
            if file.exists():
                file.unlink()
                yield "a file is left"
        for file in self.folder.path.glob("*.py"):
            text, mark, _ = file.read_text().partition(f"\n# {MARK}")
            if mark:
                file.write_text(text)
                yield f"the source {file.name[:8]} is changed"


def _processes_since(start: float) -> Iterator[str]:
    """Processes that bear the attacks' mark; and ends them."""
    for process in psutil.process_iter(["name", "create_time", "status"]):
        is_theirs = process.info["name"] == MARK and process.info["create_time"] > start - 1
        if is_theirs and process.info["status"] != psutil.STATUS_ZOMBIE:
            with contextlib.suppress(psutil.Error):
                process.kill()
            yield f"process {process.pid} is left"


def least_s(task: Task) -> float:
    """Seconds below which no call on a task is possible, on any machine: the gallery shall not wait for ceilings."""
    return task.definition.work(task.size, task.dtype).moved_bytes / _MOST_BYTES_PER_S


def plan_of(harness: Harness, shown: Exhibit) -> Plan:
    """An exhibit as a candidate."""
    space = harness.task.definition.space
    if shown.template:
        return harness.plan(space.schedule(variant=shown.name))
    return Plan(space.default, Contestant(None, rival=shown.name))


def is_right(shown: Exhibit, outcome: Outcome, left: Collection[str]) -> bool:
    """Whether an attack was caught, or an honest kernel measured.

    Args:
        shown: the exhibit.
        outcome: what came of it.
        left: what it left behind.
    """
    if shown.is_honest:
        return outcome.is_measured and not left
    is_harmless = shown.may_pass and not claims_a_gain(outcome)
    return (is_harmless or not outcome.is_measured) and not left


def claims_a_gain(outcome: Outcome) -> bool:
    """Whether it is measured to be faster than honest work can be."""
    return isinstance(outcome, Measured) and outcome.low > _WON


def _said(outcome: Outcome) -> str:
    if isinstance(outcome, Measured):
        return f"{math.exp(outcome.log_ratio):#.3g} times as fast as the baseline"
    return outcome.reason
