"""What a run is known by: its champion measured afresh, in new processes, on new inputs, against fixed opponents."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.contestant import Contestant
from benchmarks.harness import Built, Incumbent, Launch, Plan
from benchmarks.inference import Estimate, hierarchical_speedup
from benchmarks.outcome import Measured, Samples
from benchmarks.race import Rules
from evolve.session import Session
from evolve.store import Individual, Publication, utc_now
from kernels.language import Schedule

LAUNCHES = 5
FINALISTS = 4
FINAL_RULES = Rules(most_rounds=30, most_s=3.0)
# few rounds are enough against a plain loop that is many times slower, and each of them may take a second
AGAINST_BASELINE = Rules(most_rounds=12, least_rounds=3, most_s=2.0, may_drop=False)
AGAINST_RIVAL = Rules(most_rounds=20, least_rounds=6, most_s=2.0, may_drop=False)

Opponents = dict[str, Contestant]


def publish(session: Session) -> None:
    """Choose the champion among the finalists, measure it in fresh launches, keep the figures.

    A run in which nothing beat the baseline has no champion and is not published.
    """
    champion = _choose(session)
    if champion is None:
        return
    plan = _plan(session, champion)
    assert plan.contestant is not None
    rounds = _launches(session, plan.contestant)
    rng = np.random.default_rng(session.run.seed)
    speedups = {name: _pooled(samples, rng) for name, samples in rounds.items() if samples}
    baseline = rounds[""]
    time_s = float(np.median([np.median(samples.candidate_s) for samples in baseline]))
    bound = session.around.bound
    session.store.add_publication(
        Publication(
            run=session.run.id,
            evaluation=champion.evaluation.number,
            measured_at=utc_now(),
            launches=len(baseline),
            rounds=min(len(samples.candidate_s) for samples in baseline),
            time_s=time_s,
            speedup=speedups.pop(""),
            rivals=speedups,
            bound_limit=bound.limit,
            bound_time_s=bound.time_s,
            bound_fraction=bound.time_s / time_s,
            source_hash=plan.source_hash,
            samples=_as_json(rounds),
        )
    )


def _choose(session: Session) -> Individual | None:
    """Race the best of the search against its incumbent once more: the last title is worth the rounds."""
    session.show("publish", "the finalists race once more")
    best = [i for i in session.individuals if i.is_paid and i.fitness is not None]
    best = sorted(best, key=lambda i: i.fitness or 0.0, reverse=True)[:FINALISTS]
    champion = session.title.individual
    for finalist in best:
        if champion is None or finalist is champion:
            continue
        outcome = session.harness.measure(Built(_plan(session, finalist)), _incumbent(session, champion))
        if isinstance(outcome, Measured) and outcome.low > 0:
            champion = finalist
    return champion


def _plan(session: Session, individual: Individual) -> Plan:
    return session.harness.plan(Schedule(individual.evaluation.schedule))


def _incumbent(session: Session, individual: Individual) -> Incumbent:
    assert individual.record is not None
    assert isinstance(individual.record.outcome, Measured)
    contestant = _plan(session, individual).contestant
    assert contestant is not None
    return Incumbent(contestant, individual.record.outcome.time_s)


def _launches(session: Session, champion: Contestant) -> dict[str, list[Samples]]:
    """Paired samples against each opponent by its name, the baseline's being empty, a list of launches each."""
    rivals = {name: Contestant(None, rival=name) for name in session.task.definition.rivals}
    rounds: dict[str, list[Samples]] = {name: [] for name in ("", *rivals)}
    for launch in range(LAUNCHES):
        session.show("publish", f"measuring the champion afresh, launch {launch + 1} of {LAUNCHES}")
        seed = int.from_bytes(os.urandom(4))
        with session.harness.launch(seed) as process:
            _one_launch(process, champion, session.harness.baseline, rivals, rounds)
    return rounds


def _one_launch(
    process: Launch, champion: Contestant, baseline: Contestant, rivals: Opponents, rounds: dict[str, list[Samples]]
) -> None:
    for name, opponent in {"": baseline, **rivals}.items():
        samples = process.pair(champion, opponent, AGAINST_RIVAL if name else AGAINST_BASELINE)
        if samples is not None:
            rounds[name].append(samples)


def _pooled(launches: Sequence[Samples], rng: np.random.Generator) -> Estimate:
    return hierarchical_speedup([(launch.candidate_s, launch.incumbent_s) for launch in launches], rng)


def _as_json(rounds: dict[str, list[Samples]]) -> dict[str, Any]:
    return {
        name or "baseline": [dataclasses.asdict(launch) for launch in launches] for name, launches in rounds.items()
    }
