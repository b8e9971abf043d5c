"""The isolated child: compiles, verifies and times what the parent names, and answers in plain data.

The parent never runs candidate code; what a child says is data, and a child that misbehaves is killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import json
import os
import resource
import signal
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from threadpoolctl import threadpool_limits

from benchmarks.contestant import Contestant, Task, callable_of
from benchmarks.race import Rules, race
from benchmarks.verify import Case, WrongError
from kernels import Unavailable
from kernels.language import SourceFolder

Answer = dict[str, Any]

_PR_SET_PDEATHSIG = 1


class Worker:
    """State of one child: a task, its cases, and the functions loaded so far."""

    def __init__(self, folder: Path, task: Task) -> None:
        self.folder = SourceFolder(folder)
        self.task = task
        self.rng = np.random.default_rng(task.seed)

    @functools.cached_property
    def awkward(self) -> list[Case]:
        """Sizes that do not fit the tiles, each with its own seed."""
        sizes = enumerate(self.task.definition.verify_sizes)
        return [Case(self.task, size, self.task.seed + 1000 + k) for k, size in sizes]

    @functools.cached_property
    def main(self) -> list[Case]:
        """The problem itself, twice: inputs that are timed, and others for the check after timing."""
        return [Case(self.task, self.task.size, self.task.seed + k) for k in range(2)]

    def call(self, contestant: Contestant, case: Case) -> Callable[[], Any]:
        """A contestant's call on a case, with all arguments bound."""
        function, extra = self._function(contestant.key, contestant)
        return functools.partial(function, *case.arguments(contestant), *extra)

    @functools.cached_property
    def _loaded(self) -> dict[str, tuple[Callable[..., Any], tuple[Any, ...]]]:
        return {}

    def _function(self, key: str, contestant: Contestant) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        if key not in self._loaded:
            self._loaded[key] = callable_of(self.folder, self.task, contestant)
        return self._loaded[key]

    # ---- what the parent may ask for

    def do_prepare(self, _request: Mapping[str, Any]) -> Answer:
        """Make the inputs and the truth about them."""
        return {"cases": len(self.main)}

    def do_build(self, request: Mapping[str, Any]) -> Answer:
        """Compile a contestant, and prove it on awkward sizes."""
        contestant = Contestant.from_json(request["candidate"])
        start = time.perf_counter()
        try:
            self._function(contestant.key, contestant)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - Numba raises many kinds, all of them mean the same
            return _failure("CompileFailed", error)
        built = time.perf_counter()
        worst = max(case.verify(self.call(contestant, case)) for case in self.awkward)
        self._loaded.pop(contestant.key)
        return {"build_s": built - start, "verify_s": time.perf_counter() - built, "max_error": worst}

    def do_try(self, request: Mapping[str, Any]) -> Answer:
        """Prove a contestant on the problem itself, before any timing; says how long the call took."""
        contestant = Contestant.from_json(request["candidate"])
        case = self.main[0]
        call = self.call(contestant, case)
        start = time.perf_counter()
        worst = case.verify(call)
        return {"max_error": worst, "verify_s": time.perf_counter() - start}

    def do_race(self, request: Mapping[str, Any]) -> Answer:
        """Time a proven candidate against the incumbent, then prove it again on other inputs."""
        pair = [Contestant.from_json(request[side]) for side in ("candidate", "incumbent")]
        timed, fresh = self.main
        start = time.perf_counter()
        candidate_s, incumbent_s, loops = race(
            self.call(pair[0], timed), self.call(pair[1], timed), Rules(**request["rules"]), self.rng
        )
        raced = time.perf_counter()
        worst = fresh.verify(self.call(pair[0], fresh))
        times = {"measure_s": raced - start, "verify_s": time.perf_counter() - raced}
        return {"candidate_s": candidate_s, "incumbent_s": incumbent_s, "loops": loops, "max_error": worst, **times}


def serve(connection: Connection, folder: str, task: Mapping[str, Any], limits: Mapping[str, Any]) -> None:
    """The child's main: answer requests until the parent hangs up."""
    _confine(limits)
    worker = Worker(Path(folder), Task.from_json(task))
    with threadpool_limits(worker.task.threads), contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            request = json.loads(connection.recv_bytes())
            connection.send_bytes(json.dumps(_answer(worker, request)).encode())


def _answer(worker: Worker, request: Mapping[str, Any]) -> Answer:
    try:
        return getattr(worker, f"do_{request['do']}")(request)  # type: ignore[no-any-return]
    except WrongError as error:
        return {"failed": "Wrong", "reason": str(error)}
    except MemoryError as error:
        return _failure("OutOfMemory", error)
    except Unavailable as error:
        return {"failed": "Unavailable", "reason": str(error)}
    except Exception as error:  # noqa: BLE001 - candidate code may raise anything; the run goes on
        return _failure("Crashed", error)


def _failure(kind: str, error: BaseException) -> Answer:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return {"failed": kind, "reason": f"{type(error).__name__}: {' '.join(lines)[:500]}"}


def _confine(limits: Mapping[str, Any]) -> None:
    """Limits that a candidate cannot lift: its own session, memory, no core files, one CPU; no garbage collection."""
    with contextlib.suppress(OSError):
        os.setsid()
    # a parent that is killed takes the fork server with it, and that takes its children: no endless loop is orphaned
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    bytes_now = psutil.Process().memory_info().vms
    ceiling = bytes_now + int(limits["memory_bytes"])
    resource.setrlimit(resource.RLIMIT_AS, (ceiling, ceiling))
    if limits["cpus"]:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, limits["cpus"])
    gc.disable()
    gc.freeze()
