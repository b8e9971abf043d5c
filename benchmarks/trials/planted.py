"""planted: a chain of dependent operations whose length is a gene, so that true gains are known exactly.

Every step waits for the one before, through all elements: the time of a call is proportional to ``steps``, whatever the
caches, the alignment and the neighbours do to other code. ``x <- x/2 + a/2`` comes to ``a`` within 60 steps and stays
there, so that schedules of all lengths are right. The label is a number that nothing reads: schedules that differ in it
alone are the same code, and are measured as if they were not.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.contract import Inputs, Kernel, Size, Work, item_bytes
from kernels.language import Schedule, Space, Template, integer, template

STEPS = 8_000
"""Of the plain loop and of the default schedule: a call of 16 elements takes some 0.2 ms."""

SPACE = Space(
    [
        integer("steps", tuple(range(STEPS // 2, 4 * STEPS + 1, STEPS // 200)), "steps to each element", default=STEPS),
        integer("label", tuple(range(4096)), "means nothing"),
    ]
)


@template("void(T[::1], T[::1])", runtime=("steps", "label"))
def chain(p: Any, a: Any, out: Any) -> None:
    """As many steps as the gene says."""
    half = p.dtype(0.5)
    x = p.dtype(1)
    for i in range(out.size):
        step = a[i] * half
        for _ in range(p.steps):
            x = x * half + step
        out[i] = x


@template("void(T[::1], T[::1])")
def baseline(p: Any, a: Any, out: Any) -> None:
    """As many steps as the default schedule has."""
    half = p.dtype(0.5)
    x = p.dtype(1)
    for i in range(out.size):
        step = a[i] * half
        for _ in range(STEPS):
            x = x * half + step
        out[i] = x


def problem(size: Size, dtype: str, rng: np.random.Generator) -> Inputs:
    """Random numbers."""
    return (rng.uniform(0.5, 2, size).astype(dtype),)


def reference(a: np.ndarray) -> np.ndarray:
    """Where the chain comes to."""
    return np.asarray(a, np.float64)


def size_of(a: np.ndarray) -> Size:
    """The length of a."""
    return a.shape


def out_shape(size: Size) -> tuple[int, ...]:
    """The output is as long as the input."""
    return size


def work(size: Size, dtype: str) -> Work:
    """One array read and one written: the steps are no need of the problem's."""
    item = item_bytes(dtype)
    return Work({"fma": size[0]}, size[0] * item, size[0] * item)


def tolerance(_size: Size, dtype: str) -> float:
    """The last steps round, each towards the same number."""
    return 4 * float(np.finfo(dtype).eps)


def variant(_schedule: Schedule) -> Template:
    """There is one."""
    return chain


KERNEL = Kernel(
    name="planted",
    doc=__doc__,
    dims=("n",),
    dtypes=("float32", "float64"),
    space=SPACE,
    template=variant,
    problem=problem,
    reference=reference,
    size_of=size_of,
    out_shape=out_shape,
    work=work,
    baseline=baseline,
    default_size=(16,),
    verify_sizes=((1,), (7,)),
    tolerance=tolerance,
)
