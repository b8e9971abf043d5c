"""Linear algebra on one thread, where a sum must not depend on how many cores there are."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[object]:
    """Within it NumPy and SciPy compute on one thread."""
    limit: AbstractContextManager[object] = _libraries().limit(limits=1)
    return limit


@functools.cache
def _libraries() -> ThreadpoolController:
    """Looked for once: that reads the list of all that is mapped, a millisecond of every ask."""
    import scipy.linalg.lapack  # noqa: F401, PLC0415 - has a BLAS of its own, which is found only once it is there
    from threadpoolctl import ThreadpoolController  # noqa: PLC0415 - what need not search need not wait for it

    return ThreadpoolController().select(user_api="blas")
