"""What each part of the genetic search is worth: it plays without the part, and that is held against the whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evolve.replay.score import mean_score
from evolve.rivalry.entrants import Field, Ours
from evolve.search.protocol import CONTROL_SHARE
from evolve.search.settings import Settings

if TYPE_CHECKING:
    from benchmarks.inference import Estimate
    from evolve.rivalry.standings import Standing, Standings

_UNSCREENED = Settings(screened=False)
_FEW_LESSONS = Settings(lessons=100)  # as usual it learns from more than it is allowed to try here


@dataclass(frozen=True)
class Part:
    """A part of the genetic search.

    Attributes:
        name: what it is called.
        instead: what the search without it does.
        without: settings of the search without it.
        beside: of the search with it: as usual, unless the part acts only where another one is off.
    """

    name: str
    instead: str
    without: Settings
    beside: Settings | None = None


PARTS = (
    Part("screening by the surrogate", "children are drawn by chance", _UNSCREENED),
    Part("many children", "100 are bred for an ask, not 2000", Settings(children=100)),
    Part("learned length scales", "they stay as believed before", Settings(learning=False)),
    Part("shunning what fails", "the surrogate does not hear of it", Settings(shunning=False)),
    Part("crossover", "mutants in its place", Settings(crosses=0.0, mutants=0.75)),
    Part("mutation", "crosses in its place; half of them are mutated", Settings(crosses=0.75, mutants=0.0)),
    Part("random children", "mutants and crosses in their place", Settings(crosses=0.375, mutants=0.625)),
    Part("tournaments", "parents are drawn by chance", Settings(tournament=1)),
    Part("looking near the best", "no neighbours of theirs, and no climbing", Settings(near=0)),
    Part("climbing where nothing better comes", "what is screened alone", Settings(climbing=0.0)),
    Part("a share near the best, unscreened", "none", Settings(screened=False, exploit=0.0), _UNSCREENED),
    Part("lessons far apart, 100 of them", "some of every age", Settings(lessons=100, novel=False), _FEW_LESSONS),
)
"""All that can be switched off within a run of some hundred evaluations."""


@dataclass(frozen=True)
class Worth:
    """What came of a part.

    Attributes:
        part: which.
        score: of the search without it.
        worth: by how much the search with it has the higher mean score, seed by seed: equal seeds begin alike.
        by_space: the same on each space, by its name.
    """

    part: Part
    score: Estimate
    worth: Estimate
    by_space: Mapping[str, float]

    @classmethod
    def of(cls, part: Part, whole: Standing, without: Standing) -> Worth:
        """From what was played with it and without."""
        by_space = {
            name: one.score.score.estimate - without.spaces[name].score.score.estimate
            for name, one in whole.spaces.items()
        }
        gaps = [np.subtract(*pair) for pair in zip(whole.scores, without.scores, strict=True)]
        return cls(part, without.score, mean_score(gaps), by_space)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "part": self.part.name,
            "instead": self.part.instead,
            "without": self.part.without.changes,
            "score": self.score.as_dict(),
            "worth": self.worth.as_dict(),
            "by_space": dict(self.by_space),
        }


def field_of_parts(control_share: float = CONTROL_SHARE) -> Field:
    """The whole search first, then each part's search without it, and such as some are held against."""
    others = [*(part.without for part in PARTS), *(part.beside for part in PARTS)]
    return Field(tuple(_entrant(settings, control_share) for settings in dict.fromkeys([None, *others])), ())


def worths(standings: Standings) -> Iterator[Worth]:
    """What each part came to, where it was played to the end."""
    for part in PARTS:
        whole, without = _standing(standings, part.beside), _standing(standings, part.without)
        if whole and without:
            yield Worth.of(part, whole, without)


def _standing(standings: Standings, settings: Settings | None) -> Standing | None:
    names = {_entrant(settings, control_share).name for control_share in (CONTROL_SHARE, 0.0)}
    return next((one for one in standings.standings if one.name in names), None)


def _entrant(settings: Settings | None, control_share: float) -> Ours:
    return Ours("genetic", control_share, settings=settings)
