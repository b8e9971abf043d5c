"""What was played, as scores: 0 is exact random search, 1 the optimum at once (see ``evolve.replay.score``).

Seeds are drawn and spaces are given: an interval says what other seeds would find on the same spaces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evolve.errors import EvolveError
from evolve.replay import shipped
from evolve.replay.score import Score, best_so_far, chance, lead, mean_score, score

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.inference import Estimate
    from evolve.replay.landscape import Landscape
    from evolve.rivalry.entrants import Entrant, Field
    from evolve.rivalry.kept import Played
    from evolve.rivalry.rounds import Courses, Terms

    Floats = NDArray[np.float64]

HELD_OUT = ("convolution_W6600", "gemm_RTX_Titan", *shipped.HELD_OUT)
"""Spaces on which no parameter of a strategy was chosen; GPUs' were looked at four times while one was built."""


@dataclass(frozen=True)
class OnSpace:
    """An entrant on one space.

    Attributes:
        score: over the whole budget.
        course: ``(n,)`` the same after each evaluation, of which that is the mean: the mean over seeds.
        stalls: seeds with which it ended before its budget.
        search_s: processor seconds an evaluation, the median over seeds: the first of a process imports the package.
    """

    score: Score
    course: Floats
    stalls: int
    search_s: float

    @classmethod
    def of(cls, landscape: Landscape, played: Sequence[Played], budget: int) -> OnSpace:
        """How it did.

        Args:
            landscape: the space.
            played: one run a seed.
            budget: of each.
        """
        most = min(budget, len(landscape.times_s))
        return cls(
            score=score(landscape, [one.times_s for one in played], most),
            course=_course(landscape, played, most),
            stalls=sum(len(one.times_s) < most for one in played),
            search_s=float(np.median([one.search_s / max(1, len(one.times_s)) for one in played])),
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**self.score.as_dict(), "stalls": self.stalls, "seconds_per_evaluation": self.search_s}


def _course(landscape: Landscape, played: Sequence[Played], budget: int) -> Floats:
    random = chance(landscape, budget)
    expected_s = random.expected_s[: random.counted]
    curves = [best_so_far(one.times_s, landscape.worst_s, budget)[: random.counted] for one in played]
    found: Floats = (expected_s - np.mean(curves, axis=0)) / (expected_s - landscape.best_s)
    return found


@dataclass(frozen=True)
class Standing:
    """An entrant over all spaces.

    Attributes:
        name: the entrant's.
        is_ours: whether it is a strategy of ours.
        spaces: by name of the space how it did there.
        behind: by how much the first of ours has the higher score; None for that one.
    """

    name: str
    is_ours: bool
    spaces: Mapping[str, OnSpace]
    behind: Estimate | None = None

    @property
    def scores(self) -> list[tuple[float, ...]]:
        """Of each space one a seed."""
        return [one.score.scores for one in self.spaces.values()]

    @property
    def score(self) -> Estimate:
        """The mean over spaces."""
        return mean_score(self.scores)

    @property
    def early(self) -> Estimate | None:
        """The same of the first 50 evaluations; None where the budget is no more."""
        early = [one.score.early for one in self.spaces.values()]
        return mean_score(early) if all(early) else None

    @property
    def within(self) -> float:
        """Share of seeds that came within 5 % of the optimum, the mean over spaces."""
        return float(np.mean([one.score.within_5_percent for one in self.spaces.values()]))

    @property
    def worst(self) -> tuple[str, float]:
        """The space where it did worst, and its score there."""
        scores = {name: one.score.score.estimate for name, one in self.spaces.items()}
        least = min(scores, key=scores.__getitem__)
        return least, scores[least]

    @property
    def search_s(self) -> float:
        """Processor seconds of search an evaluation, the mean over spaces."""
        return float(np.mean([one.search_s for one in self.spaces.values()]))

    @property
    def stalls(self) -> int:
        """Runs that ended before their budget."""
        return sum(one.stalls for one in self.spaces.values())

    @property
    def course(self) -> Floats:
        """``(n,)`` score after each evaluation, the mean over spaces, as far as all of them go."""
        count = min(len(one.course) for one in self.spaces.values())
        mean: Floats = np.mean([one.course[:count] for one in self.spaces.values()], axis=0)
        return mean

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        space, least = self.worst
        return {
            "strategy": self.name,
            "is_ours": self.is_ours,
            "score": self.score.as_dict(),
            "behind": self.behind.as_dict() if self.behind else None,
            "early_score": self.early.as_dict() if self.early else None,
            "within_5_percent": self.within,
            "worst": {"space": space, "score": least},
            "seconds_per_evaluation": self.search_s,
            "stalls": self.stalls,
            "spaces": {name: one.as_dict() for name, one in self.spaces.items()},
        }


@dataclass(frozen=True)
class Standings:
    """All that played to the end.

    Attributes:
        standings: one an entrant: ours as they were named, then rivals, the best of them first.
        left_out: one line for each that did not play, and why.
        budgets: by name of the space how many evaluations everybody had there.
        seeds: that everybody played with.
    """

    standings: tuple[Standing, ...]
    left_out: tuple[str, ...]
    budgets: Mapping[str, int]
    seeds: int

    @property
    def spaces(self) -> list[str]:
        """Their names."""
        return list(self.budgets)

    @property
    def best_rival(self) -> Standing | None:
        """The one with the highest mean; None where none played."""
        return next((one for one in self.standings if not one.is_ours), None)

    def best_rival_on(self, space: str) -> Standing | None:
        """The one with the highest score on a space; None where none played."""
        rivals = [one for one in self.standings if not one.is_ours]
        return max(rivals, key=lambda one: one.spaces[space].score.score.estimate, default=None)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "schema": 1,
            "seeds": self.seeds,
            "budgets": dict(self.budgets),
            "held_out": [name for name in self.spaces if name in HELD_OUT],
            "standings": [one.as_dict() for one in self.standings],
            "left_out": list(self.left_out),
        }


def standings_of(field: Field, landscapes: Mapping[Path, Landscape], courses: Courses, terms: Terms) -> Standings:
    """Score what was played.

    Args:
        field: who played; all others are held against the first.
        landscapes: the spaces, by file.
        courses: what came of each entrant on each file.
        terms: seeds and budget.

    Raises:
        EvolveError: a landscape is flat, or nobody played to the end.
    """
    faults = {one: _fault(one, landscapes, courses, terms) for one in field.entrants}
    found = [_standing(one, landscapes, courses, terms) for one in field.entrants if not faults[one]]
    if not found:
        raise EvolveError(f"nobody played to the end: {next(iter(faults.values()))}")
    held = [found[0], *(_against(found[0], one) for one in found[1:])]
    ours = [one for one in held if one.is_ours]
    rivals = sorted((one for one in held if not one.is_ours), key=lambda one: -one.score.estimate)
    budgets = {one.name: min(terms.budget, len(one.times_s)) for one in landscapes.values()}
    left_out = (*field.missing, *(f"{one.name}: {fault}" for one, fault in faults.items() if fault))
    return Standings((*ours, *rivals), left_out, budgets, terms.seeds)


def _standing(entrant: Entrant, landscapes: Mapping[Path, Landscape], courses: Courses, terms: Terms) -> Standing:
    spaces = {
        landscape.name: OnSpace.of(landscape, courses[entrant.name, file].played, terms.budget)
        for file, landscape in landscapes.items()
    }
    return Standing(entrant.name, entrant.is_ours, spaces)


def _against(first: Standing, other: Standing) -> Standing:
    behind = lead(first.scores, other.scores) if first.is_ours else None
    return Standing(other.name, other.is_ours, other.spaces, behind)


def _fault(entrant: Entrant, landscapes: Mapping[Path, Landscape], courses: Courses, terms: Terms) -> str:
    """Why it is left out: a mean over what it could play would be held against means over everything."""
    for file, landscape in landscapes.items():
        course = courses[entrant.name, file]
        if len(course.played) < terms.seeds:
            return f"raised on {landscape.name}, {course.fault}"
        if not any(played.times_s for played in course.played):
            return f"asked for nothing legal on {landscape.name}"
    return ""
