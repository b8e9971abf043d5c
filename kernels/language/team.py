"""Threads that wait, in compiled code, for a call that they share (see ``simd.threads``)."""

from __future__ import annotations

import atexit
import functools
import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types

from kernels.language.simd.threads import (
    ARGUMENTS,
    BUSY,
    LINE,
    MEMBERS,
    READ_END,
    THREADS,
    TICKET,
    WRITE_END,
    work,
)

_LEAVING_S = 1.0


class Team:
    """So many threads, the caller's among them: the others live as long as the process and sleep between calls.

    Args:
        threads: how many.
        main: what the others do.

    Attributes:
        address: by which compiled code finds it.
    """

    def __init__(self, threads: int, main: Callable[[int, int], Any]) -> None:
        words = np.zeros(MEMBERS + (threads + 1) * LINE, np.int64)
        self.words = words[-words.ctypes.data // 8 % LINE :]
        self.words[THREADS] = threads
        self.address = int(self.words.ctypes.data)
        self.others: list[threading.Thread] = []
        for me in range(1, threads):
            own = MEMBERS + me * LINE
            self.words[own + READ_END], self.words[own + WRITE_END] = os.pipe()
            thread = threading.Thread(target=main, args=(self.address, me), name=f"team-{me}", daemon=True)
            self.others.append(thread)
            thread.start()
        # both keep the team alive, as whoever has its address may still call by that
        os.register_at_fork(after_in_child=self.stay_alone)
        atexit.register(self.leave)

    def stay_alone(self) -> None:
        """In a forked child, into which no other thread came along, the caller does all parts."""
        self.words[BUSY] = 1
        self.others.clear()
        _TEAMS.clear()

    def leave(self) -> None:
        """Have the threads end, before the interpreter takes away the code that they are in."""
        self.words[BUSY] = 1
        self.words[ARGUMENTS] = 0
        self.words[TICKET] += 1
        for me, thread in enumerate(self.others, 1):
            os.write(int(self.words[MEMBERS + me * LINE + WRITE_END]), b"\0")
            thread.join(_LEAVING_S)


_TEAMS: dict[int, Team] = {}


def team(threads: int, main: Callable[[int, int], Any] | None = None) -> int:
    """The address of this process' team of so many threads, the caller's among them; the first call starts them.

    Args:
        threads: how many.
        main: what the others do: ``prepared()``, unless the caller has it from elsewhere.
    """
    if threads not in _TEAMS:
        _TEAMS[threads] = Team(threads, main or prepared())
    return _TEAMS[threads].address


@functools.cache
def prepared() -> Any:
    """The other threads' main, compiled: 0.3 s, unless Numba has a folder to keep it in."""
    signature = types.void(types.intp, types.intp)
    try:
        return njit(signature, nogil=True, cache=True, error_model="numpy")(work.py_func)
    except RuntimeError:
        return njit(signature, nogil=True, error_model="numpy")(work.py_func)
