"""The contract test: what every kernel must pass, ours and third parties'.

Inherit, name the kernel, and pytest does the rest::

    from kernels.testing import KernelTestCase

    class TestMine(KernelTestCase):
        kernel = my_package.mine.KERNEL
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kernels.contract import Kernel, Size, Unavailable
from kernels.language import Handle, Schedule, Source, SourceFolder, Template, specialise
from kernels.language.stage import DTYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_CANARY = 0xA5
_MARGIN_BYTES = 1024
_LINE_BYTES = 64


class KernelTestCase:
    """Checks one kernel: on awkward sizes, from unaligned addresses, with poisoned output and scratch memory.

    Attributes:
        kernel: the kernel under test.
        random_schedules: how many are built and run for each dtype, besides the default one.
        seed: of schedules and inputs.
    """

    kernel: ClassVar[Kernel]
    random_schedules: ClassVar[int] = 6
    seed: ClassVar[int] = 1

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Run tests that take a dtype once for each."""
        if "dtype" in metafunc.fixturenames:
            metafunc.parametrize("dtype", self.kernel.dtypes)

    def schedules(self) -> list[Schedule]:
        """The default schedule and random ones."""
        rng = np.random.default_rng(self.seed)
        return [self.kernel.space.default, *(self.kernel.space.sample(rng) for _ in range(self.random_schedules))]

    # ---- the definition

    def test_describes_itself(self) -> None:
        """A summary, known dtypes, and sizes with an extent for each dimension."""
        assert self.kernel.summary
        assert self.kernel.dtypes
        assert set(self.kernel.dtypes) <= set(DTYPES)
        for size in (self.kernel.default_size, *self.kernel.verify_sizes):
            assert len(size) == len(self.kernel.dims)

    def test_problems_have_the_size_that_was_asked_for(self, dtype: str) -> None:
        """Contiguous inputs of the dtype with values in [0.5, 2), the same for the same seed."""
        for size in self.kernel.verify_sizes:
            problem, again = (self.kernel.problem(size, dtype, np.random.default_rng(5)) for _ in range(2))
            assert self.kernel.size_of(*problem.inputs) == size
            assert self.kernel.out_shape(size) == problem.out_shape
            for value, same in zip(map(np.asarray, problem.inputs), map(np.asarray, again.inputs), strict=True):
                assert value.flags.c_contiguous
                assert value.dtype == dtype
                assert np.all((value >= 0.5) & (value < 2))
                np.testing.assert_array_equal(value, same)

    def test_the_reference_has_the_outputs_shape(self) -> None:
        """And float64 precision."""
        for size in self.kernel.verify_sizes:
            problem = self.kernel.problem(size, self.kernel.dtypes[0], np.random.default_rng(5))
            truth = self.kernel.reference(*problem.inputs)
            assert truth.shape == problem.out_shape
            assert truth.dtype == np.float64

    def test_work_is_positive_and_grows_with_each_extent(self, dtype: str) -> None:
        """Bytes written are those of the output."""
        for size in self.kernel.verify_sizes:
            work = self.kernel.work(size, dtype)
            assert work.read_bytes > 0
            assert work.write_bytes == math.prod(self.kernel.out_shape(size)) * np.dtype(dtype).itemsize
            for axis in range(len(size)):
                larger = self.kernel.work((*size[:axis], 2 * size[axis], *size[axis + 1 :]), dtype)
                assert larger.moved_bytes > work.moved_bytes
                assert larger.flop > work.flop or larger.flop == work.flop == 0

    def test_exact_or_within_a_tolerance_that_means_something(self, dtype: str) -> None:
        """A relative error of one in a thousand is no longer rounding."""
        for size in self.kernel.verify_sizes:
            assert 0 <= self.kernel.tolerance(size, dtype) < 1e-3

    # ---- the space

    def test_illegal_schedules_are_refused_with_a_reason(self) -> None:
        """Unknown and missing genes, values that a gene has not, and whatever constraints forbid."""
        space = self.kernel.space
        values = dict(space.default)
        name, _ = values.popitem()
        assert space.is_legal(values)
        assert space.is_legal({**space.default, "no such gene": 1})
        assert space.is_legal({**space.default, name: "no such value"})
        for drawn in _draws(self.kernel, np.random.default_rng(self.seed)):
            refused = any(not constraint.holds(drawn) for constraint in space.constraints)
            assert bool(space.is_legal(drawn)) == refused

    def test_every_gene_reaches_the_machine(self, dtype: str) -> None:
        """Changing one changes the generated code or what is passed to it."""
        rng, space = np.random.default_rng(self.seed), self.kernel.space
        silent = {parameter.name for parameter in space.parameters}
        for _ in range(200):
            one = space.sample(rng)
            for other in space.neighbours(one):
                changed = [name for name in silent if one[name] != other[name]]
                if len(changed) == 1 and self._identity(one, dtype) != self._identity(other, dtype):
                    silent -= set(changed)
            if not silent:
                break
        assert not silent

    def _identity(self, schedule: Schedule, dtype: str) -> tuple[Any, ...]:
        source = self._source(schedule, dtype)
        return source.identity, tuple(schedule[name] for name in source.runtime)

    def _source(self, schedule: Schedule, dtype: str) -> Source:
        return specialise(self.kernel.template(schedule), schedule, dtype)

    # ---- the code

    def test_specialising_is_deterministic(self, dtype: str) -> None:
        """The same schedule is the same text."""
        for schedule in self.schedules():
            assert self._source(schedule, dtype) == self._source(schedule, dtype)

    def test_a_source_is_compiled_once_and_found_on_disk(self, tmp_path: Path) -> None:
        """Loaded afresh, as by another process, nothing is compiled."""
        folder = SourceFolder(tmp_path)
        handle = folder.write(self._source(self.kernel.space.default, self.kernel.dtypes[0]))
        folder.load(handle)
        for name in [name for name in sys.modules if handle.key in name]:
            del sys.modules[name]
        stats = folder.load(handle).function.stats  # type: ignore[attr-defined]  # a Numba dispatcher
        assert stats.cache_hits
        assert not stats.cache_misses

    def test_schedules_are_right(self, dtype: str, tmp_path: Path) -> None:
        """The default and random schedules, on every awkward size."""
        folder = SourceFolder(tmp_path)
        for schedule in self.schedules():
            source = self._source(schedule, dtype)
            runtime = tuple(int(schedule[name]) for name in source.runtime)
            for trial in self._trials(dtype):
                trial.check(folder, folder.write(source), runtime, self.kernel.workspace(schedule, trial.size), schedule)

    def test_the_baseline_is_right(self, dtype: str, tmp_path: Path) -> None:
        """Against the same reference as the schedules."""
        folder = SourceFolder(tmp_path)

    def test_rivals_are_right(self, dtype: str) -> None:
        """Those that are installed."""
