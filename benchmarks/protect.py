"""What candidate code is kept from: other processes, the network, other people's files, more than its share.

Each protection is taken where the system has it, none is taken for granted: ``sandbox.active`` tries them all out in
a child of the kind that runs candidates. Without Landlock, files are as safe as their owners made them; without a
seccomp filter, a fork bomb is held by the number of processes that the user may have, and as root by nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import tempfile
from pathlib import Path

from benchmarks import landlock, syscalls
from kernels.language.compiled import keep_nothing_elsewhere

FILE_BYTES = 64 << 20
"""Of the largest file in a child's own folder; compiled code takes some 100 KiB a function."""
_FILES = 256
_TASKS = 64  # beyond those that the user has
_SET_CHILD_SUBREAPER = 36
_CAPABILITY_VERSION = 0x20080522
# reading and writing past permissions: without these, root could not read a user's own installation
_KEPT_CAPABILITIES = 1 << 1 | 1 << 2


def protect(folder: Path | None) -> None:
    """Give up, for good, what no kernel needs; whatever is loaded from here on is held by it.

    Args:
        folder: the only place that stays writable; None for none.
    """
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_FSIZE, FILE_BYTES)
    limit(resource.RLIMIT_NOFILE, _FILES)
    # orphans of this process stay its descendants, so that whoever ends it finds them
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if folder is not None:
        tempfile.tempdir = str(folder)
    keep_nothing_elsewhere()
    if syscalls.why_not() and os.getuid():
        limit(resource.RLIMIT_NPROC, _own_tasks() + _TASKS)
    _drop_capabilities()
    with contextlib.suppress(OSError):
        landlock.restrict(folder)
    syscalls.restrict()


def limit(which: int, most: int) -> None:
    """Set a limit that this process cannot lift again; a lower one that it has already stays."""
    _, hard = resource.getrlimit(which)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(which, (most, most))


def _own_tasks() -> int:
    """Threads that this user has now."""
    tasks = 0
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            tasks += len(list((process / "task").iterdir())) if process.stat().st_uid == os.getuid() else 0
    return tasks


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Sets(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


def _drop_capabilities() -> None:
    """Root becomes a user whose limits hold."""
    if os.geteuid():
        return
    sets = (_Sets * 2)(_Sets(_KEPT_CAPABILITIES, _KEPT_CAPABILITIES, 0), _Sets(0, 0, 0))
    ctypes.CDLL(None).capset(ctypes.byref(_Header(_CAPABILITY_VERSION, 0)), sets)
