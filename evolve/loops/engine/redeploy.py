"""A part of the engine on its way through a lap: evolved, put through the gate, tried beside the old one.

The gate is that of any champion: proven, raced, audited, then measured afresh in new processes. A champion that it lets
through still has to stand the shadow run (``shadow``). Whatever does not get so far leaves the old part at work, and
the lap says why.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.inference import Estimate
from evolve.deployed import working_with
from evolve.engine import STEERING
from evolve.loops.engine.readable import remaining
from evolve.loops.engine.shadow import Call, Shadow, shadowed
from evolve.loops.remeasure import champion_of, remeasure
from evolve.paths import source_folder
from evolve.run import Request
from evolve.starting import starting_at
from evolve.tracker.curve import paid
from kernels.language import Schedule

if TYPE_CHECKING:
    from evolve.budget import Budget
    from evolve.engine import Manifest
    from evolve.loops.lap_runs import LapRuns
    from evolve.loops.remeasure import Champion
    from evolve.store import Publication
    from kernels.language.space import Value

NOTHING_FASTER = "its search found nothing faster that could be measured afresh"


@dataclass(frozen=True)
class Job:
    """What a lap does with a part.

    Attributes:
        call: the part, and how the engine calls it.
        name: of the run that evolves it.
        budget: of that run's search.
        seeds: of the run, and of the shadow run.
        launches: new processes that measure its champion.
    """

    call: Call
    name: str
    budget: Budget
    seeds: tuple[int, int]
    launches: int


@dataclass(frozen=True)
class Tried:
    """What came of it.

    Attributes:
        run: id of the run that evolved it.
        evaluations: of that run.
        schedule: with which the part goes on; None for the plain loop.
        is_new: whether that is the lap's own champion.
        refused: why the lap's champion does not work in the engine; "" where it does, or where there is none.
        gain: ln of the lap's champion's speedup over the plain loop, alone; None where there is none.
        left: ln of what the bound leaves it, alone.
        in_place: ln of how much faster than the old part it is in the engine; None where that was not tried.
        shapes: on which it was right beside the old one.
        genes: of which it consists, see ``readable``.
    """

    run: str
    evaluations: int
    schedule: Mapping[str, Value] | None
    is_new: bool = False
    refused: str = ""
    gain: Estimate | None = None
    left: float = 0.0
    in_place: Estimate | None = None
    shapes: int = 0
    genes: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain = {name: value for name, value in vars(self).items() if not isinstance(value, Estimate)}
        estimates = {"gain": self.gain, "in_place": self.in_place}
        return {**plain, **{name: found.as_dict() if found else None for name, found in estimates.items()}}


class Redeployment:
    """Evolves parts, and says which of them may work.

    Args:
        runs: of the loop.
    """

    def __init__(self, runs: LapRuns) -> None:
        self._runs, self._store = runs, runs.around.store

    def tried(self, job: Job, engine: Manifest) -> Tried:
        """Evolve a part from what it is, and hold its champion against that.

        Args:
            job: what is to be done.
            engine: at work, the search of the part included; its part is the old one.

        Raises:
            Interrupted: the user asked to stop; the run goes on where it stopped.
        """
        schedule = engine.schedules[job.call.part]
        old = None if schedule is None else dict(schedule)
        ending = functools.partial(remeasure, before=old, launches=job.launches)
        run = self._runs.carried(self._request(job, engine), ending, f"evolving {job.call.part}")
        publication = self._store.publication(run.id)
        evaluations = len(paid(self._store.individuals(run.id)))
        if publication is None:
            return Tried(run.id, evaluations, old, refused=NOTHING_FASTER)
        return self._gated(job, engine, publication, Tried(run.id, evaluations, old))

    def _request(self, job: Job, engine: Manifest) -> Request:
        part = STEERING[job.call.part]
        return Request(
            kernel=part.name,
            size=job.call.size,
            dtype=part.dtype,
            threads=1,
            budget=job.budget,
            seed=job.seeds[0],
            name=job.name,
            options={**starting_at(engine.schedules[part.name]), **working_with(engine.id)},
        )

    def _gated(self, job: Job, engine: Manifest, publication: Publication, kept: Tried) -> Tried:
        """What the fresh launches said, then the shadow run."""
        individuals = self._store.individuals(kept.run)
        found = individuals[publication.evaluation - 1].evaluation.schedule
        champion = champion_of(publication, found, kept.schedule)
        time_s = float(np.median([np.median(launch) for launch in champion.launches_s]))
        known: dict[str, Any] = {"gain": champion.gain, "left": math.log(time_s / publication.bound_time_s)}
        if not champion.is_new:
            return Tried(kept.run, kept.evaluations, kept.schedule, **known)
        if refused := _refused(champion):
            return Tried(kept.run, kept.evaluations, kept.schedule, refused=refused, **known)
        self._runs.say(f"{job.call.part}: the new part beside the old one")
        shadow = self._shadowed(job, engine, champion)
        schedule = kept.schedule if shadow.refused else champion.schedule
        return Tried(
            kept.run,
            kept.evaluations,
            schedule,
            is_new=not shadow.refused,
            refused=shadow.refused,
            in_place=shadow.gain,
            shapes=shadow.shapes,
            genes=remaining(STEERING[job.call.part].definition, champion.schedule, individuals),
            **known,
        )

    def _shadowed(self, job: Job, engine: Manifest, champion: Champion) -> Shadow:
        new = engine.replaced(job.call.part, Schedule(champion.schedule))
        return shadowed(engine, new, job.call, job.seeds[1], source_folder())


def _refused(champion: Champion) -> str:
    """What speaks against a champion before it is tried in place."""
    if champion.gain.low > 0:
        return ""
    low, high = (math.exp(end) for end in (champion.gain.low, champion.gain.high))
    return f"it is not shown to be faster than the plain loop: {low:.3g} to {high:.3g}x"
