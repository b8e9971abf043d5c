"""One run in one process: what its loop works with, and how what happens is kept and shown."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.contestant import Task
from benchmarks.harness import Built, Harness, Incumbent, Plan
from benchmarks.outcome import Impossible, Measured, Noisy
from evolve.accuracy import most_error
from evolve.budget import Budget
from evolve.champion import title_of
from evolve.checkpoint import is_due, measured
from evolve.deployed import engine_of
from evolve.early import has_gone_flat
from evolve.errors import EvolveError, Interrupted
from evolve.phases import Load, Phases
from evolve.progress import Observer, StopRequest
from evolve.prospects import Prospects
from evolve.quarantine import quarantine
from evolve.search import make
from evolve.search.protocol import Proposal, Result
from evolve.standing import standing
from evolve.starting import start_of
from evolve.store import Batch, Bound, Evaluation, Individual, OutcomeRecord, Run, Store, utc_now
from kernels.language import Schedule

if TYPE_CHECKING:
    from benchmarks.bound import Bound as MachineBound
    from benchmarks.outcome import Outcome
    from evolve.survey import Survey

RETRY_SHARE = 0.05
"""Of the measuring time, what second chances of noisy evaluations may take: on a machine that stays noisy they help
nobody."""
LONG_RUN, MOST_AT_ONCE = 32, 32
"""In a long run, one in so many of what is known is asked for at once, and at most so many: that little could have
taught the search little, and each batch has an end at which cores rest, and costs a fit of the surrogate."""
MOST_DOUBTS = 3
"""Sweeps of ceilings, 2 s each, that figures which are too good to be true may cost a session."""


@dataclass(frozen=True)
class Surroundings:
    """What a session works with and does not own.

    Attributes:
        store: where everything is kept.
        harness: what evaluates.
        bound: of the problem on this machine.
        observer: is told of progress between measurements, never during one.
        stop: set by the first Ctrl-C.
        survey: what ``bound`` rests on, to be asked again; None where the bound stands fast.
        spread: how far from 1 the ratio of equals came here before the run: 0.01 is 1 %.
    """

    store: Store
    harness: Harness
    bound: MachineBound
    observer: Observer
    stop: StopRequest
    survey: Survey | None = None
    spread: float = 0.0


class Session:
    """A run under way: strategy, incumbent, known outcomes. A new session replays what the store knows of its run."""

    def __init__(self, run: Run, around: Surroundings) -> None:
        self.run, self.around = run, around
        self.store, self.harness = around.store, around.harness
        self.budget = Budget.parse(run.budget)
        self.phases = Phases(self.store.phases(run.id))
        self.load = Load(lambda: self.harness.children_cpu_s)
        self.strategy = make(
            run.strategy,
            self.task.definition.space,
            np.random.default_rng(run.seed),
            run.control_share,
            start_of(run),
            engine=engine_of(self.store, run),
        )
        self.individuals = self.store.individuals(run.id)
        checkpoints = self.store.checkpoints(run.id)
        self.title = title_of(self.individuals, checkpoints, most_error(run))
        self.checked_at = checkpoints[-1].evaluations if checkpoints else 0
        self.known = self.store.known_sources(run.id)
        self.counts = Counter(self.store.counts(run.id))
        self.history: list[float] = []
        self._numbers = {Schedule(i.evaluation.schedule): i.evaluation.number for i in reversed(self.individuals)}
        self._plans: dict[Schedule, Plan] = {}
        self.prospects = Prospects()
        self._incumbent: Incumbent | None = None
        self._noisy: list[tuple[Evaluation, Built, Noisy]] = []
        self._retried_s = 0.0
        self._doubts = 0
        self.last_speedup = checkpoints[-1].speedup if checkpoints else self.title.speedup

    @property
    def task(self) -> Task:
        """What is measured."""
        return self.harness.task

    # ---- asking and telling

    def replay(self) -> list[Evaluation]:
        """Bring the strategy to where the run stopped; returns what it had asked for last and not heard of.

        Raises:
            EvolveError: the strategy does not ask what it asked then, so that going on would not be the same run.
        """
        batches: dict[int, list[Individual]] = {}
        for individual in self.individuals:
            batches.setdefault(individual.evaluation.batch, []).append(individual)
        for batch in batches.values():
            known = batch[0].evaluation.number - 1
            asked = [proposal.schedule for proposal in self.strategy.ask(self._at_once(known))]
            if asked != [Schedule(individual.evaluation.schedule) for individual in batch]:
                raise EvolveError(
                    f"run {self.run.id} cannot go on: its search no longer asks what it asked then",
                    "it was recorded by another version; start a new run",
                )
            pending = [i.evaluation for i in batch if i.record is None]
            if pending:
                return [individual.evaluation for individual in batch]
            self.tell(batch)
        return []

    def ask(self) -> list[Evaluation]:
        """Ask for a batch and keep it, before any of it is evaluated; empty once space or search is exhausted."""
        if has_gone_flat(self):
            return []
        with self.phases.phase("search"):
            proposals = self.strategy.ask(self._at_once(len(self.individuals)))
        if not proposals:
            return []
        index = 1 + self.individuals[-1].evaluation.batch if self.individuals else 0
        with self.phases.phase("build"), self.load.building():
            plans = [self.harness.plan(proposal.schedule) for proposal in proposals]
        self._plans = {plan.schedule: plan for plan in plans}
        evaluations = self._evaluations(index, proposals, plans)
        self.store.add_batch(Batch(self.run.id, index, utc_now()), evaluations)
        for evaluation in evaluations:
            original = (evaluation.duplicate_of or evaluation.number) - 1
            self.individuals.append(
                Individual(evaluation, None if original >= len(self.individuals) else self.individuals[original].record)
            )
        return evaluations

    def _at_once(self, known: int) -> int:
        """Schedules to ask for where so many were asked for before."""
        return max(self.run.batch_size, min(MOST_AT_ONCE, known // LONG_RUN))

    def _evaluations(self, batch: int, proposals: Sequence[Proposal], plans: Sequence[Plan]) -> list[Evaluation]:
        made, numbers = [], self._numbers
        for position, (proposal, plan) in enumerate(zip(proposals, plans, strict=True)):
            number = len(self.individuals) + position + 1
            numbers.setdefault(proposal.schedule, number)
            original = self.known.setdefault(plan.key, number) if plan.key else number
            made.append(
                Evaluation(
                    run=self.run.id,
                    number=number,
                    batch=batch,
                    position=position,
                    arm="control" if proposal.operator == "control" else "search",
                    operator=proposal.operator,
                    schedule=dict(proposal.schedule),
                    parents=tuple(numbers[parent] for parent in proposal.parents if parent in numbers),
                    source_key=plan.key or None,
                    duplicate_of=original if original != number else None,
                )
            )
        return made

    def tell(self, batch: Sequence[Individual]) -> None:
        """Tell the strategy what came of a batch, duplicates with their original's outcome."""
        with self.phases.phase("search"):
            self.strategy.tell([Result(Schedule(i.evaluation.schedule), i.fitness, i.error) for i in batch])
        for individual in batch:
            best = max(self.history[-1] if self.history else 1.0, math.exp(individual.fitness or 0.0))
            self.history += [best] if individual.is_paid else []

    # ---- evaluating

    def evaluate(self, evaluations: Sequence[Evaluation]) -> bool:
        """Build and measure what has no outcome yet; False when the budget ended it midway."""
        try:
            return self._evaluate(evaluations)
        finally:
            spent = {**self.phases.flush(), **self.load.flush()}
            self.store.add_phases(self.run.id, evaluations[0].batch, spent)

    def _evaluate(self, evaluations: Sequence[Evaluation]) -> bool:
        todo = [e for e in evaluations if e.duplicate_of is None and self._individual(e).record is None]
        self.show("search", f"building {len(todo)} schedules")
        with self.phases.phase("build"), self.load.building():
            plans = {self._plan(e): e for e in todo}
            built = {plans[b.plan].number: b for b in self.harness.build(list(plans))}
        is_whole = self._race([(evaluation, built[evaluation.number]) for evaluation in todo])
        self._retry()
        return is_whole

    def _plan(self, evaluation: Evaluation) -> Plan:
        """What was planned when it was asked for; anew in a run that is resumed within a batch."""
        schedule = Schedule(evaluation.schedule)
        return self._plans.get(schedule) or self.harness.plan(schedule)

    def _race(self, todo: Sequence[tuple[Evaluation, Built]]) -> bool:
        """Measure one after the other; False when the budget ended it midway."""
        for position, (evaluation, built) in enumerate(todo):
            if self.is_over:
                return False
            self.show("search", f"racing {position + 1} of {len(todo)}")
            self.phases.move("build", "verify", built.verify_s / len(self.harness.cpus))
            outcome = self._measured(built)
            if isinstance(outcome, Noisy) and self._may_retry(outcome):
                self._noisy.append((evaluation, built, outcome))
            else:
                self._keep(evaluation, built, outcome)
        return True

    def _may_retry(self, outcome: Noisy) -> bool:
        self._retried_s += outcome.measure_s
        return self._retried_s <= RETRY_SHARE * self.phases.totals()["measure"]

    def _retry(self) -> None:
        """Measure once more what was noisy, at the end of its batch: disturbances last for seconds."""
        while self._noisy:
            evaluation, built, first = self._noisy.pop(0)
            if self.is_over:
                self._keep(evaluation, built, first)
                continue
            self.show("search", "measuring once more what was noisy")
            self.store.add_event(self.run.id, "retried", f"evaluation {evaluation.number}: {first.reason}")
            self._keep(evaluation, built, self._measured(built))

    def _measured(self, built: Built) -> Outcome:
        with self.phases.phase("measure"):
            outcome = built.failure or self.harness.measure(built, self.incumbent)
        self.phases.move("measure", "verify", max(0.0, outcome.verify_s - built.verify_s))
        if self._is_too_good(outcome) and self.resurvey(f"doubted: {outcome.reason or 'at the edge of the bound'}"):
            return self._measured(built) if isinstance(outcome, Impossible) else outcome
        return outcome

    def _keep(self, evaluation: Evaluation, built: Built, outcome: Outcome) -> None:
        """Store what came of an evaluation, then let it challenge the incumbent."""
        incumbent = self.title.individual.evaluation.number if self.title.individual else None
        fitness = self.title.fitness + outcome.log_ratio if isinstance(outcome, Measured) else None
        record = OutcomeRecord(
            self.run.id, evaluation.number, outcome, utc_now(), fitness, incumbent, build_s=built.build_s
        )
        if isinstance(outcome, Impossible):
            quarantine(self, evaluation, record)
        self.store.add_outcome(record)
        self._settle(record)
        self.checkpoint()

    def _settle(self, record: OutcomeRecord) -> None:
        """Give an outcome to its individual and its duplicates, and let it challenge the incumbent."""
        self.counts[record.outcome.kind] += 1
        # its duplicates so far came with it or after it, in the same batch
        for at in range(record.evaluation - 1, len(self.individuals)):
            individual = self.individuals[at]
            if record.evaluation in (individual.evaluation.number, individual.evaluation.duplicate_of):
                self.individuals[at] = dataclasses.replace(individual, record=record)
        title = self.title.challenged(self.individuals[record.evaluation - 1])
        if title is not self.title:
            self.title, self._incumbent = title, None
            self.last_speedup = title.speedup or self.last_speedup

    def checkpoint(self, *, is_last: bool = False) -> None:
        """Measure the incumbent against the fixed baseline where that is due; the first time is what its fitness is."""
        if not is_due(self, is_last=is_last) or (made := measured(self)) is None:
            return
        self.store.add_checkpoint(made)
        self.checked_at, self.last_speedup = made.evaluations, made.speedup
        if self.title.speedup is None:
            self.title = self.title.confirmed(made)

    @property
    def incumbent(self) -> Incumbent:
        """What candidates are raced against: the fixed baseline, until something beats it."""
        if self._incumbent is None:
            self._incumbent = self._find_incumbent()
        return self._incumbent

    def _find_incumbent(self) -> Incumbent:
        individual, time_s = self.title.individual, self.title.time_s
        if individual is None or time_s is None:
            with self.phases.phase("measure"):
                return self.harness.first_incumbent()
        plan = self.harness.plan(Schedule(individual.evaluation.schedule))
        assert plan.contestant is not None
        return Incumbent(plan.contestant, time_s)

    def _individual(self, evaluation: Evaluation) -> Individual:
        return self.individuals[evaluation.number - 1]

    def batch(self, evaluations: Sequence[Evaluation]) -> list[Individual]:
        """The individuals of evaluations, with the outcomes known by now."""
        return [self._individual(evaluation) for evaluation in evaluations]

    # ---- how far it is

    @property
    def evaluated(self) -> int:
        """Evaluations that have an outcome of their own."""
        return self.counts.total()

    @property
    def fraction(self) -> float:
        """Of the budget used, 0 to 1."""
        return self.budget.fraction(self.phases.elapsed_s, self.evaluated + len(self._noisy))

    @property
    def cpu_s(self) -> float:
        """Processor seconds so far; every phase but building keeps one core busy."""
        totals = self.phases.totals()
        return sum(totals.values()) + totals["build"] * (len(self.harness.cpus) - 1)

    @property
    def is_over(self) -> bool:
        """True once the budget is used up.

        Raises:
            Interrupted: the user asked to stop; all that is known is stored.
        """
        if self.around.stop.is_set:
            raise Interrupted(self.run.id)
        return self.fraction >= 1

    # ---- showing

    def show(self, stage: str, doing: str) -> None:
        """Tell the observer how things stand; called between measurements only."""
        self.around.observer(standing(self, stage, doing))

    def keep_bound(self) -> None:
        """Keep the bound with the baseline's time, once: the cap line of every picture."""
        if self.store.bound(self.run.id) is None:
            self.show("baseline", "timing the plain loop")
            bound = self.around.bound
            self.store.add_bound(Bound(self.run.id, utc_now(), bound.limit, bound.time_s, self.incumbent.time_s))

    def resurvey(self, why: str) -> bool:
        """Measure the ceilings once more; True where the machine turned out faster, and its bounds with it.

        Args:
            why: is noted in the run's events.
        """
        survey = self.around.survey
        if survey is None:
            return False
        before = survey.bounds
        is_faster = survey.again(lambda doing: self.show("ceilings", doing))
        self.harness.reject_s = survey.bounds.reject.time_s
        self._redraw(survey.bounds.efficiency)
        least_s = (before.efficiency.time_s, survey.bounds.efficiency.time_s)
        is_lower = least_s[1] < least_s[0]
        found = "the bound fell from {:.4g} s to {:.4g} s" if is_lower else "the bound stands at {:.4g} s"
        self.store.add_event(self.run.id, "ceilings", f"{why}; {found.format(*least_s)}")
        return is_faster

    def _redraw(self, bound: MachineBound) -> None:
        stored = self.store.bound(self.run.id)
        if bound == self.around.bound or stored is None:
            return
        self.around = dataclasses.replace(self.around, bound=bound)
        self.store.add_bound(dataclasses.replace(stored, measured_at=utc_now(), limit=bound.limit, time_s=bound.time_s))

    def _is_too_good(self, outcome: Outcome) -> bool:
        """True, a few times a session, for what is faster than this machine was ever seen to be."""
        survey = self.around.survey
        if survey is None or self._doubts >= MOST_DOUBTS:
            return False
        is_at_edge = isinstance(outcome, Measured) and outcome.time_s < survey.least_s
        self._doubts += is_at_edge or isinstance(outcome, Impossible)
        return is_at_edge or isinstance(outcome, Impossible)
