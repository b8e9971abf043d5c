"""Promotion: whether a finalist of the search is really faster, decided by measurements that did not select it.

The best of many search estimates is too good by construction. So finalists are built afresh three times and each build
is timed in three fresh processes, on new inputs each, in Latin-square rounds with their incumbent and the fixed
baseline. A finalist is promoted where the lower end of its interval against both exceeds ``1 + least gain``: 1 %, or
what this machine takes two equals to differ by, whichever is more.

The interval is that of ``launches_estimate``: launches are its values, the spread of builds counts, and Bonferroni's
correction is made over the finalists. After each ring of launches, one of each build, a finalist that is far above is
promoted at once, and one that lies below is out. The early looks ask for a tenth of the final chance to miss, in the
manner of Haybittle and Peto (British Journal of Cancer 34, 1976), and so add little to the false promotions.

Simulated, for one finalist that must beat incumbent and baseline by 1 %, with the spread of builds and of launches:
================  =====================  ============================================
builds, launches  equals promoted        found of a true gain of 2 %, 3 %, 5 %, 100 %
================  =====================  ============================================
0 %, 0.5 %        none of 4000           86 %, 100 %, 100 %, 100 %
0.5 %, 1 %        none of 4000           28 %, 87 %, 100 %, 100 %
1 %, 1 %          0.03 %                 16 %, 55 %, 99 %, 100 %
1 %, 4.5 %        none of 4000           2 %, 6 %, 34 %, 100 %
2 %, 2 %          0.23 %                 5 %, 14 %, 56 %, 100 %
================  =====================  ============================================
One that must beat the baseline alone is promoted in up to 1.3 % of cases though it is equal (2 %, 2 %).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from benchmarks.conditions import disturbances
from benchmarks.contestant import Contestant
from benchmarks.exchange import ContestantFailedError
from benchmarks.fresh import SLOWEST_S, new_seed
from benchmarks.harness import Harness
from benchmarks.inference import Estimate, launches_estimate, log_ratios
from benchmarks.launch import Launch, fresh_build
from benchmarks.outcome import Conditions, Samples
from benchmarks.race import Rules

BUILDS = 3
RINGS = 3
LEAST_GAIN = 0.01
MISS, EARLY_MISS = 0.025, 0.0025

ROUNDS = Rules(most_rounds=30, least_rounds=6, most_s=2.0, may_drop=False)
SLOW_S = 0.02
"""A baseline that takes longer a call is left out of the square and paired with the first finalist alone: that one
stands in for it, within the same launch."""
SLOW_ROUNDS = Rules(most_rounds=30, least_rounds=2, most_s=0.5, may_drop=False)

Opponent = Literal["baseline", "incumbent"]
Verdict = Literal["promoted", "rejected", "undecided", "failed"]


@dataclass(frozen=True)
class Finalist:
    """Who asks for promotion, and whom it must beat besides the baseline; None where that is all."""

    contestant: Contestant
    incumbent: Contestant | None = None


@dataclass(frozen=True)
class Terms:
    """What a promotion asks for.

    Attributes:
        spread: what this machine takes two equals to differ by, as the A/A test finds it: 0.02 is 2 %.
        baseline_s: seconds a call of the baseline, roughly; 0 where it is known to be short.
        known_gain: ln t_baseline / t_first as the search raced them, for a baseline that takes ``SLOWEST_S`` a call: it
            is not timed again where that gain is beyond doubt.
        rings: launches of each build.
        builds: fresh builds.
    """

    spread: float = 0.0
    baseline_s: float = 0.0
    known_gain: float = 0.0
    rings: int = RINGS
    builds: int = BUILDS

    @property
    def least_gain(self) -> float:
        """What a finalist must gain at least, in the unit of a speedup less 1."""
        return max(LEAST_GAIN, self.spread)

    @property
    def is_settled(self) -> bool:
        """Whether the first finalist's gain over the baseline is as good as known."""
        return self.baseline_s >= SLOWEST_S and self.known_gain > math.log(Rules.ruinous)


@dataclass(frozen=True)
class Decision:
    """What became of a finalist.

    Attributes:
        verdict: ``promoted``; ``rejected``, for it is no faster; ``undecided``: it may be, but that does not show;
            ``failed``: wrong, or crashed.
        speedups: t_opponent / t_finalist, with the interval that was held against the least gain.
        launches: that it took part in.
        reason: why it failed.
    """

    verdict: Verdict
    speedups: Mapping[Opponent, Estimate] = field(default_factory=dict)
    launches: int = 0
    reason: str = ""

    @property
    def gain(self) -> float:
        """By how much it beats whom it had to: ln t_incumbent / t_finalist, or else the baseline's."""
        found = self.speedups.get("incumbent") or self.speedups.get("baseline")
        return math.log(found.estimate) if found else -math.inf


@dataclass(frozen=True)
class Promotion:
    """All decisions, in the order of the finalists.

    Attributes:
        decisions: of each.
        least_gain: that was asked for.
        builds: fresh builds.
        launches: fresh processes.
        flags: what disturbed the races, and how many of them.
    """

    decisions: tuple[Decision, ...]
    least_gain: float
    builds: int
    launches: int
    flags: Mapping[str, int]

    @property
    def champion(self) -> int | None:
        """Index of the best promoted finalist: one that beat its incumbent goes before the incumbent itself."""
        promoted = [k for k, decision in enumerate(self.decisions) if decision.verdict == "promoted"]
        challengers = [k for k in promoted if "incumbent" in self.decisions[k].speedups]
        return max(challengers or promoted, key=lambda k: self.decisions[k].gain, default=None)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        decisions = [
            {**asdict(one), "speedups": {name: found.as_dict() for name, found in one.speedups.items()}}
            for one in self.decisions
        ]
        return {**asdict(self), "decisions": decisions, "champion": self.champion}


def promote(
    harness: Harness,
    finalists: Sequence[Finalist],
    terms: Terms | None = None,
    say: Callable[[int, int], None] = lambda _launch, _of: None,
) -> Promotion:
    """Measure finalists against their incumbents and the harness' baseline, and decide.

    Args:
        harness: of the task; its own children stay idle.
        finalists: the first stands in for a slow baseline where another is measured against it.
        terms: what is asked for.
        say: is told the number of each launch before it begins, from 1 on, and how many there may be.
    """
    trial = _Trial(harness, list(finalists), terms or Terms())
    with contextlib.ExitStack() as folders:
        try:
            compiled = [harness.baseline, *trial.lineup(range(len(finalists)))]
            builds = [folders.enter_context(fresh_build(harness.folder, compiled)) for _ in range(trial.terms.builds)]
        except ContestantFailedError as error:
            return trial.promotion({k: Decision("failed", reason=str(error)) for k in range(len(finalists))})
        return trial.run(builds, say)


@dataclass
class _Trial:
    """A promotion under way; ``gains`` holds by finalist and opponent one list of medians for each build."""

    harness: Harness
    finalists: Sequence[Finalist]
    terms: Terms
    gains: dict[tuple[int, Opponent], list[list[float]]] = field(default_factory=dict)
    decisions: dict[int, Decision] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    launches: int = 0

    def run(self, builds: Sequence[Any], say: Callable[[int, int], None]) -> Promotion:
        for ring in range(self.terms.rings):
            for build, folder in enumerate(builds):
                if self.open:
                    self.launches += 1
                    say(self.launches, self.terms.rings * len(builds))
                    with self.harness.launch(new_seed(), folder) as process:
                        self.measure(process, build)
            self.decide(is_last=ring == self.terms.rings - 1)
        return self.promotion(self.decisions)

    @property
    def open(self) -> list[int]:
        """Finalists that nothing is decided of."""
        return [k for k in range(len(self.finalists)) if k not in self.decisions]

    def lineup(self, indices: Sequence[int]) -> list[Contestant]:
        """Finalists, and behind them such incumbents as are none of them."""
        own = [self.finalists[k].contestant for k in indices]
        return own + [other for other in dict.fromkeys(self.finalists[k].incumbent for k in indices) if other]

    # ---- one launch

    def measure(self, process: Launch, build: int) -> None:
        """Race all open finalists in one process; whoever fails there is out."""
        for k in self.open:
            try:
                process.prove(self.finalists[k].contestant)
            except ContestantFailedError as error:
                self.decisions[k] = Decision("failed", launches=self.launches, reason=str(error))
        try:
            found = self.raced(process, self.open) if self.open else {}
        except ContestantFailedError as error:
            found = self.singly(process, error)
        for key, gain in found.items():
            self.gains.setdefault(key, [[] for _ in range(self.terms.builds)])[build].append(gain)

    def singly(self, process: Launch, error: ContestantFailedError) -> dict[tuple[int, Opponent], float]:
        """After a fault in a race of several it is not known whose it was: race each for itself."""
        found: dict[tuple[int, Opponent], float] = {}
        is_alone = len(self.open) == 1
        for k in self.open:
            try:
                if is_alone:
                    raise error
                found |= self.raced(process, [k])
            except ContestantFailedError as own:
                self.decisions[k] = Decision("failed", launches=self.launches, reason=str(own))
        return found

    def raced(self, process: Launch, indices: Sequence[int]) -> dict[tuple[int, Opponent], float]:
        """Medians of ln t_opponent / t_finalist, of one launch."""
        lineup = self.lineup(indices)
        is_slow = self.terms.baseline_s > SLOW_S
        sides = lineup if is_slow else [*lineup, self.harness.baseline]
        pairs: dict[tuple[int, int], float] = {}
        if len(sides) > 1:
            rounds = process.rounds(sides, ROUNDS)
            self.note(rounds.conditions)
            pairs = {(a, b): _gain(rounds.pair(a, b)) for a in range(len(indices)) for b in range(len(sides)) if a != b}
        found: dict[tuple[int, Opponent], float] = {}
        if not is_slow:
            found = {(k, "baseline"): pairs[at, len(sides) - 1] for at, k in enumerate(indices)}
        elif not all(map(self.is_far_above_plain, indices)):
            over_plain = self.over_slow(process, lineup[0])
            found = {(k, "baseline"): pairs.get((at, 0), 0.0) + over_plain for at, k in enumerate(indices)}
        for at, k in enumerate(indices):
            if (incumbent := self.finalists[k].incumbent) is not None:
                found[k, "incumbent"] = pairs[at, next(b for b, c in enumerate(lineup) if c == incumbent and b != at)]
        return found

    def is_far_above_plain(self, finalist: int) -> bool:
        """Whether the launches so far settle that it beats the baseline: a slow one need not be timed again."""
        builds = self.gains.get((finalist, "baseline"), [])
        if sum(map(len, builds)) < self.terms.builds:
            return False
        return launches_estimate(builds, EARLY_MISS / len(self.finalists)).low > math.log1p(self.terms.least_gain)

    def over_slow(self, process: Launch, contestant: Contestant) -> float:
        if self.terms.is_settled and contestant == self.finalists[0].contestant:
            return self.terms.known_gain
        samples = process.pair(contestant, self.harness.baseline, SLOW_ROUNDS)
        assert samples is not None
        self.note(samples.conditions)
        return _gain(samples)

    def note(self, conditions: Conditions) -> None:
        self.flags += disturbances(conditions)

    # ---- deciding

    def decide(self, *, is_last: bool) -> None:
        """Decide what can be decided, at the last look everything."""
        for k in self.open:
            decision = self.decision(k, is_last=is_last)
            if decision.verdict != "undecided" or is_last:
                self.decisions[k] = decision

    def decision(self, finalist: int, *, is_last: bool) -> Decision:
        share = 1 / len(self.finalists)
        needed = math.log1p(self.terms.least_gain)
        own = {opponent: builds for (k, opponent), builds in self.gains.items() if k == finalist}
        found = {opponent: launches_estimate(builds, MISS * share) for opponent, builds in own.items()}
        asked = found if is_last else {o: launches_estimate(builds, EARLY_MISS * share) for o, builds in own.items()}
        verdict: Verdict = "undecided"
        if min(one.low for one in asked.values()) > needed:
            verdict = "promoted"
        elif min(one.high for one in found.values()) < needed:
            verdict = "rejected"
        return Decision(verdict, {o: _speedup(one) for o, one in found.items()}, self.launches)

    def promotion(self, decisions: Mapping[int, Decision]) -> Promotion:
        flags = {flag: self.flags.count(flag) for flag in sorted(set(self.flags))}
        ordered = tuple(decisions[k] for k in range(len(self.finalists)))
        return Promotion(ordered, self.terms.least_gain, self.terms.builds, self.launches, flags)


def _gain(samples: Samples) -> float:
    return float(np.median(log_ratios(samples.candidate_s, samples.incumbent_s)))


def _speedup(logs: Estimate) -> Estimate:
    estimate, low, high = (math.exp(value) for value in (logs.estimate, logs.low, logs.high))
    return Estimate(estimate, low, high, logs.level)
