"""What the engine is made of, and what of that a loop may replace.

A part *steers* where it decides only what is tried next: one that errs costs time, and nobody is told anything false.
What decides what is believed *judges*: it stays as its author wrote it, because a loop that may change how it is
measured improves its figures, not itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import kernels
from benchmarks.contestant import Task, plain_source_of, source_of
from evolve.made import Made, MadePlain
from kernels.contract import no_workspace
from kernels.door import Tuned
from kernels.language import Schedule

if TYPE_CHECKING:
    from kernels import Kernel, Size
    from kernels.language import Source, SourceFolder


@dataclass(frozen=True)
class Part:
    """A kernel that the engine calls.

    Attributes:
        name: the kernel's.
        steers: decides what is tried next, and nothing else.
        dtype: in which the engine calls it.
        size: of a large call: what a loop improves it for.
    """

    name: str
    steers: bool
    dtype: str
    size: Size

    @property
    def definition(self) -> Kernel:
        """The kernel itself."""
        return kernels.get(self.name)

    @property
    def task(self) -> Task:
        """What it computes, by one thread."""
        return Task(self.name, self.size, self.dtype)

    def source(self, schedule: Schedule | None) -> Source:
        """What it is compiled from: of a schedule, or of the kernel's plain loop where that is None.

        Raises:
            TemplateError: the schedule does not specialise.
        """
        return plain_source_of(self.task) if schedule is None else source_of(self.task, schedule)

    def tuned(self, schedule: Schedule | None, folder: SourceFolder) -> Tuned:
        """The same compiled, with a door that checks what comes in.

        Args:
            schedule: None for the plain loop.
            folder: where compiled code is kept.

        Raises:
            OSError: the folder cannot be written.
            Exception: whatever Numba raises for code that it cannot compile.
        """
        if schedule is None:
            plain = MadePlain(self.task, folder)
            kernel = replace(self.definition, workspace=no_workspace)
            return Tuned(kernel, plain.schedule, self.dtype, plain.compiled(), plain.runtime)
        made = Made(self.task, schedule, folder)
        return Tuned(self.definition, schedule, self.dtype, made.compiled(), made.runtime)


PARTS = (
    Part("surrogate_predict", steers=True, dtype="float32", size=(4096, 300, 64)),
    Part("novelty", steers=True, dtype="float32", size=(1000, 225, 64)),
    Part("dominance", steers=True, dtype="float64", size=(40, 2)),
    Part("bootstrap", steers=False, dtype="float64", size=(2000, 30)),
)
STEERING = {part.name: part for part in PARTS if part.steers}
"""Those that a loop may replace."""
