"""A closed self-improvement loop on an ordinary CPU.

A genetic search (``search``) proposes schedules of a kernel, the harness (package ``benchmarks``) proves and times
them, ``store`` keeps every outcome, ``tracker`` holds the gains against the machine's limit and against luck,
``report`` shows them. ``run`` is the loop, ``cli`` the command line; what is tuned lives in the package ``kernels``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evolve.installation import require_own_packages

if TYPE_CHECKING:
    from kernels import Size
    from kernels.door import Tuned

__all__ = ["best"]
__version__ = "0.1.0"

require_own_packages()


def best(
    kernel: str, *, size: Size | int | None = None, dtype: str = "float64", threads: int = 1, store: str | None = None
) -> Tuned:
    """The best verified kernel for this machine and problem; see ``evolve.wisdom.best``."""
    from evolve import wisdom  # noqa: PLC0415 - imports numba

    return wisdom.best(kernel, size=size, dtype=dtype, threads=threads, store=store)
