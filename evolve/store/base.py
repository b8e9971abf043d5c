"""The contract of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Any

    from evolve.store.enginerecords import Deployment, EngineRecord
    from evolve.store.looprecords import Forecast, Lap, Loop, LoopEvent, LoopSpec
    from evolve.store.records import (
        Batch,
        Bound,
        Ceilings,
        Champion,
        Checkpoint,
        Evaluation,
        EventKind,
        Individual,
        Machine,
        OutcomeRecord,
        Publication,
        Run,
        RunEvent,
        RunSpec,
        Turn,
    )


class Store(Protocol):
    """Append-only facts about runs and machines.

    **Durability.** When a method that writes returns, what it wrote survives the death of the process. A method writes
    all of it or nothing.

    **Sharing.** Several processes may write different runs at once. A run has one writer at a time; a second one is
    refused when it asks. A store object belongs to one thread and is not carried across a fork.

    **Errors.** Every method raises ``EvolveError``, with what to do, where the storage is full, read-only, damaged or
    locked; ``UsageError`` where a run is not there.
    """

    @property
    def url(self) -> str:
        """What opens this store again."""

    def close(self) -> None:
        """Let go of the storage; afterwards the object is of no use."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def add_machine(self, machine: Machine) -> None:
        """Make a machine known; its first fingerprint stays."""

    def machine(self, machine_id: str) -> Machine | None:
        """What is known of a machine."""

    def machines(self) -> list[Machine]:
        """All machines, in order of their ids."""

    def add_ceilings(self, ceilings: Ceilings) -> None:
        """Keep what a sweep found."""

    def latest_ceilings(self, machine_id: str) -> Ceilings | None:
        """What the last sweeps of a machine found, leaf by leaf: a brief one leaves the others' values standing."""

    def best_ceilings(self, machine_id: str) -> dict[str, Any] | None:
        """Leaf by leaf the best value ever found: the largest, or the smallest of a latency (named ``..._s``)."""

    def create_run(self, spec: RunSpec) -> Run:
        """Open a run under a new id.

        Raises:
            UsageError: the name is taken, or reads like an id or ``latest``.
        """

    def runs(self) -> list[Run]:
        """All runs, the oldest first."""

    def run(self, key: str) -> Run:
        """The run of that id or name, or of an unambiguous beginning of either, or the ``latest``.

        Raises:
            UsageError: there is none, or several begin so.
        """

    def add_event(self, run_id: str, kind: EventKind, detail: str = "") -> None:
        """Keep a turn in a run's life, or a note, now, by this process."""

    def events(self, run_id: str) -> list[RunEvent]:
        """A run's events in order."""

    def add_bound(self, bound: Bound) -> None:
        """Keep what a run's problem costs at least here."""

    def bound(self, run_id: str) -> Bound | None:
        """The last bound of a run."""

    def add_batch(self, batch: Batch, evaluations: Sequence[Evaluation]) -> None:
        """Keep what was asked for, before any of it is evaluated.

        Raises:
            EvolveError: the batch is there already: another process goes on with this run.
        """

    def batches(self, run_id: str) -> list[Batch]:
        """A run's asks in order."""

    def add_outcome(self, record: OutcomeRecord) -> None:
        """Keep what came of an evaluation. A duplicate has no outcome of its own."""

    def individuals(self, run_id: str) -> list[Individual]:
        """All that was asked for, in order, with what came of it."""

    def pending(self, run_id: str) -> list[Evaluation]:
        """What was asked for and has no outcome yet, duplicates left out."""

    def known_sources(self, run_id: str) -> dict[str, int]:
        """By source key the number of the evaluation that has, or will have, its outcome."""

    def outcome_by_source(self, run_id: str, source_key: str) -> OutcomeRecord | None:
        """The known outcome of a source within a run."""

    def counts(self, run_id: str) -> dict[str, int]:
        """Known outcomes by kind, duplicates left out."""

    def add_phases(self, run_id: str, batch: int, seconds: Mapping[str, float]) -> None:
        """Keep where a batch's time went, a further increment by phase, and how busy the cores were while it built."""

    def phases(self, run_id: str) -> dict[str, float]:
        """Seconds of a run by phase: build, verify, measure, search, other."""

    def building(self, run_id: str) -> dict[str, float]:
        """Wall and processor seconds of a run in which it built: ``building``, ``building_cpu``.

        They are parts of several phases; both are 0 where an older evolve did not keep them.
        """

    def add_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Keep a fresh measurement of the champion of a moment."""

    def checkpoints(self, run_id: str) -> list[Checkpoint]:
        """A run's checkpoints in order."""

    def add_publication(self, publication: Publication) -> None:
        """Keep the final measurement."""

    def publication(self, run_id: str) -> Publication | None:
        """The last publication of a run."""

    def champions(self, kernel: str | None = None) -> list[Champion]:
        """Every promoted publication, of one kernel or of all, the oldest first; quick, as samples stay unread."""

    def add_candidates(self, candidates: Sequence[Champion]) -> None:
        """Keep champions of other machines: here they are candidates until a run of this store measures them."""

    def candidates(self, kernel: str | None = None) -> list[Champion]:
        """Those of one kernel or of all, in the order in which they came."""

    def create_loop(self, spec: LoopSpec) -> Loop:
        """Open a closed loop under a new id.

        Raises:
            UsageError: the name is taken, or reads like an id or ``latest``.
        """

    def loops(self) -> list[Loop]:
        """All loops, the oldest first."""

    def loop(self, key: str) -> Loop:
        """The loop of that id or name, or of an unambiguous beginning of either, or the ``latest``.

        Raises:
            UsageError: there is none, or several begin so.
        """

    def add_loop_event(self, loop_id: str, kind: Turn, detail: str = "") -> None:
        """Keep a turn in a loop's life, now, by this process."""

    def loop_events(self, loop_id: str) -> list[LoopEvent]:
        """A loop's events in order."""

    def add_forecast(self, forecast: Forecast) -> None:
        """Keep what is said of a lap before it begins; a lap that is begun anew is forecast anew."""

    def forecasts(self, loop_id: str) -> list[Forecast]:
        """A loop's forecasts in order; of a lap the last one counts."""

    def add_lap(self, lap: Lap) -> None:
        """Keep a lap.

        Raises:
            EvolveError: the lap is there already: another process goes on with this loop.
        """

    def laps(self, loop_id: str) -> list[Lap]:
        """A loop's laps in order."""

    def add_engine(self, engine: EngineRecord) -> None:
        """Keep what an engine is made of; one that is known already stays as it is."""

    def engines(self) -> list[EngineRecord]:
        """All engines, in the order in which they were kept."""

    def add_deployment(self, deployment: Deployment) -> None:
        """Keep that an engine, which is known, was put to work on a machine; the last one of a machine counts."""

    def deployments(self, machine_id: str) -> list[Deployment]:
        """Those of a machine, in order."""
