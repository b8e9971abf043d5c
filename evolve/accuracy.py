"""How wrong a run's champion may be, where a user wants it nearer to the truth than the kernel's tolerance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evolve.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evolve.store import RunSpec
    from evolve.store.records import Value
    from kernels import Kernel, Size

LEAST_ERROR = 1e-3
"""Of what is tolerated: a result that is nearer to the truth is no better for it, and an exact one has a logarithm."""
_OPTION = "most_error"


def at_most(error: float, kernel: Kernel, size: Size, dtype: str) -> Mapping[str, Value | float]:
    """The option of a run whose champion's relative error is to be at most ``error``.

    Raises:
        UsageError: that is more than is tolerated in any case, or the kernel has to be exact.
    """
    tolerated = kernel.tolerance(size, dtype)
    if not tolerated:
        raise UsageError(f"{kernel.name} is exact: it has no error to be limited", "leave out --max-error")
    if error > tolerated:
        raise UsageError(
            f"--max-error {error:g} is more than the {tolerated:.3g} that {kernel.name} tolerates at this size",
            "beyond that a result is wrong",
        )
    return {_OPTION: error / tolerated}


def most_error(run: RunSpec) -> float:
    """The largest error of a champion of a run, as a share of what is tolerated."""
    return float(run.options.get(_OPTION, 1.0))
