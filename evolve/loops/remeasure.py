"""The champion of a lap, measured afresh: against lap 0 and against the champion before, in the same new processes.

S_k is never a product of the laps' gains: it is the champion against the fixed baseline, by new builds on new inputs.
The step against the champion before comes from the same launches, so that what disturbs both cancels in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.exchange import ContestantFailedError
from benchmarks.fresh import AGAINST_PEER, AGAINST_PLAIN, Fresh, Opponent, against
from benchmarks.inference import Estimate, across_sessions, launches_estimate, log_ratios
from benchmarks.outcome import Noisy
from evolve.errors import Interrupted
from evolve.publish import PLAIN, keep
from kernels.language import Schedule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.contestant import Contestant
    from benchmarks.harness import Plan
    from evolve.session import Session
    from evolve.store import Individual, Publication
    from kernels.language.space import Value

BEFORE = "the champion before"
MOST_NOISY = 2
"""Schedules of which no race could tell anything, and that are measured all the same where there are no others."""


def remeasure(session: Session, before: Mapping[str, Value] | None, launches: int) -> None:
    """End a lap's run: keep its champion, measured afresh, as its publication; nothing where none can be measured.

    Args:
        session: of a run whose search is over.
        before: schedule of the champion of the lap before; None in lap 1.
        launches: new processes, each with builds of its own.

    Raises:
        Interrupted: the user asked to stop; the launches so far are made again.
    """
    if session.store.publication(session.run.id) is None:
        _publish(session, before, launches)
    _obey(session)


def _obey(session: Session) -> None:
    if session.around.stop.is_set:
        raise Interrupted(session.run.id)


def _publish(session: Session, before: Mapping[str, Value] | None, launches: int) -> None:
    for champion, opponent in _attempts(session, Schedule(before) if before else None):
        plan = session.harness.plan(Schedule(champion.evaluation.schedule))
        try:
            fresh = _fresh(session, plan, opponent, launches)
        except ContestantFailedError:
            continue
        keep(session, champion, plan, fresh, _promotion(fresh))
        return


def _fresh(session: Session, plan: Plan, before: Schedule | None, launches: int) -> Fresh:
    bound = session.store.bound(session.run.id)
    opponents = {PLAIN: Opponent(session.harness.baseline, AGAINST_PLAIN, bound.baseline_s if bound else 0.0)}
    if before is not None:
        opponents[BEFORE] = Opponent(_contestant(session.harness.plan(before)), AGAINST_PEER)

    def say(launch: int) -> None:
        _obey(session)
        session.show("publish", f"measuring the champion afresh, launch {launch} of {launches}")

    return against(session.harness, _contestant(plan), opponents, launches, say)


def _contestant(plan: Plan) -> Contestant:
    assert plan.contestant is not None
    return plan.contestant


def _attempts(session: Session, before: Schedule | None) -> Iterator[tuple[Individual, Schedule | None]]:
    """Who may be the lap's champion, and whom it is timed against besides the baseline; the next where one fails."""
    incumbent = session.title.individual
    if incumbent is not None:
        is_same = before == Schedule(incumbent.evaluation.schedule)
        yield incumbent, None if is_same else before
    seeded = [i for i in session.individuals if before == Schedule(i.evaluation.schedule)]
    yield from ((individual, None) for individual in seeded[:1] if individual is not incumbent)
    # on a machine too busy to race on, launches may still tell
    noisy = [i for i in session.individuals if i.is_paid and i.record and isinstance(i.record.outcome, Noisy)]
    yield from ((individual, None) for individual in noisy[:MOST_NOISY])


def _promotion(fresh: Fresh) -> dict[str, Any]:
    """That it is the champion wherever it beats lap 0: whether it replaces the one before, the lap decides."""
    gain = across_sessions(medians(fresh.samples[PLAIN]))
    return {"is_promoted": gain.low > 0, "least_gain": 0.0, "flags": fresh.flags, "decisions": []}


def medians(launches: Sequence[Any]) -> list[float]:
    """Of each launch, the median of ln(t_opponent / t_champion).

    Args:
        launches: ``Samples``, or the mappings that a store makes of them.
    """
    sides = [vars(one) if not isinstance(one, dict) else one for one in launches]
    return [float(np.median(log_ratios(side["candidate_s"], side["incumbent_s"]))) for side in sides]


@dataclass(frozen=True)
class Champion:
    """Who is handed on from a lap to the next.

    Attributes:
        schedule: its values.
        is_new: False where it is the one before.
        gain: its ln S.
        step: ln(t_before / t_new), both timed in the same launches; None where there was no other before.
        launches_s: by launch, its seconds a call.
    """

    schedule: Mapping[str, Value]
    is_new: bool
    gain: Estimate
    step: Estimate | None
    launches_s: Sequence[Sequence[float]]


def champion_of(publication: Publication, found: Mapping[str, Value], before: Mapping[str, Value] | None) -> Champion:
    """The one before stays, unless the lap's own is shown to be faster.

    To choose between the two by the same launches is a selection, but a small one: of equals the new one is taken in
    2.5 % of laps, which lifts the mean of ln S by 3 to 5 % of its standard error (simulated, 3 and 6 launches).

    Args:
        publication: of the lap's run, as ``remeasure`` keeps it.
        found: the schedule that it is about.
        before: that of the champion before; None in lap 1.
    """
    plain, peer = publication.samples[PLAIN], publication.samples.get(BEFORE, [])
    step = launches_estimate([[value] for value in medians(peer)]) if peer else None
    if before and step and step.low <= 0:
        # a slow plain loop takes part in the first launches only
        gain = across_sessions([a - b for a, b in zip(medians(plain), medians(peer), strict=False)])
        return Champion(before, False, gain, step, [one["incumbent_s"] for one in peer])
    return Champion(
        found, dict(found) != before, across_sessions(medians(plain)), step, [one["candidate_s"] for one in plain]
    )
