"""What measuring costs: the harness beside its samples, and a search's races beside fixed rounds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.harness import Built, Harness, Incumbent
from benchmarks.inference import Estimate, log_ratios, median_estimate
from benchmarks.outcome import Measured, Noisy, Samples
from benchmarks.race import Rules
from benchmarks.trials.planted import STEPS
from benchmarks.trials.verdict import PLANTED, Setting, Verdict, built

MOST_BESIDE_S = 0.040
MOST_SHARE = 0.30
CANDIDATES = 48
LOSERS = 0.6
"""Share of the candidates that are a third to three times slower, as in the first generations of a search."""

FIXED = Rules(most_rounds=30, least_rounds=30, may_drop=False)


def sampled_s(samples: Samples) -> float:
    """Seconds that the samples themselves took."""
    return samples.loops * (sum(samples.candidate_s) + sum(samples.incumbent_s))


# ---- the harness beside its samples


def beside_samples(setting: Setting, trials: int = CANDIDATES) -> Sequence[Verdict]:
    """Measure candidates as a search does, and see what of the time is not in their samples."""
    beside = []
    with Harness(PLANTED, setting.folder) as harness:
        made = built(harness, _steps(setting.rng, trials))
        incumbent = harness.first_incumbent()
        for done, candidate in enumerate(made):
            setting.tell(done, trials)
            start = time.perf_counter()
            outcome = harness.measure(candidate, incumbent)
            took_s = time.perf_counter() - start
            beside += [took_s - sampled_s(outcome.samples)] if isinstance(outcome, Measured) else []
    found = median_estimate(beside)
    what = "harness time beside the samples, median"
    holds = found.estimate < MOST_BESIDE_S
    bar = f"under {MOST_BESIDE_S * 1e3:.0f} ms"
    details = {"p95_s": float(np.percentile(beside, 95))}
    return [Verdict("harness_cost", what, bar, found, "s", holds, len(beside), details=details)]


def _steps(rng: np.random.Generator, candidates: int) -> list[int]:
    """Losers, and ones within a fifth of the plain loop; the last is the best, by 5 % of the next."""
    losers = round(LOSERS * candidates)
    ratios = [*rng.uniform(1.35, 3.0, losers), *rng.uniform(1.0, 1.2, candidates - losers - 1)]
    return [*(_on_grid(STEPS * ratio) for ratio in ratios), _on_grid(STEPS * 0.95)]


def _on_grid(steps: float) -> int:
    grid = STEPS // 200
    return round(steps / grid) * grid


# ---- racing beside fixed rounds


@dataclass(frozen=True)
class Search:
    """One way to pick among candidates: what it picked, and what its samples took."""

    pick: int
    cost_s: float


def racing(setting: Setting, trials: int = 5) -> Sequence[Verdict]:
    """Pick the best of 48 candidates by races, and by 30 rounds each."""
    pairs, right = [], 0
    with Harness(PLANTED, setting.folder) as harness:
        for trial in range(trials):
            setting.tell(trial, trials)
            steps = setting.rng.permutation(_steps(setting.rng, CANDIDATES)).tolist()
            made = built(harness, steps)
            raced, fixed = _raced(harness, made), _fixed(harness, made)
            pairs.append((raced.cost_s, fixed.cost_s))
            right += steps[raced.pick] == steps[fixed.pick] == min(steps)
    shares = [raced_s / fixed_s for raced_s, fixed_s in pairs]
    found = Estimate(float(np.median(shares)), min(shares), max(shares), 1.0)
    holds = found.estimate <= MOST_SHARE and right == trials
    what = "racing, as a share of fixed 30 rounds"
    bar = f"at most {MOST_SHARE:.0%}"
    remark = f"{right} of {trials} with the same right pick"
    return [Verdict("racing_cost", what, bar, found, "share", holds, trials, remark, {"right": right})]


def _raced(harness: Harness, made: Sequence[Built]) -> Search:
    """As a search does: whoever beats the incumbent takes its place."""
    incumbent, pick, cost_s = harness.first_incumbent(), -1, 0.0
    for number, candidate in enumerate(made):
        outcome = harness.measure(candidate, incumbent)
        cost_s += sampled_s(outcome.samples) if isinstance(outcome, Measured | Noisy) else 0.0
        if isinstance(outcome, Measured) and outcome.low > 0:
            assert candidate.plan.contestant is not None
            incumbent, pick = Incumbent(candidate.plan.contestant, outcome.time_s), number
    return Search(pick, cost_s)


def _fixed(harness: Harness, made: Sequence[Built]) -> Search:
    races = []
    for candidate in made:
        assert candidate.plan.contestant is not None
        races.append(harness.pair(candidate.plan.contestant, harness.baseline, FIXED))
    gains = [np.median(log_ratios(race.candidate_s, race.incumbent_s)) for race in races]
    return Search(int(np.argmax(gains)), sum(map(sampled_s, races)))
