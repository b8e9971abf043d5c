"""What a run shows, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from evolve.tracker.curve import best_so_far, champion, evaluations_since_improvement, paid
from evolve.tracker.headroom import headroom
from evolve.tracker.luck import drought_probability, surpassing
from evolve.tracker.null import LEAST_DRAWS, Null, lead

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evolve.store import Bound, Individual, Publication


@dataclass(frozen=True)
class Verdict:
    """CAPPED, COMPOUNDING or UNDECIDED, with what it rests on in plain words."""

    verdict: Literal["CAPPED", "COMPOUNDING", "UNDECIDED"]
    reasons: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def run_verdict(individuals: Sequence[Individual], bound: Bound | None, publication: Publication | None) -> Verdict:
    """What one run shows. It is always UNDECIDED: whether gains compound shows between laps, and a run has one.

    Args:
        individuals: all that the run asked for.
        bound: the attainable time, once known.
        publication: the final measurement, once made.
    """
    reasons = ["one run has no laps: whether gains feed further gains cannot be told from it"]
    best = champion(individuals)
    if best is None:
        reasons.append("no schedule has been measured yet")
    else:
        reasons += [
            _bound_reason(best, bound, publication),
            *_luck_reasons(individuals, bound),
            _drought_reason(individuals),
        ]
    return Verdict("UNDECIDED", tuple(reasons))


def _bound_reason(best: Individual, bound: Bound | None, publication: Publication | None) -> str:
    if publication is not None:
        limit, fraction = publication.bound_limit, publication.bound_fraction
        return f"the champion reaches {fraction:.0%} of the bound ({limit}): at most {1 / fraction:.2f}x is left"
    time_s = best.search_time_s
    if bound is None or time_s is None:
        return "the bound is not known, nor how far it is"
    room = headroom(baseline_s=bound.baseline_s, bound_s=bound.time_s, time_s=time_s)
    return f"by its search estimate alone the champion reaches {room.fraction:.0%} of the bound ({bound.limit})"


def _luck_reasons(individuals: Sequence[Individual], bound: Bound | None) -> list[str]:
    reasons = [_null_reason(individuals, bound)]
    if (found := surpassing(individuals)) is not None:
        reasons.append(
            f"{found.above} of {found.search} search evaluations beat the best of {found.control} control draws: "
            f"luck does that with probability {found.probability:.2g}"
        )
    return reasons


def _null_reason(individuals: Sequence[Individual], bound: Bound | None) -> str:
    null, n = Null.of(individuals, bound), len(paid(individuals))
    if null is None:
        return f"too few control draws for a null: {LEAST_DRAWS} must be measured"
    point = null.furthest(n)
    if point is None:
        return f"no null: the {len(null.fitnesses)} control draws differ too much to say what more would find"
    best = float(best_so_far(individuals)[point.n - 1])
    if not math.isfinite(best):
        return f"the search had nothing measured after {point.n} evaluations, as far as the null reaches"
    ahead = lead(best, point)
    what = f"the search's best of {point.n} is {ahead.estimate:.2f}x ({ahead.low:.2f} to {ahead.high:.2f})"
    guess = ", extrapolated" if point.is_extrapolated else ""
    beyond = f"; {len(null.fitnesses)} control draws do not say what {n} would find" if point.n < n else ""
    return f"by search estimates {what} the expected best of as many random draws{guess}{beyond}"


def _drought_reason(individuals: Sequence[Individual]) -> str:
    n, since = len(paid(individuals)), evaluations_since_improvement(individuals) or 0
    chance = drought_probability(n, since)
    return f"{since} evaluations since the last improvement: luck alone pauses so long with probability {chance:.2f}"
