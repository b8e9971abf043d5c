"""Compiled callers of a compiled function: many calls for the price of one from Python, and a call of nothing at all.

A call from Python costs 0.15 to 0.3 us, a call through an address about 3 ns; and what is called through an address can
be neither inlined nor hoisted nor removed. An inlining caller whose result went unused took 0.000 ns a call.
"""

from __future__ import annotations

import hashlib

from kernels.language.stage import Source, language_version

_HEAD = """\
# A caller of compiled functions; vector operations {version}.
from numba import njit
from numba.types import FunctionType, float32, float64, int32, intp, void
"""


def driver_of(source: Source) -> Source | None:
    """``drive(*arguments, address, calls)`` for whatever has the signature of a source; None where that is inferred."""
    if source.signature is None:
        return None
    names = _arguments(source.signature)
    text = f"""{_head()}from kernels.language.simd import function_at
KIND = FunctionType({source.signature})


@njit({_extended(source.signature)}, cache=True, error_model='numpy')
def drive({", ".join((*names, "address", "calls"))}):
    function = function_at(address, KIND)
    for _ in range(calls):
        function({", ".join(names)})
"""
    return _source("drive", text)


def idle_of(source: Source) -> Source | None:
    """A function of the same signature that does nothing: its time is the floor under every other's."""
    if source.signature is None:
        return None
    names = ", ".join(_arguments(source.signature))
    text = f"""{_head()}

@njit({source.signature}, cache=True, error_model='numpy')
def idle({names}):
    pass
"""
    return _source("idle", text)


def _arguments(signature: str) -> list[str]:
    inner = signature[signature.index("(") + 1 : signature.rindex(")")]
    depth, count = 0, 1
    for letter in inner:  # commas within the brackets of an array's dimensions separate no arguments
        depth += {"[": 1, "(": 1, "]": -1, ")": -1}.get(letter, 0)
        count += letter == "," and depth == 0
    return [f"a{k}" for k in range(count)]


def _extended(signature: str) -> str:
    return f"{signature[: signature.rindex(')')]}, intp, intp)"


def _head() -> str:
    return _HEAD.format(version=language_version())


def _source(name: str, text: str) -> Source:
    return Source(name, text, hashlib.sha256(text.encode()).hexdigest(), (), (), ())
