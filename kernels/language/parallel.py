"""Compiled callers that have several threads share one call: each calls the kernel, by its address, on a part of it.

What is generated depends on the signature alone, so that all schedules of a signature, and any number of threads, share
one build. Two functions: ``parallel`` is called as the kernel is and leaves its arguments where a team of threads finds
them (see ``simd.threads``); ``part`` takes them there and calls the kernel on one thread's rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from kernels.language.drive import head, source_of, types_of
from kernels.language.stage import Source
from kernels.language.template import TemplateError

_SLICE_ELEMENTS = 32
"""Scratch of one thread ends on a pair of cache lines, as adjacent lines are fetched in pairs."""
_LINE_BYTES = 64


def parallel_of(source: Source, split: Sequence[str], threads: int) -> Source:
    """The source of a function that is called as that of ``source`` is, and shared by threads.

    Args:
        source: of a kernel with its output behind its inputs, then scratch arrays; one slice a thread (``slices``).
        split: as ``Kernel.split``.
        threads: that share it; 1 for the source itself.

    Raises:
        TemplateError: it has no signature, or ``split`` is empty.
    """
    if threads == 1:
        return source
    if not split:
        raise TemplateError(f"nothing says how threads could share {source.name!r}")
    if source.signature is None:
        raise TemplateError(f"the template {source.name!r} has no signature, so threads cannot share it")
    kinds = types_of(source.signature)
    scratch = len(kinds) - len(split) - len(source.runtime) - len(source.pointers)
    kernel = dataclasses.replace(source, pointers=())
    return dataclasses.replace(
        _parallel(kinds),
        runtime=source.runtime,
        pointers=(*source.pointers, kernel, _part(source.signature, split, scratch)),
        threads=threads,
    )


def slices(counts: Iterable[int], threads: int) -> tuple[int, ...]:
    """Elements of scratch arrays that hold a slice for each of several threads."""
    if threads == 1:
        return tuple(counts)
    return tuple(threads * -(-count // _SLICE_ELEMENTS) * _SLICE_ELEMENTS for count in counts)


def _parallel(kinds: Sequence[str]) -> Source:
    names = ", ".join(f"a{k}" for k in range(len(kinds)))
    signature = f"void({', '.join(kinds)}, intp, intp, intp)"
    text = f"""{head()}from kernels.language.simd import kept, share


@njit({signature}, cache=True, error_model='numpy')
def parallel({names}, kernel, part, team):
    share(team, part, kept(({names}, kernel)))
"""
    return source_of("parallel", text, signature)


def _part(signature: str, split: Sequence[str], scratch: int) -> Source:
    kinds = types_of(signature)
    many, _, one = (" ".join(words) for words in zip(*(how.partition("/") for how in split), strict=True))
    lines = _call(kinds, many.split(), scratch)
    if one.split():
        of_one = (f"    {line}" for line in _call(kinds, one.split(), scratch))
        lines = [f"if a{len(split) - 1}.shape[0] == 1:", *of_one, "else:", *(f"    {line}" for line in lines)]
    body = "\n    ".join(lines)
    text = f"""{head()}from numba.types import Tuple
from kernels.language.simd import function_at, rows_between, rows_of, taken
KERNEL = FunctionType({signature})
ARGUMENTS = Tuple(({", ".join(kinds)}, intp))


@njit(void(intp, intp, intp), cache=True, error_model='numpy')
def part(at, me, threads):
    {", ".join(f"a{k}" for k in range(len(kinds)))}, kernel = taken(at, ARGUMENTS)
    function = function_at(kernel, KERNEL)
    {body}
"""
    return source_of("part", text)


def _call(kinds: Sequence[str], split: Sequence[str], scratch: int) -> list[str]:
    """Statements that find a thread's part of the output, and call the kernel on it where it is not empty."""
    out = len(split) - 1
    shared = f"a{out}[0]" if split[out] == "second" else f"a{out}"
    line = _LINE_BYTES // (4 if "float32" in kinds[out] else 8)
    fence = next((f"a{k}, " for k, how in enumerate(split) if how == "fence"), "")
    words = [*split, *["scratch"] * scratch, *["whole"] * (len(kinds) - len(split) - scratch)]
    passed = (_given(f"a{k}", how, kinds[k]) for k, how in enumerate(words))
    return [
        f"first, last = {'rows_between' if fence else 'rows_of'}({fence}{shared}, {line}, me, threads)",
        "if first < last:",
        f"    function({', '.join(passed)})",
    ]


def _given(name: str, how: str, kind: str) -> str:
    """The expression of what a thread is given of an argument."""
    rest = "".join(f", {name}.shape[{axis}]" for axis in range(2, kind.count(":") - kind.count("::")))
    return {
        "rows": f"{name}[first:last]",
        "fence": f"{name}[first:last + 1]",
        "second": f"{name}[0, first:last].reshape((1, last - first{rest}))",
        "scratch": f"{name}[me * ({name}.size // threads):(me + 1) * ({name}.size // threads)]",
        "whole": name,
    }[how]
