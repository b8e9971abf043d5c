"""spmv_powerlaw: spmv of a matrix like a web graph's: few rows and columns have most of the nonzeros.

The length of the k-th longest row, and the use of the k-th most wanted column, fall with k to the power of -0.6; both
are scattered over the matrix. Row ends cannot be predicted, and hardly where x is read.
Source: Barabasi and Albert, Emergence of Scaling in Random Networks, 1999.

All else, genes too, is that of ``spmv``.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from kernels.spmv import KERNEL as SPMV
from kernels.spmv import matrix_problem, rounding, row_starts

if TYPE_CHECKING:
    from kernels.contract import Inputs, Size

_EXPONENT = 0.6


def weights(rows: int) -> np.ndarray:
    """The most wanted first."""
    return np.arange(1, rows + 1) ** -_EXPONENT


def problem(size: Size, dtype: str, rng: np.random.Generator) -> Inputs:
    """Rows and columns by a power law; a column may be named twice."""
    rows, nonzeros = size[0], math.prod(size)
    structure = np.random.default_rng(size)
    indptr = row_starts(size, structure.permutation(weights(rows)))
    ranks = (structure.random(nonzeros) ** (1 / (1 - _EXPONENT)) * rows).astype(np.int64)
    columns = structure.permutation(rows)[ranks]
    # sorted within rows, as assembled matrices are: by one number that has the row in front
    keys = np.sort(np.repeat(np.arange(rows), np.diff(indptr)) * rows + columns)
    return matrix_problem(indptr, keys % rows, dtype, rng)


def tolerance(size: Size, dtype: str) -> float:
    """Of the sum of the longest row."""
    return rounding(int(math.prod(size) / weights(size[0]).sum()) + 1, dtype)


KERNEL = dataclasses.replace(
    SPMV,
    name="spmv_powerlaw",
    doc=__doc__,
    problem=problem,
    tolerance=tolerance,
    default_size=(1 << 16, 64),
    left=(
        "x, 512 KB and read at random, is nearly half: with 32 KB of it a nonzero takes 0.29 ns, as by its bytes from "
        "memory, and not 0.49. Columns in blocks, of which a part of x stays in L1, would be another format."
    ),
)
