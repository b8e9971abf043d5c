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

from benchmarks.contestant import Contestant, Task, of_baseline, of_schedule, source_of
from benchmarks.exchange import PATIENCE_S, ContestantFailedError, failure_of, paired, race_request, samples_of
from benchmarks.inference import Estimate, log_ratios, median_estimate, speedup_estimate
from benchmarks.isolation import Child, share, start_server
from benchmarks.launch import Launch
from benchmarks.outcome import IllegalSchedule, Impossible, Measured, Outcome, Samples
from benchmarks.race import Rules
from benchmarks.worker import Answer, Limits, Place
from kernels.language import Schedule, SourceFolder, TemplateError

SLOW_S = 0.5
BASELINE_RULES = Rules(most_rounds=11, least_rounds=3, most_s=1.0, may_drop=False)
CALLS_TO_DROP = 5.0  # a first call slower than so many incumbents' need not finish


@dataclass(frozen=True)
class Plan:
    """A schedule on its way through the harness.

    Attributes:
        schedule: what to evaluate.
        contestant: its written source, or None where it does not specialise.
        key: equal for schedules that run the same code with the same run-time values; "" without a source.
        source_hash: content hash of the code alone.
        reason: why there is no contestant.
    """

    schedule: Schedule
    contestant: Contestant | None
    key: str = ""
    source_hash: str = ""
    reason: str = ""


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
        place = Place(self.folder.path, self.task, tuple(self.task.definition.verify_sizes), limits=self.limits)
        self._builders = [Child(place) for _ in self.cpus]
        self._measurer = Child(self._measuring_place(self.task))
        self.baseline = of_baseline(self.folder, self.task)

    def _measuring_place(self, task: Task, *, is_fresh: bool = False) -> Place:
        # inputs that are timed, and others for the proof afterwards
        sizes = (task.size, task.size)
        # the last processor: interrupts mostly land on the first
        cpus = (self.cpus[-1],) if task.threads == 1 else ()
        return Place(self.folder.path, task, sizes, cpus, is_fresh, self.limits)

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
        return Plan(schedule, contestant, f"{source.identity[:32]}{contestant.runtime}", source.identity)

    def build(self, plans: Sequence[Plan]) -> Iterator[Built]:
        """Compile on all cores and prove on awkward sizes; yields in the order of completion."""
        requests = []
        for plan in plans:
            if plan.contestant is None:
                yield Built(plan, failure=IllegalSchedule(plan.reason))
            else:
                requests.append((plan, {"do": "build", "candidate": plan.contestant}))
        for plan, answer in share(self._builders, requests, self.limits.call_s):
            failure = failure_of(answer) if "failed" in answer else None
            yield Built(plan, answer.get("build_s", 0.0), answer.get("verify_s", 0.0), failure)

    # ---- timing

    def first_incumbent(self) -> Incumbent:
        """The baseline as the first incumbent, proven like any candidate.

        Raises:
            ContestantFailedError: the baseline fails; no measurement of this kernel means anything.
        """
        answer = self._measurer.call({"do": "try", "candidate": self.baseline}, PATIENCE_S)
        if "failed" in answer:
            failure = f"{answer['failed']}: {answer['reason']}"
            raise ContestantFailedError(f"the baseline of {self.task.kernel!r} failed: {failure}")
        if answer["verify_s"] > SLOW_S:
            return Incumbent(self.baseline, answer["verify_s"])
        # a short call drowns in what checking it costs
        samples = self.pair(self.baseline, self.baseline, BASELINE_RULES)
        return Incumbent(self.baseline, float(np.median(samples.candidate_s)))

    def measure(self, built: Built, incumbent: Incumbent) -> Outcome:
        """Prove a built schedule on the problem itself, race it, prove it again."""
        candidate = built.plan.contestant
        assert candidate is not None
        start = time.perf_counter()
        limit_s = self.limits.call_s + CALLS_TO_DROP * incumbent.time_s
        tried = self._measurer.call({"do": "try", "candidate": candidate}, limit_s)
        if "failed" in tried:
            return replace(failure_of(tried), verify_s=built.verify_s, measure_s=time.perf_counter() - start)
        slowest_s = tried["verify_s"] + incumbent.time_s
        limit_s = self.limits.call_s + self.rules.most_s + 4 * self.rules.least_rounds * (slowest_s + 0.01)
        raced = self._measurer.call(race_request(candidate, incumbent.contestant, self.rules), limit_s)
        outcome = failure_of(raced) if "failed" in raced else self._judge(raced, tried["max_error"])
        verify_s = built.verify_s + tried["verify_s"] + raced.get("verify_s", 0.0)
        return replace(outcome, verify_s=verify_s, measure_s=raced.get("measure_s", 0.0))

    def _judge(self, raced: Answer, error_before: float) -> Outcome:
        samples = samples_of(raced)
        time_s = float(np.median(samples.candidate_s))
        if time_s < self.reject_s:
            return Impossible(f"{time_s:.3g} s a call, but this machine needs {self.reject_s:.3g} s at the very least")
        ratio = median_estimate(log_ratios(samples.candidate_s, samples.incumbent_s))
        return Measured(
            time_s=time_s,
            log_ratio=ratio.estimate,
            low=ratio.low,
            high=ratio.high,
            samples=samples,
            max_error=max(error_before, raced["max_error"]),
        )

    def pair(self, candidate: Contestant, incumbent: Contestant, rules: Rules) -> Samples:
        """Paired samples of two proven contestants, with no early end: for checkpoints.

        Raises:
            ContestantFailedError: one of them failed, though it was proven before.
        """
        return paired(self._measurer, candidate, incumbent, rules)

    def launch(self, seed: int) -> Launch:
        """A fresh process with a memory layout and inputs of its own: for what is published."""
        return Launch(Child(self._measuring_place(replace(self.task, seed=seed), is_fresh=True)))


def speedup(samples: Samples) -> Estimate:
    """t_incumbent / t_candidate with its 95 % interval."""
    return speedup_estimate(samples.candidate_s, samples.incumbent_s)
