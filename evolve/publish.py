"""What a run is known by: its champion measured afresh, in new processes, on new inputs, against fixed opponents."""

from __future__ import annotations

import dataclasses

import numpy as np

from benchmarks.contestant import Contestant
from benchmarks.exchange import ContestantFailedError
from benchmarks.fresh import AGAINST_PEER, AGAINST_PLAIN, LAUNCHES, Fresh, Opponent, against
from benchmarks.harness import Built, Incumbent, Plan
from benchmarks.outcome import Measured
from evolve.session import Session
from evolve.store import Individual, Publication, utc_now
from kernels.language import Schedule

FINALISTS = 4
PLAIN = "baseline"


def publish(session: Session) -> None:
    """Choose the champion among the finalists, measure it in fresh launches, keep the figures.

    A run in which nothing beat the baseline has no champion and is not published. A champion that fails now, though it
    was proven twice, gives way to the next finalist.
    """
    for champion in _ranked(session):
        plan = _plan(session, champion)
        assert plan.contestant is not None
        try:
            fresh = _fresh(session, plan.contestant)
        except ContestantFailedError:
            continue
        _keep(session, champion, plan, fresh)
        return


def _keep(session: Session, champion: Individual, plan: Plan, fresh: Fresh) -> None:
    speedups = fresh.speedups(np.random.default_rng(session.run.seed))
    bound = session.around.bound
    session.store.add_publication(
        Publication(
            run=session.run.id,
            evaluation=champion.evaluation.number,
            measured_at=utc_now(),
            launches=LAUNCHES,
            rounds=min(len(launch.candidate_s) for launch in fresh.samples[PLAIN]),
            time_s=fresh.time_s,
            speedup=speedups.pop(PLAIN),
            rivals=speedups,
            bound_limit=bound.limit,
            bound_time_s=bound.time_s,
            bound_fraction=bound.time_s / fresh.time_s,
            source_hash=plan.source_hash,
            samples={name: [dataclasses.asdict(launch) for launch in found] for name, found in fresh.samples.items()},
        )
    )


def _ranked(session: Session) -> list[Individual]:
    """The finalists, the champion first; none where nothing beat the baseline.

    They race the search's incumbent once more: the last title is worth the rounds.
    """
    session.show("publish", "the finalists race once more")
    best = [i for i in session.individuals if i.is_paid and i.fitness is not None]
    best = sorted(best, key=lambda i: i.fitness or 0.0, reverse=True)[:FINALISTS]
    champion = session.title.individual
    if champion is None:
        return []
    for finalist in best:
        if finalist is champion:
            continue
        outcome = session.harness.measure(Built(_plan(session, finalist)), _incumbent(session, champion))
        if isinstance(outcome, Measured) and outcome.low > 0:
            champion = finalist
    return [champion, *(finalist for finalist in best if finalist is not champion)]


def _plan(session: Session, individual: Individual) -> Plan:
    return session.harness.plan(Schedule(individual.evaluation.schedule))


def _incumbent(session: Session, individual: Individual) -> Incumbent:
    assert individual.record is not None
    assert isinstance(individual.record.outcome, Measured)
    contestant = _plan(session, individual).contestant
    assert contestant is not None
    return Incumbent(contestant, individual.record.outcome.time_s)


def _fresh(session: Session, champion: Contestant) -> Fresh:
    rivals = {name: Opponent(Contestant(None, rival=name), AGAINST_PEER) for name in session.task.definition.rivals}
    opponents = {PLAIN: Opponent(session.harness.baseline, AGAINST_PLAIN), **rivals}

    def say(launch: int) -> None:
        session.show("publish", f"measuring the champion afresh, launch {launch} of {LAUNCHES}")

    return against(session.harness, champion, opponents, say=say)
