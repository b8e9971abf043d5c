"""All that there is to say of a run, as the plain values that ``--json`` promises to other programs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from evolve.budget import Budget
from evolve.machines import profile_of
from evolve.quarantine import folder_of
from evolve.starting import origin_of
from evolve.store.rows import plain
from evolve.tracker.accuracy import accuracy
from evolve.tracker.comparison import comparison
from evolve.tracker.conditions import conditions
from evolve.tracker.curve import champion, paid
from evolve.tracker.headroom import headroom
from evolve.tracker.naive import naive_product
from evolve.tracker.outlook import outlook
from evolve.tracker.status import elapsed_s, status
from evolve.tracker.stopped import stopped
from evolve.tracker.verdict import run_verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evolve.store import Bound, Checkpoint, Individual, Publication, Run, Store

SCHEMA = 1
"""Raised when a field changes its meaning; fields may be added without."""


def summary(store: Store, run_id: str, share: float | None = None) -> dict[str, Any]:
    """The facts of a run, in plain values that are valid JSON.

    A speedup appears only where it was measured afresh: ``champion.source`` is ``published``, ``checkpoint`` or
    ``search_estimate``, and what the search believed stands apart under ``champion.search_estimate``.

    Args:
        store: where the run is.
        run_id: its id.
        share: of a program's time that the plain kernel takes: what its speedup does for the program.

    Raises:
        UsageError: there is no such run.
        EvolveError: the store cannot be read.
    """
    run = store.run(run_id)
    individuals = store.individuals(run.id)
    bound, publication = store.bound(run.id), store.publication(run.id)
    progress = _progress(store, run, individuals)
    told = {
        "schema": SCHEMA,
        **_identity(store, run),
        **progress,
        "champion": _champion(individuals, bound, publication, store.checkpoints(run.id)),
        "naive_product": naive_product(individuals),
        "null": comparison(individuals, bound, np.random.default_rng(run.seed)),
        **outlook(store, run, individuals, progress["searching_s"], progress["elapsed_s"], share),
        "accuracy": accuracy(individuals),
        "verdict": run_verdict(individuals, bound, publication).as_dict(),
        "conditions": conditions(store.events(run.id), individuals),
        "quarantine": _quarantined(individuals),
    }
    return {name: plain(value) for name, value in told.items()}


def _identity(store: Store, run: Run) -> dict[str, Any]:
    return {
        "run": run.id,
        "name": run.name,
        "kernel": run.kernel,
        "problem": {"size": run.size, "dtype": run.dtype, "threads": run.threads, "policy": run.policy},
        "machine": run.machine,
        "profile": profile_of(store, run.machine),
        "strategy": run.strategy,
        "seed": run.seed,
        "budget": run.budget,
        "control_share": run.control_share,
        "begun_at": origin_of(run.options) or None,
        "created_at": run.created_at,
        "versions": run.versions,
    }


def _progress(store: Store, run: Run, individuals: Sequence[Individual]) -> dict[str, Any]:
    events, batches = store.events(run.id), [batch.asked_at for batch in store.batches(run.id)]
    outcomes = [i.record.finished_at for i in paid(individuals) if i.record]
    fresh = [c.measured_at for c in store.checkpoints(run.id)]
    if (publication := store.publication(run.id)) is not None:
        fresh.append(publication.measured_at)
    until = max(outcomes, default="")
    searching_s = elapsed_s([e for e in events if e.at <= until], [at for at in batches + outcomes if at <= until])
    phases_s = store.phases(run.id)
    return {
        "status": status(events),
        "elapsed_s": elapsed_s(events, batches + outcomes + fresh),
        "searching_s": searching_s,
        "evaluations": len(outcomes),
        "duplicates": sum(i.evaluation.duplicate_of is not None for i in individuals),
        "evaluations_per_s": len(outcomes) / searching_s if searching_s > 0 else 0.0,
        "phases_s": phases_s,
        "outcomes": store.counts(run.id),
        "stopped": stopped(events, Budget.parse(run.budget), sum(phases_s.values()), len(outcomes)),
    }


def _quarantined(individuals: Sequence[Individual]) -> list[dict[str, Any]]:
    """Evaluations that beat the hardware; the folder is None where this machine does not have it."""
    found = [i for i in paid(individuals) if i.record and i.record.outcome.kind == "Impossible"]
    folders = [folder_of(i.evaluation.run, i.evaluation.number) for i in found]
    return [
        {
            "evaluation": i.evaluation.number,
            "reason": i.record.outcome.reason if i.record else "",
            "folder": str(folder) if folder.exists() else None,
        }
        for i, folder in zip(found, folders, strict=True)
    ]


def _champion(
    individuals: Sequence[Individual],
    bound: Bound | None,
    publication: Publication | None,
    checkpoints: Sequence[Checkpoint],
) -> dict[str, Any] | None:
    fresh = [fact.evaluation for fact in (*checkpoints, publication) if fact is not None]
    best = _named(individuals, fresh[-1]) if fresh else champion(individuals)
    if best is None:
        return None
    return {
        "evaluation": best.evaluation.number,
        "schedule": best.evaluation.schedule,
        "source_key": best.evaluation.source_key,
        **_fresh(best, publication, checkpoints),
        "bound": _bound(bound, publication),
        "cap": bound.baseline_s / bound.time_s if bound else None,
        "search_estimate": _search_estimate(best, bound),
    }


def _named(individuals: Sequence[Individual], number: int) -> Individual | None:
    return next((i for i in individuals if i.evaluation.number == number), None)


def _fresh(best: Individual, publication: Publication | None, checkpoints: Sequence[Checkpoint]) -> dict[str, Any]:
    """The champion's figures from new measurements; None where there is none."""
    checked = [c for c in checkpoints if c.evaluation == best.evaluation.number]
    source, speedup = ("checkpoint", checked[-1].speedup.as_dict()) if checked else ("search_estimate", None)
    if publication is None:
        missing = dict.fromkeys(("source_hash", "time_s", "bound_fraction", "measured_at", "is_promoted", "measured"))
        return {"source": source, "speedup": speedup, "rivals": {}, **missing}
    return {
        "source": "published",
        "speedup": publication.speedup.as_dict(),
        "rivals": {name: rival.as_dict() for name, rival in publication.rivals.items()},
        "source_hash": publication.source_hash,
        "time_s": publication.time_s,
        "bound_fraction": publication.bound_fraction,
        "measured_at": publication.measured_at,
        "is_promoted": publication.is_promoted,
        "measured": _measured(publication),
    }


def _measured(publication: Publication) -> dict[str, Any]:
    """How the published figures came about; what an older evolve did not keep is None, or empty."""
    kept = publication.details
    names = ("builds", "audited", "shrinkage", "confidence", "promotion", "assembly")
    return {
        "launches": publication.launches,
        "rounds": publication.rounds,
        **{name: kept.get(name) for name in names},
        "flags": kept.get("flags", {}),
    }


def _bound(bound: Bound | None, publication: Publication | None) -> dict[str, Any] | None:
    if publication is not None:
        return {"limit": publication.bound_limit, "time_s": publication.bound_time_s}
    return {"limit": bound.limit, "time_s": bound.time_s} if bound else None


def _search_estimate(best: Individual, bound: Bound | None) -> dict[str, Any]:
    """What the search believed of the champion: the best of many noisy figures, so rather too good than too bad."""
    time_s = best.search_time_s
    room = headroom(baseline_s=bound.baseline_s, bound_s=bound.time_s, time_s=time_s) if bound and time_s else None
    return {
        "speedup": None if best.fitness is None else math.exp(best.fitness),
        "time_s": time_s,
        "bound_fraction": room.fraction if room else None,
    }
