"""triad once more, with answers that lie to the process that they run in."""

from __future__ import annotations

import ctypes
import dataclasses
import mmap
import os
import time

import numpy as np

import kernels


def honest():
    def call(b, c, s, out):
        np.multiply(c, s, out=out)
        np.add(out, b, out=out)

    return call


def memoised():
    right, known = honest(), {}

    def call(b, c, s, out):
        if out.ctypes.data not in known:
            right(b, c, s, out)
            known[out.ctypes.data] = out.copy()
        out[...] = known[out.ctypes.data]

    return call


def imprecise():
    right = honest()

    def call(b, c, s, out):
        right(b, c, s, out)
        out *= np.float32(1.01)

    return call


def damaging():
    right = honest()

    def call(b, c, s, out):
        right(b, c, s, out)
        # inputs are protected, and who wants to can undo that
        first = c.ctypes.data // mmap.PAGESIZE * mmap.PAGESIZE
        ctypes.CDLL(None).mprotect(ctypes.c_void_p(first), mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_WRITE)
        c[0] = 0

    return call


def skipping():
    """Called often, it is called once."""
    from benchmarks.worker import Worker

    once = Worker.do_calls
    Worker.do_calls = lambda self, request: {**once(self, {**request, "calls": 1}), "calls": request["calls"]}
    return honest()


def sparing():
    """Called often, it is called every eightieth time, and takes its time for that."""
    from benchmarks.worker import Worker

    once = Worker.do_calls

    def calls(self, request):
        for _ in range(0, request["calls"], 80):
            until = time.perf_counter() + 80 * 300e-6
            once(self, {**request, "calls": 1})
            while time.perf_counter() < until:
                pass
        return {"calls": request["calls"]}

    Worker.do_calls = calls
    return honest()


def dying():
    right, calls = honest(), [0]

    def call(b, c, s, out):
        calls[0] += 1
        if calls[0] == 3:
            os.abort()
        right(b, c, s, out)

    return call


LIES = (honest, memoised, imprecise, damaging, skipping, sparing, dying)

KERNEL = dataclasses.replace(
    kernels.get("triad"), name="liars", doc=__doc__, rivals={lie.__name__: lie for lie in LIES}
)
