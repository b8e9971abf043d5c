"""The door by which anybody's arrays come to a compiled kernel, which believes whatever it is told.

Each call is checked once, here: dtype, dimensions, order, what may be written, what overlaps. ``export`` cuts these
functions out for its files, so they stand on numpy and the standard library alone.
"""

from __future__ import annotations

import ctypes
import inspect
import math
import numbers
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kernels.language.parallel import slices

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kernels.contract import Kernel, Size
    from kernels.language import Schedule
    from kernels.language.build import Compiled

ALIGNMENT_BYTES = 64

_MOST_SIZES = 64
"""That a door remembers."""
_SCRATCH = threading.local()


@dataclass(frozen=True)
class Input:
    """What a kernel takes in one place.

    Attributes:
        name: as its reference calls it.
        dtype: of the array, or of the number.
        ndim: dimensions; 0 for a number.
    """

    name: str
    dtype: np.dtype[Any]
    ndim: int

    @property
    def plain_types(self) -> tuple[type, ...]:
        """Types of numbers that compiled code takes as they are; any other is converted first."""
        python = {"f8": float, "f4": float, "i8": int}  # it refuses a whole number that 8 bytes do not hold, but cuts 4
        own = self.dtype.type
        return own, python.get(self.dtype.str[1:], own)


def inputs_of(kernel: Kernel, dtype: str) -> list[Input]:
    """What a kernel takes, as a problem of its own shows it."""
    names = inspect.signature(kernel.reference).parameters
    example = kernel.problem(kernel.verify_sizes[0], dtype, np.random.default_rng(0))
    return [Input(name, np.asarray(value).dtype, np.ndim(value)) for name, value in zip(names, example, strict=True)]


@dataclass(frozen=True)
class Outline:
    """What an array looks like from outside; it has no values."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        """Dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Elements."""
        return math.prod(self.shape)


def is_sized_by_shapes(kernel: Kernel, dtype: str) -> bool:
    """Whether shapes and whole numbers alone say a problem's size, so that equal ones need not be looked at again."""
    example = kernel.problem(kernel.verify_sizes[0], dtype, np.random.default_rng(0))
    outlines = [Outline(one.shape, one.dtype) if isinstance(one, np.ndarray) else one for one in example]
    try:
        return kernel.size_of(*outlines) == kernel.size_of(*example)
    except (AttributeError, TypeError):  # it looks into one of them
        return False


_USUAL = """\
def key_of({inputs}):
    return ({key},)

def usual(given, out):
    if len(given) != {count}:
        return None
    {inputs}, = given
    if not ({are_plain}):
        return None
    known = sizes.get(({key},))
    if known is None:
        return None
    shape, counts = known
    if out is None:
        out = aligned(shape, dtype)
    elif not ({is_plain} and out.shape == shape and {are_apart}):
        return None
    function({inputs}, out, *behind(counts))
    return out
"""
"""A call with inputs that compiled code takes as they are, of a size that was met before, and without an output, or
with one that owns its memory as they do theirs; None where that is not so. Written out for a kernel's inputs it takes
half the time of a loop. Where shapes say the size they are what it is known by, so that dimensions are right too."""


def _written(inputs: Sequence[Input], known: dict[str, Any], *, by_shapes: bool) -> list[Callable[..., Any]]:
    """The functions above, for these inputs; they call what is known by the names that it has there."""
    known |= {"ndarray": np.ndarray, "aligned": aligned}
    names, keys, are_plain, are_apart = [f"x{k}" for k in range(len(inputs))], [], [], []
    for k, (one, x) in enumerate(zip(inputs, names, strict=True)):
        known |= {f"d{k}": one.dtype, f"t{k}": one.plain_types}
        if one.ndim:
            are_plain += [f"type({x}) is ndarray", f"{x}.dtype is d{k}", f"{x}.flags.carray"]
            are_plain += [] if by_shapes else [f"{x}.ndim == {one.ndim}"]
            are_apart += [f"{x}.base is None", f"{x} is not out"]
            keys += [f"{x}.shape"]
        else:
            are_plain += [f"type({x}) in t{k}"]
            keys += [x] if one.dtype.kind == "i" else []
    text = _USUAL.format(
        count=len(inputs),
        inputs=", ".join(names),
        key=", ".join(keys) if by_shapes else f"size_of({', '.join(names)})",
        are_plain=" and ".join(are_plain),
        is_plain="type(out) is ndarray and out.dtype is dtype and (flags := out.flags).carray and flags.owndata",
        are_apart=" and ".join(are_apart) or "True",
    )
    exec(text, known)  # noqa: S102 - our own text
    return [known["key_of"], known["usual"]]


class Tuned:
    """A compiled schedule that anybody may call: ``tuned(*inputs, out=None)`` returns the output.

    Inputs that are not C-contiguous, or overlap ``out``, are copied; several threads may call it at once.

    Attributes:
        kernel: what it computes.
        schedule: how.
        dtype: of its floating-point arrays.
        threads: that share each call.

    Raises:
        TypeError: on a call with too many or too few inputs, or one of another dtype or number of dimensions.
        ValueError: on a call with shapes that do not fit each other, or an ``out`` that does not fit.
    """

    def __init__(
        self,
        kernel: Kernel,
        schedule: Schedule,
        dtype: str,
        compiled: Compiled,
        runtime: Sequence[str],
        threads: int = 1,
    ) -> None:
        self.kernel, self.schedule, self.dtype, self.threads = kernel, schedule, np.dtype(dtype), threads
        self._inputs = inputs_of(kernel, dtype)
        self._local = threading.local()
        self._function = compiled.entry
        self._extra = (*(int(schedule[name]) for name in runtime), *compiled.pointers)
        self._sizes: dict[tuple[Any, ...], tuple[tuple[int, ...], tuple[int, ...]]] = {}
        known = {"size_of": kernel.size_of, "sizes": self._sizes, "dtype": self.dtype}
        known |= {"function": self._function, "behind": self._behind}
        self._key_of, self._usual = _written(self._inputs, known, by_shapes=is_sized_by_shapes(kernel, dtype))

    def __call__(self, *inputs: Any, out: np.ndarray[Any, Any] | None = None) -> np.ndarray[Any, Any]:
        """The kernel's output for these inputs, in ``out`` where given; see the class."""
        usual = self._usual  # a local name is called in 30 ns less
        made = usual(inputs, out)
        return self._carefully(inputs, out) if made is None else made

    def _carefully(self, inputs: Sequence[Any], out: np.ndarray[Any, Any] | None) -> np.ndarray[Any, Any]:
        given = self._checked(inputs)
        size = self.kernel.size_of(*given)
        if 0 in size:
            made = checked_output(out, self.kernel.out_shape(size), self.dtype)
            made[...] = self.kernel.reference(*given)
            return made
        key = self._key_of(*given)
        shape, counts = self._sizes.get(key) or self._met(key, size)
        made = checked_output(out, shape, self.dtype)
        self._function(*(apart(value, made) for value in given), made, *self._behind(counts))
        return made

    def _behind(self, counts: Sequence[int]) -> tuple[Any, ...]:
        """What comes behind the output: scratch arrays, this thread's own, parameters and addresses."""
        try:
            before, behind = self._local.last
        except AttributeError:
            before, behind = None, ()
        if before is not counts:  # one tuple for all calls of a size
            behind = (*scratch(counts, self.dtype), *self._extra)
            self._local.last = counts, behind
        return behind

    def _checked(self, inputs: Sequence[Any]) -> list[Any]:
        if len(inputs) != len(self._inputs):
            names = ", ".join(one.name for one in self._inputs)
            raise TypeError(f"{self.kernel.name} takes {len(self._inputs)} inputs ({names}), not {len(inputs)}")
        return [
            checked_array(value, one.name, one.dtype, one.ndim)
            if one.ndim
            else checked_number(value, one.name, one.dtype)
            for value, one in zip(inputs, self._inputs, strict=True)
        ]

    def _met(self, key: tuple[Any, ...], size: Size) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Shape of the output, and elements of each scratch array: kept, as most calls are of a size met before."""
        if len(self._sizes) >= _MOST_SIZES:
            self._sizes.clear()
        counts = slices(self.kernel.workspace(self.schedule, size), self.threads)
        self._sizes[key] = known = self.kernel.out_shape(size), counts
        return known

    def __repr__(self) -> str:
        """What it is, in a line."""
        values = ", ".join(f"{name}={value!r}" for name, value in self.schedule.items())
        return f"<{self.kernel.name} {self.dtype}: {values}>"


def checked_array(value: Any, name: str, dtype: np.dtype[Any], ndim: int) -> np.ndarray[Any, Any]:
    """The input as a plain C-contiguous array that may be written to, as compiled code wants it; else a copy.

    Raises:
        TypeError: it is no array of that dtype and number of dimensions.
    """
    if not isinstance(value, np.ndarray) or value.dtype != dtype or value.ndim != ndim:
        raise TypeError(f"{name} must be a {ndim}-dimensional {dtype} array, not {described(value)}")
    if type(value) is np.ndarray and value.flags.carray:  # what `require` finds out too, in 1.5 us
        return value
    return np.require(value, requirements=["C", "A", "W", "E"])


def checked_number(value: Any, name: str, dtype: np.dtype[Any]) -> Any:
    """The input as a scalar of that dtype.

    Raises:
        TypeError: it is no number.
    """
    if not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a real number, not {described(value)}")
    return dtype.type(value)


def checked_output(out: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """The array that takes the result: ``out``, or a new one where that is None.

    Raises:
        ValueError: ``out`` cannot take it.
    """
    if out is None:
        return aligned(shape, dtype)
    fits = isinstance(out, np.ndarray) and out.dtype == dtype and out.shape == shape
    if not (fits and out.flags.carray):
        wanted = f"a writable C-contiguous {dtype} array of shape {shape}"
        raise ValueError(f"out must be {wanted}, not {described(out)}")
    return out


def described(value: Any) -> str:
    """What somebody passed in, in a few words."""
    if not isinstance(value, np.ndarray):
        return type(value).__name__
    kind = "" if value.flags.writeable else "read-only "
    kind += "" if value.flags.c_contiguous else "non-contiguous "
    return f"a {kind}{value.dtype} array of shape {value.shape}"


def apart(value: Any, out: np.ndarray[Any, Any]) -> Any:
    """The input, copied where writing the output would change it."""
    if isinstance(value, np.ndarray) and np.may_share_memory(value, out):
        return value.copy()
    return value


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """A new array, not initialised, that starts on a cache line."""
    raw: Any = np.empty(math.prod(shape) * dtype.itemsize + ALIGNMENT_BYTES, np.uint8)
    start = -ctypes.addressof(ctypes.c_char.from_buffer(raw)) % ALIGNMENT_BYTES  # as `raw.ctypes`, in 0.5 us less
    return np.ndarray(shape, dtype, raw, start)


def scratch(counts: Sequence[int], dtype: np.dtype[Any]) -> list[np.ndarray[Any, Any]]:
    """Arrays of so many elements for the kernel's own use; every thread keeps the largest that it has needed."""
    kept: dict[tuple[int, Any], np.ndarray[Any, Any]] = _SCRATCH.__dict__.setdefault("kept", {})
    arrays = []
    for k, count in enumerate(counts):
        array = kept.get((k, dtype))
        if array is None or array.size < count:
            array = kept[k, dtype] = aligned((count,), dtype)
        arrays.append(array if array.size == count else array[:count])
    return arrays
