"""What a race says of a candidate: measured, impossible, or too noisy to tell."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from benchmarks.conditions import disturbances
from benchmarks.inference import Estimate, log_ratios, median_estimate
from benchmarks.outcome import Impossible, Measured, Noisy, Outcome, Samples
from benchmarks.race import LEAST_GAIN, Rules

_MUCH = math.log(1.1)
_RUINOUS = math.log(Rules.ruinous)
SLOWED = 1.5
"""Hogs on the other core made an incumbent 1.25 times slower, and its samples are paired with the candidate's."""


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
    ratio = _ratio(samples)
    return Measured(
        time_s=time_s,
        log_ratio=ratio.estimate,
        low=ratio.low,
        high=ratio.high,
        samples=samples,
        max_error=max_error,
    )


def _ratio(samples: Samples) -> Estimate:
    """ln(t_incumbent / t_candidate); of a gain that is beyond doubt with an interval however few rounds there are.

    Where a call takes a minute there are one or two. None is off by ``Rules.ruinous``: by that much a race is believed
    to be lost after its first round.
    """
    ratios = log_ratios(samples.candidate_s, samples.incumbent_s)
    found = median_estimate(ratios)
    if math.isfinite(found.low):
        return found
    low, high = float(ratios.min()) - _RUINOUS, float(ratios.max()) + _RUINOUS
    return replace(found, low=low, high=high) if low > 0 else found


def with_known_incumbent(samples: Samples, known_s: float) -> Samples:
    """Flag a race whose incumbent took much longer than it is known to take: somebody may have slowed it down."""
    # it may be known from a race by compiled drivers, and be called from Python beside a rival
    if float(np.median(samples.incumbent_s)) - samples.floor_s <= SLOWED * known_s:
        return samples
    conditions = replace(samples.conditions, flags=(*samples.conditions.flags, "incumbent"))
    return replace(samples, conditions=conditions)


def would_win(outcome: Outcome) -> bool:
    """Whether it is a gain that counts, as far as the race tells, or claims one that is no matter of noise.

    A forger may have lost the race in truth, after two rounds, or strew in a lost one: its interval then says nothing.
    """
    if not isinstance(outcome, Measured):
        return False
    is_gain = outcome.low > 0 and outcome.log_ratio > LEAST_GAIN
    return is_gain or outcome.log_ratio > _MUCH


def is_doubtful(outcome: Outcome, rules: Rules) -> bool:
    """Whether it takes a second race to believe it.

    What beats the hardware is doubted in any case, and so is a gain over an incumbent that was slower than it is. Any
    other gain is doubted where the machine was disturbed, unless it is so clear that no disturbance of interleaved
    samples makes it; a loss is not: nothing is built on it.
    """
    if isinstance(outcome, Impossible):
        return True
    if not isinstance(outcome, Measured) or not would_win(outcome):
        return False
    found = disturbances(outcome.samples.conditions)
    # rules may call less a clear gain, to end races sooner: what a disturbance makes is not theirs to say
    clear = max(rules.clear, Rules.clear)
    return "incumbent" in found or (outcome.low < math.log(clear) and bool(found))


def condemned(outcome: Outcome) -> Outcome:
    """What becomes of an outcome that is as doubtful the second time."""
    if not isinstance(outcome, Measured):
        return outcome
    flags = ", ".join(disturbances(outcome.samples.conditions))
    return Noisy(f"a gain that a disturbed machine may have made ({flags})", samples=outcome.samples)
