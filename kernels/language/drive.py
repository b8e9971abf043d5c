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
    names = _names(source.signature)
    text = f"""{head()}from kernels.language.simd import function_at
KIND = FunctionType({source.signature})


@njit({_extended(source.signature)}, cache=True, error_model='numpy')
def drive({", ".join((*names, "address", "calls"))}):
    function = function_at(address, KIND)
    for _ in range(calls):
        function({", ".join(names)})
"""
    return source_of("drive", text)


def idle_of(source: Source) -> Source | None:
    """A function of the same signature that does nothing: its time is the floor under every other's."""
    if source.signature is None:
        return None
    names = ", ".join(_names(source.signature))
    text = f"""{head()}

@njit({source.signature}, cache=True, error_model='numpy')
def idle({names}):
    pass
"""
    return source_of("idle", text)


def types_of(signature: str) -> list[str]:
    """Types of the arguments of a signature, as it spells them."""
    inner = signature[signature.index("(") + 1 : signature.rindex(")")]
    depth, found = 0, [""]
    for letter in inner:  # commas within the brackets of an array's dimensions separate no arguments
        depth += {"[": 1, "(": 1, "]": -1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            found.append("")
        else:
            found[-1] += letter
    return [kind.strip() for kind in found]


def _names(signature: str) -> list[str]:
    return [f"a{k}" for k in range(len(types_of(signature)))]


def _extended(signature: str) -> str:
    return f"{signature[: signature.rindex(')')]}, intp, intp)"


def head() -> str:
    """How every generated caller begins."""
    return _HEAD.format(version=language_version())


def source_of(name: str, text: str, signature: str | None = None) -> Source:
    """The source of a generated caller."""
    return Source(name, text, hashlib.sha256(text.encode()).hexdigest(), (), (), (), signature)
