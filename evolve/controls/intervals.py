"""Planted samples for the intervals that the verdict and the report lean on: how often do they hold the truth?"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from evolve.tracker.asymptote import asymptote
from evolve.tracker.tail import tail

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.inference import Estimate
    from evolve.controls.planted import Setting

DRAWS = 200
"""Of a control arm: 15 % of some 1300 evaluations."""
_THRESHOLD = 1.0

Found = Mapping[str, tuple["Estimate", float]]
"""By value: the interval and the truth."""


@dataclass(frozen=True)
class Interval:
    """Samples of one kind.

    Attributes:
        name: for programs.
        what: in words.
        values: what of them is estimated.
        plant: makes one and estimates.
        is_promised: whether the assumptions hold, so that the interval must hold the truth as often as it says.
    """

    name: str
    what: str
    values: tuple[str, ...]
    plant: Callable[[Setting], Found]
    is_promised: bool = True


def pareto(index: float, uniform: NDArray[np.float64]) -> NDArray[np.float64]:
    """Generalised Pareto draws of scale 1 from uniform ones (Pickands, Annals of Statistics 3, 1975)."""
    return -np.log1p(-uniform) if index == 0 else np.expm1(-index * np.log1p(-uniform)) / index


def _tail(index: float, setting: Setting, noise: float = 0.0) -> Found:
    """Speedups above 1 that are generalised Pareto; they end at 1 - 1 / index where that is negative."""
    speedups = _THRESHOLD + pareto(index, setting.rng.random(DRAWS))
    scores = np.log(speedups) + noise * setting.rng.standard_normal(DRAWS)
    found = tail(scores)
    end = math.log(_THRESHOLD - 1 / index) if index < 0 else math.inf
    return {"endpoint": (found.endpoint, end), "index": (found.index, index)} if found else {}


def _tails(index: float) -> Interval:
    return Interval(f"tail_{index:g}", f"{DRAWS} draws, index {index:g}", ("endpoint", "index"), partial(_tail, index))


POINTS = np.array([2.0**k for k in range(1, 12)])
"""Evaluations at which a run's champion is measured afresh."""
_END = math.log(3)
_ERROR = 0.02


def _ending(shortfall: Callable[[NDArray[np.float64]], NDArray[np.float64]], setting: Setting) -> Found:
    """Ln S of one run that comes to 3x, measured afresh at doublings."""
    truths = _END * (1 - shortfall(POINTS))
    measured = [setting.measured(float(truth), _ERROR) for truth in truths]
    found = asymptote([*zip(map(float, POINTS), measured, strict=True)])
    return {"asymptote": (found.gain, _END)} if found and found.gain else {}


def _by_power(evaluations: NDArray[np.float64]) -> NDArray[np.float64]:
    """What bounded random search leaves: the gap to the best shrinks as n^(-1 / alpha)."""
    return evaluations**-0.5


def _by_exponential(evaluations: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.exp(-evaluations / 200)


INTERVALS: tuple[Interval, ...] = (
    _tails(-0.5),
    _tails(-0.2),
    Interval("run_power", "one run, gap a power", ("asymptote",), partial(_ending, _by_power)),
    Interval(
        "run_exponential",
        "one run, gap exponential",
        ("asymptote",),
        partial(_ending, _by_exponential),
    ),
    Interval(
        "tail_noisy",
        f"{DRAWS} draws, index -0.5, 5 % noise",
        ("endpoint", "index"),
        partial(_tail, -0.5, noise=0.05),
        is_promised=False,
    ),
)
