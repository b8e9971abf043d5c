"""attention_causal: attention in which query i sees keys 0 to i only.

As in attention, whose arrays, schedules and templates these are: heads n (n + 1) / 2 pairs of query and key, so about
half of its FLOP and exps, and as many bytes. Bound: arithmetic.
Source: Dao, FlashAttention-2, 2023, 3.1.1: blocks of keys behind all queries of a panel are left out. Within the block
that the diagonal cuts, so are the keys behind the last query; tiles of scores that it cuts are masked.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from kernels.attention import KERNEL as ATTENTION
from kernels.attention import problem as problem_without_mask
from kernels.attention import work as work_of
from kernels.contract import Inputs, Size, Work

if TYPE_CHECKING:
    from numpy.random import Generator


def problem(size: Size, dtype: str, rng: Generator) -> Inputs:
    """Random heads; see ``attention``."""
    given = problem_without_mask(size, dtype, rng)
    return *given[:3], np.int64(1)


def work(size: Size, dtype: str) -> Work:
    """Of the pairs whose key is not behind the query."""
    return work_of(size, dtype, size[1] * (size[1] + 1) // 2)


KERNEL = replace(
    ATTENTION,
    name="attention_causal",
    doc=__doc__,
    problem=problem,
    work=work,
    left=(
        "as attention, and the diagonal: 0.56 of its time for 0.50 of its pairs, as a panel of 32 queries computes "
        "all keys that its last one sees; narrower panels load more for each product."
    ),
)
