"""Recorded spaces that are at hand: those that come with the package, and those of a folder of the user's own.

The first are small spaces of our kernels, each measured from end to end on a real machine; how, stands beside them. Who
learns from recorded spaces learns from ``TRAINING``, and is judged by ``HELD_OUT``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import benchmarks
from evolve.errors import UsageError
from evolve.replay.read import spaces

FOLDER = Path(benchmarks.__file__).parent / "recorded"
TRAINING = ("matmul", "softmax")
HELD_OUT = ("conv2d", "spmv")
RECORDED = "EVOLVE_RECORDED"
"""Of the environment: a folder of recorded spaces."""


def shipped() -> list[Path]:
    """The files that come with the package, by name."""
    return spaces(FOLDER)


def named(given: Sequence[Path]) -> list[Path]:
    """The files that are meant.

    Args:
        given: files, folders, and names of spaces that come with the package, as in ``matmul``; where there are none,
            the folder that ``EVOLVE_RECORDED`` names is meant, and all that comes with the package but what the folder
            has its own of.

    Raises:
        UsageError: there is none of a name, or none at all, or two of one name, by which tables tell them apart.
    """
    own = os.environ.get(RECORDED)
    asked = given or ([Path(own)] if own else [])
    meant = [file for path in asked for file in _meant(path)]
    if not given:
        own_names = {called(file) for file in meant}
        meant = [*(file for file in shipped() if called(file) not in own_names), *meant]
    files = [*{file.resolve(): file.absolute() for file in meant}.values()]
    if not files:
        where = f"no recorded space in {', '.join(map(str, asked))}" if asked else "no recorded space is named"
        raise UsageError(where, f"name files or folders, or a folder in {RECORDED}; `evolve record` makes them")
    names = [called(file) for file in files]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise UsageError(f"two recorded spaces are called {twice}", "rename a file: tables tell them apart by name")
    return files


def called(file: Path) -> str:
    """What the space in a file is called."""
    return file.name.partition(".")[0]


def _meant(given: Path) -> list[Path]:
    if given.is_dir():
        return spaces(given)
    is_name = given.name == str(given) and not given.suffix
    if not is_name or given.exists():
        return [given]
    known = {called(file): file for file in shipped()}
    if given.name not in known:
        there = f"there are {', '.join(known)}" if known else "there is none"
        raise UsageError(f"no recorded space {given.name!r} comes with this installation", f"{there}; or name a file")
    return [known[given.name]]
