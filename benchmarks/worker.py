"""The isolated child: compiles, verifies and times what the parent names, and answers in plain data.

The parent never runs candidate code; what a child says is data, and a child that misbehaves is killed.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import itertools
import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numba
import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.assembly import texts
from benchmarks.conditions import Watch
from benchmarks.confine import confine, deadline, limit_memory
from benchmarks.contestant import Task
from benchmarks.race import loops_for, race
from benchmarks.timing import BRIEF_LOOK_S, LOOK_S, StaleError, others_ns, settle
from benchmarks.track import Loader, Track
from benchmarks.verify import Case, WrongError
from kernels import Size, Unavailable
from kernels.language import SourceFolder
from kernels.language.simd import address_of
from kernels.language.team import prepared

Answer = dict[str, Any]

_PLAUSIBLE = 0.75
_OTHERS_SHARE, _OTHERS_NS = 0.05, 20_000_000


@dataclass(frozen=True)
class Limits:
    """What a child may use up.

    Attributes:
        start_s: seconds until it stands, inputs and reference made.
        build_s: processor seconds of one compilation.
        call_s: seconds of calls on awkward sizes, and what the first call on the problem has beyond its share.
        memory_bytes: address space beyond what inputs and reference take.
        answers: it is replaced after so many: loaded code is never unloaded.
        slack_s: beyond all of them, before it is killed from outside: its own limits are exact, unless it lifts them.
    """

    start_s: float = 300.0
    build_s: float = 30.0
    call_s: float = 3.0
    memory_bytes: int = 4 << 30
    answers: int = 400
    slack_s: float = 10.0


@dataclass(frozen=True)
class Place:
    """Where children run and what they know.

    Attributes:
        folder: of generated sources and compiled code.
        task: what is measured.
        sizes: of the cases on which they prove contestants, each with a seed of its own.
        cpus: processors they are bound to; empty for any.
        is_fresh: start from a new interpreter, with a memory layout of its own, instead of a fork of a warm one.
        is_timing: it races, and watches the machine.
        pool_bytes: memory that copies of the first case's arrays fill, for calls on data that no cache holds.
        limits: of each of them.
    """

    folder: Path
    task: Task
    sizes: tuple[Size, ...]
    cpus: tuple[int, ...] = ()
    is_fresh: bool = False
    is_timing: bool = False
    pool_bytes: int = 0
    limits: Limits = Limits()


class Worker:
    """State of one child: its cases, and the functions loaded so far."""

    def __init__(self, place: Place, scratch: Path | None = None) -> None:
        self.place, self.task = place, place.task
        self.loader = Loader(SourceFolder(place.folder, scratch), place.task)
        self.rng = np.random.default_rng()  # of order and spot checks: not to be foreseen
        self.watch = Watch()

    @functools.cached_property
    def cases(self) -> list[Case]:
        """Made with the first request, outside its limits: what the candidate may take comes on top."""
        pools = [self.place.pool_bytes, *[0] * len(self.place.sizes)]
        made = [Case(self.task, size, self.task.seed + k, pools[k]) for k, size in enumerate(self.place.sizes)]
        if self.place.is_timing:
            self.watch.look()
        limit_memory(self.place.limits.memory_bytes)
        return made

    # ---- what the parent may ask for

    def do_compile(self, request: Mapping[str, Any]) -> Answer:
        """Compile a contestant, or load what was compiled."""
        contestant = request["candidate"]
        start = time.perf_counter()
        try:
            with deadline(self.place.limits.build_s, signal.ITIMER_PROF), _no_collection():
                self.loader.function(contestant)
                self.loader.driver(contestant)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - Numba raises many kinds, all of them mean the same
            return _failure("CompileFailed", error)
        return {"build_s": time.perf_counter() - start}

    def do_build(self, request: Mapping[str, Any]) -> Answer:
        """Compile a contestant, and prove it on all cases."""
        contestant = request["candidate"]
        compiled = self.do_compile(request)
        if "failed" in compiled:
            return compiled
        start = time.perf_counter()
        with deadline(request["limit_s"]):
            worst = max(case.verify(self.loader.call(contestant, case)) for case in self.cases)
            self.loader.forget(contestant)
        return {**compiled, "verify_s": time.perf_counter() - start, "max_error": worst}

    def do_assembly(self, request: Mapping[str, Any]) -> Answer:
        """The assembly of a contestant and of what it calls through pointers, as far as it was compiled here."""
        return {"texts": texts(self.loader.folder, request["candidate"].handle)}

    def do_try(self, request: Mapping[str, Any]) -> Answer:
        """Prove a contestant on the first case; says how long that took, and its one call."""
        contestant = request["candidate"]
        self.cases[0].freeze()
        call = _Clocked(self.loader.call(contestant, self.cases[0]))
        start = time.perf_counter()
        with deadline(request["limit_s"]):
            worst = self.cases[0].verify(call)
        return {"max_error": worst, "verify_s": time.perf_counter() - start, "call_s": call.seconds}

    def do_race(self, request: Mapping[str, Any]) -> Answer:
        """Time proven contestants against each other, then prove the first of them again, and on other inputs."""
        timed, other = self.cases[:2]
        timed.freeze()
        start, before = time.perf_counter(), self.watch.recent()
        with deadline(request["limit_s"]), _alone(self.task.threads), _no_collection():
            track = Track(self.loader, timed, request["contestants"], self.rng)
            is_parallel, rules = self.task.threads > 1, request["rules"]
            loops = loops_for(track.call_s, rules.sample_s)
            raced = race(track.sides, loops, rules, self.rng, is_parallel=is_parallel)
            if raced.loops > 1:
                track.spot_check(float(np.median(raced.seconds[0])))
        sampled_s = sum(map(sum, raced.seconds)) * raced.loops
        conditions = self.watch.judged(before, self.watch.look(), raced, track.floor_s)
        measured = time.perf_counter()
        with deadline(request["limit_s"]):
            timed.check()
            # not NaN: whoever takes an output that is not poisoned for done shall be wrong
            worst = other.verify(self.loader.call(request["contestants"][0], other), filling=_PLAUSIBLE)
        return {
            "seconds": raced.seconds,
            "loops": raced.loops,
            "floor_s": track.floor_s,
            "conditions": asdict(conditions),
            "max_error": worst,
            "sampled_s": sampled_s,
            "measure_s": measured - start,
            "verify_s": time.perf_counter() - measured,
        }

    # ---- for the parent's own proof

    def do_arrays(self, _request: Mapping[str, Any]) -> Answer:
        """Where the arrays of the first case lie, whose inputs can now be written; 0 for an input that is none."""
        self.cases[0].thaw()
        inputs, out = self.cases[0].sets[0].inputs, self.cases[0].out
        addresses = [value.ctypes.data if isinstance(value, np.ndarray) else 0 for value in inputs]
        return {"inputs": addresses, "out": out.ctypes.data}

    def do_calls(self, request: Mapping[str, Any]) -> Answer:
        """Call a contestant so many times on those arrays, with other scalars."""
        function, extra = self.loader.function(request["candidate"])
        driver = self.loader.driver(request["candidate"])
        arguments = [*self.cases[0].arguments(request["candidate"]), *extra]
        scalars = request["scalars"]
        arguments[: len(scalars)] = [own if new is None else new for own, new in zip(arguments, scalars, strict=False)]
        with deadline(request["limit_s"]):
            if driver:
                driver[0](*arguments, address_of(function), request["calls"])
            else:
                for _ in itertools.repeat(None, request["calls"]):
                    function(*arguments)
        return {"calls": request["calls"]}


class _Clocked:
    """A call that knows how long it took."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call, self.seconds = call, 0.0

    def __call__(self) -> None:
        start = time.perf_counter()
        self._call()
        self.seconds = time.perf_counter() - start


@contextlib.contextmanager
def _alone(threads: int) -> Iterator[None]:
    """See that no more threads work than a contestant may have.

    Raises:
        WrongError: the process used more processor time than so many threads can.
    """
    settle(LOOK_S if threads > 1 else BRIEF_LOOK_S)
    before_ns, start_ns = others_ns(), time.perf_counter_ns()
    yield
    worked_ns, wall_ns = others_ns() - before_ns, time.perf_counter_ns() - start_ns
    # those of a library spin for a while after their work, and sides of a race may have one of their own each
    others = threads if threads > 1 else 0
    if worked_ns > others * wall_ns + max(_OTHERS_SHARE * wall_ns, _OTHERS_NS):
        raise WrongError(f"other threads worked for {worked_ns / 1e9:.3g} s beside it")


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def serve(connection: Connection, place: Place, scratch: Path) -> None:
    """The child's main: answer requests until the parent hangs up.

    Args:
        connection: to the parent.
        place: where it runs and what it knows.
        scratch: the only folder that it may write to.
    """
    import benchmarks.preload  # noqa: F401, PLC0415 - keeps compiled code of ours, which is not allowed afterwards

    if place.task.threads > 1:
        prepared()
        numba.set_num_threads(min(place.task.threads, numba.get_num_threads()))
    confine(place.cpus, place.task.threads, scratch)
    worker = Worker(place, scratch)
    with threadpool_limits(place.task.threads), contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            request = connection.recv()
            answer = {**_answer(worker, request), "token": request["token"]}
            connection.send_bytes(json.dumps(answer).encode())


def _answer(worker: Worker, request: Mapping[str, Any]) -> Answer:
    try:
        assert worker.cases
        answer: Answer = getattr(worker, f"do_{request['do']}")(request)
    except WrongError as error:
        return {"failed": "Wrong", "reason": str(error)}
    except StaleError as error:
        return {"failed": "Wrong", "reason": f"called again, it left element {error} of its output as it was"}
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
