"""The search held against random draws: what luck would have found, and by how much the search is ahead of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.inference import exponential
from evolve.tracker.curve import best_so_far, paid
from evolve.tracker.luck import surpassing
from evolve.tracker.null import Null, NullPoint, lead
from evolve.tracker.records import records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evolve.store import Bound, Individual


def comparison(individuals: Sequence[Individual], bound: Bound | None, rng: np.random.Generator) -> dict[str, Any]:
    """Plain values: the expected best of n random draws, n as large as the control arm carries, beside the search.

    Args:
        individuals: all that the run asked for.
        bound: whose cap no draw can beat.
        rng: breaks ties between records.
    """
    null, n = Null.of(individuals, bound), len(paid(individuals))
    draws = [i for i in individuals if i.evaluation.arm == "control" and i.record is not None]
    whole = null.best_of(n) if null else None
    carried = whole or (null.furthest(n) if null else None)
    return {
        "best_of_n": exponential(whole.fitness).as_dict() if whole else None,
        "n": n,
        "control": len(draws),
        "measured": sum(i.fitness is not None for i in draws),
        "is_extrapolated": whole.is_extrapolated if whole else None,
        "carried": _carried(individuals, carried) if carried else None,
        "surpassing": surpassing(individuals),
        "records": _records(individuals, rng),
    }


def _carried(individuals: Sequence[Individual], point: NullPoint) -> dict[str, Any]:
    """The furthest point of the null, and what the search had found with as many evaluations."""
    best = float(best_so_far(individuals)[point.n - 1])
    is_known = math.isfinite(best)
    return {
        "n": point.n,
        "best_of_n": exponential(point.fitness).as_dict(),
        "is_extrapolated": point.is_extrapolated,
        "search": math.exp(best) if is_known else None,
        "lead": lead(best, point).as_dict() if is_known else None,
    }


def _records(individuals: Sequence[Individual], rng: np.random.Generator) -> dict[str, Any] | None:
    """Records per doubling of the search arm; a failed evaluation breaks none, but counts."""
    scores = [i.fitness for i in paid(individuals) if i.evaluation.arm == "search"]
    found = records(np.array([math.nan if score is None else score for score in scores]), rng)
    return found.as_dict() if found else None
