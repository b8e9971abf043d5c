"""Correct or nothing: a contestant's result against the reference, with everything around the output watched."""

from __future__ import annotations

import ctypes
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.arena import Arena, poison
from benchmarks.compare import worst_error
from benchmarks.contestant import Contestant, Task, workspace_counts
from kernels.contract import item_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from kernels import Inputs, Size

_WORKSPACES = 2  # of candidate and incumbent
_M_PERTURB = -6
_FILLING = 0x55


# at run time, for a product of literals is made by Python's compiler
_SUBNORMAL, _ONE = 5e-324, 1.0


class WrongError(Exception):
    """A result beyond tolerance, or a write outside the output."""


@dataclass(frozen=True)
class ArraySet:
    """Arrays of one call."""

    inputs: tuple[Any, ...]
    out: NDArray[Any]


class Case:
    """One set of inputs in an arena, with the truth about it.

    Every contestant is given the same arrays at the same addresses, and a workspace of exactly the size it asks for.
    Inputs cannot be written to: neither damaged, nor used as scratch and put right again.

    Args:
        task: what is measured.
        size: extents.
        seed: of the inputs.
        pool_bytes: so much memory is filled with copies of inputs and output, for calls that shall find none of their
            own data in a cache; 0 for one set.

    Raises:
        ValueError: the kernel's reference does not return an array of the output's shape.
    """

    def __init__(self, task: Task, size: Size, seed: int, pool_bytes: int = 0) -> None:
        kernel = task.definition
        self.task, self.size = task, size
        self.tolerance = kernel.tolerance(size, task.dtype)
        inputs, out_shape = kernel.problem(size, task.dtype, np.random.default_rng(seed)), kernel.out_shape(size)
        truth = np.ascontiguousarray(kernel.reference(*inputs), dtype=np.float64)
        if truth.shape != out_shape:
            raise ValueError(f"the reference of {kernel.name} returns shape {truth.shape}, not {out_shape}")
        self.expected = truth.reshape(-1)
        self.scale = np.ascontiguousarray(kernel.scale(truth), dtype=np.float64).reshape(-1)
        self._arena = Arena()
        self.sets = self._placed(inputs, _copies(inputs, truth.size * item_bytes(task.dtype), pool_bytes))
        self._workspaces: dict[tuple[int, ...], _Workspace] = {}
        self.freeze()

    def _placed(self, inputs: Inputs, count: int) -> list[ArraySet]:
        """Each input and the output as ``count`` arrays: one set of arrays is one of each."""
        placed = [self._input(value, count) for value in inputs]
        outs = self._arena.allocate_copies(count, self.task.definition.out_shape(self.size), self.task.dtype, "out")
        return [ArraySet(tuple(given[k] for given in placed), outs[k]) for k in range(count)]

    def _input(self, value: Any, count: int) -> list[Any]:
        if not isinstance(value, np.ndarray):
            return [value] * count
        arrays = self._arena.allocate_copies(count, value.shape, value.dtype, "input")
        for array in arrays:
            array[...] = value
        return arrays

    def freeze(self) -> None:
        """Let nobody write to an input."""
        for value in self._input_arrays():
            self._arena.freeze(value)

    def thaw(self) -> None:
        """Let inputs be written, by whoever gives new ones."""
        for value in self._input_arrays():
            self._arena.thaw(value)

    def _input_arrays(self) -> list[NDArray[Any]]:
        return [value for value in self.inputs if isinstance(value, np.ndarray)]

    @property
    def inputs(self) -> tuple[Any, ...]:
        """The inputs of the first set."""
        return self.sets[0].inputs

    @property
    def out(self) -> NDArray[Any]:
        """The output of the first set."""
        return self.sets[0].out

    def arguments(self, contestant: Contestant, which: int = 0) -> tuple[Any, ...]:
        """Inputs, output and workspace, as a contestant takes them."""
        workspace = self._workspace(workspace_counts(self.task, contestant, self.size))
        return (*self.sets[which].inputs, self.sets[which].out, *workspace.arrays)

    def _workspace(self, counts: tuple[int, ...]) -> _Workspace:
        made = self._workspaces.pop(counts, None) or _Workspace(counts, self.task.dtype, len(self.inputs) + 1)
        self._workspaces[counts] = made
        if len(self._workspaces) > _WORKSPACES:
            del self._workspaces[next(iter(self._workspaces))]
        return made

    def verify(self, call: Callable[[], Any], filling: float = np.nan) -> float:
        """Run a contestant once, on an output and a workspace that hold nothing of use, and check what it left behind.

        Args:
            call: the contestant with the arguments of this case's first set bound.
            filling: what the outputs hold before.

        Returns:
            The largest error relative to the tolerance: at most 1 is right. 0 where the result is exact.

        Raises:
            WrongError: with what was wrong, and where.
        """
        self.out.fill(filling)
        for workspace in self._workspaces.values():
            workspace.poison()
        with spoilt_memory():
            call()
        return self.check()

    def check(self) -> float:
        """Check what the last call on the first set left behind; see ``verify``."""
        if _SUBNORMAL * _ONE == 0.0:
            raise WrongError("it left the processor flushing subnormal numbers to zero")
        error = worst_error(self.out.reshape(-1), self.expected, self.scale)
        if not error <= self.tolerance:
            raise WrongError(f"size {self.shown}: relative error {error:.3g}, allowed {self.tolerance:.3g}")
        for arena in (self._arena, *(workspace.arena for workspace in self._workspaces.values())):
            if damage := arena.damage():
                raise WrongError(f"size {self.shown}: wrote outside its arrays: {damage}")
        return float(error / self.tolerance) if error else 0.0

    @property
    def shown(self) -> str:
        """The size as a user writes it."""
        return "x".join(map(str, self.size))


def _copies(inputs: Inputs, out_bytes: int, pool_bytes: int) -> int:
    """Sets of arrays that fill a pool."""
    given_bytes = sum(value.nbytes for value in inputs if isinstance(value, np.ndarray))
    return max(1, -(-pool_bytes // (given_bytes + out_bytes)))


class _Workspace:
    """Scratch arrays of one contestant: writing behind one is as deadly as it will be for whoever uses the kernel."""

    def __init__(self, counts: tuple[int, ...], dtype: str, first: int) -> None:
        self.arena = Arena(first)
        self.arrays = [self.arena.allocate(count, dtype, f"workspace {k}") for k, count in enumerate(counts)]

    def poison(self) -> None:
        """Leave nothing of an earlier contestant, whose panels might be just right."""
        for array in self.arrays:
            poison(array)


@contextmanager
def spoilt_memory() -> Iterator[None]:
    """Memory that a contestant allocates holds no earlier answer meanwhile; where the C library cannot, it may."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is None:
        yield
        return
    set_option(_M_PERTURB, _FILLING)
    try:
        yield
    finally:
        set_option(_M_PERTURB, 0)
