"""All trials of ``evolve doctor --full``: which they are, one after the other, with a truthful time left."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.aa import SelfComparison, binomial_estimate
from benchmarks.trials.cost import beside_samples, racing
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

MOST_RATE, MOST_HIGH = 0.07, 0.10

MEASURED = (
    Trial("planted gains", 15, power),
    Trial("the harness' own time", 10, beside_samples),
    Trial("racing beside fixed rounds", 40, racing),
    Trial("equals by the promotion rule", 320, equals),
    Trial("promotion beside a hog of the CPU", 160, lambda setting: beside_hog(setting, "cpu")),
    Trial("promotion beside a hog of the memory", 200, lambda setting: beside_hog(setting, "memory")),
    Trial("ceilings, five times", 300, repeated),
)
EVOLVED = Trial("an evolution of equals", 90, null_evolution)
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
        here_s = elapsed_s * (total - done) / done if done else max(0.0, pace * expected[at] - elapsed_s)
        return here_s + pace * sum(expected[at + 1 :])


def all_of(seen: Precision, gallery: Gallery, say: Say) -> list[Verdict]:
    """Make all trials; takes half an hour, in which nothing else should run.

    Args:
        seen: what races of equals have said of this machine.
        gallery: what came of the attacks.
        say: is told how far it is.

    Raises:
        EvolveError: another evolve measures.
        ContestantFailedError: a planted kernel fails.
    """
    timeline = Timeline((*MEASURED, EVOLVED), say)
    verdicts = [of_equals(seen.same), *of_attacks(gallery)]
    with tempfile.TemporaryDirectory(prefix="evolve-trials-") as folder:
        setting = Setting(SourceFolder(Path(folder)), seen.detection, seen.same.spread, np.random.default_rng(1))
        with MeasuringLock("doctor --full", wait=True):
            for trial in MEASURED:
                verdicts += trial.run(replace(setting, tell=timeline.begin()))
        return [*verdicts, *EVOLVED.run(replace(setting, tell=timeline.begin()))]


def of_equals(same: SelfComparison) -> Verdict:
    """The verdict on races of a function against itself."""
    return Verdict(
        name="aa_same",
        what=f"A/A, a function against itself: races that find a winner (the test itself misses {same.expected:.1%})",
        bar=f"at most {MOST_RATE:.0%}, upper end at most {MOST_HIGH:.0%}",
        found=same.rate,
        unit="share",
        holds=same.rate.estimate <= MOST_RATE and same.rate.high <= MOST_HIGH,
        trials=same.trials,
        details={"ratio": same.ratio.as_dict(), "expected": same.expected},
    )


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
            "attacks of the gallery that are caught",
            "100 %",
            caught,
            "share",
            gallery.caught == gallery.total,
            gallery.total,
        ),
        Verdict(
            "honest_rejected",
            "honest kernels of the gallery that are rejected",
            "0 %",
            rejected,
            "share",
            gallery.honest_rejected == 0,
            honest,
        ),
    ]
