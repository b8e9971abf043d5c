"""Who takes part: strategies of ours as users run them and without control arm, and rivals whose packages are here.

An entrant is a player that says what it is made of: what was played by other code is played again.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

import evolve
import kernels
from benchmarks.suites import rivals_search
from benchmarks.suites.rivals_search import RIVALS, Rival
from evolve.errors import UsageError
from evolve.replay.games import Player
from evolve.replay.play import Searcher, Trace, ended
from evolve.search import STRATEGIES, strategy_class
from evolve.search.protocol import CONTROL_SHARE

if TYPE_CHECKING:
    from evolve.replay.landscape import Landscape

_OWN_SOURCES = ("search", "replay", "genome.py", "operators.py")
"""What strategies are made of in ``evolve``; kernels, which they may call, come on top."""


class Entrant(Player, Protocol):
    """Somebody who takes part, known by its name."""

    @property
    def is_ours(self) -> bool:
        """Whether it is one of our strategies."""
        ...

    @property
    def made_of(self) -> str:
        """A word that changes with everything that decides what it does."""
        ...


@dataclass(frozen=True)
class Ours(Searcher):
    """A strategy of ours."""

    is_ours: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """The strategy's, with settings that are not as usual; without a control arm it says so."""
        own, changes = self.strategy.rpartition("/")[-1], self.settings.changes if self.settings else ""
        return ", ".join(part for part in (own, changes, "" if self.control_share else "no control arm") if part)

    @property
    def made_of(self) -> str:
        """Its sources and its terms."""
        own = [] if self.strategy in STRATEGIES else [Path(self.strategy.rpartition(":")[0])]
        return f"{_digest([*_own_sources(), *own])} {self.control_share} {self.batch} {self.settings}"


@dataclass(frozen=True)
class Theirs:
    """A rival."""

    rival: Rival
    is_ours: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """The rival's."""
        return self.rival.name

    @property
    def made_of(self) -> str:
        """Its package's release, and the file that drives it."""
        folder = Path(rivals_search.__file__).parent
        return f"{self.rival.version} {_digest([folder / 'rival.py', folder / f'{self.rival.module}.py'])}"

    def run(self, landscape: Landscape, budget: int, seed: int) -> Trace:
        """Drive it."""
        times_s = tuple(self.rival.run(landscape, budget, seed))
        return Trace(times_s, ended(len(times_s), landscape, budget) or "stalled")


@dataclass(frozen=True)
class Field:
    """All that take part.

    Attributes:
        entrants: ours first, the one that all others are held against at their head.
        missing: one line for each rival whose package is not here.
    """

    entrants: tuple[Entrant, ...]
    missing: tuple[str, ...]


def field_of(ours: Iterable[str], rivals: Iterable[str], control_share: float = CONTROL_SHARE) -> Field:
    """Who takes part: each strategy of ours with its control arm and without, and those rivals that are installed.

    Args:
        ours: strategies, as in ``--strategy``.
        rivals: names from ``RIVALS``.
        control_share: of our evaluations.

    Raises:
        UsageError: there is no such strategy or rival, or nobody of ours.
    """
    chosen = [_known_rival(name) for name in dict.fromkeys(rivals)]
    shares = dict.fromkeys((control_share, 0.0))
    own = [Ours(_known_strategy(name), share) for name in dict.fromkeys(ours) for share in shares]
    if not own:
        raise UsageError("no strategy of ours takes part", f"name one of {', '.join(STRATEGIES)} with --ours")
    theirs = [Theirs(rival) for rival in chosen if not rival.missing()]
    return Field((*own, *theirs), tuple(rival.missing() for rival in chosen if rival.missing()))


def _known_strategy(name: str) -> str:
    try:
        strategy_class(name)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return name


def _known_rival(name: str) -> Rival:
    if name not in RIVALS:
        raise UsageError(f"no rival {name!r}", f"there are {', '.join(RIVALS)}")
    return RIVALS[name]


@functools.cache
def _own_sources() -> tuple[Path, ...]:
    root, library = Path(evolve.__file__).parent, Path(kernels.__file__).parent
    named = [root / name for name in _OWN_SOURCES]
    folders = [library, *(path for path in named if path.is_dir())]
    files = [path for path in named if path.is_file()]
    return (*files, *(file for folder in folders for file in sorted(folder.rglob("*.py"))))


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()
