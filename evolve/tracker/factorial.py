"""Do tricks stack? Main effects and interactions of a full two-level factorial, with intervals over paired blocks.

Each of k tricks is off or on, which makes 2^k cells, and each block (a seed on a space) goes through all of them. The
response is a logarithm, so that tricks whose factors multiply *add*. Yates' algorithm turns the responses of a block
into contrasts (Yates, The Design and Analysis of Factorial Experiments, Imperial Bureau of Soil Science, Technical
Communication 35, 1937; Box, Hunter and Hunter, Statistics for Experimenters, 2nd edition 2005, section 5.7): the main
effect of A is what A gains in the mean over all settings of the others, the interaction AB half of what A gains more
where B is on than where B is off. Contrasts of one block are free of what blocks differ by, so a t interval over blocks
holds whatever that is.

Cells are in Yates' standard order: cell i has trick j on where bit j of i is set. Above 0 an interaction is
super-additive, below sub-additive.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from benchmarks.inference import Estimate, launches_estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

LEAST_BLOCKS = 2
"""Fewer show no spread."""
LEAST = 0.01
"""In ln units: what is less counts as nothing, however surely it is there; two sessions of a machine differ by more."""
_MOST_FACTORS = 8

Word = Literal["additive", "sub-additive", "super-additive"]


@dataclass(frozen=True)
class Effect:
    """A contrast.

    Attributes:
        factors: the tricks that it is of: one for a main effect, two or more for an interaction.
        gain: in the unit of the responses, with a t interval over blocks.
    """

    factors: tuple[str, ...]
    gain: Estimate

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"factors": list(self.factors), "gain": self.gain.as_dict()}


@dataclass(frozen=True)
class Stacking:
    """All tricks together, beside what they give one at a time.

    Attributes:
        singles: of each trick alone, over none.
        expected: their sum.
        together: what all of them give, over none.
        beyond: the second minus the first, block by block.
    """

    singles: dict[str, Estimate]
    expected: Estimate
    together: Estimate
    beyond: Estimate

    @property
    def word(self) -> Word:
        """How they stack; see ``word``."""
        return word(self.beyond)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        estimates = {"expected": self.expected, "together": self.together, "beyond": self.beyond}
        plain = {name: value.as_dict() for name, value in estimates.items()}
        return {"singles": {name: one.as_dict() for name, one in self.singles.items()}, **plain, "word": self.word}


def word(interaction: Estimate) -> Word:
    """What an interaction says of how tricks stack; additive where its interval holds 0, or it is below ``LEAST``."""
    if abs(interaction.estimate) < LEAST or interaction.low <= 0 <= interaction.high:
        return "additive"
    return "super-additive" if interaction.estimate > 0 else "sub-additive"


def cells(factors: Sequence[str]) -> list[tuple[str, ...]]:
    """The tricks that are on, cell by cell, in standard order."""
    return [tuple(f for j, f in enumerate(factors) if i >> j & 1) for i in range(1 << len(factors))]


def place(factors: Sequence[str], on: Sequence[str]) -> int:
    """The cell in which exactly these are on.

    Raises:
        ValueError: one of them is no factor.
    """
    return sum(1 << list(factors).index(one) for one in on)


def contrasts(responses: ArrayLike) -> Array:
    """Yates' algorithm, for each block by itself.

    Args:
        responses: ``(blocks, 2**k)`` in standard order.

    Returns:
        ``(blocks, 2**k)``: in column 0 the mean of all cells, in column i the contrast of the factors that are on in
        cell i.

    Raises:
        ValueError: the count of cells is no power of two.
    """
    values = np.asarray(responses, dtype=np.float64)
    count = values.shape[-1]
    if values.ndim != 2 or count & (count - 1) or count < 2:
        raise ValueError(f"a full factorial has 2^k cells a block; got shape {values.shape}")
    for _ in range(count.bit_length() - 1):
        off, on = values[:, 0::2], values[:, 1::2]
        values = np.concatenate([off + on, on - off], axis=1)
    scaled: Array = values / (count / 2)
    scaled[:, 0] /= 2
    return scaled


def effects(factors: Sequence[str], responses: ArrayLike) -> list[Effect]:
    """All main effects, then all interactions, those of fewer factors first.

    Args:
        factors: names of the tricks.
        responses: ``(blocks, 2**k)``; two blocks at least.

    Raises:
        ValueError: the shape does not fit, or there are too few blocks.
    """
    found = contrasts(_checked(factors, responses))
    groups = [on for size in range(1, len(factors) + 1) for on in combinations(factors, size)]
    return [Effect(on, _estimate(found[:, place(factors, on)])) for on in groups]


def stacking(factors: Sequence[str], responses: ArrayLike) -> Stacking:
    """What all tricks give together, beside what they give one at a time; arguments as of ``effects``."""
    values = _checked(factors, responses)
    alone = {factor: values[:, place(factors, [factor])] - values[:, 0] for factor in factors}
    expected, together = np.sum([*alone.values()], axis=0), values[:, -1] - values[:, 0]
    return Stacking(
        {factor: _estimate(gains) for factor, gains in alone.items()},
        _estimate(expected),
        _estimate(together),
        _estimate(together - expected),
    )


def _checked(factors: Sequence[str], responses: ArrayLike) -> Array:
    values = np.asarray(responses, dtype=np.float64)
    if not 1 <= len(factors) <= _MOST_FACTORS or values.shape[1:] != (1 << len(factors),):
        raise ValueError(f"{len(factors)} factors make {1 << len(factors)} cells a block; got shape {values.shape}")
    if len(values) < LEAST_BLOCKS or not np.isfinite(values).all():
        raise ValueError(f"an interval takes {LEAST_BLOCKS} blocks at least, and a finite response of each cell")
    return values


def _estimate(gains: Array) -> Estimate:
    """The mean over blocks with its t interval; exact where all blocks agree."""
    found = launches_estimate([[float(gain)] for gain in gains])
    if math.isclose(found.low, found.high, rel_tol=0, abs_tol=1e-15):
        return Estimate(found.estimate, found.estimate, found.estimate, found.level)
    return found
