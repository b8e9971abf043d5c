"""Landlock: a process gives up writing, executing, connecting and signalling, for itself and all that it starts.

Three system calls through ctypes: the bindings on PyPI are each one person's and months old, and a protection that
needs another package is missing wherever that is. Numbers are those of ``linux/landlock.h``, equal on all processors.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_PATH_BENEATH = 1
_SET_NO_NEW_PRIVS = 38

_EXECUTE, _WRITE_FILE = 1 << 0, 1 << 1
_REMOVE_DIR, _REMOVE_FILE = 1 << 4, 1 << 5
_MAKE_DIR, _MAKE_REG, _MAKE_SYM = 1 << 7, 1 << 8, 1 << 12
_TRUNCATE = 1 << 14
_MAKE_OTHERS = 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11
_OLDEST = _EXECUTE | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _MAKE_SYM | _MAKE_OTHERS
# by the version that brought it: moving between folders, truncation, device control
_SINCE = {2: 1 << 13, 3: _TRUNCATE, 5: 1 << 15}
_TCP_SINCE, _TCP = 4, 0b11
_SCOPES_SINCE, _SCOPES = 6, 0b11

_IN_OWN_FOLDER = _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _MAKE_SYM | _TRUNCATE
_TO_NOWHERE = _WRITE_FILE | _TRUNCATE


class _Ruleset(ctypes.Structure):
    _fields_ = [("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def version() -> int:
    """What the kernel knows of it; 0 where it is missing or switched off."""
    try:
        return _call(_CREATE_RULESET, None, 0, _ASK_VERSION)
    except OSError:
        return 0


def restrict(folder: Path | None) -> int:
    """From here on this thread, and all that it starts, can write nowhere but into a folder.

    It can execute no file either; with version 4 of Landlock use no TCP, with version 6 signal nobody outside.

    Args:
        folder: that stays writable; None for none.

    Returns:
        The version that holds now; 0 where the kernel has none.

    Raises:
        OSError: the kernel has it and refuses it.
    """
    known = version()
    if not known:
        return 0
    handled = _OLDEST | sum(right for since, right in _SINCE.items() if known >= since)
    rules = _Ruleset(handled, _TCP if known >= _TCP_SINCE else 0, _SCOPES if known >= _SCOPES_SINCE else 0)
    ruleset = _call(_CREATE_RULESET, ctypes.byref(rules), ctypes.sizeof(rules), 0)
    try:
        _allow(ruleset, Path(os.devnull), _TO_NOWHERE & handled)
        if folder is not None:
            _allow(ruleset, folder, _IN_OWN_FOLDER & handled)
        forbid_new_privileges()
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return known


def forbid_new_privileges() -> None:
    """Executing a set-user-id file gives nothing more; the kernel wants that before a process may restrict itself."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        _call(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(_PathBeneath(rights, handle)), 0)
    finally:
        os.close(handle)


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    # a size and a pointer fill a register, which a plain int of ctypes does not
    wide = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    result: int = libc.syscall(ctypes.c_long(number), *wide)
    if result < 0:
        found = ctypes.get_errno()
        raise OSError(found, os.strerror(found))
    return result
