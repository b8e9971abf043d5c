"""Strategies of ours on recorded spaces with many seeds, and what that comes to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evolve.replay.games import Finished, Game, Say, played
from evolve.replay.play import BATCH, Searcher
from evolve.replay.read import read
from evolve.replay.score import Score, chance, score

if TYPE_CHECKING:
    from evolve.replay.landscape import Landscape


@dataclass(frozen=True)
class Terms:
    """The same for all.

    Attributes:
        seeds: searches of each strategy on each landscape; their generators have the seeds 0, 1, ...
        budget: legal schedules that each may try.
        control_share: of the evaluations that are independent random draws, as in a run; 0 for none.
        batch: schedules asked for at once.
    """

    seeds: int
    budget: int
    control_share: float
    batch: int = BATCH


@dataclass(frozen=True)
class Ground:
    """A landscape that is searched, and the file that workers read it from."""

    path: Path
    landscape: Landscape

    @classmethod
    def of(cls, path: Path, budget: int) -> Ground:
        """The ground in a file.

        Raises:
            EvolveError: it cannot be read, or there is nothing to search for.
        """
        landscape = read(path)
        chance(landscape, budget)
        return cls(path, landscape)


@dataclass(frozen=True)
class Entry:
    """What a strategy did on one landscape.

    Attributes:
        strategy: by name.
        space: the landscape's name.
        score: None where it failed.
        fault: why it failed.
        ends: how often searches ended for which reason.
        repeats: schedules asked for again, over all seeds.
        illegal: schedules that do not exist, over all seeds.
        seconds_per_evaluation: processor time that searching took, for each evaluation.
    """

    strategy: str
    space: str
    score: Score | None = None
    fault: str = ""
    ends: Mapping[str, int] | None = None
    repeats: int = 0
    illegal: int = 0
    seconds_per_evaluation: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        found = {"strategy": self.strategy, "space": self.space}
        if self.score is None:
            return {**found, "fault": self.fault}
        counts = {"ends": dict(self.ends or {}), "repeats": self.repeats, "illegal": self.illegal}
        return {**found, **self.score.as_dict(), "seconds_per_evaluation": self.seconds_per_evaluation, **counts}


def searched(
    grounds: Sequence[Ground], strategies: Sequence[str], terms: Terms, say: Say, processes: int | None = None
) -> list[Entry]:
    """Let each strategy search each landscape with every seed; see ``games.played``.

    Args:
        grounds: where.
        strategies: as ``search.make`` takes them.
        terms: the same for all.
        say: is told how far it is.
        processes: that share the work; by default one a core.

    Raises:
        EvolveError: a landscape lacks a schedule that is legal, or a process died.
    """
    players = [Searcher(strategy, terms.control_share, terms.batch) for strategy in strategies]
    pairs = [(ground, player) for ground in grounds for player in players]
    games = [Game(player, ground.path, seed, terms.budget) for ground, player in pairs for seed in range(terms.seeds)]
    found: dict[tuple[Path, str], list[Finished]] = {}
    for one in played(games, say, processes):
        found.setdefault((one.game.space, one.game.player.name), []).append(one)
    return [_entry(ground, player.strategy, found[ground.path, player.name], terms.budget) for ground, player in pairs]


def _entry(ground: Ground, strategy: str, finished: Sequence[Finished], budget: int) -> Entry:
    space = ground.landscape.name
    in_order = sorted(finished, key=lambda one: one.game.seed)
    for one in in_order:
        if one.fault:
            fault = f"{strategy} failed on {space} with seed {one.game.seed} ({one.fault})"
            return Entry(strategy, space, fault=fault)
    traces = [one.trace for one in in_order if one.trace]
    tried = sum(len(trace.times_s) for trace in traces)
    return Entry(
        strategy,
        space,
        score(ground.landscape, [trace.times_s for trace in traces], budget),
        ends=Counter(trace.end for trace in traces),
        repeats=sum(trace.repeats for trace in traces),
        illegal=sum(trace.illegal for trace in traces),
        seconds_per_evaluation=sum(one.search_s for one in in_order) / max(1, tried),
    )
