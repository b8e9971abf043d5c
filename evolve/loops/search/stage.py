"""Settings of the genetic search, played on recorded spaces with given seeds: on all cores, with no clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evolve.replay.games import Game, played
from evolve.replay.play import Searcher
from evolve.replay.score import score

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evolve.replay.games import Say
    from evolve.replay.score import Times
    from evolve.replay.seeds import Ground
    from evolve.search.settings import Settings

    Array = NDArray[np.float64]
    Courses = Sequence[Sequence[Times]]
    """By space and seed the times of what was tried, in order."""


@dataclass(frozen=True)
class Stage:
    """Where settings are tried.

    Attributes:
        grounds: recorded spaces.
        budget: evaluations of each search; as in a run, some of them are random draws.
        say: is told how far it is.
    """

    grounds: tuple[Ground, ...]
    budget: int
    say: Say

    def played(self, settings: Sequence[Settings], seeds: Sequence[int]) -> dict[Settings, Courses | None]:
        """Let each of some settings search each space with every seed.

        Returns:
            By settings what was tried; None where they raised.

        Raises:
            EvolveError: a space cannot be read, or a process died.
        """
        games = [self._game(one, ground, seed) for ground in self.grounds for one in settings for seed in seeds]
        times = {one.game: one.trace.times_s for one in played(games, self.say) if one.trace}
        return {one: self._courses(one, seeds, times) for one in settings}

    def scores(self, settings: Sequence[Settings], seeds: Sequence[int]) -> dict[Settings, Array | None]:
        """The same as ``(spaces, seeds)`` scores."""
        found = self.played(settings, seeds)
        return {one: None if courses is None else self.scored(courses) for one, courses in found.items()}

    def scored(self, courses: Courses) -> Array:
        """``(spaces, seeds)`` scores of what was tried, see ``evolve.replay.score``."""
        pairs = zip(self.grounds, courses, strict=True)
        return np.array([score(ground.landscape, searches, self.budget).scores for ground, searches in pairs])

    def _game(self, settings: Settings, ground: Ground, seed: int) -> Game:
        return Game(Searcher("genetic", settings=settings), ground.path, seed, self.budget)

    def _courses(self, settings: Settings, seeds: Sequence[int], times: Mapping[Game, Times]) -> Courses | None:
        games = [[self._game(settings, ground, seed) for seed in seeds] for ground in self.grounds]
        if any(game not in times for row in games for game in row):
            return None
        return [[times[game] for game in row] for row in games]
