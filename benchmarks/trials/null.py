"""null: the planted chain with a gene that means nothing: every schedule is the same code as the plain loop's."""

from __future__ import annotations

import dataclasses
from typing import Any

from benchmarks.trials import planted
from benchmarks.trials.planted import STEPS
from kernels.language import Schedule, Space, Template, integer, template

SPACE = Space([integer("label", tuple(range(4096)), "means nothing")])


@template("void(T[::1], T[::1])", runtime=("label",))
def chain(p: Any, a: Any, out: Any) -> None:
    """The plain loop."""
    half = p.dtype(0.5)
    x = p.dtype(1)
    for i in range(out.size):
        step = a[i] * half
        for _ in range(STEPS):
            x = x * half + step
        out[i] = x


def variant(_schedule: Schedule) -> Template:
    """There is one."""
    return chain


KERNEL = dataclasses.replace(planted.KERNEL, name="null", doc=__doc__, space=SPACE, template=variant)
