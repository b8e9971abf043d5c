"""How a run stands, in the figures that a view shows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from evolve.progress import Progress

if TYPE_CHECKING:
    from evolve.session import Session
    from evolve.store import Bound


def standing(session: Session, stage: str, doing: str) -> Progress:
    """The progress of a session at this moment."""
    run, elapsed_s, evaluated = session.run, session.phases.elapsed_s, session.evaluated
    bound = session.store.bound(run.id)
    return Progress(
        run=run.id,
        kernel=run.kernel,
        size_text="x".join(map(str, run.size)),
        dtype=run.dtype,
        threads=run.threads,
        stage=stage,
        doing=doing,
        fraction=min(1.0, session.fraction),
        elapsed_s=elapsed_s,
        left_s=session.budget.left_s(elapsed_s, evaluated),
        evaluations=evaluated,
        evaluations_per_s=evaluated / elapsed_s if elapsed_s else 0.0,
        counts=dict(session.counts),
        phases_s=session.phases.totals(),
        best=session.last_speedup,
        history=tuple(session.history),
        policy=run.policy,
        prospect=session.prospects.of(session.individuals, bound, evaluated, run.batch_size),
        **_of_the_best(session, bound),
    )


def _of_the_best(session: Session, stored: Bound | None) -> dict[str, Any]:
    time_s, bound = session.title.time_s, session.around.bound
    is_measured = session.title.speedup is not None or session.title.individual is None
    work = session.task.definition.work(session.run.size, session.run.dtype)
    return {
        "best_now": None if is_measured else math.exp(session.title.fitness),
        "best_time_s": time_s,
        "flop_per_s": work.flop / time_s if time_s else None,
        "bytes_per_s": work.moved_bytes / time_s if time_s else None,
        "bound_fraction": bound.time_s / time_s if time_s else None,
        "bound_limit": bound.limit,
        "cap": stored.baseline_s / stored.time_s if stored else None,
    }
