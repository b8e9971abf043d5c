"""policy: how much of an evaluation goes into rounds that decide nothing? The harness' own racing policy, evolved.

The claim: one large lap, or none where the hand-set policy was right already, then the noise floor. For an evaluation
whose samples take the share f of its time, and a policy that takes s times fewer of them, is 1 / ((1 - f) + f / s)
times as fast (Amdahl, AFIPS 1967), and s ends where each race has as many rounds as its own ratio d needs in noise
sigma, n >= (z sigma / d)^2: fewer decide worse. What decides worse than the hand-set policy does not count, however
fast it is.

Lap 0 has a short search on each problem, for candidates as they are met; each lap then records races of a function
against itself. On those of the problems held in, policies are searched; the next lap confirms what was found on new
ones of the problems held out, and only then has the clock say how many candidates a second of those problems it
evaluates, beside the hand-set policy. A lap's forecast follows from the replay of all this and the share f. A policy
that decides worse on new noise, or is slower in place than the one before, is refused, and the lap says so.

What races are raced by elsewhere, and all that proves, doubts or publishes, is out of reach (``evolve.racing``).
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from benchmarks.aa import proven
from benchmarks.contestant import Task
from benchmarks.harness import Harness
from benchmarks.inference import Estimate
from benchmarks.worker import Limits
from evolve.loops import reinvestment
from evolve.loops.policy.field import Course, Exploration, Live, fastest, heard, live, recorded, told
from evolve.loops.policy.replay import NARROW, SURE, WALD, Recorded, raw
from evolve.loops.policy.search import Comparison, Found, Judge, found
from evolve.loops.protocol import Expectation, Turned
from evolve.paths import source_folder
from evolve.racing import HAND_SET, changes, rules_of
from evolve.tracker.amdahl import program_speedup
from evolve.tracker.turns import antilog
from kernels.language import Schedule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evolve.loops.policy.replay import Candidate
    from evolve.loops.protocol import Around
    from evolve.store import Lap

HELD_IN = (
    Task("matmul", (384, 384, 384), "float64"),
    Task("softmax", (1024, 1024), "float32"),
    Task("triad", (8192,), "float64"),
)
HELD_OUT = (
    Task("conv2d", (1, 32, 64, 64, 64, 3), "float32"),
    Task("spmv", (1 << 18, 9), "float64"),
    Task("black_scholes", (1024,), "float64"),
)
"""Of each three, two whose calls take around a millisecond, as most problems' do, and one whose calls take a few
microseconds: only there the length of a sample is anybody's to choose."""

POLICIES, RACES, CANDIDATES, TURNS = 128, 24, 16, 6
"""Tried a lap; recorded of each problem a lap; met on each problem; turns of both policies, twice each."""
_LIMITS = Limits(answers=100_000)
"""A child that is replaced in the midst of a turn would cost one of the policies half a second."""


def make(around: Around) -> Policy:
    """The loop, by the options ``policies races candidates turns``."""
    return Policy(around)


@dataclass(frozen=True)
class Choice:
    """The policy that a lap goes on with.

    Attributes:
        policy: its values.
        comparison: its decisions beside the hand-set one's.
        refused: why others are not in force.
    """

    policy: Schedule
    comparison: Comparison
    refused: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measured:
    """A lap on the problems held out: their noise, the policy in force, and what the clock says of it."""

    problems: Sequence[Recorded]
    choice: Choice
    live: Live


class Policy:
    """The closed loop; see the module."""

    kind: ClassVar[str] = "policy"

    def __init__(self, around: Around) -> None:
        options = around.loop.options
        self._around, self._look, self._say = around, around.look, around.say
        self._policies, self._races = int(options.get("policies", POLICIES)), int(options.get("races", RACES))
        self._candidates, self._turns = int(options.get("candidates", CANDIDATES)), int(options.get("turns", TURNS))

    def start(self) -> Turned:
        """See ``ClosedLoop``: candidates, noise, and the hand-set policy beside itself."""
        rng = np.random.default_rng([self._around.loop.seed, 0])
        fields, building_s = self._explored(rng)
        measured = self._measured(fields, HAND_SET, HAND_SET, 0.0)
        itself, ceiling = measured.live.gain, _left(measured)
        details = {
            **self._told(measured, fields, rng),
            "fields": {name: told(candidates) for name, candidates in fields.items()},
            "building_s": building_s,
            "itself": itself.as_dict(),
        }
        nothing = reinvestment.NOTHING
        return Turned(gain=nothing, engine=nothing, ceiling=ceiling, details=details)

    def forecast(self, laps: Sequence[Lap]) -> Expectation:
        """Amdahl's law, with the share of samples as the last lap found it and the samples as the replay has them."""
        foretold = laps[-1].details["foretold"]
        share, samples = float(foretold["share"]), Estimate(**foretold["samples"])
        law = Estimate(*(math.log(program_speedup(s, share)) for s in (samples.estimate, samples.low, samples.high)))
        reason = (
            f"samples are {share:.0%} of an evaluation, and replayed races take {1 / samples.estimate:.0%} of them "
            f"({foretold['changes']}){_remark(laps[-1].details)}"
        )
        return reinvestment.foretold(laps, law, reason)

    def turn(self, laps: Sequence[Lap], rng: np.random.Generator) -> Turned:
        """See ``ClosedLoop``: confirm what was found, measure it, and search further from there."""
        fields = {name: heard(known) for name, known in laps[0].details["fields"].items()}
        last = laps[-1]
        assert last.gain is not None
        present, proposed = (Schedule(last.details[name]["genes"]) for name in ("policy", "proposed"))
        measured = self._measured(fields, present, proposed, last.gain.estimate)
        gain = measured.live.gain
        details = {
            **self._told(measured, fields, rng),
            "left": _left(measured).as_dict(),
            "in_a_run": _in_a_run(gain, measured, fields, float(laps[0].details["building_s"])),
        }
        inputs = last.inputs + last.details["search"]["tried"]
        return Turned(gain=gain, engine=gain, inputs=inputs, details=details)

    def close(self) -> None:
        """Nothing is held: children end with each measurement."""

    # ---- what a lap is made of

    def _harness(self, task: Task) -> Harness:
        return Harness(task, source_folder(), limits=_LIMITS)

    def _explored(self, rng: np.random.Generator) -> tuple[dict[str, list[Candidate]], float]:
        """Candidates of each problem, and seconds that building one takes in the mean of those held out."""
        fields, building_s = {}, 0.0
        for task in (*HELD_IN, *HELD_OUT):
            self._say(f"{task.kernel}: a short search, for candidates as they are met")
            with self._harness(task) as harness:
                made = Exploration(harness, rng.spawn(1)[0]).until(self._candidates, self._look)
            fields[task.kernel] = made.candidates
            building_s += made.build_s / made.tried / len(HELD_OUT) if task in HELD_OUT else 0.0
        return fields, building_s

    def _recorded(self, harness: Harness, candidates: Sequence[Candidate]) -> Recorded:
        self._say(f"{harness.task.kernel}: a function raced against itself")
        (contestant,) = proven(harness, [harness.plan(fastest(candidates))])
        return Recorded(recorded(harness, contestant, self._races, self._look), candidates)

    def _measured(
        self, fields: Mapping[str, Sequence[Candidate]], present: Schedule, proposed: Schedule, known: float
    ) -> Measured:
        """New noise of the problems held out, the choice that it leaves, and that policy by the clock.

        Args:
            fields: candidates of each problem.
            present: the policy in force.
            proposed: the one that is to take its place.
            known: gain of the present one.
        """
        with ExitStack() as stack:
            harnesses = [stack.enter_context(self._harness(task)) for task in HELD_OUT]
            met = [fields[harness.task.kernel] for harness in harnesses]
            problems = [self._recorded(*pair) for pair in zip(harnesses, met, strict=True)]
            made = choice(problems, proposed, present)
            courses = [Course.of(*pair) for pair in zip(harnesses, met, strict=True)]
            timed = self._live(courses, made.policy)
            if made.policy not in (present, HAND_SET) and timed.gain.high < known:
                why = f"{changes(made.policy)}: slower in place than the policy before, {math.exp(known):.3g}x"
                made = Choice(present, Judge(problems).comparison(present), (*made.refused, why))
                timed = self._live(courses, present)
        return Measured(problems, made, timed)

    def _live(self, courses: Sequence[Course], policy: Schedule) -> Live:
        self._say(f"evaluations a second, {changes(policy)}")
        return live(courses, rules_of(policy), self._turns, self._look)

    def _searched(
        self, fields: Mapping[str, Sequence[Candidate]], present: Schedule, rng: np.random.Generator
    ) -> tuple[list[Recorded], Found]:
        """New noise of the problems held in, and what the search finds on it."""
        problems = []
        for task in HELD_IN:
            with self._harness(task) as harness:
                problems.append(self._recorded(harness, fields[task.kernel]))
        self._say(f"replaying races by {self._policies} policies")
        return problems, found(problems, present, rng, self._policies, self._look)

    def _told(
        self, measured: Measured, fields: Mapping[str, Sequence[Candidate]], rng: np.random.Generator
    ) -> dict[str, Any]:
        """Search for the next lap's policy, and put down all that this one found."""
        problems, further = self._searched(fields, measured.choice.policy, rng)
        traces = zip((*HELD_IN, *HELD_OUT), (*problems, *measured.problems), strict=True)
        return {
            "policy": _plain(measured.choice.policy),
            "changes": changes(measured.choice.policy),
            "refused": list(measured.choice.refused),
            "comparison": measured.choice.comparison.as_dict(),
            "live": measured.live.by_problem([task.kernel for task in HELD_OUT]),
            "per_s": measured.live.per_s,
            "share": measured.live.share,
            "samples": measured.live.samples,
            "search": {"tried": further.tried, "correct": further.correct, "gain": further.gain},
            "proposed": _plain(further.policy),
            "foretold": _foretold(measured, further.policy),
            "traces": {task.kernel: raw(problem) for task, problem in traces},
        }


def choice(problems: Sequence[Recorded], proposed: Schedule, present: Schedule) -> Choice:
    """The proposed policy where it decides as well as the hand-set one, else the present one, else the hand-set one."""
    judge = Judge(problems)
    refused: list[str] = []
    for policy in dict.fromkeys((proposed, present)):
        comparison = judge.comparison(policy)
        if policy == HAND_SET or not comparison.objections:
            return Choice(policy, comparison, (*refused,))
        refused.append(f"{changes(policy)}: {comparison.objections[0]}")
    return Choice(HAND_SET, judge.comparison(HAND_SET), (*refused,))


def _plain(policy: Schedule) -> dict[str, Any]:
    return {"genes": dict(policy), "rules": asdict(rules_of(policy))}


def _remark(details: Mapping[str, Any]) -> str:
    """What the last lap refused, in words."""
    return f"; refused: {'; '.join(details['refused'])}" if details["refused"] else ""


def _left(measured: Measured) -> Estimate:
    """Ln of what the noise floor leaves: were each race as short as its own ratio allows."""
    left = (measured.live.left(sum(one.fewest_s(z) for one in measured.problems)) for z in (NARROW, SURE, WALD))
    return Estimate(*left)


def _foretold(measured: Measured, policy: Schedule) -> dict[str, Any]:
    """What the next lap's forecast follows from.

    A replay has every race many times, the clock a few times only, so the interval for the mean of all replays is
    widened to one for the mean of so few.
    """
    samples = Judge(measured.problems).comparison(policy).samples
    races = len(next(iter(measured.problems[0].traces.values())))
    wider = math.sqrt(1 + races / len(measured.live.frozen))
    ends = (samples.estimate * (end / samples.estimate) ** wider for end in (samples.low, samples.high))
    is_new = policy != measured.choice.policy
    return {
        "share": measured.live.share,
        "samples": Estimate(samples.estimate, *ends).as_dict(),
        "changes": changes(policy) if is_new else f"nothing better was found than {changes(policy)}",
    }


def _in_a_run(
    gain: Estimate, measured: Measured, fields: Mapping[str, Sequence[Candidate]], building_s: float
) -> dict[str, Any]:
    """What the gain is worth to a whole run, which has to build what it evaluates."""
    count = sum(len(fields[task.kernel]) for task in HELD_OUT)
    wall_s = sum(walk.wall_s for lapped in measured.live.frozen for walk in lapped)
    evaluating_s = wall_s / len(measured.live.frozen) / count
    share, factor = evaluating_s / (evaluating_s + building_s), antilog(gain)
    assert factor is not None
    found = (program_speedup(speedup, share) for speedup in (factor.estimate, factor.low, factor.high))
    return {"share": share, "speedup": Estimate(*found).as_dict()}
