"""What threads need that share a call: words that all of them change, and the call's arguments where all find them.

A *team* is an array of 64-bit words at a fixed address: who calls leaves there the address of a function, of its
arguments, and then a new ticket number; the others see the number change, each claims its part, does it, and counts it
done. Who waits in vain for a while sleeps in the read of a pipe; what nobody has claimed by the time that the caller is
done with its own part, the caller does too, so that a short call waits for no thread to wake. All of it is compiled
code, which waits without the interpreter's lock. A call of nothing by two cores of a Zen 5 takes 0.2 us so; by Numba's
``prange`` it takes 2.5 us over OpenMP, which is not everywhere, and 43 to 65 us over its own work queue.
"""

from __future__ import annotations

import sys
from typing import Any

from llvmlite import binding, ir
from numba import njit
from numba.core import cgutils, types

from kernels.language.simd.emit import Emitter, Lowering, lowered, operation

LINE = 8
"""Words of a cache line: what different threads write lies in lines of its own."""
THREADS, BUSY, CALLERS_CORE = 0, 1, 2
TICKET, PART, ARGUMENTS = LINE, LINE + 1, LINE + 2
DONE, FAILED = 2 * LINE, 2 * LINE + 1
MEMBERS = 3 * LINE
"""From here on each thread has a line: whether it sleeps, its pipe's two ends, a place for the byte that it reads, and
the last ticket on which its part was claimed."""
SLEEPS, READ_END, WRITE_END, BYTE, CLAIMED = range(5)

SPINS = 5000
"""Looks at the ticket before a thread sleeps, some 0.1 to 0.2 ms: waking one takes tens of microseconds."""
YIELDS = 20
"""Times that a thread which was woken on its caller's core leaves that to the caller, before it sleeps again."""
PATIENT_SPINS = 20_000
"""Looks at what is done before the others are offered this thread's processor: there may be no other."""

_WORD = ir.IntType(64)
_WORD_BYTES = 8

_ARM_PAUSE = ("llvm.aarch64.hint", [ir.IntType(32)(1)])
_PAUSES = {"x86_64": ("llvm.x86.sse2.pause", []), "aarch64": _ARM_PAUSE, "arm64": _ARM_PAUSE}

_read: Any = types.ExternalFunction("read", types.intp(types.int32, types.intp, types.intp))
_write: Any = types.ExternalFunction("write", types.intp(types.int32, types.intp, types.intp))
_yield: Any = types.ExternalFunction("sched_yield", types.int32())
_core: Any = types.ExternalFunction("sched_getcpu", types.int32())
KNOWS_CORES = sys.platform == "linux"


@operation
def word(_context: Any, team: Any, at: Any) -> Lowering:
    """Word ``at`` of a team; what was written before it is seen."""

    def emit(e: Emitter, address: Any, index: Any) -> Any:
        return e.builder.load_atomic(_place(e, address, index), "seq_cst", _WORD_BYTES)

    return lowered(types.intp, [team, at], emit)


@operation
def set_word(_context: Any, team: Any, at: Any, value: Any) -> Lowering:
    """Writes a word; who reads it sees what was written before."""

    def emit(e: Emitter, address: Any, index: Any, number: Any) -> None:
        e.builder.store_atomic(number, _place(e, address, index), "release", _WORD_BYTES)

    return lowered(types.void, [types.intp, types.intp, types.intp], emit)


@operation
def swap_word(_context: Any, team: Any, at: Any, value: Any) -> Lowering:
    """Writes a word and returns what it was, in one step."""
    return lowered(types.intp, [types.intp, types.intp, types.intp], _changing("xchg"))


@operation
def add_to_word(_context: Any, team: Any, at: Any, value: Any) -> Lowering:
    """Adds to a word and returns what it was, in one step."""
    return lowered(types.intp, [types.intp, types.intp, types.intp], _changing("add"))


def _changing(how: str) -> Any:
    def emit(e: Emitter, address: Any, index: Any, number: Any) -> Any:
        return e.builder.atomic_rmw(how, _place(e, address, index), number, "seq_cst")

    return emit


@operation
def claim_word(_context: Any, team: Any, at: Any, value: Any) -> Lowering:
    """Raises a word from ``value - 1`` to ``value`` in one step; 1 where that is what it was."""

    def emit(e: Emitter, address: Any, index: Any, number: Any) -> Any:
        before = e.builder.sub(number, _WORD(1))
        found = e.builder.cmpxchg(_place(e, address, index), before, number, "seq_cst")
        return e.builder.zext(e.builder.extract_value(found, 1), _WORD)

    return lowered(types.intp, [types.intp, types.intp, types.intp], emit)


def _place(e: Emitter, address: Any, index: Any) -> Any:
    return e.builder.inttoptr(e.builder.add(address, e.builder.mul(index, _WORD(_WORD_BYTES))), _WORD.as_pointer())


@operation
def pause(_context: Any) -> Lowering:
    """Tells the processor that this thread waits for another."""

    def emit(e: Emitter) -> None:
        name, values = _PAUSES.get(binding.get_process_triple().partition("-")[0], (None, []))
        if name:
            e.call(name, ir.VoidType(), values)

    return lowered(types.void, [], emit)


@operation
def kept(_context: Any, values: Any) -> Lowering:
    """The address of a tuple, valid until the calling function returns."""

    def emit(e: Emitter, value: Any) -> Any:
        return e.builder.ptrtoint(cgutils.alloca_once_value(e.builder, value), _WORD)  # type: ignore[no-untyped-call]

    return lowered(types.intp, [values], emit)


@operation
def taken(_context: Any, address: Any, kind: Any) -> Lowering:
    """The tuple of type ``kind`` at an address from ``kept``."""
    values = kind.instance_type

    def emit(e: Emitter, place: Any, _kind: Any) -> Any:
        llvm_type = e.llvm_type(values)
        value = e.builder.load(e.builder.inttoptr(place, llvm_type.as_pointer()), typ=llvm_type)
        e.context.nrt.incref(e.builder, values, value)
        return value

    del address
    return lowered(values, [types.intp, kind], emit)


@operation
def attempt(_context: Any, function: Any, at: Any, me: Any, threads: Any) -> Lowering:
    """Calls the ``void(intp, intp, intp)`` at an address; 1 where it raises, which is not passed on."""
    numbers = [types.intp] * 3

    def emit(e: Emitter, address: Any, *values: Any) -> Any:
        convention = e.context.call_conv
        kind = convention.get_function_type(types.void, numbers)
        called = e.builder.inttoptr(address, kind.as_pointer())
        status, _ = convention.call_function(e.builder, called, types.void, numbers, values)
        return e.builder.zext(status.is_error, _WORD)

    return lowered(types.intp, [types.intp, *numbers], emit)


@njit(error_model="numpy")
def share(team: int, part: int, at: int) -> None:
    """Calls ``part(at, me, threads)`` for each thread of a team, and returns when all are done.

    A team that is at work already leaves all parts to the caller.

    Raises:
        RuntimeError: a part raised something.
    """
    threads, failed = word(team, THREADS), 0
    if swap_word(team, BUSY, 1):
        for me in range(threads):
            failed += attempt(part, at, me, threads)
    else:
        set_word(team, PART, part)
        set_word(team, ARGUMENTS, at)
        ticket = _call(team, threads)
        failed = attempt(part, at, 0, threads)
        for me in range(1, threads):
            if claim_word(team, MEMBERS + me * LINE + CLAIMED, ticket):
                failed += attempt(part, at, me, threads)
                add_to_word(team, DONE, 1)
        _await(team, threads)
        failed += swap_word(team, FAILED, 0)
        set_word(team, BUSY, 0)
    if failed:
        raise RuntimeError("what a thread was given to do failed")


@njit(error_model="numpy")
def _call(team: int, threads: int) -> int:
    """Give out a ticket, and wake who sleeps."""
    set_word(team, DONE, 1)
    ticket = add_to_word(team, TICKET, 1) + 1
    for me in range(1, threads):
        own = MEMBERS + me * LINE
        if word(team, own + SLEEPS) and swap_word(team, own + SLEEPS, 0):
            if KNOWS_CORES:
                set_word(team, CALLERS_CORE, _core())
            _write(word(team, own + WRITE_END), team + 8 * (own + BYTE), 1)
    return ticket


@njit(error_model="numpy")
def _await(team: int, threads: int) -> None:
    looks = 0
    while word(team, DONE) < threads:
        looks += 1
        if looks < PATIENT_SPINS:
            pause()
        else:
            _yield()


@njit(error_model="numpy")
def _next(team: int, me: int, seen: int) -> int:
    """Wait for another ticket."""
    own = MEMBERS + me * LINE
    while True:
        for _ in range(SPINS):
            if word(team, TICKET) != seen:
                return word(team, TICKET)
            pause()
        swap_word(team, own + SLEEPS, 1)
        # a ticket that came meanwhile has its byte on the way, unless nobody saw this one sleep
        if word(team, TICKET) == seen or not swap_word(team, own + SLEEPS, 0):
            _read(word(team, own + READ_END), team + 8 * (own + BYTE), 1)
            if KNOWS_CORES:
                _leave_core(team)


@njit(error_model="numpy")
def _leave_core(team: int) -> None:
    """Stay ready to run, but do not run, for as long as this is the caller's core.

    Linux may wake a thread there though others idle, and sees within some 10 ms that it had better run elsewhere, but
    only while the thread waits for its turn; one that looked for work and slept again stayed for seconds, and halved
    the speed of both (seen on a Zen 4, after another library's threads had spun on the other core).
    """
    for _ in range(YIELDS):
        if _core() != word(team, CALLERS_CORE):
            return
        _yield()


@njit(error_model="numpy")
def work(team: int, me: int) -> None:
    """What each other thread does: its part of whatever the team is called for, until that is nothing."""
    seen = 0
    while True:
        seen = _next(team, me, seen)
        if claim_word(team, MEMBERS + me * LINE + CLAIMED, seen):
            at = word(team, ARGUMENTS)
            if at == 0:
                return
            if attempt(word(team, PART), at, me, word(team, THREADS)):
                add_to_word(team, FAILED, 1)
            add_to_word(team, DONE, 1)


@njit(error_model="numpy")
def rows_of(out: Any, line: int, me: int, threads: int) -> tuple[int, int]:
    """First row of a thread's part of an output, and the row behind its last; no two parts write to one cache line.

    Args:
        out: the output.
        line: elements of a cache line.
        me: number of the thread.
        threads: of the team.
    """
    step = _step(out, line)
    steps = (out.shape[0] + step - 1) // step
    return min(out.shape[0], steps * me // threads * step), min(out.shape[0], steps * (me + 1) // threads * step)


@njit(error_model="numpy")
def rows_between(fence: Any, out: Any, line: int, me: int, threads: int) -> tuple[int, int]:
    """The same, the parts alike not in rows but in what lies between the first and the last of their offsets."""
    return _row_at(fence, out, line, me, threads), _row_at(fence, out, line, me + 1, threads)


@njit(error_model="numpy")
def _row_at(fence: Any, out: Any, line: int, me: int, threads: int) -> int:
    rows, step = out.shape[0], _step(out, line)
    if me in (0, threads):
        return rows if me else 0
    wanted = fence[0] + (fence[rows] - fence[0]) * me // threads
    low, high = 0, rows
    while low < high:
        middle = (low + high) // 2
        if fence[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return min(rows, (low + step // 2) // step * step)


@njit(error_model="numpy")
def _step(out: Any, line: int) -> int:
    """Rows of an output that fill whole cache lines."""
    row = out.size // max(1, out.shape[0])
    step = line
    while step > 1 and step // 2 * row % line == 0:
        step //= 2
    return step
