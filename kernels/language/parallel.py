"""Compiled callers that have several threads share one call: each calls the kernel, by its address, on a part of it.

What is generated depends on the signature alone, so that all schedules of a signature, and any number of threads, share
one build. Two functions: ``parallel`` is called as the kernel is and leaves its arguments where a team of threads finds
them (see ``simd.threads``); ``part`` takes them there and calls the kernel on one thread's rows.

A kernel that is given its output whole takes two numbers behind the scratch arrays: the first row of the output that is
its own, and the one behind the last. Callers know nothing of these: one thread calls it by ``alone``, for all rows.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kernels.language.drive import head, source_of, types_of
from kernels.language.stage import Source
from kernels.language.template import TemplateError

_SLICE_ELEMENTS = 32
"""Scratch of one thread ends on a pair of cache lines, as adjacent lines are fetched in pairs."""
_LINE_BYTES = 64
_ROWS = ("first", "last")


def parallel_of(source: Source, split: Sequence[str], threads: int) -> Source:
    """The source of a function that takes what a kernel takes, its own rows aside, and that threads share.

    Args:
        source: of a kernel with its output behind its inputs, then scratch arrays; one slice a thread (``slices``).
        split: as ``Kernel.split``.
        threads: that share it; 1 for the source itself, or one that names all rows.

    Raises:
        TemplateError: it has no signature, or ``split`` is empty.
    """
    if threads == 1 and not _is_told(split):
        return source
    if not split:
        raise TemplateError(f"nothing says how threads could share {source.name!r}")
    if source.signature is None:
        raise TemplateError(f"the template {source.name!r} has no signature, so threads cannot share it")
    calls = _Calls(source.signature, tuple(split), len(source.runtime) + len(source.pointers))
    made = (calls.alone(),) if threads == 1 else (calls.parallel(), calls.part())
    kernel = dataclasses.replace(source, pointers=())
    return dataclasses.replace(
        made[0], runtime=source.runtime, pointers=(*source.pointers, kernel, *made[1:]), threads=threads
    )


def _is_told(split: Sequence[str]) -> bool:
    """Whether a kernel is told which rows are its own, as it is given its output whole."""
    return bool(split) and split[-1] == "whole"


def slices(counts: Iterable[int], threads: int) -> tuple[int, ...]:
    """Elements of scratch arrays that hold a slice for each of several threads."""
    if threads == 1:
        return tuple(counts)
    return tuple(threads * -(-count // _SLICE_ELEMENTS) * _SLICE_ELEMENTS for count in counts)


@dataclass(frozen=True)
class _Calls:
    """The generated functions that lead to a kernel.

    Attributes:
        signature: the kernel's.
        split: as ``Kernel.split``.
        numbers: that it takes behind all else, the same for every thread: run-time parameters and addresses.
    """

    signature: str
    split: tuple[str, ...]
    numbers: int

    @functools.cached_property
    def kinds(self) -> list[str]:
        """Types of what the kernel takes."""
        return types_of(self.signature)

    def words(self, split: Sequence[str]) -> list[str]:
        """How each of these is given."""
        rows = _ROWS if _is_told(split) else ()
        scratch = len(self.kinds) - len(split) - len(rows) - self.numbers
        return [*split, *["scratch"] * scratch, *rows, *["whole"] * self.numbers]

    @functools.cached_property
    def taken(self) -> dict[str, str]:
        """Names and types of what callers give: all but the rows."""
        named = zip(self.words(self.split), self.kinds, strict=True)
        return {f"a{k}": kind for k, (how, kind) in enumerate(named) if how not in _ROWS}

    def alone(self) -> Source:
        """Names all rows."""
        signature = f"void({', '.join(self.taken.values())}, intp)"
        words = ["whole" if how == "scratch" else how for how in self.words(self.split)]
        text = f"""{head()}from kernels.language.simd import function_at
KERNEL = FunctionType({self.signature})


@njit({signature}, cache=True, error_model='numpy')
def alone({", ".join(self.taken)}, kernel):
    function = function_at(kernel, KERNEL)
    first, last = 0, {self.out}.shape[0]
    {self.call(words)}
"""
        return source_of("alone", text, signature)

    def parallel(self) -> Source:
        """Leaves the arguments where all threads find them."""
        names = ", ".join(self.taken)
        signature = f"void({', '.join(self.taken.values())}, intp, intp, intp)"
        text = f"""{head()}from kernels.language.simd import kept, share


@njit({signature}, cache=True, error_model='numpy')
def parallel({names}, kernel, part, team):
    share(team, part, kept(({names}, kernel)))
"""
        return source_of("parallel", text, signature)

    def part(self) -> Source:
        """Does one thread's part."""
        many, _, one = (" ".join(words) for words in zip(*(how.partition("/") for how in self.split), strict=True))
        lines = self.shared(many.split())
        if one.split():
            of_one = (f"    {line}" for line in self.shared(one.split()))
            lines = [f"if {self.out}.shape[0] == 1:", *of_one, "else:", *(f"    {line}" for line in lines)]
        body = "\n    ".join(lines)
        text = f"""{head()}from numba.types import Tuple
from kernels.language.simd import function_at, rows_between, rows_of, taken
KERNEL = FunctionType({self.signature})
ARGUMENTS = Tuple(({", ".join(self.taken.values())}, intp))


@njit(void(intp, intp, intp), cache=True, error_model='numpy')
def part(at, me, threads):
    {", ".join(self.taken)}, kernel = taken(at, ARGUMENTS)
    function = function_at(kernel, KERNEL)
    {body}
"""
        return source_of("part", text)

    def shared(self, split: Sequence[str]) -> list[str]:
        """Statements that find a thread's part of the output, and call the kernel on it where it is not empty."""
        shared = f"{self.out}[0]" if split[-1] == "second" else self.out
        line = _LINE_BYTES // (4 if "float32" in self.kinds[len(split) - 1] else 8)
        fence = next((f"a{k}, " for k, how in enumerate(split) if how == "fence"), "")
        return [
            f"first, last = {'rows_between' if fence else 'rows_of'}({fence}{shared}, {line}, me, threads)",
            "if first < last:",
            f"    {self.call(self.words(split))}",
        ]

    @property
    def out(self) -> str:
        """The output's name."""
        return f"a{len(self.split) - 1}"

    def call(self, words: Sequence[str]) -> str:
        """The call of the kernel."""
        given = (_given(f"a{k}", how, kind) for k, (how, kind) in enumerate(zip(words, self.kinds, strict=True)))
        return f"function({', '.join(given)})"


def _given(name: str, how: str, kind: str) -> str:
    """The expression of what a thread is given of an argument."""
    rest = "".join(f", {name}.shape[{axis}]" for axis in range(2, kind.count(":") - kind.count("::")))
    return {
        "rows": f"{name}[first:last]",
        "fence": f"{name}[first:last + 1]",
        "second": f"{name}[0, first:last].reshape((1, last - first{rest}))",
        "scratch": f"{name}[me * ({name}.size // threads):(me + 1) * ({name}.size // threads)]",
        "whole": name,
        "first": "first",
        "last": "last",
    }[how]
