"""What a race says of a candidate: measured, impossible, or too noisy to tell."""

from __future__ import annotations

import math

import numpy as np

from benchmarks.conditions import disturbances
from benchmarks.inference import log_ratios, median_estimate
from benchmarks.outcome import Impossible, Measured, Noisy, Outcome, Samples
from benchmarks.race import Rules


def judged(samples: Samples, max_error: float, reject_s: float) -> Outcome:
    """The outcome of one race.

    Args:
        samples: of candidate and incumbent.
        max_error: relative to the tolerance.
        reject_s: seconds a call below which a time is a fault.
    """
    time_s = float(np.median(samples.candidate_s))
    if time_s < reject_s:
        reason = f"{time_s:.3g} s a call, but this machine needs {reject_s:.3g} s at the very least"
        return Impossible(reason, samples=samples)
    ratio = median_estimate(log_ratios(samples.candidate_s, samples.incumbent_s))
    return Measured(
        time_s=time_s,
        log_ratio=ratio.estimate,
        low=ratio.low,
        high=ratio.high,
        samples=samples,
        max_error=max_error,
    )


def would_win(outcome: Outcome) -> bool:
    """Whether it is a gain, as far as the race tells."""
    return isinstance(outcome, Measured) and outcome.low > 0


def is_doubtful(outcome: Outcome, rules: Rules) -> bool:
    """Whether it takes a second race to believe it.

    What beats the hardware is doubted in any case. A gain is doubted where the machine was disturbed, unless it is so
    clear that no disturbance of interleaved samples makes it; a loss is not: nothing is built on it.
    """
    if isinstance(outcome, Impossible):
        return True
    if not isinstance(outcome, Measured) or not would_win(outcome):
        return False
    return outcome.low < math.log(rules.clear) and bool(disturbances(outcome.samples.conditions))


def condemned(outcome: Outcome) -> Outcome:
    """What becomes of an outcome that is as doubtful the second time."""
    if not isinstance(outcome, Measured):
        return outcome
    flags = ", ".join(disturbances(outcome.samples.conditions))
    return Noisy(f"a gain that a disturbed machine may have made ({flags})", samples=outcome.samples)
