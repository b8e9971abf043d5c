"""Flushing arrays out of all caches, line by line, for the policy ``flush``."""

from __future__ import annotations

import functools
import platform
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

LINE_BYTES = 64


def is_supported() -> bool:
    """Whether this processor has the instruction: x86 does since SSE2."""
    return platform.machine().lower() in {"x86_64", "amd64"}


@functools.cache
def flusher() -> Callable[[NDArray[Any]], None]:
    """A compiled function that flushes the lines of a C-contiguous array and waits until that is done.

    Raises:
        RuntimeError: the processor has no such instruction.
    """
    if not is_supported():
        raise RuntimeError(f"the cache policy 'flush' needs x86; this is {platform.machine()}")
    from llvmlite import ir  # noqa: PLC0415 - half a second, needed for one policy only
    from numba import njit, types  # noqa: PLC0415
    from numba.core import cgutils  # noqa: PLC0415
    from numba.extending import intrinsic  # noqa: PLC0415

    def instruction(builder: Any, name: str, *values: Any) -> None:
        kind = ir.FunctionType(ir.VoidType(), [value.type for value in values])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)  # type: ignore[no-untyped-call]

    @intrinsic
    def clflush(_context: Any, _address: Any) -> Any:
        def emit(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
            instruction(builder, "llvm.x86.sse2.clflush", builder.inttoptr(values[0], ir.PointerType()))
            return context.get_dummy_value()

        return types.void(types.uintp), emit

    @intrinsic
    def mfence(_context: Any) -> Any:
        def emit(context: Any, builder: Any, _signature: Any, _values: Any) -> Any:
            instruction(builder, "llvm.x86.sse2.mfence")
            return context.get_dummy_value()

        return types.void(), emit

    @njit(types.void(types.uintp, types.intp))
    def flush_lines(address: Any, lines: int) -> None:
        for k in range(lines):
            clflush(np.uint64(address + k * LINE_BYTES))  # type: ignore[call-arg]
        mfence()  # type: ignore[call-arg]

    return lambda array: flush_lines(array.ctypes.data, -(-array.nbytes // LINE_BYTES) + 1)
