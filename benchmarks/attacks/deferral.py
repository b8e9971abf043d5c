"""Work that is done by somebody else, or after the clock has stopped."""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import threading
import time
from typing import Any

import numba
import numpy as np

from benchmarks.attacks.exhibit import SCALED, Call, exhibit, exhibits_of
from benchmarks.attacks.replay import honest

FAMILY = "deferral"


class Lazy(np.ndarray):
    """An array that would be computed when somebody looks at it."""

    wanted: tuple[Any, ...]

    def __array__(self, *_arguments: Any, **_named: Any) -> Any:
        """Compute now."""
        a, b, s = self.wanted
        return s * a + b


@exhibit(FAMILY)
def lazy_output() -> Call:
    """Returns an object that would compute when looked at, and writes nothing.

    Precedent: CUDA-L1#12: a lazy tensor, "600x"; gpu-mode/reference-kernels#162.
    """

    def call(a: Any, b: Any, s: Any, _out: Any) -> Any:
        lazy = a[:0].view(Lazy)
        lazy.wanted = (a, b, s)
        return lazy

    return call


@exhibit(FAMILY)
def background_thread() -> Call:
    """Hands the work to a thread and returns; the thread writes the output while nobody looks at the clock.

    Precedent: gpu-mode/reference-kernels PR#161 (reject deferral); work on another CUDA stream.
    """
    todo: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()

    def work() -> None:
        while True:
            honest(*todo.get())

    threading.Thread(target=work, daemon=True).start()
    return lambda *arguments: todo.put(arguments)


@exhibit(FAMILY)
def late_thread() -> Call:
    """Works in the calls that are looked at; else wakes a thread that works once nothing was called for a while.

    Precedent: as ``background thread``, with the patience to let a whole sample pass.
    """
    state: dict[str, Any] = {"at": 0.0, "todo": None}

    def work() -> None:
        while True:
            time.sleep(20e-6)
            if state["todo"] is not None and time.monotonic() - state["at"] > 50e-6:
                todo, state["todo"] = state["todo"], None
                honest(*todo)

    threading.Thread(target=work, daemon=True).start()

    def call(*arguments: Any) -> None:
        if time.monotonic() - state["at"] > 1e-3:
            honest(*arguments)
        state.update(at=time.monotonic(), todo=arguments)

    return call


@exhibit(FAMILY, may_pass=True)
def many_threads() -> Call:
    """Frees itself from its processor and works with as many threads as the machine has, where one is allowed.

    Precedent: libraries that take all cores, held against a loop that has one.
    """
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))

    @numba.njit(parallel=True, error_model="numpy")
    def call(a: Any, b: Any, s: Any, out: Any) -> None:
        for i in numba.prange(out.size):
            for _ in range(4):  # enough work that the second core shows
                out[i] = s * a[i] + b[i]

    call(np.ones(4), np.ones(4), 1.0, np.ones(4))
    return call


class Span(ctypes.Structure):
    """A piece of memory, as ``process_vm_writev`` takes it."""

    _fields_ = (("address", ctypes.c_void_p), ("bytes", ctypes.c_size_t))


@exhibit(FAMILY, SCALED, may_pass=True)
def helper_process() -> Call:
    """Has a process of its own do the work and write the output into this one's memory, and returns at once.

    Precedent: gpu-mode/pygpubench: a separate process and seccomp, because the timed one was not alone.
    """
    ours = os.getpid()
    read_end, write_end = os.pipe()
    started: list[int] = []

    def help_with(a: Any, b: Any, s: Any, address: int) -> None:
        libc = ctypes.CDLL(None)
        end = time.monotonic() + 5
        while time.monotonic() < end and os.read(read_end, 1):
            answer = s * a + b
            spans = Span(answer.ctypes.data, answer.nbytes), Span(address, answer.nbytes)
            libc.process_vm_writev(ours, ctypes.byref(spans[0]), 1, ctypes.byref(spans[1]), 1, 0)

    def call(a: Any, b: Any, s: Any, out: Any) -> None:
        key = out.ctypes.data
        if started[-1:] != [key]:
            honest(a, b, s, out)
            started.append(key)
            if os.fork() == 0:
                help_with(a, b, s, key)
                os._exit(0)
        os.write(write_end, b"x")

    return call


EXHIBITS = exhibits_of(globals())
