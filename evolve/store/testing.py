"""The contract of a store as tests: every backend's test class inherits ``StoreTestCase`` and says how it is opened."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.inference import Estimate
from benchmarks.outcome import KINDS, Measured, Outcome, Samples, Wrong
from evolve.errors import EvolveError, UsageError
from evolve.store.records import (
    Batch,
    Bound,
    Ceilings,
    Champion,
    Checkpoint,
    Evaluation,
    Machine,
    OutcomeRecord,
    Publication,
    Run,
    RunSpec,
    utc_now,
)
from evolve.store.testing_engines import EngineStoreTestCase
from evolve.store.testing_loops import LoopStoreTestCase

if TYPE_CHECKING:
    from pathlib import Path

    from evolve.store.base import Store

SPEC = RunSpec(
    kernel="matmul",
    size=(64, 64, 64),
    dtype="float64",
    threads=1,
    strategy="genetic",
    control_share=0.15,
    seed=7,
    budget="300evals",
    batch_size=4,
    machine="m-1",
    versions={"numba": "0.68.1"},
    options={"population": 24, "elite": 0.1, "restarts": True},
)


CHAMPION = Champion(
    kernel="matmul",
    size=(64, 64, 64),
    dtype="float64",
    threads=1,
    policy="hot",
    schedule={"mr": 4, "order": "ikj"},
    source_hash="ab",
    machine="another",
    measured_at="2026-01-01T00:00:00.000000+00:00",
    time_s=1e-3,
    speedup=Estimate(2.0, 1.9, 2.1),
    bound_fraction=0.5,
)


def new_run(store: Store, **changes: Any) -> Run:
    """A run on a machine that the store knows."""
    store.add_machine(Machine(SPEC.machine, {"cpu": "a CPU"}))
    return store.create_run(RunSpec(**{**vars(SPEC), **changes}))


def evaluation(run: Run, number: int, **changes: Any) -> Evaluation:
    """The evaluation of that number in batch 0, made by a mutation."""
    given: dict[str, Any] = {"batch": 0, "position": number - 1, "arm": "search", "operator": "mutate"}
    given |= {"schedule": {"mr": number, "order": "ikj", "pack": True}, "source_key": f"source-{number}"}
    return Evaluation(run.id, number, **(given | changes))


def measured(run: Run, number: int, fitness: float = 0.5) -> OutcomeRecord:
    """A measured outcome with the given fitness."""
    samples = Samples((1e-3, 1.1e-3, 0.1 + 0.2), (2e-3, 2.1e-3, 1 / 3), 7)
    outcome = Measured("", 0.25, 0.5, 1.5e-3 / (1 + number), 0.1, -math.inf, math.inf, samples, 0.01)
    return OutcomeRecord(run.id, number, outcome, utc_now(), fitness, build_s=0.75, launch=3)


class StoreTestCase(LoopStoreTestCase, EngineStoreTestCase):
    """What any store must do."""

    @pytest.fixture
    def run(self, store: Store) -> Run:
        """A run in it with nothing asked yet."""
        return new_run(store)

    def test_a_run_comes_back_as_it_was_given(self, store: Store, run: Run, tmp_path: Path) -> None:
        """Also after the store is opened anew."""
        assert {name: value for name, value in vars(run).items() if name in vars(SPEC)} == vars(SPEC)
        assert store.run(run.id) == run
        with self.open(tmp_path) as again:
            assert again.runs() == [run]

    def test_ids_are_short_and_differ(self, store: Store) -> None:
        """They begin with the kernel's name."""
        ids = [new_run(store).id for _ in range(20)]
        assert len(set(ids)) == 20
        assert all(run_id.startswith("matmul-") and len(run_id) <= 16 for run_id in ids)

    def test_an_id_is_made_of_plain_characters(self, store: Store) -> None:
        """A user's own kernel may have any name."""
        run = new_run(store, kernel="My file.py:Fn")
        assert run.id.startswith("my-file-py-fn-")
        assert run.kernel == "My file.py:Fn"

    def test_a_run_is_found_by_id_name_beginning_and_latest(self, store: Store) -> None:
        """An exact match wins over beginnings."""
        first, second = new_run(store, name="night"), new_run(store, name="night-2", kernel="triad")
        assert store.run("night") == first
        assert store.run("night-") == store.run("latest") == store.run("triad") == store.run(second.id[:-1]) == second

    def test_a_run_that_is_not_there_or_ambiguous_is_a_usage_error(self, store: Store) -> None:
        """With the candidates named."""
        with pytest.raises(UsageError, match="no run"):
            store.run("latest")
        first, second = new_run(store), new_run(store)
        with pytest.raises(UsageError, match=f"{first.id}, {second.id}"):
            store.run("matmul")
        for key in ("softmax", "", "matmul-%"):
            with pytest.raises(UsageError, match="no run"):
                store.run(key)

    def test_candidates_come_back_as_they_were_given(self, store: Store, tmp_path: Path) -> None:
        """By kernel or all, in their order, and they are no champions of this store."""
        given = [replace(CHAMPION, kernel=kernel, time_s=time_s) for kernel, time_s in (("b", 2e-3), ("a", 1e-3))]
        store.add_candidates(given)
        with self.open(tmp_path) as again:
            assert again.candidates() == given
            assert again.candidates("a") == given[1:]
            assert again.champions() == []

    @pytest.mark.parametrize("name", ["taken", "latest", "", " "])
    def test_a_name_is_unique_and_says_something(self, store: Store, name: str) -> None:
        """And "latest" is not a name."""
        new_run(store, name="taken")
        with pytest.raises(UsageError, match="--name"):
            new_run(store, name=name)
        assert len(store.runs()) == 1

    def test_events_in_order(self, store: Store, run: Run) -> None:
        """Each with the process that wrote it."""
        for kind in ("started", "interrupted", "resumed", "failed"):
            store.add_event(run.id, kind, f"detail of {kind}")
        events = store.events(run.id)
        assert [event.kind for event in events] == ["started", "interrupted", "resumed", "failed"]
        assert events[-1].detail == "detail of failed"
        assert all(event.pid and event.host for event in events)

    @pytest.mark.parametrize("policy", ["hot", "rotate", "flush"])
    def test_a_run_keeps_its_cache_policy(self, store: Store, policy: str) -> None:
        """It is part of what a figure means."""
        assert store.run(new_run(store, policy=policy).id).policy == policy

    def test_evaluations_in_order_with_their_outcomes(self, store: Store, run: Run) -> None:
        """Outcomes may come in any order, samples come back to the bit."""
        asked = [evaluation(run, 1), evaluation(run, 2, arm="control", operator="sample", source_key=None)]
        later = evaluation(run, 3, batch=1, position=0, parents=(2, 1), operator="crossover")
        batches = [Batch(run.id, 0, utc_now()), Batch(run.id, 1, utc_now())]
        store.add_batch(batches[0], asked)
        store.add_batch(batches[1], [later])
        records = {2: measured(run, 2), 1: OutcomeRecord(run.id, 1, Wrong("row 3 differs"), utc_now(), incumbent=2)}
        for record in records.values():
            store.add_outcome(record)
        individuals = store.individuals(run.id)
        assert [i.evaluation for i in individuals] == [*asked, later]
        assert [i.record for i in individuals] == [records[1], records[2], None]
        assert store.batches(run.id) == batches

    @pytest.mark.parametrize("kind", sorted(KINDS))
    def test_every_kind_of_outcome_comes_back(self, store: Store, run: Run, kind: str) -> None:
        """As the very same value."""
        outcome: Outcome = KINDS[kind](reason="because", verify_s=0.5, measure_s=0.25)
        store.add_batch(Batch(run.id, 0, utc_now()), [evaluation(run, 1)])
        store.add_outcome(OutcomeRecord(run.id, 1, outcome, utc_now()))
        (individual,) = store.individuals(run.id)
        assert individual.record is not None
        assert individual.record.outcome == outcome
        assert type(individual.record.outcome) is KINDS[kind]

    def test_a_duplicate_shares_the_outcome_of_its_original(self, store: Store, run: Run) -> None:
        """It is neither pending nor counted, and has no outcome of its own."""
        twin = evaluation(run, 2, source_key="source-1", duplicate_of=1, arm="control")
        store.add_batch(Batch(run.id, 0, utc_now()), [evaluation(run, 1), twin])
        assert [e.number for e in store.pending(run.id)] == [1]
        store.add_outcome(measured(run, 1, fitness=0.25))
        first, second = store.individuals(run.id)
        assert (first.fitness, second.fitness) == (0.25, 0.25)
        assert (first.is_paid, second.is_paid) == (True, False)
        assert store.counts(run.id) == {"Measured": 1}
        with pytest.raises(EvolveError, match="duplicate"):
            store.add_outcome(measured(run, 2))

    def test_pending_is_what_a_killed_run_left(self, store: Store, run: Run) -> None:
        """Asked and not answered."""
        store.add_batch(Batch(run.id, 0, utc_now()), [evaluation(run, number) for number in (1, 2, 3)])
        store.add_outcome(measured(run, 2))
        assert [e.number for e in store.pending(run.id)] == [1, 3]

    def test_an_outcome_is_found_by_its_source_within_the_run(self, store: Store, run: Run) -> None:
        """Another run's sources are its own."""
        other = new_run(store)
        store.add_batch(Batch(run.id, 0, utc_now()), [evaluation(run, 1), evaluation(run, 2)])
        store.add_batch(Batch(other.id, 0, utc_now()), [evaluation(other, 1)])
        record = measured(run, 1)
        store.add_outcome(record)
        assert store.known_sources(run.id) == {"source-1": 1, "source-2": 2}
        assert store.outcome_by_source(run.id, "source-1") == record
        assert store.outcome_by_source(run.id, "source-2") is None
        assert store.outcome_by_source(run.id, "elsewhere") is None
        assert store.outcome_by_source(other.id, "source-1") is None

    def test_a_second_writer_of_one_run_is_refused(self, store: Store, run: Run, tmp_path: Path) -> None:
        """And nothing of its batch is kept."""
        with self.open(tmp_path) as other:
            store.add_batch(Batch(run.id, 0, utc_now()), [evaluation(run, 1)])
            with pytest.raises(EvolveError, match=f"another process goes on with run {run.id}"):
                other.add_batch(Batch(run.id, 0, utc_now()), [evaluation(run, 2)])
        assert [i.evaluation.number for i in store.individuals(run.id)] == [1]

    def test_a_batch_is_kept_whole_or_not_at_all(self, store: Store, run: Run) -> None:
        """Here the second evaluation has the first one's number."""
        with pytest.raises(EvolveError):
            store.add_batch(Batch(run.id, 0, utc_now()), [evaluation(run, 1), evaluation(run, 1)])
        assert store.individuals(run.id) == []
        assert store.batches(run.id) == []

    def test_an_outcome_is_kept_once(self, store: Store, run: Run) -> None:
        """The first one stays."""
        store.add_batch(Batch(run.id, 0, utc_now()), [evaluation(run, 1)])
        store.add_outcome(measured(run, 1, fitness=0.25))
        with pytest.raises(EvolveError):
            store.add_outcome(measured(run, 1, fitness=9.0))
        assert store.individuals(run.id)[0].fitness == 0.25

    def test_phases_add_up(self, store: Store, run: Run) -> None:
        """All five are there from the start."""
        assert store.phases(run.id) == dict.fromkeys(("build", "verify", "measure", "search", "other"), 0.0)
        store.add_phases(run.id, 0, {"build": 1.5, "measure": 2.0})
        store.add_phases(run.id, 1, {"build": 0.5, "other": 0.25})
        assert store.phases(run.id) == {"build": 2.0, "verify": 0.0, "measure": 2.0, "search": 0.0, "other": 0.25}
        with pytest.raises(ValueError, match="coffee"):
            store.add_phases(run.id, 2, {"coffee": 1.0})

    def test_how_busy_cores_were_stands_beside_the_phases(self, store: Store, run: Run) -> None:
        """It is no phase of its own, and 0 where nobody kept it."""
        assert store.building(run.id) == {"building": 0.0, "building_cpu": 0.0}
        store.add_phases(run.id, 0, {"build": 1.5, "building": 2.0, "building_cpu": 3.5})
        store.add_phases(run.id, 1, {"building": 1.0, "building_cpu": 2.0})
        assert store.building(run.id) == {"building": 3.0, "building_cpu": 5.5}
        assert sum(store.phases(run.id).values()) == 1.5

    def test_a_machine_is_known_once(self, store: Store) -> None:
        """Its first fingerprint stays; what JSON cannot say is None."""
        store.add_machine(Machine("m", {"caches": [32, 1024], "load": math.inf}))
        store.add_machine(Machine("m", {"caches": []}))
        assert store.machine("m") == Machine("m", {"caches": [32, 1024], "load": None})
        assert store.machine("n") is None
        assert [machine.id for machine in store.machines()] == ["m"]

    def test_ceilings_latest_and_best_ever(self, store: Store) -> None:
        """A peak may only rise, a latency only fall."""
        store.add_machine(Machine("m", {}))
        assert store.latest_ceilings("m") is None
        assert store.best_ceilings("m") is None
        first = {"flop_per_s": {"fma": {"1": 58e9}}, "latency_s": {"L1": 1.5e-9}, "kind": "quick"}
        second = {"flop_per_s": {"fma": {"1": 57e9}, "add": {"1": 29e9}}, "latency_s": {"L1": 1.2e-9}, "kind": "full"}
        store.add_ceilings(Ceilings("m", "2026-01-02T00:00:00+00:00", first))
        store.add_ceilings(Ceilings("m", "2026-01-03T00:00:00+00:00", second))
        assert store.latest_ceilings("m") == Ceilings("m", "2026-01-03T00:00:00+00:00", second)
        best = {"flop_per_s": {"fma": {"1": 58e9}, "add": {"1": 29e9}}, "latency_s": {"L1": 1.2e-9}, "kind": "full"}
        assert store.best_ceilings("m") == best

    def test_a_brief_sweep_leaves_the_other_ceilings_standing(self, store: Store) -> None:
        """The last word on each figure counts, the date of the last sweep."""
        store.add_machine(Machine("m", {}))
        full = {"flop_per_s": {"fma": {"1": 58e9, "2": 110e9}, "add": {"1": 29e9}}, "clock_hz": 3.6e9}
        brief = {"flop_per_s": {"fma": {"1": 57e9}}, "clock_hz": None}
        store.add_ceilings(Ceilings("m", "2026-01-02T00:00:00+00:00", full))
        store.add_ceilings(Ceilings("m", "2026-01-03T00:00:00+00:00", brief))
        merged = {"flop_per_s": {"fma": {"1": 57e9, "2": 110e9}, "add": {"1": 29e9}}, "clock_hz": 3.6e9}
        assert store.latest_ceilings("m") == Ceilings("m", "2026-01-03T00:00:00+00:00", merged)
        assert store.best_ceilings("m") == full

    def test_fresh_measurements_come_back(self, store: Store, run: Run) -> None:
        """Open intervals included; the last bound and publication count."""
        store.add_batch(Batch(run.id, 0, utc_now()), [evaluation(run, 1)])
        assert store.bound(run.id) is None
        assert store.publication(run.id) is None
        bounds = [Bound(run.id, utc_now(), limit, 1e-3, 5e-3) for limit in ("fma", "DRAM triad")]
        for bound in bounds:
            store.add_bound(bound)
        estimate = Estimate(2.0, -math.inf, math.inf, 0.95)
        checkpoint = Checkpoint(run.id, 1, 10, 30.0, 55.0, estimate, {"baseline_s": [0.1], "bad": None}, utc_now())
        store.add_checkpoint(checkpoint)
        rivals = {"OpenBLAS": Estimate(0.98, 0.97, 0.99)}
        publication = Publication(
            run.id,
            1,
            utc_now(),
            10,
            30,
            1e-3,
            Estimate(4.5, 4.4, 4.6),
            rivals,
            "fma",
            9e-4,
            0.9,
            "abc",
            {"raw": [1, 2]},
            {"builds": ["a", "b"], "fma": True},
        )
        store.add_publication(publication)
        assert store.bound(run.id) == bounds[-1]
        assert store.checkpoints(run.id) == [checkpoint]
        assert store.publication(run.id) == publication
