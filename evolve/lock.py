"""One measurement at a time on a machine: two would halve each other's speed, and no statistic could tell."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from evolve.errors import EvolveError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_NAME = "evolve-measuring.lock"


@dataclass(frozen=True)
class Holder:
    """Who measures: process id, what for (as in ``run matmul-3f9a``), and since when (ISO 8601, UTC)."""

    pid: int
    purpose: str
    since: str

    def __str__(self) -> str:
        return f"pid {self.pid}, {self.purpose}, since {self.since}"


class MeasuringLock:
    """Holds the machine's measuring lock for the length of a ``with`` block.

    The kernel releases it when the process dies, however it dies (flock(2)). The file is shared by all users of the
    machine and stays; processes with another ``TMPDIR`` do not see each other. A child made by a bare ``os.fork``
    would share the lock; those of ``spawn`` and ``forkserver`` do not.

    Args:
        purpose: what is measured, for whoever finds the lock held.
        wait: wait for the holder instead of giving up.
        on_wait: called once with the holder before waiting.

    Raises:
        EvolveError: on entry, where another holds it and ``wait`` is not set, or the lock file cannot be used.
    """

    def __init__(self, purpose: str, *, wait: bool = False, on_wait: Callable[[Holder], None] | None = None) -> None:
        self._purpose = purpose
        self._wait = wait
        self._on_wait = on_wait
        self._descriptor = -1

    def __enter__(self) -> Self:
        path = _path()
        self._descriptor = _opened(path)
        try:
            self._acquire()
            _write(
                self._descriptor, Holder(os.getpid(), self._purpose, datetime.now(UTC).isoformat(timespec="seconds"))
            )
        except BaseException as error:
            os.close(self._descriptor)
            if isinstance(error, OSError):
                raise _unusable(path, error) from error
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None, /
    ) -> None:
        os.close(self._descriptor)

    def _acquire(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(self._descriptor)
            if not self._wait:
                raise EvolveError(
                    f"another evolve is measuring on this machine ({holder})",
                    "two at once would disturb each other: wait with --wait, or stop it",
                ) from None
            if self._on_wait:
                self._on_wait(holder)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)


def _path() -> Path:
    try:
        return Path(tempfile.gettempdir()) / _NAME
    except OSError as error:
        raise EvolveError(f"no temporary folder can be written ({error.strerror})", "free some disk space") from error


def _opened(path: Path) -> int:
    """A descriptor of the lock file, made if need be, for every user to write.

    It is first opened without O_CREAT: under fs.protected_regular the kernel refuses O_CREAT on another user's file in
    a sticky folder such as /tmp, whatever its mode (kernel.org, Documentation/admin-guide/sysctl/fs.rst).
    """
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        try:
            return os.open(path, flags)
        except FileNotFoundError:
            descriptor = os.open(path, flags | os.O_CREAT, 0o666)
            os.fchmod(descriptor, 0o666)  # the umask may have taken the others' share
            return descriptor
    except OSError as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: OSError) -> EvolveError:
    return EvolveError(
        f"lock file {path} cannot be used ({error.strerror})", "remove it, or set TMPDIR to another folder"
    )


def _write(descriptor: int, holder: Holder) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(asdict(holder)).encode(), 0)


def _holder(descriptor: int) -> Holder:
    """Who wrote last; process 0 in the moment between taking the lock and writing."""
    try:
        return Holder(**json.loads(os.pread(descriptor, 4096, 0)))
    except (ValueError, TypeError):
        return Holder(0, "about to start", "now")
