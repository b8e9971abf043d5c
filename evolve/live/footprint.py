"""What a run takes in a store beside its raw samples: it is copied without them into a store of its own."""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.outcome import Impossible, Measured, Noisy, Samples
from evolve.store import BUILDING, PHASES, open_store

if TYPE_CHECKING:
    from evolve.store import Individual, OutcomeRecord, Run, Store

_NONE = Samples((), (), 1)


def bytes_an_evaluation(store: Store, run: Run) -> float:
    """Bytes that a run adds to an empty store, a known outcome: rows, indexes and the room between them."""
    with tempfile.TemporaryDirectory(prefix="evolve-footprint-") as folder:
        path = Path(folder) / "runs.db"
        open_store(str(path)).close()
        empty_bytes = path.stat().st_size
        with open_store(str(path)) as target:
            _copy(store, run, target)
        return (path.stat().st_size - empty_bytes) / max(1, sum(store.counts(run.id).values()))


def _copy(store: Store, run: Run, target: Store) -> None:
    machine = store.machine(run.machine)
    assert machine is not None
    target.add_machine(machine)
    copied = target.create_run(run).id
    for event in store.events(run.id):
        target.add_event(copied, event.kind, event.detail)
    if bound := store.bound(run.id):
        target.add_bound(replace(bound, run=copied))
    _copy_evaluations(store, run, target, copied)
    for checkpoint in store.checkpoints(run.id):
        target.add_checkpoint(replace(checkpoint, run=copied, samples={}))
    if publication := store.publication(run.id):
        target.add_publication(replace(publication, run=copied, samples={}))


def _copy_evaluations(store: Store, run: Run, target: Store, copied: str) -> None:
    by_batch = itertools.groupby(store.individuals(run.id), key=lambda individual: individual.evaluation.batch)
    members: dict[int, list[Individual]] = {index: [*group] for index, group in by_batch}
    # as many rows a batch as the run has; what they say takes the same room
    seconds = dict.fromkeys((*PHASES, *BUILDING), 1.0)
    for batch in store.batches(run.id):
        individuals = members.get(batch.index, [])
        target.add_batch(replace(batch, run=copied), [replace(i.evaluation, run=copied) for i in individuals])
        for individual in individuals:
            if individual.is_paid and individual.record:
                target.add_outcome(_without_samples(replace(individual.record, run=copied)))
        target.add_phases(copied, batch.index, seconds)


def _without_samples(record: OutcomeRecord) -> OutcomeRecord:
    if isinstance(record.outcome, Measured | Impossible | Noisy):
        return replace(record, outcome=replace(record.outcome, samples=_NONE))
    return record
