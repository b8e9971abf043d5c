"""Machine code in a file of its own: what a source and all that it takes by address were compiled to, linked by LLVM.

The first function that Numba takes from its cache on disk makes it set up all that compiling needs: 0.3 s, and more
for every module that is imported and every signature that is read. An *image* holds the object code of that cache, and
the names in it: LLVM links it into an engine of its own in some milliseconds, and Python calls it by the very wrapper
that Numba compiled. What could go wrong is looked for beforehand: an image that is torn, or that calls what is not
there, is none.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import llvmlite.binding as llvm
from numba import _dynfunc, config  # type: ignore[attr-defined]
from numba.core.caching import FunctionCache
from numba.core.registry import cpu_target
from numba.core.runtime import _nrt_python  # type: ignore[attr-defined]

LOADED_S = time.time()
"""When the language was imported: before every kernel."""


@dataclass(frozen=True)
class Part:
    """The machine code of one function.

    Attributes:
        name: of the function.
        wrapper: symbol of what Python calls.
        symbol: of what compiled code calls.
        environments: symbols of pointers to what Numba calls an environment: they may not be null.
        calls: symbols of others that it needs.
        code: an object file.
    """

    name: str
    wrapper: str
    symbol: str
    environments: tuple[str, ...]
    calls: tuple[str, ...]
    code: bytes


@dataclass(frozen=True)
class Image:
    """Functions that belong together, and what is to be known of them: plain values."""

    facts: Mapping[str, Any]
    parts: tuple[Part, ...]

    def as_bytes(self) -> bytes:
        """The image as a file: a digest, then a line of JSON, then the object code."""
        parts = [{**asdict(part), "code": len(part.code)} for part in self.parts]
        body = json.dumps({"facts": self.facts, "parts": parts}).encode() + b"\n"
        body += b"".join(part.code for part in self.parts)
        return hashlib.sha256(body).hexdigest().encode() + b"\n" + body

    @classmethod
    def from_bytes(cls, data: bytes) -> Image | None:
        """The image that a file holds; None where it is not whole."""
        digest, _, body = data.partition(b"\n")
        if hashlib.sha256(body).hexdigest().encode() != digest:
            return None
        head, _, code = body.partition(b"\n")
        told = json.loads(head)
        parts, start = [], 0
        for part in told["parts"]:
            end = start + part.pop("code")
            names: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in part.items()}
            parts.append(Part(**names, code=code[start:end]))
            start = end
        return cls(told["facts"], tuple(parts))


@dataclass(frozen=True)
class Linked:
    """A function of an image, ready to be called.

    Attributes:
        function: for Python; it keeps the code alive.
        address: for compiled code.
    """

    function: Callable[..., Any]
    address: int


def part_of(function: Any) -> Part | None:
    """The machine code of a function that was compiled for one explicit signature; None where no file can hold it.

    Args:
        function: a Numba dispatcher with a disk cache.
    """
    if not isinstance(function._cache, FunctionCache):  # noqa: SLF001 - Numba has no other way to what it keeps
        return None
    cache: Any = function._cache  # noqa: SLF001
    (signature,) = {*function.stats.cache_hits, *function.stats.cache_misses}
    key = cache._index_key(signature, cpu_target.target_context.codegen())  # noqa: SLF001
    kept = cache._cache_file.load(key)  # noqa: SLF001
    if kept is None:
        return None
    (_, kind, data), described, environment, _, is_object_mode, lifted, _, on_load, others = kept
    environments = (environment, *others)
    if kind != "object" or is_object_mode or lifted or on_load or any(one.consts for one in environments):
        return None
    return Part(
        name=described.qualname,
        wrapper=described.llvm_cpython_wrapper_name,
        symbol=described.llvm_func_name,
        environments=tuple(sorted({one.env_name for one in environments})),
        calls=_calls(data[1]),
        code=data[0],
    )


def _calls(bitcode: bytes) -> tuple[str, ...]:
    """Names that a module declares and does not define, those that LLVM itself knows aside."""
    module = llvm.parse_bitcode(bitcode)
    declared = (one.name for one in (*module.functions, *module.global_variables) if one.is_declaration)
    return tuple(sorted(name for name in declared if not name.startswith("llvm.")))


def linked(parts: Sequence[Part]) -> list[Linked] | None:
    """The functions of an image, in order; None where something that they call is not there.

    LLVM ends the process where it finds a name that it does not know, so all are looked up first.
    """
    _introduce_runtime()
    own = {part.symbol for part in parts}
    engine = _engine()
    if not all(llvm.address_of_symbol(name) for part in parts for name in part.calls if name not in own):
        return None
    for part in parts:
        engine.add_object_file(llvm.ObjectFileRef.from_data(part.code))
    engine.finalize_object()
    environment = _dynfunc.Environment({})
    for name in {name for part in parts for name in part.environments}:
        place = engine.get_global_value_address(name)
        assert place, f"{name} is not where it is said to be"
        ctypes.c_void_p.from_address(place).value = id(environment)
    return [_linked(engine, part, environment) for part in parts]


def _linked(engine: Any, part: Part, environment: Any) -> Linked:
    entry = engine.get_function_address(part.wrapper)
    function = _dynfunc.make_function(sys.modules[__name__], part.name, "", entry, environment, (engine, environment))
    return Linked(function, engine.get_function_address(part.symbol))


def _engine() -> Any:
    """A linker for code of this processor."""
    settings: Any = config
    triple = llvm.get_process_triple()
    machine = llvm.Target.from_triple(triple).create_target_machine(jit=True)
    module = llvm.parse_assembly(f'target triple = "{triple}"')
    return llvm.create_mcjit_compiler(module, machine, use_lmm=settings.USE_LLVMLITE_MEMORY_MANAGER)


@functools.cache
def _introduce_runtime() -> None:
    """Tell LLVM where Numba's runtime lies: what ``numba.core.runtime`` does, less what only compiling needs."""
    assert cpu_target.target_context is not None  # making it introduces Python, and the C library's mathematics
    for name, address in _nrt_python.c_helpers.items():
        llvm.add_symbol(name if name.startswith("_") else f"NRT_{name}", address)
