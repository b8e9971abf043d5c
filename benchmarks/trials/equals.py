"""Races of a function against itself: how many find a winner, under each cache policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmarks import aa
from benchmarks.contestant import POLICIES
from benchmarks.harness import Harness
from benchmarks.precision import FULL, PROBLEM
from benchmarks.trials.verdict import Setting, Verdict

MOST_RATE, MOST_HIGH = 0.07, 0.10

COLD = tuple(policy for policy in POLICIES if policy != PROBLEM.policy)


def under_cold_caches(setting: Setting, trials: int = FULL.trials) -> Sequence[Verdict]:
    """The policies that the doctor's own races leave out.

    Each can be unfair in its own way. While the sides of a race went round a pool of arrays at places of their own, the
    one behind found what the other had just cached: 15 of 20 races of equals found a winner.
    """
    found = []
    for number, policy in enumerate(COLD):
        setting.tell(number, len(COLD))
        with Harness(replace(PROBLEM, policy=policy), setting.folder) as harness:
            same = aa.judged(aa.same(harness, aa.itself(harness), trials))
        found.append(verdict_of(same, policy))
    return found


def verdict_of(same: aa.SelfComparison, policy: str = PROBLEM.policy) -> Verdict:
    """The verdict on races of a function against itself."""
    return Verdict(
        name=f"aa_{policy}",
        what=f"A/A, {policy}: races of equals with a winner",
        bar=f"at most {MOST_RATE:.0%}, end {MOST_HIGH:.0%}",
        found=same.rate,
        unit="share",
        holds=same.rate.estimate <= MOST_RATE and same.rate.high <= MOST_HIGH,
        trials=same.trials,
        remark=f"the test itself misses {same.expected:.1%} of races of {aa.ROUNDS} rounds",
        details={"ratio": same.ratio.as_dict(), "expected": same.expected, "spread": same.spread},
    )
