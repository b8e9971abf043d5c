"""The harness: schedules in, outcomes out. Whatever a candidate does, the run goes on.

Schedules are built and proven on awkward sizes by workers on all cores; then, while nothing else of ours runs, each is
proven on the problem itself, raced against the incumbent, and proven again on other inputs.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from benchmarks.contestant import Contestant, Task, of_baseline, of_schedule, source_of
from benchmarks.inference import Estimate, log_ratios, median_estimate, speedup_estimate
from benchmarks.isolation import Child, Place, share
from benchmarks.outcome import KINDS, CompileFailed, IllegalSchedule, Impossible, Measured, Outcome, Samples
from benchmarks.race import Rules
from kernels.language import Schedule, SourceFolder, TemplateError

BUILD_LIMIT_S = 30.0
LOAD_LIMIT_S = 3.0
SLOW_S = 0.5
BASELINE_RULES = Rules(most_rounds=11, least_rounds=3, most_s=1.0, may_drop=False)
CALLS_TO_DROP = 5.0  # a first call slower than so many incumbents' need not finish
RECYCLE_AFTER = 200  # answers of one child: loaded code is never unloaded


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
    """

    task: Task
    folder: SourceFolder
    reject_s: float = 0.0
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self) -> None:
        """Set up the children; they start with the first request."""
        self.cpus = sorted(os.sched_getaffinity(0))
        place = Place(Path(self.folder.path), self.task)
        self._builders = [Child(place) for _ in self.cpus]
        self._measurer = Child(self._measuring_place())
        self.baseline = of_baseline(self.folder, self.task)

    def _measuring_place(self, seed: int | None = None, *, is_fresh: bool = False) -> Place:
        task = self.task if seed is None else dataclasses.replace(self.task, seed=seed)
        # the last processor: interrupts mostly land on the first
        bound = (self.cpus[-1],) if self.task.threads == 1 else ()
        return Place(Path(self.folder.path), task, bound, is_fresh)

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
                requests.append((plan, {"do": "build", "candidate": plan.contestant.as_json()}))
        for plan, answer in share(self._builders, requests, BUILD_LIMIT_S):
            yield Built(plan, answer.get("build_s", 0.0), answer.get("verify_s", 0.0), _build_failure(answer))
        for child in self._builders:
            _recycle(child)

    # ---- timing

    def first_incumbent(self) -> Incumbent:
        """The baseline as the first incumbent, proven like any candidate.

        Raises:
            RuntimeError: the baseline fails; no measurement of this kernel means anything.
        """
        answer = self._ask({"do": "try", "candidate": self.baseline.as_json()}, 120.0)
        if "failed" in answer:
            raise RuntimeError(f"the baseline of {self.task.kernel!r} failed: {answer['failed']}: {answer['reason']}")
        if answer["verify_s"] > SLOW_S:
            return Incumbent(self.baseline, answer["verify_s"])
        # a short call drowns in what checking it costs
        samples = self.pair(self.baseline, self.baseline, BASELINE_RULES)
        return Incumbent(self.baseline, float(np.median(samples.candidate_s)))

    def measure(self, built: Built, incumbent: Incumbent) -> Outcome:
        """Prove a built schedule on the problem itself, race it, prove it again."""
        assert built.plan.contestant is not None
        start = time.perf_counter()
        limit_s = LOAD_LIMIT_S + CALLS_TO_DROP * incumbent.time_s
        tried = self._ask({"do": "try", "candidate": built.plan.contestant.as_json()}, limit_s)
        if "failed" in tried:
            return _failed(tried, verify_s=built.verify_s, measure_s=time.perf_counter() - start)
        pair = {"candidate": built.plan.contestant.as_json(), "incumbent": incumbent.contestant.as_json()}
        slowest_s = tried["verify_s"] + incumbent.time_s
        limit_s = LOAD_LIMIT_S + self.rules.most_s + 4 * self.rules.least_rounds * (slowest_s + 0.01)
        raced = self._ask({"do": "race", **pair, "rules": dataclasses.asdict(self.rules)}, limit_s)
        seconds = {
            "verify_s": built.verify_s + tried["verify_s"] + raced.get("verify_s", 0.0),
            "measure_s": raced.get("measure_s", 0.0),
        }
        if "failed" in raced:
            return _failed(raced, **seconds)
        return self._judge(raced, max(raced["max_error"], tried["max_error"]), seconds)

    def _judge(self, raced: dict[str, Any], max_error: float, seconds: dict[str, float]) -> Outcome:
        samples = Samples(tuple(raced["candidate_s"]), tuple(raced["incumbent_s"]), raced["loops"])
        time_s = float(np.median(samples.candidate_s))
        if time_s < self.reject_s:
            reason = f"{time_s:.3g} s a call, but this machine needs {self.reject_s:.3g} s at the very least"
            return Impossible(reason, **seconds)
        ratio = median_estimate(log_ratios(samples.candidate_s, samples.incumbent_s))
        return Measured(
            time_s=time_s,
            log_ratio=ratio.estimate,
            low=ratio.low,
            high=ratio.high,
            samples=samples,
            max_error=max_error,
            **seconds,
        )

    def pair(self, candidate: Contestant, incumbent: Contestant, rules: Rules) -> Samples:
        """Paired samples of two proven contestants, with no early end: for checkpoints.

        Raises:
            RuntimeError: one of them failed, though it was proven before.
        """
        return _paired(self._measurer, candidate, incumbent, rules)

    def launch(self, seed: int) -> Launch:
        """A fresh process with a memory layout and inputs of its own: for what is published."""
        return Launch(Child(self._measuring_place(seed, is_fresh=True)))

    def _ask(self, request: dict[str, Any], limit_s: float) -> dict[str, Any]:
        if not self._measurer.is_running:
            # inputs and reference are made outside the candidate's own time limit
            self._measurer.call({"do": "prepare"}, 300.0)
        answer = self._measurer.call(request, limit_s)
        _recycle(self._measurer)
        return answer


@dataclass
class Launch:
    """Measurements in one fresh process."""

    child: Child

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.child.stop()

    def pair(self, candidate: Contestant, incumbent: Contestant, rules: Rules) -> Samples | None:
        """Prove both on the launch's own inputs, then time them; None where a rival's library is missing.

        Raises:
            RuntimeError: one of them failed, though it was proven before.
        """
        for contestant in (candidate, incumbent):
            answer = self.child.call({"do": "try", "candidate": contestant.as_json()}, 300.0)
            if answer.get("failed") == "Unavailable":
                return None
            if "failed" in answer:
                raise RuntimeError(f"{answer['failed']}: {answer['reason']}")
        return _paired(self.child, candidate, incumbent, rules)


def speedup(samples: Samples) -> Estimate:
    """t_incumbent / t_candidate with its 95 % interval."""
    return speedup_estimate(samples.candidate_s, samples.incumbent_s)


def _paired(child: Child, candidate: Contestant, incumbent: Contestant, rules: Rules) -> Samples:
    request = {
        "do": "race",
        "candidate": candidate.as_json(),
        "incumbent": incumbent.as_json(),
        "rules": dataclasses.asdict(rules),
    }
    answer = child.call(request, 600.0)
    if "failed" in answer:
        raise RuntimeError(f"{answer['failed']}: {answer['reason']}")
    return Samples(tuple(answer["candidate_s"]), tuple(answer["incumbent_s"]), answer["loops"])


def _build_failure(answer: dict[str, Any]) -> Outcome | None:
    if "failed" not in answer:
        return None
    if answer["failed"] == "TimedOut":
        return CompileFailed(f"building took over {BUILD_LIMIT_S:.0f} s")
    return _failed(answer)


def _failed(answer: dict[str, Any], **seconds: float) -> Outcome:
    return KINDS[answer["failed"]](answer["reason"], **seconds)


def _recycle(child: Child) -> None:
    if child.answered >= RECYCLE_AFTER:
        child.stop()
