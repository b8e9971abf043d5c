"""Where things lie: runs in the user's data folder, generated sources and compiled code in the user's cache folder."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from evolve.errors import EvolveError

if TYPE_CHECKING:
    from kernels.language.build import SourceFolder

_APPLICATION = "evolve-kernels"


def data_folder() -> Path:
    """The folder of what must be kept; not made here."""
    return Path(platformdirs.user_data_dir(_APPLICATION, appauthor=False))


def default_store() -> str:
    """URL of the store where no ``--store`` is given: ``EVOLVE_STORE``, else ``runs.db`` in the data folder."""
    return os.environ.get("EVOLVE_STORE") or f"sqlite:///{data_folder() / 'runs.db'}"


def cache_folder() -> Path:
    """The folder of what can be made again: ``EVOLVE_CACHE``, else the user's cache folder. It is made if need be.

    Raises:
        EvolveError: it cannot be made or written.
    """
    given = os.environ.get("EVOLVE_CACHE")
    folder = Path(given).expanduser() if given else Path(platformdirs.user_cache_dir(_APPLICATION, appauthor=False))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # a trial, for permissions do not tell of a full disk or a read-only file system
        with tempfile.TemporaryFile(dir=folder) as trial:
            trial.write(b"evolve")
    except OSError as error:
        remedy = "free it, or set EVOLVE_CACHE to a folder that can be written"
        raise EvolveError(f"cache folder {folder} cannot be written ({error.strerror})", remedy) from error
    return folder.absolute()


def source_folder() -> SourceFolder:
    """The part of the cache folder that holds generated sources with their compiled code.

    Raises:
        EvolveError: it cannot be made or written.
    """
    from kernels.language.build import SourceFolder  # noqa: PLC0415 - imports numba

    return SourceFolder(cache_folder() / "sources")
