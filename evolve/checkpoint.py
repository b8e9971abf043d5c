"""Checkpoints: the incumbent of a moment against the fixed baseline, so that no figure is a product of gains.

One is due when the title changes hands, which the search needs, and whenever the evaluations have doubled since the
last one, which the tracker needs: a curve that is measured only where it rises cannot show that it is flat.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from benchmarks.exchange import ContestantFailedError
from benchmarks.harness import speedup
from benchmarks.race import Rules
from evolve.store import Checkpoint, utc_now

if TYPE_CHECKING:
    from evolve.session import Session

# a checkpoint pairs the new incumbent with the fixed baseline, which may be a hundred times slower
RULES = Rules(most_rounds=15, least_rounds=6, most_s=1.0, may_drop=False)
SHARE = 0.08
FIRST = 8
"""Evaluations before the first doubling."""


def is_due(session: Session, *, is_last: bool) -> bool:
    """Whether the incumbent is to be measured now.

    A baseline that takes seconds a call waits until that costs no more than its share of the run.

    Args:
        session: of the run.
        is_last: the search is over, and its end is a point of the curve.
    """
    if session.title.individual is None:
        return False
    is_new = session.title.speedup is None
    is_doubled = session.evaluated >= max(FIRST, 2 * session.checked_at)
    is_end = is_last and session.evaluated > session.checked_at
    return (is_new or is_doubled or is_end) and _is_affordable(session)


def measured(session: Session) -> Checkpoint | None:
    """The incumbent against the fixed baseline; None where it fails, though it was proven before."""
    holder = session.title.individual
    assert holder is not None
    session.show("search", "measuring the best against the baseline")
    try:
        with session.phases.phase("measure"):
            samples = session.harness.pair(session.incumbent.contestant, session.harness.baseline, RULES)
    except ContestantFailedError:
        return None  # it keeps the title that it won, unconfirmed; publication will see whether it fails again
    return Checkpoint(
        run=session.run.id,
        evaluation=holder.evaluation.number,
        evaluations=session.evaluated,
        elapsed_s=session.phases.elapsed_s,
        cpu_s=session.cpu_s,
        speedup=speedup(samples),
        samples=dataclasses.asdict(samples),
        measured_at=utc_now(),
    )


def _is_affordable(session: Session) -> bool:
    bound = session.store.bound(session.run.id)
    cost_s = (RULES.least_rounds + 1) * (bound.baseline_s if bound else 0.0)
    spent_s = len(session.store.checkpoints(session.run.id)) * cost_s
    return session.last_speedup is None or spent_s + cost_s <= SHARE * session.phases.elapsed_s
