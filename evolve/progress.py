"""What a run says while it works, and how it is asked to stop."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

    from benchmarks.inference import Estimate
    from evolve.prospects import Prospect
    from evolve.store import RunSpec


@dataclass(frozen=True)
class Progress:
    """How a run stands at one moment.

    Attributes:
        run: its id; empty before there is one.
        kernel: the kernel's name.
        size_text: the problem's size as a user writes it, ``"512x512x512"``.
        dtype: as in ``"float64"``.
        threads: threads of the kernel.
        stage: ``machine``, ``ceilings``, ``baseline``, ``search`` or ``publish``.
        doing: the work under way, in plain words.
        fraction: of the budget used, 0 to 1.
        elapsed_s: wall time of the run, pauses between its sessions left out.
        left_s: until the budget is used up; None where that cannot be told yet.
        evaluations: outcomes known, duplicates left out.
        evaluations_per_s: the same per second of ``elapsed_s``.
        counts: known outcomes by kind.
        phases_s: wall time by phase: build, verify, measure, search, other.
        best: the incumbent's speedup over the fixed baseline, measured anew; None while the baseline itself leads.
        best_time_s: the incumbent's seconds per call.
        flop_per_s: the incumbent's rate.
        bytes_per_s: the incumbent's traffic, compulsory bytes only.
        bound_fraction: the bound's time over the incumbent's.
        bound_limit: what binds, as in ``"fma"``.
        cap: the greatest speedup that the bound allows.
        history: best speedup so far, one value an evaluation.
        policy: what the caches hold when a call begins.
        prospect: how it stands to luck, and what is still to be expected; None before there is anything to say.
        best_now: the incumbent's speedup by the races that it won since ``best`` was measured; None where that is its
            own.
    """

    run: str
    kernel: str
    size_text: str
    dtype: str
    threads: int
    stage: str
    doing: str
    fraction: float
    elapsed_s: float
    left_s: float | None
    evaluations: int
    evaluations_per_s: float
    counts: Mapping[str, int]
    phases_s: Mapping[str, float]
    best: Estimate | None
    best_time_s: float | None
    flop_per_s: float | None
    bytes_per_s: float | None
    bound_fraction: float | None
    bound_limit: str
    cap: float | None
    history: tuple[float, ...]
    policy: str = "hot"
    prospect: Prospect | None = None
    best_now: float | None = None

    @classmethod
    def before(cls, spec: RunSpec, stage: str, doing: str) -> Progress:
        """The progress of a run that has evaluated nothing yet."""
        return cls(
            run="",
            kernel=spec.kernel,
            size_text="x".join(map(str, spec.size)),
            dtype=spec.dtype,
            threads=spec.threads,
            stage=stage,
            doing=doing,
            fraction=0.0,
            elapsed_s=0.0,
            left_s=None,
            evaluations=0,
            evaluations_per_s=0.0,
            counts={},
            phases_s={},
            best=None,
            best_time_s=None,
            flop_per_s=None,
            bytes_per_s=None,
            bound_fraction=None,
            bound_limit="",
            cap=None,
            history=(),
            policy=spec.policy,
        )


Observer = Callable[[Progress], None]
"""Is called between measurements, never during one."""


class StopRequest:
    """The user's wish to stop: the first Ctrl-C sets it, the second stops at once.

    Attributes:
        is_set: True from the first Ctrl-C on; the run looks at it between measurements, saves, and ends.
    """

    def __init__(self) -> None:
        self.is_set = False

    @contextlib.contextmanager
    def on_interrupt(self) -> Iterator[None]:
        """Listen for Ctrl-C within the block.

        Raises:
            KeyboardInterrupt: at the second one.
        """
        try:
            before = signal.signal(signal.SIGINT, self._interrupted)
        except ValueError:  # signals belong to the main thread; elsewhere nobody presses Ctrl-C
            yield
            return
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _interrupted(self, _number: int, _frame: FrameType | None) -> None:
        if self.is_set:
            raise KeyboardInterrupt
        self.is_set = True
        # a stream that was being written at this very moment refuses a second writer
        with contextlib.suppress(RuntimeError, OSError):
            print("finishing the measurement under way, then saving; Ctrl-C again stops at once", file=sys.stderr)  # noqa: T201
