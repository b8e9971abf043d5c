"""NumPy's OpenBLAS made to use AVX-512: a rival of all kernels that are matrix products.

On a CPU newer than itself OpenBLAS falls back to Haswell's kernels; on one Zen 5 those for AVX-512 run 1.6 times as
fast. It chooses when it is loaded, so a second copy of it is loaded here.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import llvmlite.binding
import numpy as np

from kernels.contract import Unavailable, rival_threads

ROW_MAJOR, AS_IT_IS = 101, 111
"""What CBLAS calls the order of a matrix, and that it is not transposed."""


def avx512_gemms() -> dict[type[Any], Any]:
    """``cblas_sgemm`` and ``cblas_dgemm``, by dtype.

    Raises:
        Unavailable: this CPU has no AVX-512, or this NumPy no OpenBLAS of its own.
    """
    if not llvmlite.binding.get_host_cpu_features().get("avx512f"):
        raise Unavailable("this CPU has no AVX-512")
    library = _second_openblas("SKYLAKEX")
    library.scipy_openblas_set_num_threads64_(rival_threads())
    gemms: dict[type[Any], Any] = {np.float32: library.scipy_cblas_sgemm64_, np.float64: library.scipy_cblas_dgemm64_}
    at, extent = ctypes.c_void_p, ctypes.c_int64
    for dtype, gemm in gemms.items():
        number = np.ctypeslib.as_ctypes_type(dtype)
        gemm.argtypes = (*[ctypes.c_int] * 3, *[extent] * 3, number, at, extent, at, extent, number, at, extent)
        gemm.restype = None
    return gemms


def _second_openblas(core: str) -> ctypes.CDLL:
    libraries = Path(np.__file__).parents[1] / "numpy.libs"
    own = next(iter(libraries.glob("libscipy_openblas64_*.so")), None)
    if own is None:
        raise Unavailable("this NumPy brings no OpenBLAS of its own")
    before = os.environ.get("OPENBLAS_CORETYPE")
    with tempfile.TemporaryDirectory() as folder:
        copied = shutil.copyfile(own, Path(folder) / f"second_{own.name}")
        os.environ["OPENBLAS_CORETYPE"] = core
        try:
            return ctypes.CDLL(str(copied))
        finally:
            os.environ.pop("OPENBLAS_CORETYPE")
            os.environ.update({} if before is None else {"OPENBLAS_CORETYPE": before})
