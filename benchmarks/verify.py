"""Correct or nothing: a contestant's result against the reference, with everything around the output watched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.arena import Arena, poison
from benchmarks.compare import is_same, worst_error
from benchmarks.contestant import Contestant, Task, workspace_counts
from kernels import Size


class WrongError(Exception):
    """A result beyond tolerance, damaged inputs, or a write outside the output."""


class Case:
    """One set of inputs in an arena, with the truth about it.

    Every contestant is given the same arrays at the same addresses.
    """

    def __init__(self, task: Task, size: Size, seed: int) -> None:
        kernel = task.definition
        self.task, self.size = task, size
        self.arena = Arena()
        problem = kernel.problem(size, task.dtype, np.random.default_rng(seed))
        self.pristine = problem.inputs
        self.inputs = tuple(self._placed(value) for value in problem.inputs)
        self.out = self.arena.allocate(problem.out_shape, task.dtype, "out")
        self.expected = np.ascontiguousarray(kernel.reference(*problem.inputs), dtype=np.float64).ravel()
        self.tolerance = kernel.tolerance(size, task.dtype)
        self._scratch: list[np.ndarray] = []

    def _placed(self, value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            return value
        array = self.arena.allocate(value.shape, value.dtype, "input")
        array[...] = value
        return array

    def arguments(self, contestant: Contestant) -> tuple[Any, ...]:
        """Inputs, output and workspace, as a contestant takes them."""
        return (*self.inputs, self.out, *self._workspace(workspace_counts(self.task, contestant, self.size)))

    def _workspace(self, counts: tuple[int, ...]) -> list[np.ndarray]:
        for k, count in enumerate(counts):
            if k == len(self._scratch):
                self._scratch.append(self.arena.allocate(count, self.task.dtype, f"workspace {k}"))
            elif self._scratch[k].size < count:
                self._scratch[k] = self.arena.allocate(count, self.task.dtype, f"workspace {k}")
        return [self._scratch[k][:count] for k, count in enumerate(counts)]

    def verify(self, call: Callable[[], Any]) -> float:
        """Run a contestant once on a poisoned output and check all that it left behind.

        Returns:
            The largest error relative to the tolerance: at most 1 is right. 0 where the result is exact.

        Raises:
            WrongError: with what was wrong, and where.
        """
        poison(self.out)
        call()
        return self.check()

    def check(self) -> float:
        """Check what the last call left behind; see ``verify``."""
        error = worst_error(self.out.ravel(), self.expected)
        if not error <= self.tolerance:
            raise WrongError(f"size {self.shown}: relative error {error:.3g}, allowed {self.tolerance:.3g}")
        if damage := self.arena.damage():
            raise WrongError(f"size {self.shown}: wrote outside its arrays: {damage}")
        for k, (value, before) in enumerate(zip(self.inputs, self.pristine, strict=True)):
            if isinstance(value, np.ndarray) and not is_same(value.ravel(), before.ravel()):
                raise WrongError(f"size {self.shown}: changed its input {k}")
        return float(error / self.tolerance) if error else 0.0

    @property
    def shown(self) -> str:
        """The size as a user writes it."""
        return "x".join(map(str, self.size))

    def close(self) -> None:
        """Give the memory back; the arrays must not be touched afterwards."""
        self.inputs, self._scratch = (), []
        del self.out
        self.arena.close()
