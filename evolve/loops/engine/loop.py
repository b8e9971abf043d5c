"""engine: the engine's own kernels are evolved, put to work in the engine, and the engine then evolves them further.

The claim is the seed of all self-improvement: a system that improves its own parts works faster, and so improves them
faster. Its search scores children, keeps unlike ones apart and ranks fronts by kernels of this very library
(``evolve.engine``). A lap evolves them with the engine of the lap before, redeploys what passes the gate, and measures
the new engine against the frozen one of lap 0, whose parts are the loops that everybody writes: same seeds, in turns,
on spaces that no part was evolved for. Amdahl's law (AFIPS 1967) says beforehand how little is to be had: of each
log-unit that a part gains, the engine gets the part's *share*, and the share shrinks with every success.

S is measured where the engine matters most: many children are bred for one ask and screened (``generations``), and S is
generations a processor second. G, which returns to the loop, is what the same engine is worth to a real run, as every
lap's own search is one (``as_it_is``): compiling and measuring take most of that, and no part makes them faster.

What decides what is *believed* is no part that a lap may replace: a genome names schedules of steering parts alone, so
that it reaches neither clock nor proof. A loop that may change how it is measured improves its figures, not itself.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.bound import efficiency_bound
from benchmarks.inference import Estimate
from benchmarks.throughput import Compared, Rules, compared
from evolve import deployed
from evolve.budget import Budget
from evolve.engine import STEERING, Manifest
from evolve.loops.engine.as_it_is import AsItIs, seconds_by_phase
from evolve.loops.engine.generations import Generations
from evolve.loops.engine.readable import returns
from evolve.loops.engine.redeploy import Job, Redeployment, Tried
from evolve.loops.engine.shadow import Call
from evolve.loops.engine.stakes import Searched, Stake, expected, to_bound, to_nothing
from evolve.loops.kernels import spread_of
from evolve.loops.lap_runs import LapRuns
from evolve.loops.protocol import Expectation, Turned
from evolve.loops.reinvestment import NOTHING, noise_of
from evolve.machines import this_machine
from evolve.search.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from evolve.loops.protocol import Around
    from evolve.store import Lap

RULES = Rules(blocks=3, rounds=2, pause_s=0.0, known_to=0.3, most=2)
"""Few, as they are long: processor seconds of a generation scatter by a percent."""
PROFILED = 3
"""Generations from which the shares of lap 0 are known."""
LEAST_SHARE = 0.01
"""Of a generation, below which a part is left as it is: no schedule of it could gain the engine more than that."""
LEAST_PORTION = 0.15
"""Of a lap's budget, for a part that is evolved at all."""
ENDPOINT_BY = "where the engine's parts would take no time at all"


def make(around: Around) -> EngineLoop:
    """The loop, by the options ``budget children mode launches``."""
    return EngineLoop(around)


class EngineLoop:
    """See the module; the contract is ``evolve.loops.protocol.ClosedLoop``."""

    kind: ClassVar[str] = "engine"

    def __init__(self, around: Around) -> None:
        self.store, self.loop = around.store, around.loop
        options: Mapping[str, Any] = around.loop.options
        self.budget, self.launches = Budget.parse(str(options["budget"])), int(options["launches"])
        self.is_usual = options["mode"] == "usual"
        self.settings = Settings() if self.is_usual else Settings(children=int(options["children"]))
        runs = LapRuns(around)
        self._say = runs.say
        self._as_it_is, self._redeployment = AsItIs(runs, self.loop.seed), Redeployment(runs)

    def start(self) -> Turned:
        """Lap 0: the frozen engine, the shares of its parts, and what no engine can come to, here and in real runs."""
        frozen = Manifest.plain()
        deployed.keep(self.store, frozen)
        told = self._as_it_is.surveyed(frozen)
        self._say("generations of the frozen engine")
        generations = self._generations(frozen)
        for _ in range(PROFILED):
            generations()
        stakes = self._stakes(generations, told)
        details = {
            "engine": _shown(frozen),
            "parts": {stake.part: stake.as_dict() for stake in stakes},
            "as_it_is": told,
            "endpoint_by": ENDPOINT_BY,
            "notes": [*_said_of(told)],
        }
        return Turned(
            gain=NOTHING, engine=NOTHING, ceiling=to_bound(stakes), endpoint=to_nothing(stakes), details=details
        )

    def forecast(self, laps: Sequence[Lap]) -> Expectation:
        """See ``ClosedLoop``: Amdahl's law, with what further search is expected to make of the parts."""
        last = laps[-1]
        assert last.gain is not None
        stakes = [stake for stake in _stakes_of(last) if stake.part in portions(laps)]
        more = expected(stakes, _searched(laps, self.budget))
        noise, centre = math.sqrt(2) * noise_of(laps), last.gain.estimate
        found = Estimate(centre + more.estimate, centre + more.low - noise, centre + more.high + noise)
        return Expectation(found, _reason(stakes))

    def turn(self, laps: Sequence[Lap], rng: np.random.Generator) -> Turned:
        """See ``ClosedLoop``: evolve the parts, redeploy what may be, measure the engine.

        Raises:
            UsageError: the kernels have changed since lap 0, so that its engine cannot be made again.
            Interrupted: the user asked to stop; a run of the lap goes on where it stopped.
        """
        before = deployed.manifest_of(self.store, laps[-1].details["engine"]["id"])
        seeds = {name: (int(rng.integers(1 << 31)), int(rng.integers(1 << 31))) for name in STEERING}
        tried = {}
        for part, portion in portions(laps).items():
            job = Job(
                call=Call(part, STEERING[part].size),
                name=f"{self.loop.id}-lap-{len(laps)}-{part}",
                budget=_portion(self.budget, portion),
                seeds=seeds[part],
                launches=self.launches,
            )
            tried[part] = self._redeployment.tried(job, before)
        present = before
        for part, found in tried.items():
            present = present.replaced(part, found.schedule)
        deployed.keep(self.store, present)
        return self._turned(laps, present, tried)

    def close(self) -> None:
        """Nothing is held: a run's children end with it, and so does a shadow run's."""

    # ---- measuring

    def _turned(self, laps: Sequence[Lap], present: Manifest, tried: Mapping[str, Tried]) -> Turned:
        frozen = deployed.manifest_of(self.store, laps[0].details["engine"]["id"])
        told = laps[0].details["as_it_is"]
        own, sides = self._compared(frozen, present)
        assert own.left is not None
        before, now = (self._stakes(side, told) for side in sides)
        found = self._as_it_is.compared(frozen, present, len(laps)) if self.is_usual else own
        returned = found.gain if self.is_usual else self._as_it_is.worth(frozen, present, told["search_share"])
        is_at_work = self._deployed(len(laps), present, own)
        evaluations = sum(one.evaluations for one in tried.values())
        details = {
            "engine": {**_shown(present), "is_at_work": is_at_work},
            "parts": _parts(now, tried),
            "left": to_bound(now).as_dict(),
            "usual_over_present": own.left.as_dict(),
            "generations_per_s": own.present_per_s.as_dict(),
            "frozen_per_s": own.frozen_per_s.as_dict(),
            "blocks": [list(block) for block in found.blocks],
            "evaluations": evaluations,
            "cycling": _cycling(laps, present),
            "notes": [*_notes(tried), *([] if is_at_work else [_idle(own.left)])],
        }
        return Turned(
            gain=found.gain,
            engine=returned,
            inputs=laps[-1].inputs + evaluations,
            ceiling=to_bound(before),
            endpoint=to_nothing(before),
            details=details,
        )

    def _compared(self, frozen: Manifest, present: Manifest) -> tuple[Compared, tuple[Generations, Generations]]:
        """The engine against the frozen one and the usual one, and generations of the first two for their shares."""
        self._say("the engine against the frozen one")
        one, other, usual = (self._generations(manifest) for manifest in (frozen, present, Manifest.usual()))
        found = compared(
            lambda: (one, other, usual), RULES, lambda: self._say("the engine against the frozen one and the usual one")
        )
        return found, (one, other)

    def _generations(self, manifest: Manifest) -> Generations:
        return Generations(manifest, self.settings, self.loop.seed).warmed()

    def _stakes(self, generations: Generations, told: Mapping[str, Any]) -> list[Stake]:
        """What the parts that were called take, held against the best that this machine was ever seen to do."""
        roof, scale = this_machine(self.store, self._say).roof, told["search_share"] if self.is_usual else 1.0
        bound_s, limits = defaultdict[str, float](float), dict[str, str]()
        for (name, size), calls in generations.engine.calls.items():
            part = STEERING[name]
            bound = efficiency_bound(part.definition.work(size, part.dtype), part.dtype, roof.best, roof.caches)
            bound_s[name] += calls * bound.time_s
            limits[name] = bound.limit
        by_part = generations.engine.by_part
        return [
            Stake(
                part=name,
                share=_scaled(generations.share(name), scale),
                room=math.log(by_part[name] / bound_s[name]),
                spread=spread_of(limits[name]),
            )
            for name in sorted(limits)
        ]

    def _deployed(self, lap: int, present: Manifest, found: Compared) -> bool:
        """Put the engine to work on this machine, unless it is slower than the one that everybody else has."""
        assert found.left is not None
        if found.gain.low <= 0 or found.left.low > 0:
            return False
        reason = f"lap {lap} of loop {self.loop.id}: {math.exp(found.gain.estimate):.3g}x the frozen engine"
        deployed.deploy(self.store, self.loop.machine, present, reason)
        return True


# ---- which parts, and how much of the budget


def portions(laps: Sequence[Lap]) -> dict[str, float]:
    """Of the next lap's budget, what each part gets: by its share of the time.

    Lap 1 evolves every part, so that none is left as the plain loop; later ones those that still take some time.
    """
    shares = {stake.part: stake.share.estimate for stake in _stakes_of(laps[-1])}
    if len(laps) == 1:
        wanted = {name: max(shares.get(name, 0.0), LEAST_SHARE) for name in STEERING}
    else:
        wanted = {name: share for name, share in shares.items() if share >= LEAST_SHARE}
    total = sum(wanted.values())
    raised = {name: max(share / total, LEAST_PORTION) for name, share in wanted.items()}
    return {name: portion / sum(raised.values()) for name, portion in raised.items()}


def _portion(budget: Budget, portion: float) -> Budget:
    if budget.evaluations is not None:
        return Budget.parse(f"{max(1, round(budget.evaluations * portion))}evals")
    assert budget.seconds is not None
    return Budget.parse(f"{max(1.0, budget.seconds * portion):.1f}s")


def _stakes_of(lap: Lap) -> list[Stake]:
    return [Stake.from_dict(told) for told in lap.details["parts"].values() if "share" in told]


def _searched(laps: Sequence[Lap], budget: Budget) -> dict[str, Searched]:
    """Of each part that has a champion, how far its search has come; one that was refused was not found."""
    found: dict[str, Searched] = {}
    for lap in laps[1:]:
        for part, told in lap.details["parts"].items():
            if told.get("gain") and not told["refused"]:
                found[part] = Searched(Estimate(**told["gain"]), told["left"], *_draws(laps, part, budget))
    return found


def _draws(laps: Sequence[Lap], part: str, budget: Budget) -> tuple[float, float]:
    """Evaluations of a part so far, and those of the next lap, as many as in the last one where that is not known."""
    made = [found for lap in laps[1:] if (found := lap.details["parts"][part].get("evaluations"))]
    return sum(made), _portion(budget, portions(laps).get(part, LEAST_PORTION)).evaluations or made[-1]


def _scaled(share: Estimate, scale: float) -> Estimate:
    return Estimate(scale * share.estimate, scale * share.low, scale * share.high, share.level)


# ---- in words, and as plain values


def _shown(manifest: Manifest) -> dict[str, Any]:
    return {"id": manifest.id, "manifest": manifest.as_dict()}


def _parts(stakes: Sequence[Stake], tried: Mapping[str, Tried]) -> dict[str, dict[str, Any]]:
    """By part what it takes now, and what the lap did with it."""
    found = {stake.part: stake.as_dict() for stake in stakes}
    return {name: {**found.get(name, {}), **_done(tried.get(name))} for name in STEERING}


def _done(tried: Tried | None) -> dict[str, Any]:
    return tried.as_dict() if tried else {}


def _cycling(laps: Sequence[Lap], present: Manifest) -> dict[str, Any]:
    """Of each part, genes that went back to what an earlier lap had changed."""
    manifests = [lap.details["engine"]["manifest"]["parts"] for lap in laps]
    return {
        name: returns([*(told[name]["schedule"] for told in manifests), schedule])
        for name, schedule in present.schedules.items()
    }


def _notes(tried: Mapping[str, Tried]) -> list[str]:
    if not tried:
        return [f"no part takes {LEAST_SHARE:.0%} of a generation any more: nothing was evolved"]
    return [f"{part}: refused, {found.refused}; the old one goes on" for part, found in tried.items() if found.refused]


def _idle(usual: Estimate) -> str:
    """Why an engine is not put to work for others."""
    return f"not put to work outside the loop: with default schedules it is {math.exp(usual.estimate):.3g}x as fast"


def _said_of(told: Mapping[str, Any]) -> list[str]:
    judging = ", ".join(f"{name} ({share:.1%} of a short run)" for name, share in told["judging"].items())
    share = sum(told["parts"].values())
    return [
        f"as it is, a run's time is {seconds_by_phase(told['phases_s'])}",
        f"parts of the engine take {share:.2%} of a long run, so that none makes one {told['cap']:.4g}x faster",
        f"parts that judge are never replaced: {judging}, and the error check of verification",
    ]


def _reason(stakes: Sequence[Stake]) -> str:
    """By what Amdahl's law reckons."""
    if not stakes:
        return "no part takes enough time to be evolved"
    shown = [f"{one.part} takes {one.share.estimate:.1%} at {math.exp(one.room):.3g} times its bound" for one in stakes]
    most, end = (math.exp(found.estimate) for found in (to_bound(stakes), to_nothing(stakes)))
    return f"{'; '.join(shown)}; at their bounds {most:.3g}x more, if they took no time {end:.3g}x"
