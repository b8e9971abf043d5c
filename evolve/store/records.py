"""The facts that a store keeps, each a frozen value. Nothing here is ever changed or taken back.

Times of day are ISO 8601 in UTC, durations are seconds, a fitness is ln(t_baseline / t_candidate). An evaluation is
known by its number within the run: 1 is the first that was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.inference import Estimate
    from benchmarks.outcome import Outcome

Value = int | str | bool
Arm = Literal["search", "control"]
Turn = Literal["started", "resumed", "interrupted", "finished", "failed"]
Note = Literal["trusted", "noisy", "ceilings", "retried", "flat", "stalled", "failed_afresh"]
EventKind = Turn | Note
NOTES: tuple[str, ...] = get_args(Note)
PHASES = ("build", "verify", "measure", "search", "other")
BUILDING = ("building", "building_cpu")
"""Beside the phases: wall seconds in which schedules were made into sources, compiled and proven on awkward sizes, and
the processor seconds that this process and its children spent in them."""


def utc_now() -> str:
    """The time of day as the store writes it, to the microsecond; such texts sort in order of time."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """Everything that determines a run's sequence of asks, given the outcomes.

    Attributes:
        kernel: the kernel's name.
        size: extents of the problem.
        dtype: as in ``"float64"``.
        threads: threads of the kernel.
        policy: what the caches hold when a call begins: ``"hot"``, ``"rotate"`` or ``"flush"``.
        strategy: the search strategy's name.
        control_share: share of the evaluations that are independent random draws.
        seed: of the run's generator.
        budget: as given, ``"5m"`` or ``"300evals"``.
        batch_size: schedules asked for at once, at least: long runs ask for more.
        machine: id of the machine that measures.
        versions: of the libraries whose change could change a result.
        options: further settings of the strategy.
        name: the user's own word for the run, unique in the store, or None.
    """

    kernel: str
    size: tuple[int, ...]
    dtype: str
    threads: int
    policy: str = "hot"
    strategy: str
    control_share: float
    seed: int
    budget: str
    batch_size: int
    machine: str
    versions: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Value | float] = field(default_factory=dict)
    name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Run(RunSpec):
    """A run as the store knows it; ``id`` is short and unique, as in ``matmul-3f9a``."""

    id: str
    created_at: str


@dataclass(frozen=True)
class RunEvent:
    """A turn in a run's life, or a note of what happened on the way.

    The process that wrote it is named so that a killed run can be told from a living one. Notes: ``trusted``
    and ``noisy`` say what was found of the machine before measuring, ``ceilings`` that they were measured once more,
    ``retried`` that a noisy evaluation got a second chance, ``flat`` that the search stopped before its budget was used
    up, and why.
    """

    run: str
    kind: EventKind
    at: str
    detail: str = ""
    pid: int = 0
    host: str = ""


@dataclass(frozen=True)
class Machine:
    """A machine by its stable id, and what is known of it."""

    id: str
    fingerprint: Mapping[str, Any]


@dataclass(frozen=True)
class Ceilings:
    """Peaks found by one sweep; names end in their unit, as in ``flop_per_s`` or ``latency_s``."""

    machine: str
    measured_at: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Bound:
    """What one call of the problem costs at least here, and what the fixed baseline costs.

    Attributes:
        run: the run's id.
        measured_at: when.
        limit: what binds, as in ``"fma"`` or ``"DRAM triad"``.
        time_s: the attainable seconds per call.
        baseline_s: the fixed baseline's seconds per call.
    """

    run: str
    measured_at: str
    limit: str
    time_s: float
    baseline_s: float


@dataclass(frozen=True)
class Batch:
    """One ask."""

    run: str
    index: int
    asked_at: str


@dataclass(frozen=True)
class Evaluation:
    """One schedule that was asked for.

    Attributes:
        run: the run's id.
        number: 1, 2, ... within the run.
        batch: index of the ask.
        position: place within the batch.
        arm: ``"search"`` or ``"control"``.
        operator: what made it, as in ``"mutate"``, ``"crossover"``, ``"default"``, ``"sample"``.
        schedule: the parameter values.
        parents: numbers of the evaluations that it descends from.
        source_key: content hash of its source and run-time values; None where it does not specialise.
        duplicate_of: number of the evaluation with the same source, whose outcome is this one's too.
    """

    run: str
    number: int
    batch: int
    position: int
    arm: Arm
    operator: str
    schedule: Mapping[str, Value]
    parents: tuple[int, ...] = ()
    source_key: str | None = None
    duplicate_of: int | None = None


@dataclass(frozen=True)
class OutcomeRecord:
    """What came of an evaluation, raw samples included.

    Attributes:
        run: the run's id.
        evaluation: its number.
        outcome: one of the closed set of ``benchmarks.outcome``.
        finished_at: when it became known.
        fitness: ln(t_baseline / t_candidate), a search estimate; None unless measured.
        incumbent: number of the evaluation that it was timed against; None for the fixed baseline.
        build_s: seconds of specialising and compiling.
        launch: count of fresh measuring processes before this one.
    """

    run: str
    evaluation: int
    outcome: Outcome
    finished_at: str
    fitness: float | None = None
    incumbent: int | None = None
    build_s: float = 0.0
    launch: int = 0


@dataclass(frozen=True)
class Individual:
    """An evaluation with its outcome, its original's if it is a duplicate; None while that is not known."""

    evaluation: Evaluation
    record: OutcomeRecord | None

    @property
    def fitness(self) -> float | None:
        """ln(t_baseline / t_candidate) as estimated while searching; None unless measured."""
        return self.record.fitness if self.record else None

    @property
    def search_time_s(self) -> float | None:
        """Seconds per call as estimated while searching; None unless measured."""
        return getattr(self.record.outcome, "time_s", None) if self.record else None

    @property
    def error(self) -> float:
        """The largest that was found, as a share of what is tolerated; 0 unless measured."""
        return getattr(self.record.outcome, "max_error", 0.0) if self.record else 0.0

    @property
    def is_paid(self) -> bool:
        """True for a known outcome that took an evaluation of its own."""
        return self.record is not None and self.evaluation.duplicate_of is None


@dataclass(frozen=True)
class Checkpoint:
    """The champion of a moment, measured afresh against the fixed baseline.

    Attributes:
        run: the run's id.
        evaluation: the champion's number.
        evaluations: how many outcomes were known.
        elapsed_s: wall time that the run had taken.
        cpu_s: processor time that it had taken.
        speedup: t_baseline / t_champion.
        samples: raw, whatever the measurement yields.
        measured_at: when.
    """

    run: str
    evaluation: int
    evaluations: int
    elapsed_s: float
    cpu_s: float
    speedup: Estimate
    samples: Mapping[str, Any]
    measured_at: str


@dataclass(frozen=True)
class Publication:
    """The figures that anyone is shown: new builds in new processes on new inputs.

    Attributes:
        run: the run's id.
        evaluation: the champion's number.
        measured_at: when.
        launches: fresh processes.
        rounds: paired samples in each.
        time_s: seconds per call.
        speedup: t_baseline / t_champion.
        rivals: t_rival / t_champion by the rival's name.
        bound_limit: what binds.
        bound_time_s: attainable seconds per call.
        bound_fraction: ``bound_time_s / time_s``.
        source_hash: content hash of the champion's source.
        samples: raw, whatever the measurement yields.
        details: what else was found of the champion: its builds, its compiled code, ...
    """

    run: str
    evaluation: int
    measured_at: str
    launches: int
    rounds: int
    time_s: float
    speedup: Estimate
    rivals: Mapping[str, Estimate]
    bound_limit: str
    bound_time_s: float
    bound_fraction: float
    source_hash: str
    samples: Mapping[str, Any]
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_promoted(self) -> bool:
        """False where the last incumbent was measured all the same, though nothing shows that it is faster."""
        return bool(self.details.get("promotion", {}).get("is_promoted", True))


@dataclass(frozen=True, kw_only=True)
class Champion:
    """A schedule that was published, with what it is for: what another program, or another machine, can do with it.

    Attributes:
        kernel: the kernel's name.
        size: extents of the problem.
        dtype: as in ``"float64"``.
        threads: threads of the kernel.
        policy: what the caches held when a call began.
        schedule: the parameter values.
        source_hash: content hash of its source.
        machine: id of the machine that measured it.
        measured_at: when.
        time_s: seconds per call, there.
        speedup: t_baseline / t_champion, there.
        bound_fraction: of what that machine allows.
    """

    kernel: str
    size: tuple[int, ...]
    dtype: str
    threads: int
    policy: str
    schedule: Mapping[str, Value]
    source_hash: str
    machine: str
    measured_at: str
    time_s: float
    speedup: Estimate
    bound_fraction: float
