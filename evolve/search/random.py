"""Random search without repeats: the least that a search has to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evolve.search.protocol import Novel

if TYPE_CHECKING:
    from evolve.search.protocol import Proposal


class Random(Novel):
    """Every schedule drawn from the space's own distribution; it learns nothing but what not to repeat."""

    def following(self) -> Proposal | None:
        """Another random schedule."""
        return self.random_proposal()
