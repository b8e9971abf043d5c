"""Everybody plays every space with every seed; what was played before is read."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evolve.replay.games import Game, Say, played
from evolve.rivalry.kept import Played, Record

if TYPE_CHECKING:
    from evolve.rivalry.entrants import Entrant


@dataclass(frozen=True)
class Terms:
    """What is the same for all.

    Attributes:
        seeds: everybody plays with 0, 1, … up to so many.
        budget: new legal schedules that each may ask for.
    """

    seeds: int
    budget: int


@dataclass(frozen=True)
class Course:
    """What came of an entrant on a space.

    Attributes:
        played: with each seed, in the order of seeds.
        fault: why it did not play with all of them; "" where it did.
    """

    played: tuple[Played, ...]
    fault: str = ""


Courses = Mapping[tuple[str, Path], Course]
"""By name of the entrant and file of the space."""


@dataclass(frozen=True)
class Pairing:
    """An entrant on a space, and where what it plays is kept."""

    entrant: Entrant
    space: Path
    record: Record

    @classmethod
    def of(cls, entrant: Entrant, space: Path, budget: int, folder: Path) -> Pairing:
        """The one whose record lies in a folder."""
        made_of = (entrant.name, entrant.made_of, _digest(space), str(budget))
        return cls(entrant, space, Record.of(folder, f"{entrant.name} {space.name}", made_of))


@functools.cache
def _digest(space: Path) -> str:
    return hashlib.sha256(space.read_bytes()).hexdigest()


def play_all(
    pairings: Sequence[Pairing], terms: Terms, say: Say = lambda _line: None, processes: int | None = None
) -> Courses:
    """Let everybody play, and keep each run as soon as it is over; see ``games.played``.

    Args:
        pairings: who plays where, space by space.
        terms: seeds and budget.
        say: is told how far it is.
        processes: that share the work; one a core where none is said.

    Raises:
        EvolveError: a space cannot be read or has a hole, or a process died.
        OSError: what was played cannot be kept.
    """
    known = {pairing: pairing.record.read() for pairing in pairings}
    faults: dict[Pairing, str] = {}
    due = {
        Game(one.entrant, one.space, seed, terms.budget): one
        for one in pairings
        for seed in range(terms.seeds)
        if seed not in known[one]
    }
    for finished in played([*due], say, processes):
        pairing, seed = due[finished.game], finished.game.seed
        if finished.trace is None:
            faults[pairing] = f"seed {seed}: {finished.fault}"
        else:
            known[pairing][seed] = Played.of(seed, finished.trace.times_s, finished.search_s)
            pairing.record.add(known[pairing][seed])
    return {(p.entrant.name, p.space): _course(known[p], terms.seeds, faults.get(p, "")) for p in pairings}


def _course(known: Mapping[int, Played], seeds: int, fault: str) -> Course:
    return Course(tuple(known[seed] for seed in range(seeds) if seed in known), fault)
