"""Child processes that can be killed: requests go in, answers or a typed death come out."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from multiprocessing import connection
from pathlib import Path
from typing import Any

from benchmarks.contestant import Task
from benchmarks.worker import serve

MEMORY_BYTES = 4 << 30
START_S = 60.0

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["benchmarks.preload"])


@dataclass(frozen=True)
class Place:
    """Where children run and what they know.

    Attributes:
        folder: of generated sources and compiled code.
        task: what is measured.
        cpus: processors they are bound to; empty for any.
        is_fresh: start from a new interpreter, with a memory layout of its own, instead of a fork of a warm one.
    """

    folder: Path
    task: Task
    cpus: tuple[int, ...] = ()
    is_fresh: bool = False


class Child:
    """One worker process. After a death or a time-out the next request starts another."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._process: Any = None
        self._pipe: Any = None
        self.deadline_s = 0.0
        self.answered = 0

    def ask(self, request: Mapping[str, Any], limit_s: float) -> None:
        """Send a request, which must be answered within ``limit_s`` seconds."""
        if self._process is None:
            self._start()
            limit_s += START_S
        self.deadline_s = time.monotonic() + limit_s
        with contextlib.suppress(BrokenPipeError):
            self._pipe.send_bytes(json.dumps(request).encode())

    def answer(self) -> dict[str, Any]:
        """Wait for the answer; ``{"failed": kind, "reason": …}`` where the child died or took too long."""
        if not self._pipe.poll(max(0.0, self.deadline_s - time.monotonic())):
            self.stop()
            return {"failed": "TimedOut", "reason": "killed at its time limit"}
        try:
            answer: dict[str, Any] = json.loads(self._pipe.recv_bytes())
        except (EOFError, ConnectionResetError, ValueError):
            return self._death()
        self.answered += 1
        return answer

    def call(self, request: Mapping[str, Any], limit_s: float) -> dict[str, Any]:
        """Ask and wait."""
        self.ask(request, limit_s)
        return self.answer()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn") if self.place.is_fresh else _context
        self._pipe, theirs = context.Pipe()
        limits = {"memory_bytes": MEMORY_BYTES, "cpus": self.place.cpus}
        arguments = (theirs, str(self.place.folder), asdict(self.place.task), limits)
        self._process = context.Process(target=serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()
        self.answered = 0

    def _death(self) -> dict[str, Any]:
        self._process.join(5)
        code = self._process.exitcode
        self.stop()
        if code is not None and code < 0:
            return {"failed": "Crashed", "reason": f"died of {signal.Signals(-code).name}"}
        return {"failed": "Crashed", "reason": f"the child ended with exit code {code}"}

    def stop(self) -> None:
        """Kill the child and all that it started."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.join()
        self._pipe.close()
        self._process = None

    @property
    def is_running(self) -> bool:
        """True while there is a process."""
        return self._process is not None

    @property
    def pipe(self) -> Any:
        """The parent's end, to wait on."""
        return self._pipe


def share(children: Sequence[Child], requests: Iterable[tuple[Any, Mapping[str, Any]]], limit_s: float) -> Any:
    """Have several children work through requests; yields ``(key, answer)`` as they come.

    Args:
        children: each takes one request at a time.
        requests: pairs of a key that the caller knows and the request.
        limit_s: seconds for one request.
    """
    waiting = iter(requests)
    busy: dict[Child, Any] = {}

    def give(child: Child) -> None:
        with contextlib.suppress(StopIteration):
            key, request = next(waiting)
            child.ask(request, limit_s)
            busy[child] = key

    for child in children:
        give(child)
    while busy:
        timeout = max(0.0, min(child.deadline_s for child in busy) - time.monotonic())
        ready = set(connection.wait([child.pipe for child in busy], timeout))
        for child in [c for c in busy if c.pipe in ready or time.monotonic() >= c.deadline_s]:
            key = busy.pop(child)
            answer = child.answer()
            give(child)
            yield key, answer
