"""What the engine judges by: kernels at their default schedules, which no loop replaces."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from evolve.engine.parts import PARTS
from evolve.paths import source_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kernels.door import Tuned


def medians(values: NDArray[np.float64], draws: NDArray[np.int32]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Medians of resamples as ``benchmarks.inference.numpy_medians`` has them, to the last bit.

    Raises:
        EvolveError: on a first call: the user's folder of compiled code cannot be written.
    """
    return _bootstrap()(values, draws)


@functools.cache
def _bootstrap() -> Tuned:
    part = next(part for part in PARTS if part.name == "bootstrap")
    return part.tuned(part.definition.space.default, source_folder())
