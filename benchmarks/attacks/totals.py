"""totals: out[i] <- the sum of row i, compensated, of rows whose largest elements cancel.

a: (m, n), the output: (m,); float64. 4mn additions; a is read once. Source: Neumaier, ZAMM 54, 1974.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from benchmarks.attacks.families import compiled, rivals
from kernels.contract import Inputs, Kernel, Size, Work, item_bytes, no_workspace
from kernels.language import Schedule, Space, Template, choice, template

_LARGE = 1e8


@template("void(T[:, ::1], T[::1])")
def baseline(_p: Any, a: Any, out: Any) -> None:
    """Each sum with what rounding took from it."""
    for i in range(a.shape[0]):
        total = a[i, 0]
        lost = total * 0
        for j in range(1, a.shape[1]):
            x = a[i, j]
            more = total + x
            lost += (total - more) + x if abs(total) >= abs(x) else (x - more) + total
            total = more
        out[i] = total + lost


TEMPLATES = {"plain": baseline, **compiled(__file__)}

SPACE = Space([choice("variant", tuple(TEMPLATES), "which exhibit")])


def problem(size: Size, dtype: str, rng: np.random.Generator) -> Inputs:
    """Random rows that begin with a large number and end with its opposite."""
    a = rng.uniform(0.5, 2, size).astype(dtype)
    if size[1] > 2:
        a[:, 0], a[:, -1] = _LARGE, -_LARGE
    return (a,)


def reference(a: np.ndarray) -> np.ndarray:
    """The truth, correctly rounded."""
    return np.array([math.fsum(row) for row in a])


def size_of(a: np.ndarray) -> Size:
    """The shape of a."""
    return a.shape


def out_shape(size: Size) -> tuple[int, ...]:
    """One number a row."""
    return size[:1]


def work(size: Size, dtype: str) -> Work:
    """Four additions an element, which is read once."""
    count, item = size[0] * size[1], item_bytes(dtype)
    return Work({"add": 4 * count}, count * item, size[0] * item)


def tolerance(_size: Size, dtype: str) -> float:
    """Far below what a sum without compensation loses, far above what one with it does."""
    return 64 * float(np.finfo(dtype).eps)


def variant(schedule: Schedule) -> Template:
    """The entry template of a schedule."""
    return TEMPLATES[schedule.variant]


KERNEL = Kernel(
    name="totals",
    doc=__doc__,
    dims=("m", "n"),
    dtypes=("float64",),
    space=SPACE,
    template=variant,
    problem=problem,
    reference=reference,
    size_of=size_of,
    out_shape=out_shape,
    work=work,
    workspace=no_workspace,
    baseline=baseline,
    rivals=rivals(__file__),
    default_size=(128, 2048),
    verify_sizes=((3, 7), (5, 1009)),
    tolerance=tolerance,
)
