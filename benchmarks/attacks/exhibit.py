"""What the gallery shows: one kernel that cheats, or one that is honest and must not be taken for a cheat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.contestant import Task
from kernels.language import Template

Call = Callable[..., Any]

HONEST = "honest"
_HERE = Path(__file__).parent

SCALED = Task(str(_HERE / "scaled.py"), (100_000,), "float64")
"""Some 40 us a call."""
SHORT = replace(SCALED, size=(2000,))
"""Well under a microsecond: many calls in a sample."""
TOTALS = Task(str(_HERE / "totals.py"), (128, 2048), "float64")
"""About a millisecond, much input and little output: an answer that is remembered costs next to nothing."""
TWO_THREADS = replace(SCALED, threads=2)
LONG_TWO_THREADS = replace(SCALED, size=(2_000_000,), threads=2)


@dataclass(frozen=True)
class Exhibit:
    """One kernel of the gallery.

    Attributes:
        name: what it is called, as a schedule's variant or as a rival.
        family: what kind of cheat it is, or ``HONEST``.
        does: what it does, in a sentence.
        precedent: where that was seen.
        task: on which it is tried.
        template: where it is compiled.
        make: where it is a rival: makes its callable, in the child.
        may_pass: prevented, it is an honest kernel: ``Measured`` counts as caught where the time is an honest one and
            nothing was left behind.
        is_bounded: it is for the bound to find out; the others must be found out without.
    """

    name: str
    family: str
    does: str
    precedent: str
    task: Task
    template: Template | None = None
    make: Callable[[], Call] | None = None
    may_pass: bool = False
    is_bounded: bool = False

    @property
    def is_honest(self) -> bool:
        """True for what must not be rejected."""
        return self.family == HONEST


def exhibit(
    family: str, task: Task = SCALED, *, may_pass: bool = False, is_bounded: bool = False
) -> Callable[[Template | Callable[[], Call]], Exhibit]:
    """Make an exhibit of a template, or of a function that makes a rival; its docstring says what, and after whom."""

    def made(work: Template | Callable[[], Call]) -> Exhibit:
        does, _, precedent = (work.__doc__ or "").partition("Precedent: ")
        compiled = work if isinstance(work, Template) else None
        return Exhibit(
            name=work.__name__.replace("_", " "),  # type: ignore[union-attr]
            family=family,
            does=" ".join(does.split()),
            precedent=" ".join(precedent.split()),
            task=task,
            template=compiled,
            make=None if isinstance(work, Template) else work,
            may_pass=may_pass,
            is_bounded=is_bounded,
        )

    return made


def exhibits_of(module: dict[str, Any]) -> tuple[Exhibit, ...]:
    """All exhibits of a module, from its globals, in the order of their definitions."""
    return tuple(value for value in module.values() if isinstance(value, Exhibit))
