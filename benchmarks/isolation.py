"""Child processes that can be killed: requests go in, answers or a typed death come out."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.forkserver
import os
import secrets
import shutil
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from multiprocessing import connection
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil

from benchmarks.answers import MOST_BYTES, Answer, NoAnswerError, answer_of
from benchmarks.confine import library_threads
from benchmarks.contestant import Contestant
from benchmarks.layout import fixed_layout
from benchmarks.reaper import end
from benchmarks.worker import Place, serve
from kernels.language import SourceFolder
from kernels.language.build import SCRATCH

_DYING_S = 2.0
_MESSAGE_S = 10.0  # from its first byte to its last
_HARMLESS = ("CompileFailed", "Unavailable")
_HINTS = {signal.SIGSEGV: ", as who writes to an input does, or far outside its arrays"}
_KINDS = {signal.SIGALRM: "TimedOut", signal.SIGPROF: "CompileFailed", signal.SIGKILL: "OutOfMemory"}

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["benchmarks.preload"])


def start_server() -> None:
    """Have the fork server load, beside the caller, what children need."""
    with _starting(), fixed_layout():
        multiprocessing.forkserver.ensure_running()


def served_cpu_s() -> float:
    """Processor seconds of the fork server and of its children that have ended: they are none of this process's own."""
    pid = multiprocessing.forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]  # noqa: SLF001 - nothing else tells
    with contextlib.suppress(psutil.Error):
        return float(sum(psutil.Process(pid).cpu_times()[:4])) if pid else 0.0
    return 0.0


def start_process(
    target: Callable[..., None], arguments: tuple[Any, ...], threads: int = 1, *, is_fresh: bool = False
) -> tuple[Any, Any]:
    """Start a child process.

    Args:
        target: its main; takes its end of a pipe, then ``arguments``.
        arguments: plain data.
        threads: that libraries which it loads may have.
        is_fresh: a new interpreter with a memory layout of its own, instead of a fork of a warm one.

    Returns:
        The process, and the parent's end of the pipe.
    """
    context = multiprocessing.get_context("spawn") if is_fresh else _context
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, *arguments), daemon=True)
    with _starting(), contextlib.nullcontext() if is_fresh else fixed_layout(), _threads(threads):
        process.start()
    theirs.close()
    return process, ours


class Child:
    """One worker process; the first request starts it. After a fault the next request starts another."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._process: Any = None
        self._pipe: Any = None
        self._scratch = Path()
        self._request: Mapping[str, Any] = {}
        self._limit_s = 0.0
        self.answered = 0
        self.deadline_s = 0.0
        self._ended_s, self._running_s = 0.0, 0.0

    def ask(self, request: Mapping[str, Any], limit_s: float) -> None:
        """Send a request.

        Args:
            request: what to do.
            limit_s: seconds that its calls may take; starting, compiling and making inputs have limits of their own.
        """
        limits = self.place.limits
        self._limit_s = limit_s
        # calls are limited twice in a race: while they are timed, and in the proof afterwards
        self.deadline_s = time.monotonic() + 2 * limit_s + limits.build_s + limits.slack_s
        if self._process is None:
            self._start()
            self.deadline_s += limits.start_s
        # a child that answers twice, or before it is asked, shall not answer the next question
        self._request = {**request, "limit_s": limit_s, "token": secrets.token_hex(8)}
        with contextlib.suppress(OSError):
            self._pipe.send(self._request)

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
        if not is_at_fault:
            self._keep(is_good="failed" not in answer)
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
            return answer_of(_received(self._pipe), self._request)
        except NoAnswerError as error:
            return {"failed": "Crashed", "reason": str(error)}
        except (EOFError, OSError):
            return self._death()

    def _keep(self, *, is_good: bool) -> None:
        """Take what it compiled of the contestants that it was asked about; nothing else that it wrote is kept."""
        named = self._request.get("contestants") or [self._request.get("candidate")]
        contestants = [one for one in named if isinstance(one, Contestant) and is_good]
        handles = [handle for one in contestants for handle in (one.handle, *(one.driver or ())) if handle is not None]
        # sources may have been trimmed meanwhile
        with contextlib.suppress(OSError):
            SourceFolder(self.place.folder).adopt(self._scratch, handles)

    def _death(self) -> Answer:
        self._process.join(_DYING_S)
        code = self._process.exitcode
        self.stop()
        if code is None or code >= 0:
            return {"failed": "Crashed", "reason": f"the child ended with exit code {code}"}
        kind = _KINDS.get(-code, "Crashed")
        shown = {
            "TimedOut": f"its calls took over {self._limit_s:.3g} s",
            "CompileFailed": f"it took over {self.place.limits.build_s:.3g} s of processor time",
            "OutOfMemory": "killed by the system, as a rule for want of memory",
            "Crashed": f"died of {signal.Signals(-code).name}{_HINTS.get(-code, '')}",
        }
        return {"failed": kind, "reason": shown[kind]}

    def _start(self) -> None:
        self._scratch = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=self.place.folder))
        threads, is_fresh = self.place.task.threads, self.place.is_fresh
        self._process, self._pipe = start_process(serve, (self.place, self._scratch), threads, is_fresh=is_fresh)
        self.answered = 0

    def stop(self) -> None:
        """Kill the child and all that it started, and remove what it wrote."""
        if self._process is None:
            return
        self._ended_s, self._running_s = self.cpu_s(), 0.0
        end(self._process.pid)
        self._process.kill()
        self._process.join()
        self._process.close()
        self._pipe.close()
        self._process = None
        shutil.rmtree(self._scratch, ignore_errors=True)

    def cpu_s(self) -> float:
        """Processor seconds that its processes have taken so far, as far as they lived when this was asked."""
        if self._process is not None:
            self._running_s = max(self._running_s, _taken_s(self._process.pid))
        return self._ended_s + self._running_s

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


def _taken_s(pid: int) -> float:
    """Processor seconds of a process; 0 where it is gone."""
    with contextlib.suppress(psutil.Error):
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)
    return 0.0


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


def _received(pipe: Any) -> bytes:
    """A message, once it has begun: a child may say the half of one, or letter by letter.

    Raises:
        NoAnswerError: it is too large, or the rest of it does not come.
        EOFError: the other end is closed.
        OSError: so it is, or this one.
    """
    until = time.monotonic() + _MESSAGE_S
    (size_bytes,) = struct.unpack("!i", _exactly(pipe, 4, until))
    if not 0 <= size_bytes <= MOST_BYTES:
        raise NoAnswerError("what it answered is no answer")
    return _exactly(pipe, size_bytes, until)


def _exactly(pipe: Any, size_bytes: int, until: float) -> bytes:
    found = bytearray()
    while len(found) < size_bytes:
        if not pipe.poll(max(0.0, until - time.monotonic())):
            raise NoAnswerError("it answered by half")
        more = os.read(pipe.fileno(), size_bytes - len(found))
        if not more:
            raise EOFError
        found += more
    return bytes(found)


@contextlib.contextmanager
def _threads(threads: int) -> Iterator[None]:
    """Libraries that a fresh child loads start no more threads: those would run before they are confined."""
    before = dict(os.environ)
    os.environ |= library_threads(threads)
    try:
        yield
    finally:
        for name in library_threads(threads):
            os.environ.pop(name)
        os.environ |= before
