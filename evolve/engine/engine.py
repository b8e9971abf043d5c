"""The engine at work: its parts as functions of arrays, each compiled, or found compiled on disk, when first called."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Protocol

from evolve.engine.manifest import Manifest
from evolve.engine.parts import STEERING
from evolve.paths import source_folder

if TYPE_CHECKING:
    import numpy as np

    from kernels.door import Tuned
    from kernels.language import SourceFolder

    Singles = np.ndarray[Any, np.dtype[np.float32]]
    Doubles = np.ndarray[Any, np.dtype[np.float64]]


class Numerics(Protocol):
    """What a search calls: an engine, or whoever stands before one to count or to compare."""

    def surrogate_predict(self, pool: Singles, known: Singles, weights: Singles) -> Singles:
        """Weighted sums of Matern-5/2 kernels, see ``Engine``."""
        ...

    def novelty(self, pool: Singles, archive: Singles) -> Singles:
        """Mean distances to the nearest, see ``Engine``."""
        ...

    def dominance(self, points: Doubles) -> Doubles:
        """Ranks of non-domination, see ``Engine``."""
        ...


class Engine:
    """What a manifest describes. What is not called costs nothing.

    Args:
        manifest: of what it consists; ``Manifest.usual()`` by default.
        folder: of generated sources and compiled code; the user's own by default.

    Raises:
        EvolveError: on a first call: the user's folder cannot be written.
        TypeError: on a call: an array of another dtype or number of dimensions than is said.
        ValueError: on a call: shapes do not fit each other.
    """

    def __init__(self, manifest: Manifest | None = None, folder: SourceFolder | None = None) -> None:
        self._given, self._folder = manifest, folder
        self._parts: dict[str, Tuned] = {}

    @functools.cached_property
    def manifest(self) -> Manifest:
        """Of what it consists."""
        return self._given or Manifest.usual()

    def part(self, name: str) -> Tuned:
        """A part, ready to be called.

        Raises:
            KeyError: no steering part has that name.
            Exception: whatever compiling it raises.
        """
        if name not in self._parts:
            self._folder = self._folder or source_folder()
            self._parts[name] = STEERING[name].tuned(self.manifest.schedules[name], self._folder)
        return self._parts[name]

    def surrogate_predict(self, pool: Singles, known: Singles, weights: Singles) -> Singles:
        """Weighted sums of Matern-5/2 kernels, see ``kernels.surrogate_predict``.

        Args:
            pool: ``(n, genes)``.
            known: ``(m, genes)``.
            weights: ``(m,)``.

        Returns:
            ``(n,)``.
        """
        return self.part("surrogate_predict")(pool, known, weights)

    def novelty(self, pool: Singles, archive: Singles) -> Singles:
        """Mean distances to the 15 nearest of an archive, see ``kernels.novelty``.

        Args:
            pool: ``(n, genes)``.
            archive: ``(m, genes)``.

        Returns:
            ``(n,)``.
        """
        return self.part("novelty")(pool, archive)

    def dominance(self, points: Doubles) -> Doubles:
        """Ranks of non-domination, from 1 on, see ``kernels.dominance``.

        Args:
            points: ``(n, objectives)``, all to be as small as can be.

        Returns:
            ``(n,)`` whole numbers.
        """
        return self.part("dominance")(points)


USUAL = Engine()
"""The engine of whoever asks for no other: one for all searches of a process."""
