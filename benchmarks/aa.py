"""The A/A test: a function raced against itself many times. What the harness calls a gain there is its own fault.

At three levels: one function in one process; two builds of one source in one process; one function in two processes.
The first is what every race rests on. The other two say what a difference between two builds, or between two launches,
is worth by itself, and so why winners are promoted over several builds and launches.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.contestant import Contestant, of_schedule, source_of
from benchmarks.exchange import ContestantFailedError
from benchmarks.harness import Plan
from benchmarks.inference import Estimate, log_ratios, sign_test_interval, sign_test_miss
from benchmarks.outcome import Samples
from benchmarks.race import Rules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.harness import Harness
    from benchmarks.launch import Launch

TRIALS = 40
ROUNDS = 24
"""The sign test's interval of 24 rounds misses in 2.3 % of races: a faultless machine passes 7 % in 200 trials."""

RULES = Rules(most_rounds=ROUNDS, least_rounds=ROUNDS, may_drop=False)
BUILDS, LAUNCHES = 4, 4
_BLOCK = Rules(most_rounds=4, least_rounds=4, may_drop=False)

MOST_FALSE_POSITIVES = 0.10  # twice what the 95 % intervals promise
MOST_SPREAD = 0.05  # a gain that a search would take for worth keeping


@dataclass(frozen=True)
class SelfComparison:
    """What came of the trials.

    Attributes:
        trials: races.
        false_positives: races whose interval left out that both sides are equal.
        rate: their share, with its exact binomial interval; it takes races for independent, and so is too narrow where
            they share builds or launches.
        ratio: median of the races' speedups; low and high are their 2.5th and 97.5th percentile.
        expected: the share that the sign test itself misses at so many rounds, on a faultless machine.
    """

    trials: int
    false_positives: int
    rate: Estimate
    ratio: Estimate
    expected: float = 0.05

    @property
    def spread(self) -> float:
        """How far from 1 the ratio of equals came in 95 % of the races: 0.05 is 5 %."""
        return max(self.ratio.high, 1 / self.ratio.low) - 1

    @property
    def objections(self) -> tuple[str, ...]:
        """Why measurements of this machine cannot be trusted now; empty where they can."""
        found = []
        if self.rate.low > MOST_FALSE_POSITIVES:
            found.append(f"{self.false_positives} of {self.trials} races of a function against itself found a winner")
        if self.spread > MOST_SPREAD:
            found.append(f"a function differs from itself by up to {self.spread:.1%}")
        return tuple(found)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "spread": self.spread}


# ---- the races


def itself(harness: Harness) -> Contestant:
    """The default schedule of the harness' task, built and proven.

    Raises:
        ContestantFailedError: it fails.
    """
    schedule = harness.task.definition.space.schedule()
    return proven(harness, [harness.plan(schedule)])[0]


def same(harness: Harness, contestant: Contestant, trials: int = TRIALS) -> list[Samples]:
    """Race a proven contestant against itself, in one child.

    Raises:
        ContestantFailedError: it fails.
    """
    return [harness.pair(contestant, contestant, RULES) for _ in range(trials)]


def rebuilt(harness: Harness, builds: int = BUILDS, trials: int = TRIALS) -> list[Samples]:
    """Race builds of the default schedule's source against each other, in one child: every pair in turn.

    Raises:
        ContestantFailedError: one of them fails.
    """
    made = proven(harness, [another_build(harness) for _ in range(builds)])
    pairs = itertools.islice(itertools.cycle(itertools.combinations(made, 2)), trials)
    return [harness.pair(one, other, RULES) for one, other in pairs]


def relaunched(harness: Harness, contestant: Contestant, launches: int = LAUNCHES) -> list[Samples]:
    """Time a contestant in several fresh processes, a block of rounds in each in turn; every two of them are a race.

    Raises:
        ContestantFailedError: it fails.
    """
    with ExitStack() as stack:
        # the same inputs: only the process differs
        processes = [stack.enter_context(harness.launch(harness.task.seed)) for _ in range(launches)]
        blocks = [[_block(process, contestant) for process in processes] for _ in range(ROUNDS // _BLOCK.most_rounds)]
    times = [[time_s for block in blocks for time_s in block[k].candidate_s] for k in range(launches)]
    loops = blocks[0][0].loops
    return [Samples(tuple(one), tuple(other), loops) for one, other in itertools.combinations(times, 2)]


def _block(process: Launch, contestant: Contestant) -> Samples:
    samples = process.pair(contestant, contestant, _BLOCK)
    assert samples is not None
    return samples


def another_build(harness: Harness) -> Plan:
    """The default schedule from the same source under another name, so that it is compiled once more; not yet built."""
    schedule = harness.task.definition.space.schedule()
    source = source_of(harness.task, schedule)
    text = f"{source.text}# build {os.urandom(8).hex()}\n"
    again = replace(source, text=text, key=hashlib.sha256(text.encode()).hexdigest())
    return Plan(schedule, of_schedule(harness.folder, again, schedule), again.identity, again.identity)


def proven(harness: Harness, plans: Sequence[Plan]) -> list[Contestant]:
    """Contestants of plans that must not fail, built, in the order of the plans.

    Raises:
        ContestantFailedError: one of them fails.
    """
    for built in harness.build(plans):
        if built.failure is not None:
            raise ContestantFailedError(f"{built.failure.kind}: {built.failure.reason}")
    return [plan.contestant for plan in plans if plan.contestant is not None]


# ---- what they show


def judged(races: Sequence[Samples]) -> SelfComparison:
    """What races of equals show.

    Raises:
        ValueError: there are none.
    """
    if not races:
        raise ValueError("an A/A test needs at least one race")
    ratios = [log_ratios(race.candidate_s, race.incumbent_s) for race in races]
    false_positives = sum(not low <= 0 <= high for low, high in map(sign_test_interval, ratios))
    low, centre, high = np.exp(np.percentile([np.median(rounds) for rounds in ratios], [2.5, 50, 97.5]))
    return SelfComparison(
        trials=len(races),
        false_positives=false_positives,
        rate=binomial_estimate(false_positives, len(races)),
        ratio=Estimate(float(centre), float(low), float(high)),
        expected=float(np.mean([sign_test_miss(len(rounds)) for rounds in ratios])),
    )


def binomial_estimate(successes: int, trials: int, level: float = 0.95) -> Estimate:
    """A share with its exact interval (Clopper and Pearson, Biometrika 26, 1934)."""
    from scipy.special import betaincinv  # noqa: PLC0415 - costs a quarter of a second, needed only here

    tail = (1 - level) / 2
    low = betaincinv(successes, trials - successes + 1, tail) if successes else 0.0
    high = betaincinv(successes + 1, trials - successes, 1 - tail) if successes < trials else 1.0
    return Estimate(successes / trials, float(low), float(high), level)
