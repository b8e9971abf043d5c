"""A closed self-improvement loop on an ordinary CPU.

A genetic search (``search``) proposes schedules of a kernel, the harness (package ``benchmarks``) proves and times
them, ``store`` keeps every outcome, ``tracker`` holds the gains against the machine's limit and against luck,
``report`` shows them. ``run`` is the loop, ``cli`` the command line; what is tuned lives in the package ``kernels``.
"""

from __future__ import annotations

import contextlib
import gc
from typing import TYPE_CHECKING

from evolve.installation import require_own_packages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernels import Size
    from kernels.door import Tuned

__all__ = ["best"]
__version__ = "0.1.0"

require_own_packages()


def best(
    kernel: str, *, size: Size | int | None = None, dtype: str = "float64", threads: int = 1, store: str | None = None
) -> Tuned:
    """The best verified kernel for this machine and problem; see ``evolve.ready.best``."""
    with _no_collection():
        from evolve import ready  # noqa: PLC0415 - imports numba

        return ready.best(kernel, size=size, dtype=dtype, threads=threads, store=store)


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Put garbage collection off: the imports set one off that looks at all of Numba's objects, in 30 ms."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
