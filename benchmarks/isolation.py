"""Child processes that can be killed: requests go in, answers or a typed death come out."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import multiprocessing.forkserver
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from multiprocessing import connection
from types import ModuleType
from typing import Any

from benchmarks.worker import Answer, Place, serve

_SLACK_S = 60.0  # the child's own limits are exact; the parent's are for a child that cannot keep them
_HARMLESS = ("CompileFailed", "Unavailable")
_KINDS = {signal.SIGALRM: "TimedOut", signal.SIGPROF: "CompileFailed", signal.SIGKILL: "OutOfMemory"}

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["benchmarks.preload"])


def start_server() -> None:
    """Have the fork server load, beside the caller, what children need."""
    with _starting():
        multiprocessing.forkserver.ensure_running()


class Child:
    """One worker process; the first request starts it. After a fault the next request starts another."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._process: Any = None
        self._pipe: Any = None
        self._limit_s = 0.0
        self.answered = 0
        self.deadline_s = 0.0

    def ask(self, request: Mapping[str, Any], limit_s: float) -> None:
        """Send a request.

        Args:
            request: what to do.
            limit_s: seconds that its calls may take; starting, compiling and making inputs have limits of their own.
        """
        limits = self.place.limits
        self._limit_s = limit_s
        self.deadline_s = time.monotonic() + limit_s + limits.build_s + _SLACK_S
        if self._process is None:
            self._start()
            self.deadline_s += limits.start_s
        with contextlib.suppress(OSError):
            self._pipe.send({**request, "limit_s": limit_s})

    def answer(self) -> Answer:
        """Wait for the answer; ``{"failed": kind, "reason": …}`` where it found a fault, died or took too long."""
        try:
            answer = self._heard()
        except BaseException:
            self.stop()
            raise
        self.answered += 1
        # nobody knows what else a faulty candidate has written to
        is_at_fault = "failed" in answer and answer["failed"] not in _HARMLESS
        if is_at_fault or self.answered >= self.place.limits.answers:
            self.stop()
        return answer

    def call(self, request: Mapping[str, Any], limit_s: float) -> Answer:
        """Ask and wait."""
        self.ask(request, limit_s)
        return self.answer()

    def _heard(self) -> Answer:
        if not self._pipe.poll(max(0.0, self.deadline_s - time.monotonic())):
            return {"failed": "TimedOut", "reason": "it had to be killed from outside"}
        try:
            answer: Answer = json.loads(self._pipe.recv_bytes())
        except (EOFError, OSError):
            return self._death()
        except ValueError:
            return {"failed": "Crashed", "reason": "what it answered is no answer"}
        return answer

    def _death(self) -> Answer:
        self._process.join(5)
        code = self._process.exitcode
        self.stop()
        if code is None or code >= 0:
            return {"failed": "Crashed", "reason": f"the child ended with exit code {code}"}
        kind = _KINDS.get(-code, "Crashed")
        shown = {
            "TimedOut": f"its calls took over {self._limit_s:.3g} s",
            "CompileFailed": f"it took over {self.place.limits.build_s:.3g} s of processor time",
            "OutOfMemory": "killed by the system, as a rule for want of memory",
            "Crashed": f"died of {signal.Signals(-code).name}",
        }
        return {"failed": kind, "reason": shown[kind]}

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn") if self.place.is_fresh else _context
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, self.place), daemon=True)
        with _starting():
            self._process.start()
        theirs.close()
        self.answered = 0

    def stop(self) -> None:
        """Kill the child and all that it started."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.join()
        self._process.close()
        self._pipe.close()
        self._process = None

    @property
    def pid(self) -> int | None:
        """The process' id, while there is a process."""
        return self._process.pid if self._process else None

    @property
    def pipe(self) -> Any:
        """The parent's end, to wait on."""
        return self._pipe


def share(children: Sequence[Child], requests: Iterable[tuple[Any, Mapping[str, Any]]], limit_s: float) -> Any:
    """Have several children work through requests; yields ``(key, answer)`` as they come.

    Args:
        children: each takes one request at a time.
        requests: pairs of a key that the caller knows and the request.
        limit_s: seconds that the calls of one request may take.
    """
    waiting = iter(requests)
    busy: dict[Child, Any] = {}

    def give(child: Child) -> None:
        with contextlib.suppress(StopIteration):
            key, request = next(waiting)
            child.ask(request, limit_s)
            busy[child] = key

    try:
        for child in children:
            give(child)
        while busy:
            timeout_s = max(0.0, min(child.deadline_s for child in busy) - time.monotonic())
            ready = set(connection.wait([child.pipe for child in busy], timeout_s))
            for child in [c for c in busy if c.pipe in ready or time.monotonic() >= c.deadline_s]:
                key = busy.pop(child)
                answer = child.answer()
                give(child)
                yield key, answer
    finally:
        # an answer that nobody waits for would be taken for the next one's
        for child in busy:
            child.stop()


@contextlib.contextmanager
def _starting() -> Iterator[None]:
    """Start a child without the program's main module, and deaf to Ctrl-C, which is for the parent.

    A main module without a guard would run again in the child; one with a guard costs what it imports.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        sys.modules["__main__"] = main
