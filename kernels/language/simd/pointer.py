"""Calls through an address: a caller that takes functions is compiled once for all of them, at about 3 ns a call.

Numba's own way of passing a compiled function costs 35 us for each at every call from Python (measured on a Zen 5; by
address 0.3 us in all), because it looks the address up anew; here it is looked up once and passed as a number.
"""

from __future__ import annotations

from typing import Any

from numba.core import cgutils
from numba.core.types import intp

from kernels.language.simd.emit import Lowering, lowered, operation


@operation
def function_at(_context: Any, address: Any, kind: Any) -> Lowering:
    """The compiled function at ``address``, an ``intp`` from ``address_of``; ``kind`` is its ``FunctionType``."""
    function_type = kind.instance_type

    def emit(e: Any, place: Any, _kind: Any) -> Any:
        struct = cgutils.create_struct_proxy(function_type)(e.context, e.builder)  # type: ignore[no-untyped-call]
        struct.jit_addr = e.builder.inttoptr(place, struct.jit_addr.type)
        return struct._getvalue()  # noqa: SLF001 - the name that Numba's own code uses

    del address
    return lowered(function_type, [intp, kind], emit)


def address_of(function: Any) -> int:
    """The address of a function that was compiled for one explicit signature; valid while the function lives."""
    (result,) = function.overloads.values()
    return int(result.library.get_pointer_to_function(result.fndesc.llvm_func_name))
