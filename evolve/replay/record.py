"""Measuring a space from end to end, for hours if need be, through the harness that runs measure with.

Every schedule is built, proven and raced against the same one, the *anchor*: the kernel's default schedule, or the
plain loop where that is faster. A time is the anchor's, measured once, divided by the median ratio of their paired
samples, so that a machine that slows down over hours slows both. Schedules come in random order, for the same reason.
What was disturbed is raced again at the end of its batch. The best of some thousand races is mostly the luckiest: so
the best 50 are measured once more, undisturbed if that can be had, and that counts.
"""

from __future__ import annotations

import functools
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from benchmarks.conditions import disturbances
from benchmarks.exchange import ContestantFailedError
from benchmarks.harness import Harness, Incumbent
from benchmarks.inference import log_ratios
from benchmarks.judge import with_known_incumbent
from benchmarks.machine import fingerprint
from benchmarks.outcome import Impossible, Measured, Noisy, Outcome, Samples
from benchmarks.race import Rules
from evolve.errors import EvolveError, Interrupted, UsageError
from evolve.gate import gate
from evolve.paths import source_folder
from evolve.progress import StopRequest
from evolve.replay.journal import Heading, Journal, Line
from evolve.replay.recording import Recording, Subject, Timing
from evolve.report.quantities import clock, seconds
from evolve.run import SOURCES_BYTES, versions
from evolve.search.exhaustive import every
from evolve.session import MOST_DOUBTS
from evolve.store import utc_now
from evolve.survey import Survey

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.contestant import Contestant, Task
    from benchmarks.harness import Built, Plan
    from evolve.run import Admission
    from evolve.store import Store
    from kernels import Kernel
    from kernels.language.space import Schedule, Space

Say = Callable[[str], None]

BATCH = 32
"""Schedules built at once, on all cores, before they are timed, when nothing else of ours may run."""
BEST = 50
MOST = 50_000
"""Schedules that a space may have: a day's work."""
_TRIM_EVERY = 20
"""Batches between two looks at what generated sources take on the disk."""
_MOST_AGAIN = BATCH // 4
"""Races of a batch that are run again: on a machine that stays disturbed that helps nobody."""
_ATTEMPTS = 3
"""At an undisturbed race of one of the best: a neighbour's burst must not make the optimum of a space."""
_CODE_DIGITS = 16
_WHOLE = Rules(most_rounds=30, may_drop=False)
_SEED = 0


class RecordingInterrupted(Interrupted):
    """The user stopped a recording; what it measured is in its journal."""

    def __init__(self, target: Path) -> None:
        said = f"recording {target} is interrupted, what it measured is kept"
        EvolveError.__init__(self, said, "go on with the same command")


def record(store: Store, task: Task, part: str, target: Path, say: Say, admission: Admission) -> Recording:
    """Measure a kernel's space into a file; where that was begun before, go on.

    Args:
        store: where the machine and its ceilings are kept.
        task: what is measured.
        part: of the kernel's space: ``"small"`` or ``"all"``.
        target: the file.
        say: is told how far it is.
        admission: the terms on which measuring begins.

    Raises:
        UsageError: there is no such space, it is too large, or the journal is of another recording.
        RecordingInterrupted: the user asked to stop.
        NoisyMachineError: nothing can be told from noise here and now.
        EvolveError: another evolve measures on this machine, or a file cannot be written.
    """
    space, schedules = listed(task.definition, part)
    journal, stop, folder = Journal.beside(target), StopRequest(), source_folder()
    subject = _subject(task, part)
    journal.check(subject, len(schedules))
    with admission.lock(f"recording of {task.kernel}"):
        found = gate(task, say, anyway=admission.anyway)
        if admission.on_gate:
            admission.on_gate(found.line)
        survey = Survey(store, task, say)
        with stop.on_interrupt(), Harness(task, folder, survey.bounds.reject.time_s) as harness:
            trim = functools.partial(folder.trim, SOURCES_BYTES)
            resurvey = functools.partial(_resurveyed, harness, survey, say)
            around = Around(harness, journal, say, stop, trim, resurvey)
            made = recorded(subject, space, schedules, around)
    made.write(target)
    journal.end()
    return made


def _resurveyed(harness: Harness, survey: Survey, say: Say) -> bool:
    """Measure the ceilings once more; True where the machine turned out faster than they said."""
    is_faster = survey.again(say)
    harness.reject_s = survey.bounds.reject.time_s
    return is_faster


def listed(kernel: Kernel, part: str) -> tuple[Space, list[Schedule]]:
    """A kernel's space, or the small part of it, and all its schedules in an order that is always the same.

    Raises:
        UsageError: the kernel names no small one, or there are too many schedules.
    """
    if part == "small" and not kernel.small:
        raise UsageError(f"{kernel.name} has no small space", "give its Kernel(...) one, or take --space all")
    space = kernel.space.restricted(kernel.small) if part == "small" else kernel.space
    schedules = [*itertools.islice(every(space), MOST + 1)]
    if len(schedules) > MOST:
        count = f"{space.size:.3g}" if space.size else f"over {MOST}"
        raise UsageError(f"{kernel.name} has {count} schedules, which no day is long enough for", "take --space small")
    return space, schedules


def _subject(task: Task, part: str) -> Subject:
    here = fingerprint()
    software = {**here.versions, "evolve-kernels": versions()["evolve-kernels"]}
    where = {"machine": here.machine_id, "cpu": here.cpu, "versions": software}
    what = {"size": tuple(task.size), "dtype": task.dtype, "threads": task.threads, "policy": task.policy}
    return Subject.from_dict({"kernel": task.definition.name, "space": part, **what, **where})


@dataclass(frozen=True)
class Around:
    """What a recording works with.

    Attributes:
        harness: what evaluates.
        journal: where every outcome goes at once.
        say: is told how far it is, between measurements.
        stop: set by the first Ctrl-C.
        trim: keeps what generated sources take on the disk within its limit.
        resurvey: measures the ceilings anew; True where what seemed impossible may not be.
    """

    harness: Harness
    journal: Journal
    say: Say
    stop: StopRequest
    trim: Callable[[], object] = lambda: None
    resurvey: Callable[[], bool] = lambda: False


def recorded(subject: Subject, space: Space, schedules: Sequence[Schedule], around: Around) -> Recording:
    """Measure what the journal does not hold yet.

    Args:
        subject: what is measured.
        space: of the schedules.
        schedules: all of them, in an order that is always the same.
        around: what it works with.

    Raises:
        RecordingInterrupted: the user asked to stop; the journal holds all that was measured.
        UsageError: the journal is of another recording, or of another version of the kernel.
        ContestantFailedError: the plain loop fails; no measurement of this kernel means anything.
    """
    around.journal.check(subject, len(schedules))
    recorder = _Recorder(subject, schedules, around)
    recorder.measure_all()
    recorder.confirm_best()
    heading, lines = recorder.heading, around.journal.lines
    timings = {schedule: lines[at].timing for at, schedule in enumerate(schedules)}
    return Recording(subject, utc_now(), heading.baseline_s, space.parameters, timings)


class _Recorder:
    """A recording under way."""

    def __init__(self, subject: Subject, schedules: Sequence[Schedule], around: Around) -> None:
        self.schedules, self.around = schedules, around
        self.harness, self.journal = around.harness, around.journal
        known = self.journal.lines.values()
        self.keys = {line.key: line for line in known if line.key}
        self.built_at = {line.timing.code: line.at for line in known if line.timing.build_s is not None}
        self.disturbed: set[int] = set()
        self.doubts = 0
        self.began_s, self.before = time.monotonic(), len(self.journal.lines)
        self.heading, self.anchor = self._anchored(subject)

    def _anchored(self, subject: Subject) -> tuple[Heading, Incumbent]:
        """Whom all are raced against: who was so before, or whoever is faster now."""
        plan = self.harness.plan(self.harness.task.definition.space.default)
        self.default = built = next(iter(self.harness.build([plan])))
        if known := self.journal.heading:
            self.journal.check_code(plan.key)
            contestant = plan.contestant if known.anchor == "default" else self.harness.baseline
            assert contestant is not None
            return known, Incumbent(contestant, known.anchor_s)
        self.around.say("timing the plain loop")
        anchor = baseline = self.harness.first_incumbent()
        outcome, name = built.failure or self.harness.measure(built, baseline), "baseline"
        gain = float(np.median(_ratios(outcome.samples))) if _is_timed(outcome) else 0.0
        if gain > 0:
            assert plan.contestant is not None
            name, anchor = "default", Incumbent(plan.contestant, baseline.time_s * math.exp(-gain))
        heading = Heading(subject, len(self.schedules), plan.key, name, anchor.time_s, baseline.time_s)
        self.journal.begin(heading)
        return heading, anchor

    # ---- all of them

    def measure_all(self) -> None:
        """Batch by batch, in random order."""
        order = np.random.default_rng(_SEED).permutation(len(self.schedules)).tolist()
        left = [at for at in order if at not in self.journal.lines]
        for number, first in enumerate(range(0, len(left), BATCH)):
            self._measure(left[first : first + BATCH])
            if number % _TRIM_EVERY == 0:
                self.around.trim()

    def _measure(self, places: Sequence[int]) -> None:
        plans = {at: self.harness.plan(self.schedules[at]) for at in places}
        first = {plan.key or at: at for at, plan in reversed(plans.items())}
        new = {at: plan for at, plan in plans.items() if first[plan.key or at] == at and plan.key not in self.keys}
        self._progress("building")
        built = self._built(new)
        for at in self._twice([*built]):
            self._progress("racing")
            self._keep(at, plans[at], self._timing(at, built[at]))
        for at, plan in plans.items():
            if at not in new:
                self._keep(at, plan, replace(self.keys[plan.key].timing, build_s=None))

    def _built(self, plans: dict[int, Plan]) -> dict[int, Built]:
        """All of a batch, by place; whoever is the first of its code to be ready has paid for it."""
        places = {plan.schedule: at for at, plan in plans.items()}
        built = {places[one.plan.schedule]: one for one in self.harness.build([*plans.values()])}
        for at, one in built.items():
            if one.plan.key == self.default.plan.key:  # compiled already, for the anchor: now it was only loaded
                built[at] = replace(one, build_s=self.default.build_s)
        for at, one in built.items():
            if one.build_s:
                self.built_at.setdefault(_code(one.plan), at)
        return built

    def _twice(self, places: Sequence[int]) -> Iterator[int]:
        """Each of a batch, and at its end some once more that were disturbed: disturbances last for seconds."""
        self.disturbed.clear()
        yield from places
        yield from [at for at in places if at in self.disturbed][:_MOST_AGAIN]

    def _timing(self, at: int, built: Built) -> Timing:
        outcome = built.failure or self._measured(built)
        if isinstance(outcome, Noisy) or (_is_timed(outcome) and disturbances(outcome.samples.conditions)):
            self.disturbed.add(at)
        code = _code(built.plan)
        has_paid = self.built_at.get(code) == at
        return replace(self._timed(outcome), build_s=built.build_s if has_paid else None, code=code)

    def _measured(self, built: Built) -> Outcome:
        """What is faster than this machine was ever seen to be is measured again, if the machine is: a few times."""
        outcome = self.harness.measure(built, self.anchor)
        if not isinstance(outcome, Impossible) or self.doubts >= MOST_DOUBTS:
            return outcome
        self.doubts += 1
        return self.harness.measure(built, self.anchor) if self.around.resurvey() else outcome

    def _timed(self, outcome: Outcome) -> Timing:
        """A schedule that is noisy twice has a time all the same: a hole in the space would be worse."""
        if _is_timed(outcome):
            return self._of_samples(outcome.samples, outcome.kind)
        return Timing(None, outcome=outcome.kind)

    def _of_samples(self, samples: Samples, kind: str) -> Timing:
        ratios = _ratios(samples)
        low, high = np.quantile(ratios, [0.25, 0.75])
        return Timing(self.anchor.time_s * math.exp(-float(np.median(ratios))), float(high - low) / 2, kind)

    def _keep(self, at: int, plan: Plan, timing: Timing, *, is_confirmed: bool = False) -> None:
        line = Line(at, plan.key, timing, is_confirmed)
        self.journal.add(line)
        if plan.key:
            self.keys[plan.key] = line

    # ---- the best of them

    def confirm_best(self) -> None:
        """Measure the best again until all of the best were: whoever turns out worse makes room for another."""
        while left := [at for at in self._best() if not self.journal.lines[at].is_confirmed]:
            at = left[0]
            self._progress(f"measuring the best again, {len(left)} to go")
            plan = self.harness.plan(self.schedules[at])
            self.journal.check_key(at, plan.key)
            timing = self._again(plan)
            for same, line in [*self.journal.lines.items()]:
                if line.key == plan.key:
                    kept = replace(timing, build_s=line.timing.build_s, code=line.timing.code)
                    self._keep(same, plan, kept, is_confirmed=True)

    def _best(self) -> list[int]:
        lines = self.journal.lines
        valid = [(line.timing.time_s, at) for at, line in lines.items() if line.timing.time_s is not None]
        return [at for _, at in sorted(valid)[:BEST]]

    def _again(self, plan: Plan) -> Timing:
        assert plan.contestant is not None
        try:
            samples = self._undisturbed(plan.contestant)
        except ContestantFailedError as error:
            return Timing(None, outcome=str(error).partition(":")[0])
        return self._of_samples(samples, Measured.__name__)

    def _undisturbed(self, contestant: Contestant) -> Samples:
        """All the rounds, anew while somebody disturbs them; the last ones count."""
        for _ in range(_ATTEMPTS):
            samples = self.harness.pair(contestant, self.anchor.contestant, _WHOLE)
            if not disturbances(with_known_incumbent(samples, self.anchor.time_s).conditions):
                break
        return samples

    def _progress(self, doing: str) -> None:
        """Say how far it is.

        Raises:
            RecordingInterrupted: the user asked to stop.
        """
        if self.around.stop.is_set:
            raise RecordingInterrupted(self.journal.path.with_suffix(""))
        done, total = len(self.journal.lines), len(self.schedules)
        new = done - self.before
        left = f", {clock((time.monotonic() - self.began_s) / new * (total - done))} left" if new else ""
        best = min((line.timing.time_s or math.inf for line in self.journal.lines.values()), default=math.inf)
        fastest = f", best {seconds(best)}" if math.isfinite(best) else ""
        self.around.say(f"{done} of {total} schedules{fastest}{left}, {doing}")


def _is_timed(outcome: Outcome) -> TypeGuard[Measured | Noisy]:
    """Whether it has a time, be it a doubtful one."""
    return isinstance(outcome, (Measured, Noisy)) and bool(outcome.samples.candidate_s)


def _ratios(samples: Samples) -> NDArray[np.float64]:
    return log_ratios(samples.candidate_s, samples.incumbent_s)


def _code(plan: Plan) -> str:
    return plan.source_hash[:_CODE_DIGITS]
