"""Settings of the genetic search as a space that the genetic search can search, and how they are tried in it.

Every setting that acts within a hundred evaluations is a gene, its shares in per cent: whole numbers are what a space
has. Candidates are *raced*: all play with a few seeds, the better half with more, and the seeds are the same for all
(Birattari et al., A Racing Algorithm for Configuring Metaheuristics, GECCO 2002). What was tried with few seeds is
believed less: the search is told scores that are shrunk towards their mean, by as much as noise explains of their
spread.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from evolve.search.protocol import Result
from evolve.search.settings import Settings
from kernels.language.space import Schedule, Space, Value, flag, integer, power_of_two

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evolve.loops.search.stage import Stage
    from evolve.search.protocol import Strategy

    Array = NDArray[np.float64]

_SHARES = (0, 25, 50, 75, 100)
_NEAR = (1, 3, 6)
_UNIT = "_percent"

SPACE = Space(
    [
        power_of_two("population", 4, 64, "survivors", default=32),
        integer("founders", (4, 8, 16, 32), "before the first children", default=8),
        integer("tournament", (1, 2, 3, 5), "contestants for the place of a parent", default=3),
        integer("children", (100, 300, 1000, 2000), "bred for one ask", default=2000),
        integer("mutants_percent", _SHARES, "of the children", default=50),
        integer("crosses_percent", _SHARES, "of the children; the rest are random", default=25),
        integer("mutations_percent", (100, 150, 250, 400), "genes that a mutant has changed, times 100", default=150),
        integer("leaps_percent", (0, 10, 30, 100), "of changes, to anywhere", default=10),
        integer("near", (0, *_NEAR), "of so many of the best all neighbours are looked at", default=3),
        flag("screened", "children are chosen by what was learned", default=True),
        integer("exploit_percent", (0, 25, 50), "proposals near the best", default=25, when={"screened": (False,)}),
        flag("learning", "length scales follow the data", default=True, when={"screened": (True,)}),
        flag("shunning", "what failed counts as worst", default=True, when={"screened": (True,)}),
        integer("patience", (15, 30, 60), "outcomes before climbing", default=60, when={"near": _NEAR}),
        integer("climbing_percent", (0, 25, 50, 100), "of an ask, then", default=50, when={"near": _NEAR}),
    ],
    [(lambda mutants_percent, crosses_percent: mutants_percent + crosses_percent <= 100, "shares of one brood")],
)
"""Its default are the usual settings. ``lessons`` and ``novel`` act in longer searches than are replayed here."""

PLAIN = Settings(children=100, crosses=0.5, near=0, exploit=0.0, screened=False)
"""A genetic algorithm as in the textbooks: tournaments, mutants and crosses, and every child is measured."""
STARTS = {"plain": PLAIN, "usual": Settings()}
"""Where a loop may begin."""

FIRST, ALL = 4, 12
"""Seeds on each space with which all candidates are tried, and with which the better half of them is."""
BATCH = 8
"""Candidates that are raced with each other."""
REPLAYS = 16
"""Searches of each engine in what is known of the settings' space."""


def schedule_of(settings: Settings) -> Schedule:
    """The schedule that says ``settings``.

    Raises:
        ValueError: the space has no such settings.
    """
    told = {field.name: getattr(settings, field.name) for field in fields(Settings)}
    return SPACE.schedule(**{p.name: _gene(p.name, told) for p in SPACE.parameters})


def _gene(name: str, told: Mapping[str, Any]) -> Value:
    if name.endswith(_UNIT):
        return round(100 * float(told[name.removesuffix(_UNIT)]))
    value: Value = told[name]
    return value


def settings_of(schedule: Schedule) -> Settings:
    """What a schedule says; what it says nothing of is as usual."""
    return Settings(**{name.removesuffix(_UNIT): _setting(name, value) for name, value in schedule.items()})


def _setting(name: str, value: Value) -> Any:
    return int(value) / 100 if name.endswith(_UNIT) else value


# ---- what came of candidates


@dataclass(frozen=True)
class Tried:
    """What training says of some settings.

    Attributes:
        schedule: which.
        score: the mean over spaces and seeds; None where they raised.
        variance: of one seed's mean over the spaces.
        seeds: with so many.
    """

    schedule: Schedule
    score: float | None
    variance: float = 0.0
    seeds: int = 0

    @classmethod
    def of(cls, schedule: Schedule, scores: Array | None) -> Tried:
        """From ``(spaces, seeds)`` scores; None where the settings raised."""
        if scores is None:
            return cls(schedule, None)
        by_seed = scores.mean(axis=0)
        variance = float(by_seed.var(ddof=1)) if len(by_seed) > 1 else 0.0
        return cls(schedule, float(by_seed.mean()), variance, len(by_seed))

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Tried:
        """The inverse of ``as_dict``."""
        return cls(Schedule(told["schedule"]), told["score"], told["variance"], told["seeds"])

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "schedule": dict(self.schedule),
            "score": self.score,
            "variance": self.variance,
            "seeds": self.seeds,
        }


def shrunk(tried: Sequence[Tried]) -> list[float | None]:
    """Scores towards their mean, the more the fewer seeds they rest on; None where there is none.

    Empirical Bayes with one variance for the noise of all seeds and one for what candidates differ by (Efron and
    Morris, Journal of the American Statistical Association 70, 1975): the best of many is mostly the luckiest.
    """
    known = [one for one in tried if one.score is not None]
    if len(known) < 2:
        return [one.score for one in tried]
    scores, seeds = np.array([one.score for one in known], dtype=np.float64), np.array([one.seeds for one in known])
    noise = float(np.average([one.variance for one in known], weights=seeds)) / seeds
    middle, spread = float(scores.mean()), max(0.0, float(scores.var(ddof=1) - noise.mean()))
    shares = spread / np.maximum(spread + noise, 1e-300)
    believed = iter((middle + shares * (scores - middle)).tolist())
    return [None if one.score is None else next(believed) for one in tried]


def raced(stage: Stage, schedules: Sequence[Schedule], seeds: Sequence[int]) -> list[Tried]:
    """Try candidates: all with the first seeds, the better half with the others too.

    Args:
        stage: the training spaces.
        schedules: of the candidates' settings.
        seeds: ``ALL`` of them.
    """
    settings = [settings_of(one) for one in schedules]
    begun = stage.scores(settings, seeds[:FIRST])
    means = {one: float(scores.mean()) for one, scores in begun.items() if scores is not None}
    better = sorted(means, key=means.__getitem__, reverse=True)[: math.ceil(len(means) / 2)]
    further = stage.scores(better, seeds[FIRST:])
    pairs = zip(schedules, settings, strict=True)
    return [Tried.of(schedule, _together(begun[one], further, one)) for schedule, one in pairs]


def _together(first: Array | None, further: Mapping[Settings, Array | None], settings: Settings) -> Array | None:
    if first is None or settings not in further:
        return first
    more = further[settings]
    return None if more is None else np.concatenate([first, more], axis=1)


def tuned(
    strategy: Strategy, race: Callable[[Sequence[Schedule]], list[Tried]], candidates: int, known: Sequence[Tried]
) -> list[Tried]:
    """Let a search try so many settings.

    Args:
        strategy: a search of ``SPACE``.
        race: tries a batch.
        candidates: how many, fewer where the search has no more.
        known: of earlier laps.

    Returns:
        What was tried now.
    """
    tried: list[Tried] = []
    while len(tried) < candidates:
        told = [*known, *tried]
        strategy.tell([Result(one.schedule, score) for one, score in zip(told, shrunk(told), strict=True)])
        proposals = strategy.ask(min(BATCH, candidates - len(tried)))
        if not proposals:
            break
        tried += race([proposal.schedule for proposal in proposals])
    return tried
