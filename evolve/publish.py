"""What a run is known by: its champion, promoted and measured afresh by measurements that had no part in finding it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from benchmarks import assembly
from benchmarks.contestant import Contestant
from benchmarks.exchange import ContestantFailedError
from benchmarks.fresh import AGAINST_PEER, AGAINST_PLAIN, LAUNCHES, Fresh, Opponent, against
from benchmarks.harness import Plan
from benchmarks.machine import fingerprint
from benchmarks.promote import Finalist, Promotion, Terms, promote
from evolve.engine.judging import medians
from evolve.session import Session
from evolve.store import Individual, Publication, utc_now
from kernels.language import Schedule

FINALISTS = 4
CLOSE = 0.05
"""How far below the incumbent, in ln units, a search estimate may lie for its owner to be worth the launches: estimates
err by some 2 %."""
PLAIN = "baseline"


def publish(session: Session) -> None:
    """Promote one of the finalists, measure it in fresh launches, keep the figures.

    Where none is promoted, the figures of the last incumbent are kept all the same, with the fact that it was not: they
    say how near to the baseline it is. A run in which nothing beat the baseline even once has nothing to publish. Who
    fails now, though it was proven twice, gives way to the next, and the run says so.
    """
    finalists = _finalists(session)
    if not finalists:
        return
    promotion = _promotion(session, finalists)
    for finalist, decision in zip(finalists, promotion.decisions, strict=True):
        if decision.verdict == "failed":
            _note(session, finalist, decision.reason)
    for champion in _ranked(finalists, promotion):
        plan = _plan(session, champion)
        assert plan.contestant is not None
        try:
            fresh = _fresh(session, plan.contestant)
        except ContestantFailedError as error:
            _note(session, champion, str(error))
            continue
        is_promoted = promotion.decisions[finalists.index(champion)].verdict == "promoted"
        keep(session, champion, plan, fresh, {"is_promoted": is_promoted, **promotion.as_dict()})
        return


def _note(session: Session, finalist: Individual, reason: str) -> None:
    said = f"evaluation {finalist.evaluation.number} failed when it was measured afresh: {reason}"
    session.store.add_event(session.run.id, "failed_afresh", said)


def publish_briefly(session: Session, launches: int) -> None:
    """Measure the last incumbent afresh with no contest of finalists before it, for figures that are due in seconds.

    Args:
        session: of a run whose search is over; one in which nothing beat the baseline has nothing to publish.
        launches: new processes, each with builds of its own.

    Raises:
        ContestantFailedError: it fails now, though it was proven twice.
    """
    if (incumbent := session.title.individual) is None:
        return
    plan = _plan(session, incumbent)
    assert plan.contestant is not None
    fresh = _fresh(session, plan.contestant, launches)
    gain = fresh.speedups(np.random.default_rng(session.run.seed), medians)[PLAIN]
    is_faster = {"is_promoted": gain.low > 1, "least_gain": 0.0, "flags": fresh.flags, "decisions": []}
    keep(session, incumbent, plan, fresh, is_faster)


def _finalists(session: Session) -> list[Individual]:
    """The search's incumbent, and behind it the best others that come close; none where nothing beat the baseline."""
    incumbent = session.title.individual
    if incumbent is None:
        return []
    least = (incumbent.fitness or 0.0) - CLOSE
    able = [i for i in session.individuals if i.is_paid and i.error <= session.title.most_error]
    paid = [i for i in able if i.fitness is not None and i is not incumbent]
    best = sorted((i for i in paid if (i.fitness or 0.0) >= least), key=lambda i: i.fitness or 0.0, reverse=True)
    return [incumbent, *best[: FINALISTS - 1]]


def _promotion(session: Session, finalists: list[Individual]) -> Promotion:
    contestants = [_contestant(session, individual) for individual in finalists]
    entered = [Finalist(contestants[0]), *(Finalist(other, contestants[0]) for other in contestants[1:])]

    def say(launch: int, of: int) -> None:
        session.show("publish", f"promotion: {len(finalists)} finalists, launch {launch} of {of} at most")

    terms = Terms(session.around.spread, _baseline_s(session), session.title.fitness)
    return promote(session.harness, entered, terms, say)


def _ranked(finalists: list[Individual], promotion: Promotion) -> list[Individual]:
    """Who may be published, in order: the promoted champion, other promoted ones, then who at least did not fail."""
    verdicts = ("promoted", "undecided", "rejected")
    able = [k for k in range(len(finalists)) if promotion.decisions[k].verdict != "failed"]
    able.sort(key=lambda k: (k != promotion.champion, verdicts.index(promotion.decisions[k].verdict), k))
    return [finalists[k] for k in able]


def keep(session: Session, champion: Individual, plan: Plan, fresh: Fresh, promotion: dict[str, Any]) -> None:
    """Keep what fresh launches found of a champion as the publication of its run.

    Args:
        session: of the run.
        champion: the one that was measured.
        plan: of its schedule.
        fresh: what was found; the fixed baseline is among the opponents.
        promotion: why it is the champion: ``is_promoted``, ``least_gain``, ``flags`` at least.
    """
    assert plan.contestant is not None
    speedups = fresh.speedups(np.random.default_rng(session.run.seed), medians)
    confidence = fresh.confidence(np.random.default_rng(session.run.seed), medians)
    claim = assembly.claim_of(session.task, plan.contestant, fingerprint())
    estimate, bound = np.exp(champion.fitness or 0.0), session.around.bound
    details = {
        "builds": fresh.launches,
        "audited": fresh.audited,
        "promotion": promotion,
        "confidence": {name: one.as_dict() for name, one in confidence.items()},
        "search_estimate": float(estimate),
        "shrinkage": float(speedups[PLAIN].estimate / estimate),
        "flags": fresh.flags,
        "assembly": assembly.checked(fresh.assembly, claim),
    }
    session.store.add_publication(
        Publication(
            run=session.run.id,
            evaluation=champion.evaluation.number,
            measured_at=utc_now(),
            launches=fresh.launches,
            rounds=min(len(launch.candidate_s) for launch in fresh.samples[PLAIN]),
            time_s=fresh.time_s,
            speedup=speedups.pop(PLAIN),
            rivals=speedups,
            bound_limit=bound.limit,
            bound_time_s=bound.time_s,
            bound_fraction=bound.time_s / fresh.time_s,
            source_hash=plan.source_hash,
            samples={name: [dataclasses.asdict(launch) for launch in found] for name, found in fresh.samples.items()},
            details=details,
        )
    )


def _plan(session: Session, individual: Individual) -> Plan:
    return session.harness.plan(Schedule(individual.evaluation.schedule))


def _contestant(session: Session, individual: Individual) -> Contestant:
    contestant = _plan(session, individual).contestant
    assert contestant is not None
    return contestant


def _baseline_s(session: Session) -> float:
    bound = session.store.bound(session.run.id)
    return bound.baseline_s if bound else 0.0


def _fresh(session: Session, champion: Contestant, launches: int = LAUNCHES) -> Fresh:
    rivals = {name: Opponent(Contestant(None, rival=name), AGAINST_PEER) for name in session.task.definition.rivals}
    plain = Opponent(session.harness.baseline, AGAINST_PLAIN, _baseline_s(session))

    def say(launch: int) -> None:
        session.show("publish", f"measuring the champion afresh, launch {launch} of {launches}")

    return against(session.harness, champion, {PLAIN: plain, **rivals}, launches, say)
