"""Gains that are there: how often a race of as many rounds as the doctor names finds them."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.aa import binomial_estimate
from benchmarks.contestant import Contestant
from benchmarks.harness import Harness, speedup
from benchmarks.noise import MOST_ROUNDS, POWERS
from benchmarks.race import Rules
from benchmarks.trials.planted import STEPS
from benchmarks.trials.verdict import PLANTED, Setting, Verdict, built

TRIALS = 100


def power(setting: Setting, trials: int = TRIALS) -> Sequence[Verdict]:
    """Race gains that are planted."""
    found: list[Verdict] = []
    with Harness(PLANTED, setting.folder) as harness:
        made = built(harness, [STEPS, *(round(STEPS * (1 + gain)) for gain in POWERS)])
        faster, *slower = [one.plan.contestant for one in made if one.plan.contestant]
        for gain, other in zip(POWERS, slower, strict=True):
            setting.tell(len(found), len(POWERS))
            rounds = setting.detection.rounds_for(gain) or MOST_ROUNDS
            found.append(_verdict(gain, rounds, _races_won(harness, (faster, other), rounds, trials), trials))
    return found


def _races_won(harness: Harness, pair: tuple[Contestant, Contestant], rounds: int, trials: int) -> int:
    rules = Rules(most_rounds=rounds, least_rounds=rounds, may_drop=False)
    return sum(speedup(harness.pair(*pair, rules)).low > 1 for _ in range(trials))


def _verdict(gain: float, rounds: int, won: int, trials: int) -> Verdict:
    share = binomial_estimate(won, trials)
    return Verdict(
        name=f"power_{gain:g}",
        what=f"gain of {gain:.0%}, found in {rounds} rounds",
        bar=f"at least {POWERS[gain]:.0%}",
        found=share,
        unit="share",
        holds=share.estimate >= POWERS[gain],
        trials=trials,
        details={"gain": gain, "rounds": rounds},
    )
