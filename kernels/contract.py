"""What a kernel is: the one contract that every file of this package fulfils."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from kernels.language.space import Schedule, Space, Value
    from kernels.language.template import Template

Size = tuple[int, ...]
"""Extents of a problem in the order of ``Kernel.dims``."""

Inputs = tuple[Any, ...]
"""Inputs of one call: C-contiguous arrays, and numbers.

Floating-point values lie in [0.5, 2) unless the kernel's docstring says where; shapes, and the values of integer
arrays, follow from the size alone, so that values can be replaced in place.
"""

Rival = Callable[..., Any]
"""``rival(*inputs, out)`` writes its answer into ``out``."""


class Unavailable(Exception):  # noqa: N818 - a state, not a fault
    """A rival's library is not installed, or has no such operation for this dtype."""


def installed(module: str) -> Any:
    """A rival's module.

    Raises:
        Unavailable: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise Unavailable(f"{module} is not installed") from error


def rival_threads() -> int:
    """Threads that a rival may have: as many as the environment tells libraries, which for most is OpenMP's setting."""
    return int(os.environ.get("OMP_NUM_THREADS", "1"))


def has_rival_threads() -> bool:
    """Whether a rival made by Numba has several threads; then it gets as many as a rival may have, not all cores."""
    numba, threads = installed("numba"), rival_threads()
    if threads > 1:
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    return threads > 1


def item_bytes(dtype: str) -> int:
    """Bytes of an element of a floating-point dtype, by its name: ``--help`` shows kernels without importing NumPy."""
    return int(dtype.removeprefix("float")) // 8


@dataclass(frozen=True)
class Work:
    """What a problem costs at the very least, whatever the schedule.

    Attributes:
        operations: scalar operations by class (``fma add mul div sqrt exp``); an fma counts as one operation, 2 FLOP.
        read_bytes: bytes of every input, each once.
        write_bytes: bytes of every output, each once.
    """

    operations: Mapping[str, int]
    read_bytes: int
    write_bytes: int

    @property
    def flop(self) -> int:
        """Floating-point operations, an fma counted as two."""
        return sum(count * (2 if name == "fma" else 1) for name, count in self.operations.items())

    @property
    def moved_bytes(self) -> int:
        """Bytes read and written."""
        return self.read_bytes + self.write_bytes


def no_workspace(_schedule: Mapping[str, Value], _size: Size) -> tuple[int, ...]:
    """The workspace of a kernel that needs none."""
    return ()


def each_by_itself(truth: np.ndarray) -> np.ndarray:
    """What errors are relative to where no terms cancel."""
    return abs(truth)


@dataclass(frozen=True)
class Kernel:
    """One kernel: the algorithm's truth, its schedules, and what it is held against.

    The functions are top-level functions of their module, not lambdas: ``evolve export`` cuts them out by name.

    Attributes:
        name: the word by which commands, stores and exports know it.
        doc: the module's docstring; its first line is the summary.
        dims: names of a size's extents, as in ``("m", "n", "k")``.
        dtypes: names of the dtypes it is defined for.
        space: legal schedules.
        template: the entry template of a schedule: the algorithm variant is a gene.
        problem: ``(size, dtype, rng) -> inputs``, new random ones.
        reference: ``(*inputs) -> ndarray``, the truth in float64 NumPy.
        size_of: ``(*inputs) -> Size``; raises ``ValueError`` where the inputs' shapes do not fit each other.
        out_shape: ``(size) -> shape`` of the output.
        work: ``(size, dtype) -> Work``, least operations and compulsory bytes.
        workspace: ``(schedule, size) -> element counts`` of the 1-d scratch arrays passed behind the output.
        baseline: the plain loop that a user would write, called like every variant: inputs, then output.
        rivals: library answers by name; each makes its callable or raises ``Unavailable``.
        default_size: what a command takes where no size is given.
        verify_sizes: awkward sizes, smaller and larger than tiles and no multiple of them.
        tolerance: ``(size, dtype) -> relative error`` that is still right, elementwise.
        split: how threads share the work, for every input and then the output: ``"rows"``, each is given some along the
            first axis; ``"fence"``, the same and one more behind them, as of offsets; ``"whole"``. Two with a slash:
            the other where the output has a single row, and there ``"second"`` is some along the second axis. An output
            that is ``"whole"``: the kernel and its baseline take, behind the scratch arrays, the first of the rows that
            are theirs to write and the one behind the last; one thread is given all. None: one thread.
        scale: ``(truth) -> ndarray``, positive and of the truth's shape: what errors are relative to. Each number by
            itself, unless terms cancel: then what they would be if they did not.
        small: fewer values of some genes, so that some thousand schedules are left, which can all be measured; empty
            where nobody has said which.
        left: what the next 10 % would take: where the time goes as far as that was measured, and what measurement would
            tell the rest, all of it on a Zen 5; "" where nobody has said.
    """

    name: str
    doc: str
    dims: tuple[str, ...]
    dtypes: tuple[str, ...]
    space: Space
    template: Callable[[Schedule], Template]
    problem: Callable[[Size, str, np.random.Generator], Inputs]
    reference: Callable[..., np.ndarray]
    size_of: Callable[..., Size]
    out_shape: Callable[[Size], tuple[int, ...]]
    work: Callable[[Size, str], Work]
    baseline: Template
    default_size: Size
    verify_sizes: Sequence[Size]
    tolerance: Callable[[Size, str], float]
    rivals: Mapping[str, Callable[[], Rival]] = field(default_factory=dict)
    workspace: Callable[[Schedule, Size], tuple[int, ...]] = no_workspace
    split: tuple[str, ...] | None = None
    scale: Callable[[np.ndarray], np.ndarray] = each_by_itself
    small: Mapping[str, Sequence[Value]] = field(default_factory=dict)
    left: str = ""

    @property
    def summary(self) -> str:
        """The docstring's first line."""
        return self.doc.strip().splitlines()[0]

    def size(self, text: str) -> Size:
        """A size from text: ``"1024"`` for all extents, or one each as in ``"512x256x128"``.

        Raises:
            ValueError: not positive whole numbers, or a wrong count of them.
        """
        parts = text.lower().split("x")
        wanted = "x".join(self.dims)
        if not all(part.isdigit() and int(part) > 0 for part in parts):
            raise ValueError(f"size {text!r} must be positive whole numbers, as in 1024 or {wanted}")
        if len(parts) not in (1, len(self.dims)):
            raise ValueError(
                f"size {text!r} has {len(parts)} extents, {self.name} takes 1 or {len(self.dims)} ({wanted})"
            )
        return tuple(int(parts[k % len(parts)]) for k in range(len(self.dims)))
