"""The isolated child: compiles, verifies and times what the parent names, and answers in plain data.

The parent never runs candidate code; what a child says is data, and a child that misbehaves is killed.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.confine import confine, deadline, limit_memory
from benchmarks.contestant import Contestant, Task, callable_of
from benchmarks.race import race
from benchmarks.verify import Case, WrongError
from kernels import Size, Unavailable
from kernels.language import SourceFolder

Answer = dict[str, Any]

_PLAUSIBLE = 0.75


@dataclass(frozen=True)
class Limits:
    """What a child may use up.

    Attributes:
        start_s: seconds until it stands, inputs and reference made.
        build_s: processor seconds of one compilation.
        call_s: seconds of calls on awkward sizes, and what the first call on the problem has beyond its share.
        memory_bytes: address space beyond what inputs and reference take.
        answers: it is replaced after so many: loaded code is never unloaded.
    """

    start_s: float = 300.0
    build_s: float = 30.0
    call_s: float = 3.0
    memory_bytes: int = 4 << 30
    answers: int = 200


@dataclass(frozen=True)
class Place:
    """Where children run and what they know.

    Attributes:
        folder: of generated sources and compiled code.
        task: what is measured.
        sizes: of the cases on which they prove contestants, each with a seed of its own.
        cpus: processors they are bound to; empty for any.
        is_fresh: start from a new interpreter, with a memory layout of its own, instead of a fork of a warm one.
        limits: of each of them.
    """

    folder: Path
    task: Task
    sizes: tuple[Size, ...]
    cpus: tuple[int, ...] = ()
    is_fresh: bool = False
    limits: Limits = Limits()


class Worker:
    """State of one child: its cases, and the functions loaded so far."""

    def __init__(self, place: Place) -> None:
        self.place, self.task = place, place.task
        self.folder = SourceFolder(place.folder)
        self.rng = np.random.default_rng(place.task.seed)
        self._loaded: dict[Contestant, tuple[Callable[..., Any], tuple[Any, ...]]] = {}

    @functools.cached_property
    def cases(self) -> list[Case]:
        """Made with the first request, outside its limits: what the candidate may take comes on top."""
        made = [Case(self.task, size, self.task.seed + k) for k, size in enumerate(self.place.sizes)]
        limit_memory(self.place.limits.memory_bytes)
        return made

    def call(self, contestant: Contestant, case: Case) -> Callable[[], Any]:
        """A contestant's call on a case, with all arguments bound."""
        function, extra = self._function(contestant)
        return functools.partial(function, *case.arguments(contestant), *extra)

    def _function(self, contestant: Contestant) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        if contestant not in self._loaded:
            self._loaded[contestant] = callable_of(self.folder, self.task, contestant)
        return self._loaded[contestant]

    # ---- what the parent may ask for

    def do_build(self, request: Mapping[str, Any]) -> Answer:
        """Compile a contestant, and prove it on all cases."""
        contestant = request["candidate"]
        start = time.perf_counter()
        try:
            with deadline(self.place.limits.build_s, signal.ITIMER_PROF):
                self._function(contestant)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - Numba raises many kinds, all of them mean the same
            return _failure("CompileFailed", error)
        built = time.perf_counter()
        with deadline(request["limit_s"]):
            worst = max(case.verify(self.call(contestant, case)) for case in self.cases)
        del self._loaded[contestant]
        return {"build_s": built - start, "verify_s": time.perf_counter() - built, "max_error": worst}

    def do_try(self, request: Mapping[str, Any]) -> Answer:
        """Prove a contestant on the first case; says how long that took."""
        contestant = request["candidate"]
        call = self.call(contestant, self.cases[0])
        start = time.perf_counter()
        with deadline(request["limit_s"]):
            worst = self.cases[0].verify(call)
        return {"max_error": worst, "verify_s": time.perf_counter() - start}

    def do_race(self, request: Mapping[str, Any]) -> Answer:
        """Time a proven candidate against the incumbent, then prove it again, and on other inputs."""
        candidate, incumbent = request["candidate"], request["incumbent"]
        timed, other = self.cases
        calls = self.call(candidate, timed), self.call(incumbent, timed)
        start = time.perf_counter()
        with deadline(request["limit_s"]):
            gc.disable()
            candidate_s, incumbent_s, loops = race(*calls, request["rules"], self.rng)
            gc.enable()
            raced = time.perf_counter()
            timed.check()
            # not NaN: whoever takes an output that is not poisoned for done shall be wrong
            worst = other.verify(self.call(candidate, other), filling=_PLAUSIBLE)
        times = {"measure_s": raced - start, "verify_s": time.perf_counter() - raced}
        return {"candidate_s": candidate_s, "incumbent_s": incumbent_s, "loops": loops, "max_error": worst, **times}


def serve(connection: Connection, place: Place) -> None:
    """The child's main: answer requests until the parent hangs up."""
    confine(place.cpus, place.task.threads)
    worker = Worker(place)
    with threadpool_limits(place.task.threads), contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            request = connection.recv()
            connection.send_bytes(json.dumps(_answer(worker, request)).encode())


def _answer(worker: Worker, request: Mapping[str, Any]) -> Answer:
    try:
        assert worker.cases
        answer: Answer = getattr(worker, f"do_{request['do']}")(request)
    except WrongError as error:
        return {"failed": "Wrong", "reason": str(error)}
    except MemoryError as error:
        return _failure("OutOfMemory", error)
    except Unavailable as error:
        return {"failed": "Unavailable", "reason": str(error)}
    except Exception as error:  # noqa: BLE001 - candidate code may raise anything; the run goes on
        return _failure("Crashed", error)
    return answer


def _failure(kind: str, error: BaseException) -> Answer:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return {"failed": kind, "reason": f"{type(error).__name__}: {' '.join(lines)[:500]}"}
