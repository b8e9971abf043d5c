"""All exhibits, family by family, and the two kernels' shares of them."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from benchmarks.attacks import bounds, deferral, honest, memory, numerics, replay, system, tampering
from benchmarks.attacks.exhibit import exhibits_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.attacks.exhibit import Call, Exhibit
    from kernels.language import Template

EXHIBITS: Mapping[str, Exhibit] = MappingProxyType(
    {
        exhibit.name: exhibit
        for family in (memory, replay, deferral, numerics, bounds, tampering, system, honest)
        for exhibit in exhibits_of(vars(family))
    }
)
"""By name, the honest ones last."""


def compiled(kernel_file: str) -> dict[str, Template]:
    """The schedules of a kernel."""
    return {name: each.template for name, each in _of(kernel_file).items() if each.template}


def rivals(kernel_file: str) -> dict[str, Callable[[], Call]]:
    """The rivals of a kernel."""
    return {name: each.make for name, each in _of(kernel_file).items() if each.make}


def _of(kernel_file: str) -> dict[str, Exhibit]:
    stem = Path(kernel_file).stem
    return {name: each for name, each in EXHIBITS.items() if Path(each.task.kernel).stem == stem}
