"""Many games, each of somebody on a recorded space with one seed: on all cores, and each in bounded time."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from evolve.errors import EvolveError
from evolve.replay.read import read
from evolve.report.quantities import clock
from evolve.workers import cores, in_time, spread

if TYPE_CHECKING:
    from evolve.replay.landscape import Landscape
    from evolve.replay.play import Trace

Say = Callable[[str], None]

_PATIENCE_S = 60.0
"""Of a game, and a second more for each evaluation: the slowest package takes 0.1 s for one."""


class Player(Protocol):
    """Somebody who searches: plain data, which travels to a worker process."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    def run(self, landscape: Landscape, budget: int, seed: int) -> Trace:
        """Search a landscape."""
        ...


@dataclass(frozen=True)
class Game:
    """Who searches which space with which seed.

    Attributes:
        player: who.
        space: the file of the landscape.
        seed: of all draws.
        budget: new legal schedules that may be tried.
    """

    player: Player
    space: Path
    seed: int
    budget: int


@dataclass(frozen=True)
class Finished:
    """What came of a game.

    Attributes:
        game: that was played.
        trace: what was tried; None where the player raised.
        search_s: processor time it took; measuring took none.
        fault: in what words the player raised.
    """

    game: Game
    trace: Trace | None
    search_s: float = 0.0
    fault: str = ""


def played(games: Sequence[Game], say: Say, processes: int | None = None) -> Iterator[Finished]:
    """What came of games, each as soon as it is over.

    A game follows from its seed alone: neither the processes nor the order of their work changes it. Who raises stops
    nobody else, but plays no more on that space once it raised with its first seed there.

    Args:
        games: space by space: a process keeps the last one that it read.
        say: is told how far it is.
        processes: that share the work; one a core where none is said.

    Raises:
        EvolveError: a space cannot be read, or lacks a schedule that is legal, or a process died.
    """
    firsts, others = _heats(games)
    done, began_s, faulty = 0, time.monotonic(), set[tuple[Player, Path]]()
    for heat in (firsts, others):
        todo = [game for game in heat if (game.player, game.space) not in faulty]
        for finished in spread(_finished, todo, processes or cores()):
            game, done = finished.game, done + 1
            if finished.fault:
                faulty.add((game.player, game.space))
            left_s = (time.monotonic() - began_s) / done * (len(games) - done)
            said = f"{game.player.name} on {game.space.name}"
            say(f"{done} of {len(games)} searches made, {clock(left_s)} left at this rate ({said})")
            yield finished


def _heats(games: Sequence[Game]) -> tuple[list[Game], list[Game]]:
    """Everybody's first game on each space, and all others."""
    first: dict[tuple[Player, Path], Game] = {}
    others = [game for game in games if first.setdefault((game.player, game.space), game) is not game]
    return [*first.values()], others


def _finished(game: Game) -> Finished:
    """Play; where the player raises, in what words."""
    landscape = _landscape(game.space, game.space.stat().st_mtime_ns)
    began_s = time.process_time()
    try:
        with in_time(_PATIENCE_S + game.budget):
            trace = game.player.run(landscape, game.budget, game.seed)
    except EvolveError:
        raise
    except Exception as error:  # noqa: BLE001 - anybody's strategy or package may raise anything
        return Finished(game, None, fault=" ".join(f"{type(error).__name__}: {error}".split())[:200])
    return Finished(game, trace, time.process_time() - began_s)


@functools.lru_cache(maxsize=2)  # two spaces in turns are not read anew each time
def _landscape(space: Path, _changed_ns: int) -> Landscape:
    return read(space)
