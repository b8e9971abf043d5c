"""What earlier kernels taught of spaces in general: length scales with which the surrogate of a new one begins.

A space of its own tells which of its genes matter only once some tens of schedules are measured. Kernels share genes
(``lanes``, ``unroll``, ``order``), and kinds of genes: how much a trait weighed in other spaces, in proportion to an
equal share of all traits, is what is believed of the same trait, else of its kind. It is the mean of the prior that
empirical Bayes would put there (Swersky, Snoek and Adams, Multi-Task Bayesian Optimization, 2013, learn whole
covariances between tasks; here spaces have few genes in common, so that only scales can be carried).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evolve.search.surrogate import Surrogate

_SHARES = 3  # of covariance: what genes do alone, what pairs do, and noise; they stand behind the traits


@dataclass(frozen=True)
class Prior:
    """Length scales that were learned on other spaces; hashable, and plain data.

    Attributes:
        traits: by name of a trait, and by ``"/kind"``, ln of its weight over an equal share of all traits.
        shares: ln of what genes do alone, of what pairs do, and of noise.
        spaces: on how many they were learned.
    """

    traits: tuple[tuple[str, float], ...]
    shares: tuple[float, ...]
    spaces: int

    @classmethod
    def learned(cls, surrogates: Sequence[Surrogate]) -> Prior:
        """What surrogates of other spaces came to believe, each fitted to what was measured there; one at least."""
        found: dict[str, list[float]] = {}
        for one in surrogates:
            share = math.log(max(1, one.embed.count))
            for name, scale in zip(one.embed.names, one.scales[:-_SHARES].tolist(), strict=True):
                found.setdefault(name, []).append(scale + share)
                found.setdefault(_kind(name), []).append(scale + share)
        shares = zip(*(one.scales[-_SHARES:].tolist() for one in surrogates), strict=True)
        return cls(
            tuple((name, _mean(some)) for name, some in found.items()), tuple(map(_mean, shares)), len(surrogates)
        )

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Prior:
        """The inverse of ``as_dict``, through JSON too."""
        traits = tuple((str(name), float(weight)) for name, weight in told["traits"])
        return cls(traits, tuple(map(float, told["shares"])), int(told["spaces"]))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"traits": [list(trait) for trait in self.traits], "shares": list(self.shares), "spaces": self.spaces}

    def believed(self, names: Sequence[str]) -> list[float]:
        """What a surrogate of a new space begins with.

        Args:
            names: of its traits, as ``Embedding.names`` has them.

        Returns:
            ``(traits + 3,)`` logarithms of weights and shares.
        """
        known, share = dict(self.traits), math.log(max(1, len(names)))
        return [*(known.get(name, known.get(_kind(name), 0.0)) - share for name in names), *self.shares]

    def __str__(self) -> str:
        return f"learned on {self.spaces} space{'s' if self.spaces != 1 else ''}"


def _kind(name: str) -> str:
    return f"/{name.rpartition('/')[2]}"


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
