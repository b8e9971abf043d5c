"""Recorded spaces from files: our own, Kernel Tuner's and T4's, told apart by what is in them."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from evolve.errors import EvolveError, UsageError
from evolve.replay.foreign import cache_landscape, t4_landscape
from evolve.replay.recording import FORMAT, Recording

if TYPE_CHECKING:
    from pathlib import Path

    from evolve.replay.landscape import Landscape

    Reader = Callable[[Mapping[str, Any], str], Landscape]

PATTERNS = ("*.json.gz", "*.json")
_GZIP = b"\x1f\x8b"


def spaces(folder: Path) -> list[Path]:
    """The recorded spaces of a folder, by name."""
    return sorted(path for pattern in PATTERNS for path in folder.glob(pattern))


def read(path: Path) -> Landscape:
    """The landscape in a file, named as the file is.

    Raises:
        UsageError: it cannot be opened, or is something else.
        EvolveError: it is damaged or incomplete, of an unknown version, or holds nothing to search.
    """
    told, name = _told(path), path.name.partition(".")[0]
    reader = _reader(told)
    if reader is None:
        raise UsageError(f"{path} is no recorded space", "`evolve record` makes one; Kernel Tuner caches and T4 do too")
    try:
        return reader(told, name)
    except EvolveError as error:
        raise EvolveError(f"{path} cannot be replayed: {error.message}", error.remedy) from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise EvolveError(f"{path} is damaged ({type(error).__name__}: {_brief(error)})") from error


def recording(path: Path) -> Recording:
    """The recording in a file of our own format, with spreads and the plain loop's time, which a landscape leaves out.

    Raises:
        UsageError: it cannot be opened, or is something else.
        EvolveError: it is damaged or incomplete, or of an unknown version.
    """
    told = _told(path)
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise UsageError(
            f"{path} is no recording of `evolve record`", "other formats do not hold the plain loop's time"
        )
    try:
        return Recording.from_dict(told)
    except EvolveError as error:
        raise EvolveError(f"{path} cannot be replayed: {error.message}", error.remedy) from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise EvolveError(f"{path} is damaged ({type(error).__name__}: {_brief(error)})") from error


def _reader(told: Any) -> Reader | None:
    if not isinstance(told, dict):
        return None
    if told.get("format") == FORMAT:
        return _own
    if "tune_params_keys" in told and "cache" in told:
        return cache_landscape
    return t4_landscape if isinstance(told.get("results"), list) else None


def _own(told: Mapping[str, Any], name: str) -> Landscape:
    return Recording.from_dict(told).landscape(name)


def _told(path: Path) -> Any:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror})") from error
    try:
        return json.loads(gzip.decompress(raw) if raw.startswith(_GZIP) else raw)
    except (ValueError, EOFError, OSError, zlib.error) as error:
        remedy = "a recording under way is finished by the `evolve record` that began it"
        raise EvolveError(f"{path} is damaged or not finished ({_brief(error)})", remedy) from error


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
