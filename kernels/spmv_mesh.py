"""spmv_mesh: spmv of a matrix like that of finite elements on an unstructured mesh of a surface.

Every node couples to the nodes nearest to it on a square grid, whose lines are numbered one after the other; to how
many varies by a third around the mean, as in a triangulation. Row ends are hard to predict, x is read along few lines.
Source: Zienkiewicz and Taylor, The Finite Element Method, 2000.

All else, genes too, is that of ``spmv``.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from kernels.spmv import KERNEL as SPMV
from kernels.spmv import matrix_problem, row_starts

if TYPE_CHECKING:
    from kernels.contract import Inputs, Size


def nearest(count: int, width: int) -> np.ndarray:
    """Differences of number to the nearest nodes, in the order of their distances."""
    reach = range(-math.isqrt(count), math.isqrt(count) + 1)
    steps = sorted((x * x + y * y, y, x) for x in reach for y in reach)
    return np.array([y * width + x for _, y, x in steps[:count]])


def problem(size: Size, dtype: str, rng: np.random.Generator) -> Inputs:
    """A mesh of so many nodes; nodes at its edges couple to those of the opposite edge."""
    rows, nonzeros = size[0], math.prod(size)
    indptr = row_starts(size, np.random.default_rng(size).uniform(0.67, 1.33, rows))
    lengths = np.diff(indptr)
    owners = np.repeat(np.arange(rows), lengths)
    turn = np.arange(nonzeros) - indptr[owners]
    columns = (owners + nearest(int(lengths.max()), math.isqrt(rows))[turn]) % rows
    return matrix_problem(indptr, np.sort(owners * rows + columns) % rows, dtype, rng)


KERNEL = dataclasses.replace(
    SPMV,
    name="spmv_mesh",
    doc=__doc__,
    problem=problem,
    default_size=(1 << 19, 7),
    left=(
        "a row takes 2.7 to 2.9 ns from caches, with 7 numbers or 9, and 2.5 by its bytes from memory: 3.6 together. "
        "Several rows in a vector would spare some, but adding them up apart, as *stream* does, takes over twice as "
        "long."
    ),
)
