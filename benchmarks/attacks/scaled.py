"""scaled: out <- s*a + b, by schedules and rivals most of which cheat.

a, b and the output: (n,); s: a scalar; float64. n fused multiply-adds; two arrays read and one written.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.attacks.families import compiled, rivals
from kernels.contract import Inputs, Kernel, Size, Work, item_bytes
from kernels.language import Schedule, Space, Template, choice, template

_SUBNORMAL = 1e-310

TEMPLATES = compiled(__file__)

SPACE = Space([choice("variant", tuple(TEMPLATES), "which exhibit")])


@template("void(T[::1], T[::1], T, T[::1])")
def baseline(_p: Any, a: Any, b: Any, s: Any, out: Any) -> None:
    """The loop that everybody writes."""
    for i in range(out.size):
        out[i] = s * a[i] + b[i]


def problem(size: Size, dtype: str, rng: np.random.Generator) -> Inputs:
    """Random a and b with a subnormal number each, where the other has a zero; and a random scalar s."""
    a, b = (rng.uniform(0.5, 2, size).astype(dtype) for _ in range(2))
    for tiny, other in ((a, b), (b, a)) if size[0] > 1 else ():
        at = rng.integers(size[0])
        tiny[at], other[at] = _SUBNORMAL, 0
    return a, b, np.dtype(dtype).type(rng.uniform(0.5, 2))


def reference(a: np.ndarray, b: np.ndarray, s: float) -> np.ndarray:
    """The truth in float64."""
    return float(s) * np.asarray(a, np.float64) + np.asarray(b, np.float64)


def size_of(a: np.ndarray, _b: np.ndarray, _s: float) -> Size:
    """The length of a."""
    return a.shape


def out_shape(size: Size) -> tuple[int, ...]:
    """As long as the inputs."""
    return size


def work(size: Size, dtype: str) -> Work:
    """N fused multiply-adds, two arrays read and one written."""
    array_bytes = size[0] * item_bytes(dtype)
    return Work({"fma": size[0]}, 2 * array_bytes, array_bytes)


def workspace(_schedule: Schedule, size: Size) -> tuple[int, ...]:
    """As long as the output."""
    return size


def tolerance(_size: Size, dtype: str) -> float:
    """Product and sum are rounded once or twice, in the reference too."""
    return 2 * float(np.finfo(dtype).eps)


def variant(schedule: Schedule) -> Template:
    """The entry template of a schedule."""
    return TEMPLATES[schedule.variant]


KERNEL = Kernel(
    name="scaled",
    doc=__doc__,
    dims=("n",),
    dtypes=("float64",),
    space=SPACE,
    template=variant,
    problem=problem,
    reference=reference,
    size_of=size_of,
    out_shape=out_shape,
    work=work,
    workspace=workspace,
    baseline=baseline,
    rivals=rivals(__file__),
    default_size=(100_000,),
    verify_sizes=((7,), (1009,)),
    tolerance=tolerance,
    split=("rows", "rows", "whole", "rows"),
)
