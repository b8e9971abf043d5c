"""All trials of ``evolve doctor --full``: which they are, one after the other, with a truthful time left."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.aa import binomial_estimate
from benchmarks.inference import Estimate
from benchmarks.trials.cost import beside_samples, racing
from benchmarks.trials.equals import under_cold_caches, verdict_of
from benchmarks.trials.power import power
from benchmarks.trials.promotion import beside_hog, equals
from benchmarks.trials.roof import repeated
from benchmarks.trials.verdict import Setting, Trial, Verdict
from evolve.lock import MeasuringLock
from evolve.nothing import null_evolution
from evolve.report.quantities import clock
from kernels.language import SourceFolder

if TYPE_CHECKING:
    from benchmarks.gallery import Gallery
    from benchmarks.precision import Precision
    from benchmarks.trials.verdict import Tell

Say = Callable[[str], None]

MEASURED = (
    Trial("equals under cold caches", 60, under_cold_caches),
    Trial("planted gains", 15, power),
    Trial("the harness' own time", 10, beside_samples),
    Trial("racing beside fixed rounds", 40, racing),
    Trial("equals by the promotion rule", 360, equals),
    Trial("promotion beside a hog of the CPU", 200, lambda setting: beside_hog(setting, "cpu")),
    Trial("promotion beside a hog of the memory", 240, lambda setting: beside_hog(setting, "memory")),
    Trial("ceilings, five times", 150, repeated),
)
EVOLVED = Trial("an evolution of equals", 150, null_evolution)
"""A run takes the measuring lock itself."""


@dataclass
class Timeline:
    """Tells what is done, and how much is left: by what the trials so far have taken of what was expected of them.

    Attributes:
        trials: in order.
        say: is told.
        now: seconds.
    """

    trials: Sequence[Trial]
    say: Say
    now: Callable[[], float] = time.monotonic
    _began: list[float] = field(default_factory=list)

    def begin(self) -> Tell:
        """The next trial begins; returns what is to be told of its progress."""
        self._began.append(self.now())
        self.tell(0, 1)
        return self.tell

    def tell(self, done: int, total: int) -> None:
        """Say how far the present trial is."""
        at = len(self._began) - 1
        step = f" {done + 1} of {total}" if total > 1 else ""
        left = clock(self.left_s(done, total))
        self.say(f"trial {at + 1} of {len(self.trials)}, {self.trials[at].name}{step}, {left} left")

    def left_s(self, done: int, total: int) -> float:
        """Seconds until all of them are made."""
        at, elapsed_s = len(self._began) - 1, self.now() - self._began[-1]
        expected = [trial.expected_s for trial in self.trials]
        before_s = self._began[-1] - self._began[0]
        pace = before_s / sum(expected[:at]) if at else 1.0
        # a first step that takes longer than all was expected to: no end is in sight, and it is not called near
        unknown_s = max(pace * expected[at] - elapsed_s, elapsed_s / 2)
        here_s = elapsed_s * (total - done) / done if done else unknown_s
        return here_s + pace * sum(expected[at + 1 :])


def all_of(seen: Precision, gallery: Gallery, say: Say) -> list[Verdict]:
    """Make all trials; takes half an hour, in which nothing else should run.

    Args:
        seen: what races of equals have said of this machine.
        gallery: what came of the attacks.
        say: is told how far it is.

    Raises:
        EvolveError: another evolve measures.
    """
    timeline = Timeline((*MEASURED, EVOLVED), say)
    verdicts = [verdict_of(seen.same), *of_attacks(gallery)]
    with tempfile.TemporaryDirectory(prefix="evolve-trials-") as folder:
        setting = Setting(SourceFolder(Path(folder)), seen.detection, seen.same.spread, np.random.default_rng(1))
        with MeasuringLock("doctor --full", wait=True):
            for trial in MEASURED:
                verdicts += _made(trial, replace(setting, tell=timeline.begin()))
        return [*verdicts, *_made(EVOLVED, replace(setting, tell=timeline.begin()))]


def _made(trial: Trial, setting: Setting) -> Sequence[Verdict]:
    try:
        return trial.run(setting)
    except Exception as error:  # noqa: BLE001 - half an hour of other trials must not be lost for this one
        return [failed(trial.name, error)]


def failed(name: str, error: Exception) -> Verdict:
    """The verdict on a trial that came to no end."""
    why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    nothing = Estimate(math.nan, math.nan, math.nan)
    return Verdict("_".join(name.split()), name, "comes to an end", nothing, "share", holds=False, trials=0, remark=why)


def of_attacks(gallery: Gallery) -> list[Verdict]:
    """The verdicts on the attack gallery."""
    honest = len(gallery.rows) - gallery.total
    caught, rejected = (
        binomial_estimate(gallery.caught, gallery.total),
        binomial_estimate(gallery.honest_rejected, honest),
    )
    return [
        Verdict(
            "attacks_caught",
            "attacks caught",
            "100 %",
            caught,
            "share",
            gallery.caught == gallery.total,
            gallery.total,
        ),
        Verdict(
            "honest_rejected",
            "honest kernels rejected",
            "0 %",
            rejected,
            "share",
            gallery.honest_rejected == 0,
            honest,
        ),
    ]
