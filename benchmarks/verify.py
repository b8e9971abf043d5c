"""Correct or nothing: a contestant's result against the reference, with everything around the output watched."""

from __future__ import annotations

import ctypes
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.arena import Arena, poison
from benchmarks.compare import checksum, worst_error
from benchmarks.contestant import Contestant, Task, workspace_counts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kernels import Size

_WORKSPACES = 2  # of candidate and incumbent
_M_PERTURB = -6
_FILLING = 0x55


class WrongError(Exception):
    """A result beyond tolerance, damaged inputs, or a write outside the output."""


class Case:
    """One set of inputs in an arena, with the truth about it.

    Every contestant is given the same arrays at the same addresses, and a workspace of exactly the size it asks for.

    Raises:
        ValueError: the kernel's reference does not return what its problem says.
    """

    def __init__(self, task: Task, size: Size, seed: int) -> None:
        kernel = task.definition
        self.task, self.size = task, size
        self.tolerance = kernel.tolerance(size, task.dtype)
        problem = kernel.problem(size, task.dtype, np.random.default_rng(seed))
        truth = np.ascontiguousarray(kernel.reference(*problem.inputs), dtype=np.float64)
        if truth.shape != problem.out_shape:
            raise ValueError(f"the reference of {kernel.name} returns shape {truth.shape}, not {problem.out_shape}")
        self.expected = truth.reshape(-1)
        self._arena = Arena()
        self.inputs = tuple(self._placed(value) for value in problem.inputs)
        self.out = self._arena.allocate(problem.out_shape, task.dtype, "out")
        self._checksums = self._input_checksums()
        self._workspaces: dict[tuple[int, ...], _Workspace] = {}

    def _placed(self, value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            return value
        array = self._arena.allocate(value.shape, value.dtype, "input")
        array[...] = value
        return array

    def _input_checksums(self) -> list[int]:
        return [checksum(value) if isinstance(value, np.ndarray) else 0 for value in self.inputs]

    def arguments(self, contestant: Contestant) -> tuple[Any, ...]:
        """Inputs, output and workspace, as a contestant takes them."""
        return (*self.inputs, self.out, *self._workspace(workspace_counts(self.task, contestant, self.size)).arrays)

    def _workspace(self, counts: tuple[int, ...]) -> _Workspace:
        made = self._workspaces.pop(counts, None) or _Workspace(counts, self.task.dtype, len(self.inputs) + 1)
        self._workspaces[counts] = made
        if len(self._workspaces) > _WORKSPACES:
            del self._workspaces[next(iter(self._workspaces))]
        return made

    def verify(self, call: Callable[[], Any], filling: float = np.nan) -> float:
        """Run a contestant once, on an output and a workspace that hold nothing of use, and check what it left behind.

        Args:
            call: the contestant with this case's arguments bound.
            filling: what the output holds before.

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
        """Check what the last call left behind; see ``verify``."""
        error = worst_error(self.out.reshape(-1), self.expected)
        if not error <= self.tolerance:
            raise WrongError(f"size {self.shown}: relative error {error:.3g}, allowed {self.tolerance:.3g}")
        for arena in (self._arena, *(workspace.arena for workspace in self._workspaces.values())):
            if damage := arena.damage():
                raise WrongError(f"size {self.shown}: wrote outside its arrays: {damage}")
        for k, (now, before) in enumerate(zip(self._input_checksums(), self._checksums, strict=True)):
            if now != before:
                raise WrongError(f"size {self.shown}: changed its input {k}")
        return float(error / self.tolerance) if error else 0.0

    @property
    def shown(self) -> str:
        """The size as a user writes it."""
        return "x".join(map(str, self.size))


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
