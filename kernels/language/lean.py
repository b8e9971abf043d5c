"""Numba as a generated function needs it: the same machine code, made with less work.

Left out is what nobody asks of a generated function: the wrapper by which C would call it; where only other functions
call it, that for Python; the annotated listing; LLVM's passes over functions that have no body. Lives of variables are
found out where they are needed, not after every pass; and what a call of an operation means for given types is found
out once in a process, not in each turn of each function's type inference.

On a Zen 5 a build takes 1.3 to 1.6 times less processor time, most of what is left LLVM's own. With fewer of its
passes the code would not be the same: without those over single functions none of seven schedules of softmax was, and
what somebody exports is compiled by Numba as it is.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator
from typing import Any

from numba import _dynfunc  # type: ignore[attr-defined]
from numba.core import transforms, types
from numba.core.annotations.type_annotations import TypeAnnotation
from numba.core.codegen import JITCodeLibrary, JITCPUCodegen
from numba.core.compiler_lock import global_compiler_lock
from numba.core.cpu import CPUContext
from numba.core.postproc import PostProcessor, VariableLifetime
from numba.core.registry import cpu_target
from numba.core.typing.context import Context

PACKAGE = "evolve_generated"
"""Of generated modules."""

_REFUSAL = ctypes.cast(ctypes.pythonapi.PyObject_Call, ctypes.c_void_p).value
"""Stands for a wrapper that was not made: it takes the same arguments, and says that the function is not callable."""

_signatures: dict[tuple[Any, ...], Any] = {}


@contextlib.contextmanager
def lean() -> Iterator[None]:
    """Have Numba compile and load in this manner what this thread asks for meanwhile; others wait with theirs."""
    target = cpu_target.target_context
    changed = ((target, _Target), (target.codegen(), _Codegen), (cpu_target.typing_context, _Typing))
    with global_compiler_lock, contextlib.ExitStack() as undo:
        for owner, name, replacement in _REPLACED:
            undo.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, replacement)
        for thing, kind in changed:
            undo.callback(setattr, thing, "__class__", thing.__class__)
            thing.__class__ = kind
        yield


def _nothing(_annotation: Any) -> str:
    """A listing of all statements with their types, which Numba would keep with the machine code."""
    return ""


def _processed(processor: Any, emit_dels: bool = False, extend_lifetimes: bool = False) -> None:
    """Order the blocks, and forget what was known of variables' lives: it is found out anew by whoever asks.

    Numba finds it out after every pass, ten times a function, and for its object mode what lives at each block besides.
    """
    function = processor.func_ir
    if function.is_generator:
        _run(processor, emit_dels, extend_lifetimes)
        return
    function.blocks = transforms.canonicalize_cfg(function.blocks)  # type: ignore[no-untyped-call]
    function.variable_lifetime = VariableLifetime(function.blocks)  # type: ignore[no-untyped-call]
    function.generator_info = None
    if emit_dels:
        processor._insert_var_dels(extend_lifetimes=extend_lifetimes)  # noqa: SLF001 - as Numba does


_run = PostProcessor.run
_REPLACED = ((TypeAnnotation, "annotate", _nothing), (PostProcessor, "run", _processed))


class _Typing(Context):
    """Knows again what a call of an operation means for given types; functions of its own may still be compiled."""

    def resolve_function_type(self, func: Any, args: Any, kws: Any) -> Any:
        if kws or type(func) is not types.Function or type(args) is not tuple:
            return super().resolve_function_type(func, args, kws)  # type: ignore[no-untyped-call]
        found = _signatures.get((func, args))
        if found is None:
            found = super().resolve_function_type(func, args, kws)  # type: ignore[no-untyped-call]
            if found is not None:
                # the key keeps the function's type alive, which knows what to compile for the signature
                _signatures[func, args] = found
        return found


class _Target(CPUContext):
    """Makes the wrappers that are wanted."""

    def create_cfunc_wrapper(self, library: Any, fndesc: Any, *others: Any) -> None:
        if not _is_generated(fndesc):
            super().create_cfunc_wrapper(library, fndesc, *others)  # type: ignore[no-untyped-call]

    def create_cpython_wrapper(self, library: Any, fndesc: Any, *others: Any, **options: Any) -> None:
        # without a signature of its own it is compiled while the types of its caller are inferred
        is_called_only = len(self.typing_context.callstack) > 0
        if not (_is_generated(fndesc) and is_called_only):
            super().create_cpython_wrapper(library, fndesc, *others, **options)  # type: ignore[no-untyped-call]

    def get_executable(self, library: Any, fndesc: Any, env: Any) -> Any:
        made = super().get_executable(library, fndesc, env)  # type: ignore[no-untyped-call]
        if library.get_pointer_to_function(fndesc.llvm_cpython_wrapper_name):
            return made
        module, name = fndesc.lookup_module(), fndesc.qualname.rpartition(".")[2]
        return _dynfunc.make_function(module, name, "called by compiled code only", _REFUSAL, env, (library,))


def _is_generated(fndesc: Any) -> bool:
    return bool(fndesc.modname.startswith(PACKAGE))


class _Library(JITCodeLibrary):
    """Code under way."""

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout  # noqa: SLF001 - as Numba does
        for function in ll_module.functions:
            if not function.is_declaration:
                passes, builder = self._codegen._function_pass_manager()  # type: ignore[no-untyped-call] # noqa: SLF001
                passes.run(function, builder)


class _Codegen(JITCPUCodegen):
    """Makes such libraries."""

    _library_class = _Library
