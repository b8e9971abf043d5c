"""The open loop: restart from the champion, lap after lap. What do laps 2, 3, 4 still give beyond noise?

A lap is a run of the store, named ``LOOP-lap-K``, whose search begins at the champion before. The engine stays as it
is and no gain flows back into it; only the champion is handed on. So theory says: capped, at the end of what the space
has, below the ceiling of the machine. Lap 0 is the plain loop.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

import kernels
from benchmarks.contestant import Task
from benchmarks.fresh import AGAINST_PLAIN, Opponent, against
from benchmarks.harness import Harness
from benchmarks.inference import Estimate, across_sessions, launches_estimate
from evolve.budget import Budget
from evolve.loops.forecast import next_gain, unknown
from evolve.loops.lap_runs import LapRuns
from evolve.loops.protocol import LapFailedError, Turned
from evolve.loops.remeasure import champion_of, medians, remeasure
from evolve.paths import source_folder
from evolve.publish import PLAIN
from evolve.run import Request
from evolve.starting import starting_at
from evolve.survey import Survey
from evolve.tracker.curve import paid
from evolve.tracker.tail import Tail, tail

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.outcome import Samples
    from evolve.loops.protocol import Around, Expectation
    from evolve.store import Lap, Publication, Run
    from kernels.language.space import Value

BOUND_SPREAD = {"bandwidth": 0.10, "arithmetic": 0.02}
"""By how much a bound of that kind may differ when its ceilings are measured again, see ``benchmarks.trials.roof``."""


def make(around: Around) -> Kernels:
    """The loop, by the options ``kernel size dtype policy budget strategy control_share launches``."""
    return Kernels(around)


class Kernels:
    """See the module; the contract is ``evolve.loops.protocol.ClosedLoop``."""

    kind: ClassVar[str] = "kernels"

    def __init__(self, around: Around) -> None:
        self.store, self.loop, self._runs = around.store, around.loop, LapRuns(around)
        self._say = self._runs.say
        self.options: Mapping[str, Any] = around.loop.options
        definition = kernels.get(str(self.options["kernel"]))
        self.size = definition.size(str(self.options["size"]))
        self.budget = Budget.parse(str(self.options["budget"]))

    def start(self) -> Turned:
        """Lap 0: what bounds the kernel here, and the plain loop in new processes, against itself."""
        options = self.options
        task = Task(options["kernel"], self.size, options["dtype"], 1, self.loop.seed, options["policy"])
        survey = Survey(self.store, task, self._say)
        # one sweep may fall into a moment when others work; the best of two is what later laps are held against
        survey.again(self._say)
        with Harness(task, source_folder(), survey.bounds.reject.time_s) as harness:
            launches = self._plain_launches(harness)
        bound = survey.bounds.efficiency
        return Turned(
            gain=Estimate(0.0, 0.0, 0.0),
            ceiling=_above_bound([one.candidate_s for one in launches], bound.time_s, bound.limit),
            details={
                "limit": bound.limit,
                "bound_time_s": bound.time_s,
                "time_s": float(np.median([np.median(one.candidate_s) for one in launches])),
                "itself": across_sessions(medians(launches)),
            },
        )

    def _plain_launches(self, harness: Harness) -> Sequence[Samples]:
        self._say("timing the plain loop")
        itself = Opponent(harness.baseline, AGAINST_PLAIN, harness.first_incumbent().time_s)
        count = int(self.options["launches"])

        def say(launch: int) -> None:
            self._say(f"lap 0: the plain loop against itself, launch {launch} of {count}")

        return against(harness, harness.baseline, {PLAIN: itself}, count, say).samples[PLAIN]

    def forecast(self, laps: Sequence[Lap]) -> Expectation:
        """What as many further draws would bring, see ``forecast``."""
        last, ceiling = laps[-1], laps[-1].ceiling
        assert last.gain is not None
        assert ceiling is not None
        if len(laps) == 1:
            return unknown(ceiling.estimate)
        more = self.budget.evaluations or last.details["evaluations"]
        return next_gain(last.gain, last.inputs, more, ceiling.estimate, self._tail(laps, ceiling.estimate))

    def turn(self, laps: Sequence[Lap], rng: np.random.Generator) -> Turned:
        """Evolve from the champion before, or go on with that; then measure what came of it.

        Raises:
            LapFailedError: nothing beat the plain loop, or nothing that did could be measured afresh.
            Interrupted: the user asked to stop; the lap's run goes on where it stopped.
        """
        run = self._run(laps, int(rng.integers(1 << 31)))
        publication = self.store.publication(run.id)
        if publication is None:
            raise LapFailedError(f"run {run.id} found nothing faster than the plain loop that could be measured afresh")
        return self._turned(laps, run, publication)

    def close(self) -> None:
        """Nothing is held: a run's children end with it."""

    def _run(self, laps: Sequence[Lap], seed: int) -> Run:
        """The lap's run, carried to its end: it may stand in the store already, whole or in part."""
        name, before = f"{self.loop.id}-lap-{len(laps)}", laps[-1].details.get("schedule")
        ending = functools.partial(remeasure, before=before, launches=int(self.options["launches"]))
        return self._runs.carried(self._request(name, before, seed), ending, f"lap {len(laps)}")

    def _request(self, name: str, before: Mapping[str, Value] | None, seed: int) -> Request:
        options = self.options
        return Request(
            kernel=options["kernel"],
            size=self.size,
            dtype=options["dtype"],
            threads=1,
            budget=self.budget,
            seed=seed,
            strategy=options["strategy"],
            control_share=options["control_share"],
            name=name,
            policy=options["policy"],
            options=starting_at(before),
        )

    def _turned(self, laps: Sequence[Lap], run: Run, publication: Publication) -> Turned:
        individuals = self.store.individuals(run.id)
        found = individuals[publication.evaluation - 1].evaluation.schedule
        champion = champion_of(publication, found, laps[-1].details.get("schedule"))
        # a busy moment can only lower what a sweep finds, so what was seen before stands
        bound_s, limit = min(publication.bound_time_s, laps[-1].details["bound_time_s"]), publication.bound_limit
        # the plain loop of the same launches: with six others at work on two cores that of horner, 1 ms a call, took 1
        # to 5 ms, its champion 19 to 22 us; gain and ceiling then move together, and the verdict refuses such laps
        ceiling = _above_bound([one["incumbent_s"] for one in publication.samples[PLAIN]], bound_s, limit)
        drawn, evaluations = self._tail(laps, ceiling.estimate, run), len(paid(individuals))
        return Turned(
            gain=champion.gain,
            inputs=laps[-1].inputs + evaluations,
            ceiling=ceiling,
            # the cap makes the endpoint of any tail finite: only an index below 0 says that there is one
            endpoint=drawn.endpoint if drawn and drawn.is_bounded else None,
            details={
                "run": run.id,
                "schedule": champion.schedule,
                "is_new": champion.is_new,
                "step": champion.step.as_dict() if champion.step else None,
                "left": _above_bound(champion.launches_s, bound_s, limit).as_dict(),
                "evaluations": evaluations,
                "launches": publication.launches,
                "time_s": float(np.median([np.median(one) for one in champion.launches_s])),
                "limit": limit,
                "bound_time_s": bound_s,
                "tail": drawn.as_dict() if drawn else None,
                "flags": publication.details.get("flags", {}),
            },
        )

    def _tail(self, laps: Sequence[Lap], ceiling: float, run: Run | None = None) -> Tail | None:
        """The tail of all random draws of all laps: the space is the same in each."""
        runs = [lap.details["run"] for lap in laps[1:]] + ([run.id] if run else [])
        drawn = [i for key in runs for i in self.store.individuals(key) if i.evaluation.arm == "control" and i.record]
        return tail([math.nan if i.fitness is None else i.fitness for i in drawn], ceiling)


def _above_bound(launches_s: Sequence[Sequence[float]], bound_s: float, limit: str) -> Estimate:
    """By how much a contestant takes longer than the bound, in ln units.

    Of the plain loop that is the ceiling of all gains, of a champion what the ceiling leaves. How far this session is
    from others is left out: it is in the gain, and of the plain loop the same for both.

    Args:
        launches_s: by launch, seconds a call.
        bound_s: attainable seconds a call.
        limit: what binds.
    """
    found = launches_estimate([[math.log(np.median(one) / bound_s)] for one in launches_s])
    half = math.hypot(found.high - found.estimate, spread_of(limit))
    return Estimate(found.estimate, found.estimate - half, found.estimate + half)


def spread_of(limit: str) -> float:
    """By how much a bound may differ when its ceilings are measured again, in ln units."""
    return max((spread for kind, spread in BOUND_SPREAD.items() if limit.startswith(kind)), default=0.10)
