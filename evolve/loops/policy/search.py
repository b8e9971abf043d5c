"""The search for a policy of races, and whether what it found decides as well as the hand-set one does.

Policies are searched by the engine's own genetic search. The fitness is ln of what all evaluations cost by the hand-set
policy over what they cost by this one; a policy that makes one mistake more of any kind, on the same traces, has none
at all: correct or nothing. Whoever is chosen as the best of many on some traces is the luckiest on them too, so that
what was found is compared anew, on traces of other kernels that were taken later.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.inference import Estimate, launches_estimate
from benchmarks.race import LEAST_GAIN, Rules
from evolve.loops.policy.replay import mistakes, spent
from evolve.racing import SPACE, rules_of
from evolve.search import make
from evolve.search.protocol import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from evolve.loops.policy.replay import Recorded
    from kernels.language import Schedule

MOST_WRONG = 0.02
"""By this share of all planted decisions a policy may be worse, with 97.5 % confidence."""
MOST_LOST = 0.001
"""By so many ln units a candidate: a fifth of the least gain that counts."""
_UNSEEN = -math.log(0.025)
"""What was seen in none of n decisions has a probability below this / n, with 97.5 % confidence."""
_SHOWN = 0.025
_BATCH = 16


class Judge:
    """What policies are worth on some recorded problems, by what the hand-set one does there."""

    def __init__(self, problems: Sequence[Recorded]) -> None:
        self.problems = problems
        self._mistakes, self._spent = mistakes(Rules(), problems), spent(Rules(), problems)
        self._wrong = {kind: int(wrong.sum()) for kind, wrong in self._mistakes.items()}
        self._lost = float(self._spent.lost.sum())

    def gain(self, policy: Mapping[str, Any]) -> float:
        """Ln of the hand-set policy's cost over this one's, whatever its mistakes."""
        return math.log(self._spent.cost_s / spent(rules_of(policy), self.problems).cost_s)

    def fitness(self, policy: Mapping[str, Any]) -> float | None:
        """The gain; None for a policy that decides worse than the hand-set one."""
        rules = rules_of(policy)
        wrong = mistakes(rules, self.problems)
        if any(int(wrong[kind].sum()) > known for kind, known in self._wrong.items()):
            return None
        taken = spent(rules, self.problems)
        is_worse = float(taken.lost.sum()) > self._lost
        return None if is_worse else math.log(self._spent.cost_s / taken.cost_s)

    def comparison(self, policy: Mapping[str, Any]) -> Comparison:
        """Both policies' mistakes and costs, side by side."""
        rules = rules_of(policy)
        taken = spent(rules, self.problems)
        lost = launches_estimate([[one] for one in (taken.lost - self._spent.lost).ravel().tolist()])
        return Comparison(
            rates=(*_rates(self._mistakes, mistakes(rules, self.problems)),),
            lost=lost,
            misread=(float(self._spent.misread.mean()), float(taken.misread.mean())),
            samples=_samples_ratio(self._spent.sampled_s, taken.sampled_s),
        )


# ---- the search


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        policy: the best; the present one where nothing is better by ``LEAST_GAIN``.
        gain: its fitness; of the present one whatever its mistakes.
        tried: policies.
        correct: how many of them had a fitness.
    """

    policy: Schedule
    gain: float
    tried: int
    correct: int


def found(
    problems: Sequence[Recorded], present: Schedule, rng: np.random.Generator, policies: int, look: Callable[[], None]
) -> Found:
    """Search for a cheaper policy that decides no worse.

    Args:
        problems: to replay.
        present: the policy to begin at, and to beat.
        rng: of the search.
        policies: to try.
        look: called between batches; what it raises ends the search.
    """
    judge, strategy = Judge(problems), make("genetic", SPACE, rng, 0.0, present)
    known: dict[Schedule, float | None] = {}
    while len(known) < policies:
        look()
        proposals = strategy.ask(min(_BATCH, policies - len(known)))
        if not proposals:
            break
        results = [Result(one.schedule, judge.fitness(one.schedule)) for one in proposals]
        strategy.tell(results)
        known |= {result.schedule: result.fitness for result in results}
    correct = {policy: fitness for policy, fitness in known.items() if fitness is not None}
    best = max(correct, key=lambda policy: correct[policy], default=present)
    now = judge.gain(present)
    is_better = best in correct and correct[best] > now + LEAST_GAIN
    return Found(best if is_better else present, correct[best] if is_better else now, len(known), len(correct))


# ---- is it as good?


@dataclass(frozen=True)
class Rate:
    """How often one kind of mistake is made.

    Attributes:
        kind: in words.
        hand_set: share of the races.
        policy: the same of the policy.
        difference: policy - hand-set, by races of the same noise.
        chance: for equals to differ by as much in the policy's disfavour.
    """

    kind: str
    hand_set: float
    policy: float
    difference: Estimate
    chance: float


@dataclass(frozen=True)
class Comparison:
    """A policy beside the hand-set one, on the same traces.

    Attributes:
        rates: by kind of mistake; the last one is of all kinds together.
        lost: ln units a candidate that the policy's decisions lose more.
        misread: how far the ln ratio of a candidate is from the truth, by the hand-set policy and by this one: it
            decides nothing, but a search is told these figures.
        samples: time of samples by the hand-set policy over that by this one, of a candidate; the interval holds the
            mean of as many traces.
    """

    rates: tuple[Rate, ...]
    lost: Estimate
    misread: tuple[float, float]
    samples: Estimate

    @property
    def objections(self) -> tuple[str, ...]:
        """Why the policy does not decide as well; empty where it does."""
        return (*self._objections(),)

    def _objections(self) -> Iterator[str]:
        for rate in self.rates:
            if rate.chance <= _SHOWN:
                yield f"it {rate.kind} in {rate.policy:.1%} of races, the hand-set policy in {rate.hand_set:.1%}"
        worst = self.rates[-1].difference.high
        if worst > MOST_WRONG:
            yield f"it may decide {worst:.1%} more of the races wrongly"
        if self.lost.low > 0 or self.lost.high > MOST_LOST:
            yield f"it may lose {self.lost.high:.2%} more on a candidate"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "objections": list(self.objections)}


def _rates(hand_set: Mapping[str, NDArray[np.bool_]], policy: Mapping[str, NDArray[np.bool_]]) -> Iterator[Rate]:
    for kind, wrong in hand_set.items():
        yield _rate(kind, wrong[:, None], policy[kind][:, None])
    every = (np.stack([*one.values()], axis=1) for one in (hand_set, policy))
    yield _rate("decides wrongly", *every)


def _rate(kind: str, hand_set: NDArray[np.bool_], policy: NDArray[np.bool_]) -> Rate:
    """Of ``(races, kinds)`` mistakes; kinds of one race share its noise, so races are what is independent."""
    more = policy.astype(np.int64) - hand_set
    by_race = launches_estimate([[one] for one in more.mean(axis=1).tolist()])
    # where both always decide alike there is no spread, and the next race may still differ
    half = max(by_race.high - by_race.estimate, _UNSEEN / more.size)
    difference = Estimate(by_race.estimate, by_race.estimate - half, by_race.estimate + half)
    signs = np.sign(more.sum(axis=1))
    chance = _chance(int((signs > 0).sum()), int((signs != 0).sum()))
    return Rate(kind, float(hand_set.mean()), float(policy.mean()), difference, chance)


def _chance(worse: int, differing: int) -> float:
    """P(Binomial(differing, 1/2) >= worse): the exact sign test of races that differ."""
    return sum(math.comb(differing, k) for k in range(worse, differing + 1)) / float(2**differing)


def _samples_ratio(hand_set: NDArray[np.float64], policy: NDArray[np.float64]) -> Estimate:
    """Of ``(problems, races)`` seconds."""
    races = np.log(hand_set.sum(axis=0) / policy.sum(axis=0))
    spread = launches_estimate([[one] for one in races.tolist()])
    half = spread.high - spread.estimate
    ratio = float(hand_set.sum() / policy.sum())
    return Estimate(ratio, ratio * math.exp(-half), ratio * math.exp(half))
