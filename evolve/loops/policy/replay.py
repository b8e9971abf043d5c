"""Recorded races of equals, run again by other rules with gains planted in them: what would have been decided?

A trace is a race of a function against itself, so that all its ratios are noise, the machine's own. A gain is planted
by adding its logarithm to every ratio, and a candidate that a search met by adding what was found of it. The replay
asks ``benchmarks.race.is_decided`` after each round, as a race does, and takes a candidate as a run does
(``evolve.champion``). What it cannot show is noise that another function has and this one has not.

How few rounds would do: an interval of n rounds is about z sigma / sqrt(n) wide to either side, so that a gain d takes
n >= (z sigma / d)^2 of them; a test that looks after each round takes half of that at best, in the mean (Wald,
"Sequential tests of statistical hypotheses", Annals of Mathematical Statistics 16, 1945).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.inference import log_ratios, sign_test_interval
from benchmarks.noise import robust_sd
from benchmarks.race import LEAST_GAIN, Rules, is_decided, loops_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from evolve.store.records import Value

    Array = NDArray[np.float64]

FALSE = (0.99, 1.0)
"""Speedups of which none is to be taken for a gain."""
GAINS = (1.01, 1.02, 1.05, 1.1, 1.3, 2.0)
"""Speedups of which none is to be missed."""
SURE, NARROW, WALD = 2.80, 1.96, 1.96 / math.sqrt(2)
"""z of an interval that leaves out zero in four races of five, of one that just does, and of half as many rounds."""


@dataclass(frozen=True)
class Trace:
    """A race of a function against itself.

    Attributes:
        candidate_s: seconds a call, one value a round.
        incumbent_s: the same of the other side.
    """

    candidate_s: tuple[float, ...]
    incumbent_s: tuple[float, ...]

    @cached_property
    def noise(self) -> list[float]:
        """Ln ratios of equals, round by round."""
        found: list[float] = log_ratios(self.candidate_s, self.incumbent_s).tolist()
        return found

    @cached_property
    def elapsed(self) -> list[list[float]]:
        """By side, candidate first: what its samples took up to each round, in units of its median one."""
        both = np.array([self.candidate_s, self.incumbent_s])
        elapsed: list[list[float]] = np.cumsum(both / np.median(both, axis=1, keepdims=True), axis=1).tolist()
        return elapsed


@dataclass(frozen=True)
class Candidate:
    """What a search met, and whom it raced it against.

    Attributes:
        schedule: its values.
        incumbent: the incumbent's.
        ratio: ln(t_incumbent / t_candidate), as found.
        time_s: seconds a call, as found.
        incumbent_s: the incumbent's, as the race found them.
        beside_s: wall time of its evaluation, built already, without the samples of its race.
    """

    schedule: Mapping[str, Value]
    incumbent: Mapping[str, Value]
    ratio: float
    time_s: float
    incumbent_s: float
    beside_s: float

    def sampled_s(self, elapsed: Sequence[float], sample_s: float) -> float:
        """What samples of a race take.

        Args:
            elapsed: by side, candidate first, in units of its median sample: without noise as many as the rounds.
            sample_s: least length of one.
        """
        candidate_s = self.incumbent_s * math.exp(-self.ratio)
        loops = loops_for(min(candidate_s, self.incumbent_s), sample_s)
        return loops * (candidate_s * elapsed[0] + self.incumbent_s * elapsed[1])


@dataclass(frozen=True)
class Recorded:
    """What is known of one problem.

    Attributes:
        traces: by least length of a sample in microseconds; the k-th ones of all lengths were taken at one moment.
        candidates: that a search met.
    """

    traces: Mapping[int, Sequence[Trace]]
    candidates: Sequence[Candidate]

    @property
    def noise(self) -> float:
        """Robust standard deviation of a round's ln ratio about its race's median, by samples of the usual length."""
        races = [np.array(trace.noise) for trace in _traces(self, Rules())]
        return robust_sd(np.concatenate([race - np.median(race) for race in races]))

    def fewest_s(self, z: float) -> float:
        """What the samples of all candidates took, were each race as short as its own ratio allows."""
        rules, noise = Rules(), self.noise

        def rounds(ratio: float) -> int:
            apart = max(ratio, LEAST_GAIN - ratio)  # from no gain at all, or from one that counts
            enough = math.ceil((z * noise / apart) ** 2)
            return min(max(enough, rules.least_rounds if ratio > 0 else 1), rules.most_rounds)

        return sum(one.sampled_s([rounds(one.ratio)] * 2, rules.sample_s) for one in self.candidates)


# ---- a race again


@dataclass(frozen=True)
class Decision:
    """What came of a race.

    Attributes:
        rounds: that it took.
        estimate: median ln ratio.
        is_taken: the candidate takes the title.
    """

    rounds: int
    estimate: float
    is_taken: bool


def decision(trace: Trace, gain: float, rules: Rules) -> Decision:
    """What a race comes to with a gain planted in its noise.

    Args:
        trace: of as many rounds as the rules may ask for.
        gain: ln(t_incumbent / t_candidate).
        rules: when it ends.
    """
    ratios = [gain + noise for noise in trace.noise]
    rounds = next(n for n in range(1, len(ratios) + 1) if is_decided(ratios[:n], rules))
    estimate = median(ratios[:rounds])
    # the interval is asked last: most candidates are slower, and it costs more than the rest
    is_taken = estimate > LEAST_GAIN and sign_test_interval(ratios[:rounds])[0] > 0
    return Decision(rounds, estimate, is_taken)


def mistakes(rules: Rules, problems: Sequence[Recorded]) -> dict[str, NDArray[np.bool_]]:
    """By kind, which races of all problems are decided wrongly: ``(races,)`` each, in the order of the problems."""
    traces = [trace for one in problems for trace in _traces(one, rules)]

    def taken(speedup: float) -> NDArray[np.bool_]:
        return np.array([decision(trace, math.log(speedup), rules).is_taken for trace in traces])

    false = {f"takes {speedup:g}x for a gain": taken(speedup) for speedup in FALSE}
    return {**false, **{f"misses {speedup:g}x": ~taken(speedup) for speedup in GAINS}}


def _traces(problem: Recorded, rules: Rules) -> Sequence[Trace]:
    return problem.traces[round(rules.sample_s * 1e6)]


@dataclass(frozen=True)
class Spent:
    """What evaluating all candidates takes, and how well it is done.

    Attributes:
        sampled_s: ``(problems, races)`` seconds of samples, of all candidates of the problem.
        beside_s: seconds of everything else, all problems together.
        lost: ``(problems, races)`` ln units that a decision gives away, in the mean over candidates.
        misread: the same of how far an estimate is from the truth.
    """

    sampled_s: Array
    beside_s: float
    lost: Array
    misread: Array

    @property
    def cost_s(self) -> float:
        """Of all evaluations of all problems, once."""
        return self.beside_s + float(self.sampled_s.mean(axis=1).sum())


def spent(rules: Rules, problems: Sequence[Recorded]) -> Spent:
    """What all candidates of some problems cost by some rules, each in the noise of every trace of its problem."""
    found = np.array([[_raced(problem, trace, rules) for trace in _traces(problem, rules)] for problem in problems])
    beside_s = sum(one.beside_s for problem in problems for one in problem.candidates)
    return Spent(found[..., 0], beside_s, found[..., 1], found[..., 2])


def _raced(problem: Recorded, trace: Trace, rules: Rules) -> tuple[float, float, float]:
    """Seconds of samples, and means of what is lost and misread."""
    made = [(one, decision(trace, one.ratio, rules)) for one in problem.candidates]
    sampled_s = sum(one.sampled_s([side[d.rounds - 1] for side in trace.elapsed], rules.sample_s) for one, d in made)
    lost = [_lost(one.ratio, is_taken=d.is_taken) for one, d in made]
    return sampled_s, float(np.mean(lost)), float(np.mean([abs(d.estimate - one.ratio) for one, d in made]))


def _lost(ratio: float, *, is_taken: bool) -> float:
    """A gain that was missed, or a loss that was taken."""
    return max(0.0, -ratio if is_taken else ratio)


def raw(problem: Recorded) -> dict[str, Any]:
    """All samples as plain values, to six digits: by their length, of each trace the candidate's and the incumbent's.

    Lengths that share their traces are one, as in ``"100 200 400"``.
    """
    shared: dict[tuple[int, ...], list[int]] = {}
    for length, traces in problem.traces.items():
        shared.setdefault(tuple(map(id, traces)), []).append(length)
    return {
        " ".join(map(str, lengths)): [
            [[float(f"{time_s:.6g}") for time_s in side] for side in (one.candidate_s, one.incumbent_s)]
            for one in problem.traces[lengths[0]]
        ]
        for lengths in shared.values()
    }
