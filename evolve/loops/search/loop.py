"""search: the search tunes itself, each lap by what the last one found. Level 2 of the ladder, meta-evolution.

The claim that is tested: a search that was made better is better at making itself better still, so that laps compound.
The sources: "Tuning the Tuner" (Willemsen et al., arXiv 2509.26300) finds that tuners' own settings are hardly ever
tuned and that a little of it is worth much; growth.md, section 4, expects 1.2 to 3 times from lap 1, little from lap 2
on, and a cap, since no search takes less than one evaluation.

A lap is a search of ``tuning.SPACE``, the settings of the genetic search: population, selection, operators and their
mix, the surrogate, restarts. It is made by the genetic search itself, with the settings of the lap before, and begins
from them. The fitness of settings is their mean score on recorded spaces for training, with seeds that all candidates
of a lap share. The best few are held against the settings before with other seeds (the best of many is mostly the
luckiest), and only what is better there by a standard error is taken.

A lap is judged on spaces that it never saw, with seeds of their own. S is how many times fewer evaluations it takes
than lap 0 to what lap 0 finds in half of its searches: the ratio of expected running times (``evolve.replay.targets``).
A score of 1, the optimum at once, would be one evaluation: that is the ceiling. No clock is involved, so that equal
seeds give equal laps on any machine. Lap 0 is a textbook genetic algorithm, or the settings that we ship.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from benchmarks.inference import Estimate
from evolve.loops.protocol import Expectation, LapFailedError, Turned
from evolve.loops.search.efficiency import efficiency, worths
from evolve.loops.search.stage import Stage
from evolve.loops.search.tuning import ALL, SPACE, STARTS, Tried, raced, schedule_of, settings_of, shrunk, tuned
from evolve.loops.spaces import Split
from evolve.replay.score import mean_score
from evolve.replay.targets import Reached, fewer, half_find_s, most, reached
from evolve.search import make as make_strategy
from evolve.search.settings import Settings
from evolve.tracker.gain import gain_of
from evolve.workers import cores, kept

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from evolve.loops.protocol import Around
    from evolve.loops.search.stage import Courses
    from evolve.store import Lap

    Array = NDArray[np.float64]

FINALISTS, CONFIRMING = 3, 24
"""The best of a lap that are held against the settings before, and with how many seeds on each space."""
LAP_1 = Estimate(math.log(1.2 * 3) / 2, math.log(1.2), math.log(3))
"""What growth.md expects of lap 1, in ln S."""
_TRAIN, _CONFIRM, _JUDGE, _ENGINE = range(4)
_NOTHING = Estimate(0.0, 0.0, 0.0)


def make(around: Around) -> Search:
    """The loop, by the options ``start budget candidates seeds spaces held_out``."""
    return Search(around)


@dataclass(frozen=True)
class Judged:
    """Settings on the spaces that are held out.

    Attributes:
        scores: of each space one a seed.
        reached: of each space and seed after how many evaluations it held lap 0's target.
    """

    scores: Sequence[Sequence[float]]
    reached: Sequence[Reached]

    @classmethod
    def of(cls, told: Mapping[str, Any], spaces: Sequence[str]) -> Judged:
        """From a lap's details."""
        return cls(*([told[column][name] for name in spaces] for column in ("scores", "reached")))

    def as_dict(self, spaces: Sequence[str]) -> dict[str, Any]:
        """Plain values for JSON, by the spaces' names."""
        columns = {"scores": self.scores, "reached": self.reached}
        return {
            name: {space: [*values] for space, values in zip(spaces, column, strict=True)}
            for name, column in columns.items()
        }


class Search:
    """See the module; the contract is ``evolve.loops.protocol.ClosedLoop``."""

    kind: ClassVar[str] = "search"

    def __init__(self, around: Around) -> None:
        self.around, self.options = around, around.loop.options
        self.budget, self.candidates = int(self.options["budget"]), int(self.options["candidates"])
        self.first = STARTS[str(self.options["start"])]
        self._doing = ""

    @cached_property
    def split(self) -> Split:
        """The recorded spaces."""
        return Split.of(self.options, self.budget)

    @property
    def spaces(self) -> list[str]:
        """Names of those that judge."""
        return [ground.landscape.name for ground in self.split.held_out]

    def start(self) -> Turned:
        """Lap 0: the settings at which the loop begins, and those that we ship beside them, on the held-out spaces."""
        self._doing = "lap 0"
        shipped = Settings()
        with kept(cores()):
            played = self._judges.played([*{self.first: None, shipped: None}], self._seeds(0, _JUDGE, self._judging))
        courses, others = played[self.first], played[shipped]
        if courses is None or others is None:
            raise LapFailedError("the settings of lap 0 raised")
        targets_s = [
            half_find_s(ground.landscape, searches, self.budget)
            for ground, searches in zip(self.split.held_out, courses, strict=True)
        ]
        judged, by_hand = (self._judged(one, targets_s) for one in (courses, others))
        return Turned(
            gain=_NOTHING,
            engine=_NOTHING,
            ceiling=most(judged.reached, self.budget),
            details={
                "settings": asdict(self.first),
                "changes": self.first.changes,
                "spaces": self.split.as_list(),
                "targets_s": targets_s,
                **judged.as_dict(self.spaces),
                "score": mean_score(judged.scores).as_dict(),
                "shipped": {
                    "score": mean_score(by_hand.scores).as_dict(),
                    "gain": fewer(judged.reached, by_hand.reached, self.budget).as_dict(),
                },
                "ceiling_by": "where a single evaluation is enough",
                "training_gain": 0.0,
                "tried": [],
            },
        )

    def forecast(self, laps: Sequence[Lap]) -> Expectation:
        """See ``forecast``."""
        return forecast(laps, self.candidates)

    def turn(self, laps: Sequence[Lap], rng: np.random.Generator) -> Turned:
        """Tune the search with the settings of the lap before, confirm what came of it, and judge it.

        Raises:
            LapFailedError: the champion raises on a space that is held out.
            EvolveError: a recorded space is not what it was at lap 0.
            Interrupted: the user asked to stop; nothing of the lap is kept.
        """
        self.split.check(laps[0].details["spaces"])
        before, known = _settings(laps[-1]), _known(laps)
        with kept(cores()):
            tried = self._tuned(len(laps), before, known, rng)
            champion, step = self._confirmed(len(laps), before, [*known, *tried])
            judged = self._champion_judged(len(laps), champion, laps)
        return self._turned(laps, champion, step, judged, tried)

    def close(self) -> None:
        """Nothing is held."""

    # ---- a lap

    def _tuned(self, lap: int, before: Settings, known: Sequence[Tried], rng: np.random.Generator) -> list[Tried]:
        self._doing = f"lap {lap}, trying {self.candidates} settings"
        stage = Stage(self.split.training, self.budget, self._say)
        seeds = self._seeds(lap, _TRAIN, ALL)
        strategy = make_strategy("genetic", SPACE, rng, 0.0, schedule_of(before), settings=before)
        return tuned(strategy, lambda batch: raced(stage, batch, seeds), self.candidates, known)

    def _confirmed(self, lap: int, before: Settings, tried: Sequence[Tried]) -> tuple[Settings, Estimate]:
        """The best of the finalists, where it is better than the settings before, and by how much in training."""
        self._doing = f"lap {lap}, confirming the best"
        finalists = _finalists(tried, before)
        stage = Stage(self.split.training, self.budget, self._say)
        scores = stage.scores([before, *finalists], self._seeds(lap, _CONFIRM, CONFIRMING))
        steps = {one: _step(scores[one], scores[before]) for one in finalists}
        best = max(finalists, key=lambda one: steps[one].estimate, default=before)
        if best == before or steps[best].estimate <= (steps[best].high - steps[best].low) / (2 * 1.96):
            return before, _NOTHING
        return best, steps[best]

    def _champion_judged(self, lap: int, champion: Settings, laps: Sequence[Lap]) -> Judged:
        """On the held-out spaces, with the seeds of lap 0; what was judged before is known."""
        judged = next((one for one in laps if _settings(one) == champion), None)
        if judged is not None:
            return Judged.of(judged.details, self.spaces)
        self._doing = f"lap {lap}, judging what it found"
        courses = self._judges.played([champion], self._seeds(0, _JUDGE, self._judging))[champion]
        if courses is None:
            raise LapFailedError(f"the settings that it found raise on a space that is held out ({champion.changes})")
        return self._judged(courses, laps[0].details["targets_s"])

    def _turned(
        self, laps: Sequence[Lap], champion: Settings, step: Estimate, judged: Judged, tried: Sequence[Tried]
    ) -> Turned:
        first, last = (Judged.of(lap.details, self.spaces) for lap in (laps[0], laps[-1]))
        known = [*_known(laps), *tried]
        gain = fewer(first.reached, judged.reached, self.budget)
        return Turned(
            gain=gain,
            engine=efficiency(known, self.first, champion, self.candidates, self._seeds(0, _ENGINE, 1)[0]),
            inputs=laps[-1].inputs + self._spent(tried),
            details={
                "settings": asdict(champion),
                "changes": champion.changes,
                "worth": worths(known, self.first, champion),
                "returned": _returned([*map(_settings, laps), champion]),
                **judged.as_dict(self.spaces),
                "score": mean_score(judged.scores).as_dict(),
                "score_gain": mean_score(_gaps(judged.scores, first.scores)).as_dict(),
                "by_space": _by_space(self.spaces, first, judged, self.budget),
                "step": fewer(last.reached, judged.reached, self.budget).as_dict(),
                "confirmed": step.as_dict(),
                "training_gain": laps[-1].details["training_gain"] + step.estimate,
                "tried": [one.as_dict() for one in tried],
            },
        )

    def _spent(self, tried: Sequence[Tried]) -> float:
        """Evaluations that tuning took."""
        searches = sum(one.seeds for one in tried) + (1 + FINALISTS) * CONFIRMING
        return float(searches * len(self.split.training) * self.budget)

    # ---- judging

    @property
    def _judging(self) -> int:
        return int(self.options["seeds"])

    @cached_property
    def _judges(self) -> Stage:
        return Stage(self.split.held_out, self.budget, self._say)

    def _judged(self, courses: Courses, targets_s: Sequence[float]) -> Judged:
        scores: list[list[float]] = self._judges.scored(courses).tolist()
        pairs = zip(courses, targets_s, strict=True)
        return Judged(scores, [[reached(one, target, self.budget) for one in row] for row, target in pairs])

    def _seeds(self, lap: int, purpose: int, count: int) -> list[int]:
        """Seeds that no other lap and no other purpose has."""
        drawn = np.random.SeedSequence([self.around.loop.seed, lap, purpose]).generate_state(count)
        return [int(seed) for seed in drawn]

    def _say(self, doing: str) -> None:
        """Tell what is being done, unless the user asked to stop."""
        self.around.look()
        self.around.say(f"{self._doing}: {doing}")


def forecast(laps: Sequence[Lap], candidates: int) -> Expectation:
    """What the next lap will reach: what as many further candidates are worth in training, in the currency of ln S.

    Training scores are shrunk towards their mean (``tuning.shrunk``), for the best of them were lucky; what further
    candidates add to the best follows from their tail (``evolve.tracker.gain``). How much ln S a unit of it is worth is
    what the laps so far show: ln S so far, over what was confirmed in training.

    Args:
        laps: so far.
        candidates: of the next lap.
    """
    last = laps[-1]
    assert last.gain is not None
    if len(laps) == 1:
        return Expectation(LAP_1, "nothing was tuned yet: what tuning a little has given others, 1.2x to 3x")
    earned, noise = last.details["training_gain"], (last.gain.high - last.gain.low) / 2
    scores = [score for score in shrunk(_known(laps)) if score is not None]
    more = gain_of(scores, candidates)
    worth = max(0.0, last.gain.estimate) / earned if earned > 0 else 0.0
    added = more.gain if more else _NOTHING
    low, centre, high = (worth * end for end in (added.low, added.estimate, added.high))
    now = last.gain.estimate
    said = f"{candidates} further settings are expected to add {added.estimate:.2g} to the training score"
    reason = f"{said}, of which {earned:.2g} made this gain" if worth else "nothing was gained so far"
    return Expectation(Estimate(now + centre, now + low - noise, now + math.hypot(high, noise)), reason)


def _settings(lap: Lap) -> Settings:
    return Settings.from_dict(lap.details["settings"])


def _known(laps: Sequence[Lap]) -> list[Tried]:
    """All that was tried, in the order of laps."""
    return [Tried.from_dict(one) for lap in laps for one in lap.details["tried"]]


def _finalists(tried: Sequence[Tried], before: Settings) -> list[Settings]:
    """The best few of all that is known, as far as it is to be believed."""
    pairs = [(score, one.schedule) for one, score in zip(tried, shrunk(tried), strict=True) if score is not None]
    ordered = [settings_of(schedule) for _, schedule in sorted(pairs, key=lambda pair: -pair[0])]
    return [one for one in ordered if one != before][:FINALISTS]


def _step(after: Array | None, before: Array | None) -> Estimate:
    """By how much scores are higher, seed by seed; what raised is worse than anything."""
    if after is None or before is None:
        return Estimate(-math.inf, -math.inf, math.inf)
    return mean_score([*(after - before)])


def _gaps(ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> list[Array]:
    return [np.subtract(one, other) for one, other in zip(ours, theirs, strict=True)]


def _by_space(spaces: Sequence[str], first: Judged, judged: Judged, budget: int) -> dict[str, Any]:
    """By space the gain there."""
    rows = zip(spaces, first.reached, judged.reached, strict=True)
    return {space: fewer([one], [other], budget).as_dict() for space, one, other in rows}


def _returned(settings: Sequence[Settings]) -> list[str]:
    """The cycling meter: settings that the last lap put back to what an earlier one had given up."""
    told = [asdict(one) for one in settings]
    *earlier, before, now = told
    return [name for name in now if now[name] != before[name] and any(one[name] == now[name] for one in earlier)]
