"""The harness: schedules in, outcomes out. Whatever a candidate does, the run goes on.

Schedules are built and proven on awkward sizes by workers on all cores; then, while nothing else of ours runs, each is
proven on the problem itself, raced against the incumbent, and proven again on other inputs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from benchmarks.ahead import Ahead
from benchmarks.audit import UnseenError, audit
from benchmarks.contestant import Contestant, Task, of_baseline, of_schedule, source_of
from benchmarks.exchange import PATIENCE_S, ContestantFailedError, failure_of, race_request, rounds, rounds_of
from benchmarks.inference import Estimate, speedup_estimate
from benchmarks.isolation import Child, share, start_server
from benchmarks.judge import condemned, is_doubtful, judged, with_known_incumbent, would_win
from benchmarks.launch import Launch
from benchmarks.machine import fingerprint
from benchmarks.outcome import IllegalSchedule, Measured, Noisy, Outcome, Rounds, Samples, Wrong
from benchmarks.race import LONG_S, Rules
from benchmarks.worker import Answer, Limits, Place
from kernels.language import Schedule, SourceFolder, TemplateError

SLOW_S = 0.5
BASELINE_RULES = Rules(most_rounds=11, least_rounds=3, most_s=1.0, may_drop=False)
CALLS_TO_DROP = 5.0  # a first call slower than so many incumbents' need not finish
FAR = 2.0
"""Times ``Rules.ruinous``, from which on two calls in proofs tell enough: nobody has warmed them up."""


@dataclass(frozen=True)
class Plan:
    """A schedule on its way through the harness.

    Attributes:
        schedule: what to evaluate.
        contestant: its written source, or None where it does not specialise.
        key: equal for schedules that run the same code with the same run-time values; "" without a source.
        source_hash: content hash of the code alone.
        reason: why there is no contestant.
        pieces: keys of the source and of all that it needs, each with its length in characters: the longer it is, the
            longer it takes to compile.
    """

    schedule: Schedule
    contestant: Contestant | None
    key: str = ""
    source_hash: str = ""
    reason: str = ""
    pieces: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Built:
    """A compiled plan, proven on awkward sizes; or the outcome that ended it."""

    plan: Plan
    build_s: float = 0.0
    verify_s: float = 0.0
    failure: Outcome | None = None


@dataclass(frozen=True)
class Incumbent:
    """What candidates are raced against."""

    contestant: Contestant
    time_s: float


@dataclass
class Harness:
    """Evaluates schedules of one task on this machine.

    Attributes:
        task: what is measured.
        folder: of generated sources and compiled code.
        reject_s: seconds a call below which a time is a fault and not a record; 0 where no ceiling is known.
        rules: when a race ends.
        limits: of the children.
    """

    task: Task
    folder: SourceFolder
    reject_s: float = 0.0
    rules: Rules = field(default_factory=Rules)
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        """Set up the children; they start with the first request."""
        start_server()
        self.cpus = sorted(os.sched_getaffinity(0))
        hidden = replace(self.task, seed=int.from_bytes(os.urandom(4)))  # nobody shall know the inputs beforehand
        place = Place(self.folder.path, hidden, tuple(self.task.definition.verify_sizes), limits=self.limits)
        self._compiled = set[str]()
        self._builders = [Child(place) for _ in self.cpus]
        self._measurer = Child(self._measuring_place(hidden))
        self.baseline = of_baseline(self.folder, self.task)

    def _measuring_place(self, task: Task, *, is_fresh: bool = False) -> Place:
        # inputs that are timed, and others for the proof afterwards
        sizes = (task.size, task.size)
        # the last processor: interrupts mostly land on the first
        cpus = (self.cpus[-1],) if task.threads == 1 else ()
        return Place(
            self.folder.path,
            task,
            sizes,
            cpus,
            is_fresh,
            is_timing=True,
            pool_bytes=_pool_bytes(task),
            limits=self.limits,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop all children."""
        for child in (*self._builders, self._measurer):
            child.stop()

    # ---- before timing

    def plan(self, schedule: Schedule) -> Plan:
        """Specialise a schedule and write its source."""
        if reason := self.task.definition.space.is_legal(schedule):
            return Plan(schedule, None, reason=reason)
        try:
            source = source_of(self.task, schedule)
        except TemplateError as error:
            return Plan(schedule, None, reason=str(error))
        contestant = of_schedule(self.folder, source, schedule)
        key = f"{source.identity[:32]}{contestant.runtime}"
        pieces = tuple((key, len(needed.text)) for key, needed in source.closure().items())
        return Plan(schedule, contestant, key, source.identity, pieces=pieces)

    def build(self, plans: Sequence[Plan]) -> Iterator[Built]:
        """Compile on all cores and prove on awkward sizes; yields in the order of completion.

        What is built is loaded where it will be measured, while others are still being built.
        """
        yield from (Built(plan, failure=IllegalSchedule(plan.reason)) for plan in plans if plan.contestant is None)
        todo = self._longest_first([plan for plan in plans if plan.contestant])
        requests = [(plan, {"do": "build", "candidate": plan.contestant}) for plan in todo]
        with Ahead(self._measurer) as ahead:
            for plan, answer in share(self._builders, requests, self.limits.call_s):
                failure = failure_of(answer) if "failed" in answer else None
                if failure is None:
                    self._compiled.update(key for key, _ in plan.pieces)
                    ahead.load(plan.contestant)
                yield Built(plan, answer.get("build_s", 0.0), answer.get("verify_s", 0.0), failure)

    def _longest_first(self, plans: Sequence[Plan]) -> list[Plan]:
        """Plans by what is left to compile: one that is begun last has a core to itself while the others rest.

        What one shares with another before it is compiled by then.
        """
        known, lengths = set(self._compiled), []
        for plan in plans:
            lengths.append(sum(length for key, length in plan.pieces if key not in known))
            known.update(key for key, _ in plan.pieces)
        return [plans[place] for place in sorted(range(len(plans)), key=lambda place: -lengths[place])]

    @property
    def children_cpu_s(self) -> float:
        """Processor seconds that all children have taken so far; while most build, the measuring one loads."""
        return sum(child.cpu_s() for child in (*self._builders, self._measurer))

    # ---- timing

    def first_incumbent(self) -> Incumbent:
        """The baseline as the first incumbent, proven like any candidate.

        Raises:
            ContestantFailedError: the baseline fails; no measurement of this kernel means anything.
        """
        call_s = self._tried_baseline_s()
        if SLOW_S < call_s < self.rules.patience_s:  # the first call in a process may be half as slow again
            call_s = min(call_s, self._tried_baseline_s())
        if call_s > SLOW_S:
            return Incumbent(self.baseline, call_s)
        samples = self.pair(self.baseline, self.baseline, BASELINE_RULES)
        return Incumbent(self.baseline, float(np.median(samples.candidate_s)))

    def _tried_baseline_s(self) -> float:
        answer = self._measurer.call({"do": "try", "candidate": self.baseline}, PATIENCE_S)
        if "failed" in answer:
            failure = f"{answer['failed']}: {answer['reason']}"
            raise ContestantFailedError(f"the baseline of {self.task.kernel!r} failed: {failure}")
        return float(answer["call_s"])

    def measure(self, built: Built, incumbent: Incumbent) -> Outcome:
        """Prove a built schedule on the problem itself, race it, prove it again."""
        candidate = built.plan.contestant
        assert candidate is not None
        start = time.perf_counter()
        tried = self._tried(candidate, incumbent)
        if "failed" in tried:
            return replace(failure_of(tried), verify_s=built.verify_s, measure_s=time.perf_counter() - start)
        is_behind = is_far_behind(tried["call_s"], incumbent.time_s, self.rules)
        outrun = self._outrun(candidate, incumbent) if is_behind else None
        outcome, raced_s = outrun or self._contested(candidate, incumbent, tried["verify_s"])
        errors = {"max_error": max(tried["max_error"], outcome.max_error)} if isinstance(outcome, Measured) else {}
        spent_s = time.perf_counter() - start - raced_s
        return replace(outcome, verify_s=built.verify_s + spent_s, measure_s=raced_s, **errors)

    def _tried(self, contestant: Contestant, incumbent: Incumbent) -> Answer:
        """The answer to one proof on the problem itself."""
        limit_s = self.limits.call_s + CALLS_TO_DROP * incumbent.time_s
        return self._measurer.call({"do": "try", "candidate": contestant}, limit_s)

    def _outrun(self, candidate: Contestant, incumbent: Incumbent) -> tuple[Outcome, float] | None:
        """What came of one whose proof took so long that a second one does for a race; None where it takes a race.

        A call in a proof stands alone and is checked, and a second one finds nothing cold. Of 712 schedules of a matmul
        of 512, twelve took 0.8 s a call; called four times each they used up 40 s of the run's 181.

        Returns:
            The outcome, and the seconds of the calls that it rests on.
        """
        again, other = self._tried(candidate, incumbent), self._tried(incumbent.contestant, incumbent)
        if "failed" in again:
            return failure_of(again), 0.0
        if "failed" in other or not is_far_behind(again["call_s"], other["call_s"], self.rules):
            return None
        # one call on caches that the proof has swept is slower than the incumbent is known to be
        samples = Samples((again["call_s"],), (min(other["call_s"], incumbent.time_s),), 1)
        return judged(samples, again["max_error"], self.reject_s), again["call_s"] + other["call_s"]

    def _contested(self, candidate: Contestant, incumbent: Incumbent, slowest_s: float) -> tuple[Outcome, float]:
        """What came of a race, or of two where the first was doubtful, and the seconds that it took."""
        limit_s = self._race_limit_s(slowest_s + incumbent.time_s)
        outcome, raced_s = self._raced(candidate, incumbent, limit_s)
        if is_doubtful(outcome, self.rules):
            outcome, again_s = self._raced(candidate, incumbent, limit_s)
            raced_s += again_s
            outcome = condemned(outcome) if is_doubtful(outcome, self.rules) else outcome
        return self._audited(candidate, outcome) if would_win(outcome) else outcome, raced_s

    def _race_limit_s(self, slowest_s: float) -> float:
        return self.limits.call_s + self.rules.most_s + 4 * self.rules.least_rounds * (slowest_s + 0.01)

    def _raced(self, candidate: Contestant, incumbent: Incumbent, limit_s: float) -> tuple[Outcome, float]:
        """What came of one race, and the seconds that it took."""
        request = race_request([candidate, incumbent.contestant], self.rules)
        raced = self._measurer.call(request, limit_s)
        if "failed" in raced:
            return failure_of(raced), 0.0
        samples = with_known_incumbent(rounds_of(raced).pair(0, 1), incumbent.time_s)
        return judged(samples, raced["max_error"], self.reject_s), raced["measure_s"]

    def _audited(self, candidate: Contestant, outcome: Outcome) -> Outcome:
        """Whoever is about to win is looked at from here: what a child says can be forged in it."""
        assert isinstance(outcome, Measured)
        try:
            reason = audit(
                self._measurer, self._measurer.place.task, candidate, outcome.time_s, np.random.default_rng()
            )
        except UnseenError as error:
            return Noisy(f"audit: {error}", samples=outcome.samples)
        return Wrong(f"audit: {reason}") if reason else outcome

    def pair(self, candidate: Contestant, incumbent: Contestant, rules: Rules) -> Samples:
        """Paired samples of two proven contestants.

        Raises:
            ContestantFailedError: one of them failed, though it was proven before.
        """
        return self.rounds([candidate, incumbent], rules).pair(0, 1)

    def rounds(self, contestants: Sequence[Contestant], rules: Rules) -> Rounds:
        """Rounds of several proven contestants; see ``pair``."""
        return rounds(self._measurer, contestants, rules)

    def launch(self, seed: int, folder: SourceFolder | None = None) -> Launch:
        """A fresh process with a memory layout and inputs of its own, and maybe a build: for what is published.

        Args:
            seed: of the inputs.
            folder: where its contestants lie; the harness' own where none is given.
        """
        place = self._measuring_place(replace(self.task, seed=seed), is_fresh=True)
        return Launch(Child(replace(place, folder=(folder or self.folder).path)))


def is_far_behind(call_s: float, incumbent_s: float, rules: Rules) -> bool:
    """Whether a call in a proof took so long that noise is no excuse: disturbances are a small part of long ones."""
    # single calls are no pairs: rules that make less of one lost round shall not make less of these
    ruinous = max(rules.ruinous, Rules.ruinous)
    return rules.may_drop and call_s >= LONG_S and call_s > FAR * ruinous * incumbent_s


def _pool_bytes(task: Task) -> int:
    """Twice the last cache, so that what comes round again has left it."""
    return 2 * fingerprint().caches[-1].bytes if task.policy == "rotate" else 0


def speedup(samples: Samples) -> Estimate:
    """t_incumbent / t_candidate with its 95 % interval."""
    return speedup_estimate(samples.candidate_s, samples.incumbent_s)
