"""The contract test: what every kernel must pass, ours and third parties'.

Inherit, name the kernel, and pytest does the rest::

    from kernels.testing import KernelTestCase

    class TestMine(KernelTestCase):
        kernel = my_package.mine.KERNEL
"""

from __future__ import annotations

import math
import sys
from itertools import count, cycle, islice
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kernels.contract import Kernel, Size, Unavailable, item_bytes
from kernels.language import Parameter, Schedule, Source, SourceFolder, Space, Value, parallel_of, slices, specialise
from kernels.language.space import near_values
from kernels.language.stage import DTYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

TEAMS = (2, 3)
"""Numbers of threads that share what can be shared: awkward sizes have fewer rows than some of them."""
_CANARY = 0xA5
_MARGIN_BYTES = 1024
_LINE_BYTES = 64


class KernelTestCase:
    """Checks a kernel on awkward sizes, at unaligned addresses, with poison in output and scratch memory.

    Attributes:
        kernel: the kernel under test.
        random_schedules: how many are built and run for each dtype at least, besides the default one.
        seed: of schedules and inputs.
    """

    kernel: ClassVar[Kernel]
    random_schedules: ClassVar[int] = 6
    seed: ClassVar[int] = 1

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Runs a test that takes a dtype once for each."""
        if "dtype" in metafunc.fixturenames:
            metafunc.parametrize("dtype", self.kernel.dtypes)

    def schedules(self, dtype: str) -> list[Schedule]:
        """The default schedule and random ones, others for each dtype.

        They take turns at the values of the genes that switch others, and are so many that each value has its turn.
        """
        space, dtypes = self.kernel.space, self.kernel.dtypes
        switches = {name for parameter in space.parameters for name in parameter.when}
        settings = [{name: value} for name in sorted(switches) for value in space.by_name[name].values] or [{}]
        number, which = max(self.random_schedules, -(-len(settings) // len(dtypes))), dtypes.index(dtype)
        rng = np.random.default_rng([self.seed, which])
        turns = islice(cycle(settings), which * number, (which + 1) * number)
        return [space.default, *(next(_legal(space, rng, setting)) for setting in turns)]

    def source(self, schedule: Schedule, dtype: str) -> Source:
        """The specialised source of a schedule."""
        return specialise(self.kernel.template(schedule), schedule, dtype)

    def identity(self, schedule: Schedule, dtype: str) -> tuple[Any, ...]:
        """All that tells what runs: the code, and what is passed to it."""
        source = self.source(schedule, dtype)
        return source.identity, *(schedule[name] for name in source.runtime)

    def trials(self, dtype: str) -> list[Trial]:
        """A problem of every awkward size, in aligned arrays and in others."""
        return [Trial(self.kernel, size, dtype, shift) for size in self.kernel.verify_sizes for shift in (0, 1)]

    # ---- the definition

    def test_describes_itself(self) -> None:
        """A summary, known dtypes, sizes with an extent for each dimension."""
        assert self.kernel.summary
        assert self.kernel.dtypes
        assert set(self.kernel.dtypes) <= set(DTYPES)
        assert all(len(size) == len(self.kernel.dims) for size in (self.kernel.default_size, *self.kernel.verify_sizes))

    def test_problems_are_what_was_asked_for(self, dtype: str) -> None:
        """Contiguous, finite inputs of that size and dtype, or of integers; the same for the same seed."""
        for size in self.kernel.verify_sizes:
            one, same = (self.kernel.problem(size, dtype, np.random.default_rng(self.seed)) for _ in range(2))
            assert self.kernel.size_of(*one) == size
            for value, again in zip(map(np.asarray, one), same, strict=True):
                assert value.dtype in (dtype, np.int32, np.int64)
                assert value.flags.c_contiguous
                assert np.isfinite(value).all()
                np.testing.assert_array_equal(value, again)

    def test_the_reference_is_float64_of_the_outputs_shape(self, dtype: str) -> None:
        """Whatever the dtype of its inputs."""
        for size in self.kernel.verify_sizes:
            truth = self.kernel.reference(*self.kernel.problem(size, dtype, np.random.default_rng(self.seed)))
            assert truth.shape == self.kernel.out_shape(size)
            assert truth.dtype == np.float64

    def test_work_is_positive_and_grows_with_each_extent(self, dtype: str) -> None:
        """And counts the bytes of the output. Sweeps over the same arrays move no more, but compute more."""
        for size in self.kernel.verify_sizes:
            work = self.kernel.work(size, dtype)
            assert work.read_bytes > 0
            assert work.write_bytes == math.prod(self.kernel.out_shape(size)) * item_bytes(dtype)
            for axis, extent in enumerate(size):
                larger = self.kernel.work((*size[:axis], 2 * extent, *size[axis + 1 :]), dtype)
                assert larger.moved_bytes >= work.moved_bytes
                assert larger.flop > work.flop or larger.flop == work.flop == 0
                assert larger.moved_bytes > work.moved_bytes or larger.flop > work.flop or work.flop == 0

    def test_the_tolerance_is_rounding(self, dtype: str) -> None:
        """A relative error of a thousandth is something else."""
        for size in self.kernel.verify_sizes:
            assert 0 <= self.kernel.tolerance(size, dtype) < 1e-3

    def test_threads_are_told_how_to_share(self) -> None:
        """For each input and the output, or not at all; where the output is whole, templates take their rows."""
        split, size = self.kernel.split, self.kernel.verify_sizes[0]
        if split is None:
            return
        inputs = self.kernel.problem(size, self.kernel.dtypes[0], np.random.default_rng(self.seed))
        rows = self.kernel.out_shape(size)[0]
        assert split[-1] in {"rows", "rows/second", "whole"}
        for how, value in zip((many.partition("/")[0] for many in split[:-1]), inputs, strict=True):
            assert how in {"rows", "fence", "whole"}
            assert how == "whole" or value.shape[0] == rows + (how == "fence")

    # ---- the space

    def test_illegal_schedules_are_refused_with_a_reason(self) -> None:
        """Unknown and missing genes, values that a gene has not, and whatever a constraint forbids."""
        space = self.kernel.space
        values = dict(space.default)
        last, _ = values.popitem()
        assert space.is_legal(values)
        assert space.is_legal({**space.default, "no such gene": 1})
        assert space.is_legal({**space.default, last: "no such value"})
        for drawn in islice(_draws(space, np.random.default_rng(self.seed), {}), 200):
            is_forbidden = any(not constraint.holds(drawn) for constraint in space.constraints)
            assert bool(space.is_legal(drawn)) == is_forbidden

    def test_every_gene_reaches_the_machine(self, dtype: str) -> None:
        """Changing one changes the generated code, or what is passed to it."""
        rng = np.random.default_rng(self.seed)
        for parameter in self.kernel.space.parameters:
            pairs = islice(_variations(self.kernel.space, parameter, rng), 20)
            assert any(self.identity(one, dtype) != self.identity(other, dtype) for one, other in pairs), parameter.name

    def test_the_small_space_can_be_measured_from_end_to_end(self) -> None:
        """It has as many schedules as hours allow, and as few as say nothing of a search."""
        if self.kernel.small:
            small = self.kernel.space.restricted(self.kernel.small)
            assert small.size is not None
            assert 2_000 <= small.size <= 20_000

    # ---- the code

    def test_specialising_is_deterministic(self, dtype: str) -> None:
        """The same schedule always makes the same text."""
        for schedule in self.schedules(dtype):
            assert self.source(schedule, dtype) == self.source(schedule, dtype)

    def test_a_source_is_compiled_once_and_found_on_disk(self, tmp_path: Path) -> None:
        """Loaded as another process would, it is not compiled again."""
        folder = SourceFolder(tmp_path)
        handle = folder.write(self.source(self.kernel.space.default, self.kernel.dtypes[0]))
        _forget(handle.key)  # another test may have loaded it from another folder
        folder.load(handle)
        _forget(handle.key)
        statistics: Any = getattr(folder.load(handle).function, "stats")  # noqa: B009 - of a Numba dispatcher
        assert statistics.cache_hits
        assert not statistics.cache_misses

    def test_schedules_are_right(self, dtype: str, tmp_path: Path) -> None:
        """The default and random ones, at every awkward size, on one thread and shared by several."""
        folder = SourceFolder(tmp_path)
        trials = self.trials(dtype)
        for schedule in self.schedules(dtype):
            source = self.source(schedule, dtype)
            for threads in (1, *TEAMS) if self.kernel.split else (1,):
                compiled = folder.load(folder.write(parallel_of(source, self.kernel.split or (), threads)))
                extra = (*(int(schedule[name]) for name in source.runtime), *compiled.pointers)
                for trial in trials:
                    scratch = slices(self.kernel.workspace(schedule, trial.size), threads)
                    trial.run(compiled.function, f"{schedule} on {threads} threads", scratch, extra)

    def test_the_baseline_is_right(self, dtype: str, tmp_path: Path) -> None:
        """At every awkward size, like any schedule."""
        folder = SourceFolder(tmp_path)
        source, trials = specialise(self.kernel.baseline, {}, dtype), self.trials(dtype)
        for threads in (1, *TEAMS) if self.kernel.split else (1,):
            compiled = folder.load(folder.write(parallel_of(source, self.kernel.split or (), threads)))
            for trial in trials:
                trial.run(compiled.function, f"baseline on {threads} threads", extra=compiled.pointers)

    def test_rivals_are_right(self, dtype: str) -> None:
        """Those that are installed."""
        for name, make in self.kernel.rivals.items():
            try:
                rival = make()
            except Unavailable:
                continue
            for trial in self.trials(dtype):
                trial.run(rival, name)


class Trial:
    """A problem in arrays that a kernel cannot leave unseen.

    Args:
        kernel: whose problem.
        size: its extents.
        dtype: of its arrays.
        shift: array k starts ``k * shift`` elements behind the start of a cache line; k counts from 1.
    """

    def __init__(self, kernel: Kernel, size: Size, dtype: str, shift: int) -> None:
        self.size, self.dtype = size, dtype
        self.pristine = kernel.problem(size, dtype, np.random.default_rng(shift))
        self.truth = kernel.reference(*self.pristine)
        # an exact result may be asked for: then the smallest difference there is counts
        self.allowed = kernel.tolerance(size, dtype) * kernel.scale(self.truth) + np.finfo(np.float64).tiny
        self._shifts = count(shift, shift)
        self._guarded: list[Guarded] = []
        self.inputs = tuple(self._placed(value) for value in self.pristine)
        self.out = self._allocated(kernel.out_shape(size), dtype)

    def run(
        self, function: Callable[..., Any], name: str, scratch: tuple[int, ...] = (), extra: tuple[int, ...] = ()
    ) -> None:
        """Calls a kernel and checks all that it left behind.

        Raises:
            AssertionError: wrong numbers, changed inputs, or a write outside the output and the scratch arrays.
        """
        where = f"{name} at size {'x'.join(map(str, self.size))} in {self.dtype}"
        self.out.fill(np.nan)
        function(*self.inputs, self.out, *(self._allocated((elements,), self.dtype) for elements in scratch), *extra)
        np.testing.assert_array_less(abs(self.out - self.truth), self.allowed, err_msg=where)
        for value, before in zip(self.inputs, self.pristine, strict=True):
            np.testing.assert_array_equal(value, before, err_msg=f"{where} changed an input")
        assert all(guarded.is_intact for guarded in self._guarded), f"{where} wrote outside its arrays"

    def _placed(self, value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            return value
        array = self._allocated(value.shape, str(value.dtype))
        array[...] = value
        return array

    def _allocated(self, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
        guarded = Guarded(shape, dtype, next(self._shifts))
        self._guarded.append(guarded)
        return guarded.array


class Guarded:
    """An array of NaN, or of zeros where there is none, between two margins of canaries.

    Args:
        shape: of the array.
        dtype: of the array.
        shift: elements from the start of a cache line to the start of the array.
    """

    def __init__(self, shape: tuple[int, ...], dtype: str, shift: int) -> None:
        item = np.dtype(dtype).itemsize
        body_bytes = math.prod(shape) * item
        self._memory = np.full(body_bytes + 2 * _MARGIN_BYTES, _CANARY, np.uint8)
        aligned = _LINE_BYTES - self._memory.ctypes.data % _LINE_BYTES
        start = aligned + _MARGIN_BYTES // 2 + shift * item % _LINE_BYTES
        self._margins = (self._memory[:start], self._memory[start + body_bytes :])
        self.array: NDArray[Any] = np.ndarray(shape, dtype, buffer=self._memory, offset=start)
        self.array.fill(np.nan if self.array.dtype.kind == "f" else 0)

    @property
    def is_intact(self) -> bool:
        """False once a canary has been overwritten."""
        return all(np.all(margin == _CANARY) for margin in self._margins)


def _draws(space: Space, rng: np.random.Generator, fixed: Mapping[str, Value]) -> Iterator[Schedule]:
    """Random values of every gene that is not fixed, whatever the constraints say."""
    while True:
        drawn = {p.name: p.values[int(rng.integers(len(p.values)))] for p in space.parameters}
        yield space.canonical({**drawn, **fixed})


def _legal(space: Space, rng: np.random.Generator, fixed: Mapping[str, Value]) -> Iterator[Schedule]:
    """The legal ones among 10,000 draws."""
    return (drawn for drawn in islice(_draws(space, rng, fixed), 10_000) if space.is_legal(drawn) is None)


def _variations(space: Space, parameter: Parameter, rng: np.random.Generator) -> Iterator[tuple[Schedule, Schedule]]:
    """Pairs of legal schedules that differ in one gene, and in those that it switches on and off."""
    name = parameter.name
    for one in _legal(space, rng, {switch: values[0] for switch, values in parameter.when.items()}):
        for value in near_values(parameter, one[name]):
            other = space.canonical({**one, name: value})
            if space.is_legal(other) is None:
                yield one, other


def _forget(key: str) -> None:
    """Have a source imported anew."""
    for name in [name for name in sys.modules if key in name]:
        del sys.modules[name]
