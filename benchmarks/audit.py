"""The parent's own proof of a winner, in which nothing counts that the child says.

Candidate code runs in the process that times and checks it, so it can change the clock, the comparison and the answer.
Before it may take a title the parent therefore writes inputs that only it knows into the child's memory, has it called,
reads the output and compares it itself; holds its own clock against many calls; and changes an input while they run,
to see how soon the output follows. A child that lies has to do the work all the same, and to do it as fast as it says.

What is held against it is always a whole, from outside: a difference between two requests, or the time of an empty one,
would be the child's to stretch. The clock is the kernel's of the child's processor time where that says less than the
clock on the wall: on a busy machine an answer was 5 ms late, as long as all the calls took.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import reach, sandbox
from benchmarks.arena import poison
from benchmarks.compare import worst_error
from benchmarks.contestant import Contestant, Task
from benchmarks.isolation import Child
from benchmarks.looks import Look, Moment

SLOWER = 1.75
"""So many times the claimed seconds are allowed. With six busy processes on two cores an honest kernel that waits for
memory was 1.57 times slower than its race a second before, six times in a row."""
FAR_SLOWER = 4.0
"""Who is slower by so much twice need not be timed again."""
TIMED_S, REQUEST_S = 8e-3, 1e-3
"""What the timed calls are to take, and what asking and answering may: some 0.1 ms on a quiet machine."""
FOLLOWED_S, LOOKS, LEAST_FOLLOWED, LATE, LOOK_S = 20e-3, 500, 5, 3.0, 100e-6
"""A change is seen by the next call at the latest, so within two calls; looking takes microseconds."""
ATTEMPTS = 6
_STARTING_S = 5.0


class CaughtError(Exception):
    """Why a contestant fails its audit."""


class UnseenError(Exception):
    """The machine was too busy to see whether a contestant holds."""


def audit(child: Child, task: Task, contestant: Contestant, claimed_s: float, rng: np.random.Generator) -> str | None:
    """Have a contestant prove itself to this process.

    Args:
        child: one that has proven and raced it; its first case is used, and is afterwards as before.
        task: what is measured; the child's own.
        contestant: who claims a title.
        claimed_s: seconds a call that were found in the child.
        rng: of what nobody shall foresee.

    Returns:
        Why it fails; None where it holds, or where the system forbids to look.

    Raises:
        UnseenError: this machine is too busy to say.
    """
    # it is not to be replaced under way, having answered its share
    answered, child.answered = child.answered, -sys.maxsize
    try:
        arrays = _asked(child, {"do": "arrays", "candidate": contestant})
        assert child.pid is not None
        with reach.opened(child.pid) as memory:
            view = _View(child, task, contestant, arrays, memory)
            problems = [view.problem(rng) for _ in range(2)]
            with view.unchanged(problems[0]):
                for inputs in problems:
                    view.prove(inputs)
                view.time(problems[0], claimed_s)
                # looking takes a processor, which must not be one of the contestant's
                if task.threads < len(os.sched_getaffinity(0)):
                    _follow(view, problems, claimed_s, rng)
    except CaughtError as error:
        return str(error)
    except OSError as error:
        if isinstance(error, PermissionError) and not _is_possible():
            return None
        return f"its arrays cannot be looked at: {error}"
    finally:
        child.answered = answered
    return None


def _is_possible() -> bool:
    return all(one.is_active for one in sandbox.active() if one.name == "audit")


@dataclass(frozen=True)
class _Inputs:
    """Inputs, and the truth about them, which the child is not told."""

    values: tuple[Any, ...]
    expected: NDArray[np.float64]
    scale: NDArray[np.float64]


class _View:
    """A contestant in a child, and the arrays that it is called on there."""

    def __init__(
        self, child: Child, task: Task, contestant: Contestant, arrays: dict[str, Any], memory: reach.Memory
    ) -> None:
        self.child, self.task, self.contestant, self.memory = child, task, contestant, memory
        self.kernel = task.definition
        self.addresses, self.out_address = arrays["inputs"], arrays["out"]

    def problem(self, rng: np.random.Generator) -> _Inputs:
        """New inputs of the same shapes."""
        return self.solved(self.kernel.problem(self.task.size, self.task.dtype, rng))

    def solved(self, values: tuple[Any, ...]) -> _Inputs:
        truth = np.ascontiguousarray(self.kernel.reference(*values), dtype=np.float64)
        return _Inputs(values, truth.reshape(-1), self.kernel.scale(truth).reshape(-1))

    def arrays(self, inputs: _Inputs) -> Iterator[tuple[int, NDArray[Any]]]:
        """Where in the child each input array lies, and its values."""
        if len(self.addresses) != len(inputs.values):
            raise CaughtError(f"it has {len(self.addresses)} inputs, not {len(inputs.values)}")
        for address, value in zip(self.addresses, inputs.values, strict=True):
            if isinstance(value, np.ndarray):
                yield address, value

    @contextlib.contextmanager
    def unchanged(self, like: _Inputs) -> Iterator[None]:
        """Give the child its own inputs back in the end, which are of the same shapes."""
        kept = [(address, np.empty_like(value)) for address, value in self.arrays(like)]
        for address, value in kept:
            self.memory.read(address, value)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                for address, value in kept:
                    self.memory.write(address, value)

    def give(self, inputs: _Inputs) -> None:
        """Write inputs, and poison into the output."""
        for address, value in self.arrays(inputs):
            self.memory.write(address, value)
        out = np.empty(inputs.expected.size, self.task.dtype)
        poison(out)
        self.memory.write(self.out_address, out)

    def start(self, inputs: _Inputs, calls: int, expected_s: float) -> None:
        """Ask for so many calls, and do not wait."""
        scalars = [None if isinstance(value, np.ndarray) else value for value in inputs.values]
        request = {"do": "calls", "candidate": self.contestant, "calls": calls, "scalars": scalars}
        self.child.ask(request, self.child.place.limits.call_s + 20 * expected_s)

    def call(self, inputs: _Inputs, calls: int, expected_s: float) -> float:
        """Have it called so often; seconds from outside."""
        start = self.now()
        self.start(inputs, calls, expected_s)
        self.wait()
        return self.since(start)

    def now(self) -> tuple[float, ...]:
        """Seconds on the wall; of processors, and of waiting for one, of the child's threads together."""
        pid = self.memory.pid
        return time.perf_counter(), reach.processor_s(pid), reach.all_waited_s(pid)

    def since(self, then: tuple[float, ...]) -> float:
        """Seconds since then that are the child's: not those in which somebody else had its processors."""
        wall_s, processor_s, waited_s = (now - before for now, before in zip(self.now(), then, strict=True))
        if self.task.threads == 1:
            return min(wall_s, processor_s)
        # one thread that waits holds all of them up; who says that more waited has used their processors up
        return min(wall_s, max(wall_s - waited_s, processor_s / self.task.threads))

    def wait(self) -> None:
        """Wait for the calls that were asked for."""
        _answered(self.child)

    @property
    def is_calling(self) -> bool:
        return not self.child.pipe.poll(0)

    def check(self, inputs: _Inputs) -> None:
        """Compare what lies in the child with the truth."""
        out = np.empty(inputs.expected.size, self.task.dtype)
        self.memory.read(self.out_address, out)
        error = worst_error(out, inputs.expected, inputs.scale)
        allowed = self.kernel.tolerance(self.task.size, self.task.dtype)
        if not error <= allowed:
            raise CaughtError(
                f"on inputs that only the parent knows: relative error {error:.3g}, allowed {allowed:.3g}"
            )
        for address, value in self.arrays(inputs):
            found = np.empty_like(value)
            self.memory.read(address, found)
            if found.tobytes() != value.tobytes():
                raise CaughtError("it changed its inputs")

    def prove(self, inputs: _Inputs) -> None:
        """One call on new inputs, checked."""
        self.give(inputs)
        self.call(inputs, 1, _STARTING_S)
        self.check(inputs)

    def time(self, inputs: _Inputs, claimed_s: float) -> None:
        """Hold the parent's clock against the claim; a busy machine has several attempts, each twice as long."""
        found_s: list[float] = []
        while len(found_s) < ATTEMPTS and (len(found_s) < 2 or min(found_s) < FAR_SLOWER * claimed_s):
            calls = max(2, math.ceil(TIMED_S * 2 ** len(found_s) / claimed_s))
            self.give(inputs)
            taken_s = self.call(inputs, calls, calls * claimed_s)
            self.check(inputs)
            if taken_s <= SLOWER * calls * claimed_s + REQUEST_S:
                return
            found_s.append(taken_s / calls)
        raise CaughtError(f"{min(found_s):.3g} s a call by the parent's clock, but {claimed_s:.3g} s were claimed")


def _asked(child: Child, request: dict[str, Any]) -> dict[str, Any]:
    child.ask(request, child.place.limits.call_s)
    return _answered(child)


def _answered(child: Child) -> dict[str, Any]:
    answer = child.answer()
    if "failed" in answer:
        raise CaughtError(f"asked to call it again: {answer['failed']}: {answer['reason']}")
    return answer


def _follow(view: _View, problems: list[_Inputs], claimed_s: float, rng: np.random.Generator) -> None:
    """Change an input while calls run, again and again: as soon as a call should, the output must follow.

    Whoever skips calls, or repeats an answer, is late, or done before the output could follow at all.
    """
    change = _Change.drawn(view, problems, rng)
    if change is None:
        return
    calls, allowed_s = max(3, math.ceil(FOLLOWED_S / claimed_s)), LATE * claimed_s + LOOK_S
    delays_s: list[float] = []
    short = 0
    for _ in range(2 * ATTEMPTS):
        delays = change.delays_s(view, rng.random(LOOKS) * claimed_s, allowed_s)
        used_s = _run(view, change, calls, delays_s, delays)
        if len(delays_s) >= LEAST_FOLLOWED and np.median(delays_s) <= allowed_s:
            return
        if used_s < FOLLOWED_S / 4:  # it is faster than it said, or did not do it
            short += 1
            calls = math.ceil(calls * FOLLOWED_S / max(used_s, REQUEST_S / 10))
    if short == 2 * ATTEMPTS:
        raise CaughtError(f"{calls:.3g} calls of it took no time, and the output followed no change of an input")
    if len(delays_s) >= LEAST_FOLLOWED:
        raise CaughtError(
            f"an input changed while it was called, and the output followed after {np.median(delays_s):.3g} s: "
            f"with {claimed_s:.3g} s a call, {allowed_s:.3g} s are enough"
        )
    raise UnseenError("the machine was too busy for the parent to follow its calls")


def _run(view: _View, change: _Change, calls: int, delays_s: list[float], delays: Iterator[float]) -> float:
    """Have it called while an input changes, and note the delays; seconds of the child's processor time."""
    with _away_from(view.child.place.cpus):
        view.give(change.states[0])
        before_s = reach.processor_s(view.memory.pid)
        view.start(change.states[0], calls, FOLLOWED_S)
        delays_s.extend(delays)
        view.wait()
    return reach.processor_s(view.memory.pid) - before_s


def _is_changeable(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.size > 0 and value.dtype.kind == "f"


@dataclass(frozen=True)
class _Change:
    """Two states of the inputs that differ in one element.

    Attributes:
        states: inputs before and after.
        address: of the element in the child.
        elements: its two values.
        where: the output element that tells the states apart best.
    """

    states: tuple[_Inputs, _Inputs]
    address: int
    elements: tuple[NDArray[Any], NDArray[Any]]
    where: int

    @classmethod
    def drawn(cls, view: _View, problems: list[_Inputs], rng: np.random.Generator) -> _Change | None:
        """A change that shows in the output; None where several drawn ones do not."""
        before, other = problems
        found = [*zip(view.addresses, before.values, other.values, strict=True)]
        # an integer may be an index: one that does not fit the others points anywhere
        places = [k for k, value in enumerate(before.values) if _is_changeable(value)]
        for _ in range(ATTEMPTS if places else 0):
            which = int(rng.choice(places))
            address, value, replacement = found[which]
            at = int(rng.integers(value.size))
            changed = value.copy()
            changed.reshape(-1)[at] = replacement.reshape(-1)[at]
            after = view.solved((*before.values[:which], changed, *before.values[which + 1 :]))
            shift = np.abs(after.expected - before.expected)
            where = int(np.argmax(shift))
            if shift[where] > 4 * view.kernel.tolerance(view.task.size, view.task.dtype) * before.scale[where]:
                elements = (value.reshape(-1)[at : at + 1].copy(), changed.reshape(-1)[at : at + 1].copy())
                return cls((before, after), address + at * value.itemsize, elements, where)
        return None

    def delays_s(self, view: _View, pauses_s: NDArray[np.float64], allowed_s: float) -> Iterator[float]:
        """While calls run: seconds from each change until the output shows it, as far as that can be told.

        Whatever the others do, the first call finds the first change, and after the last call none is found: an early
        end counts only where it came late.
        """
        for count, pause_s in enumerate(pauses_s):
            look = self._look(view, (count + 1) % 2)
            is_known = look.is_exact or look.most_s <= allowed_s
            if look.delay_s > allowed_s or (look.is_seen and is_known and count):
                yield look.delay_s
            if not look.is_seen:
                return
            _wait(pause_s)

    def _look(self, view: _View, state: int) -> Look:
        """Change the element to a state, and look until the output shows it or the calls have ended."""
        out = np.empty(1, view.task.dtype)
        address = view.out_address + self.where * out.itemsize
        expected = [inputs.expected[self.where] for inputs in self.states]
        before, late_s = Moment.of(view.memory.pid), 0.0
        view.memory.write(self.address, self.elements[state])
        while True:
            view.memory.read(address, out)
            is_seen = abs(float(out[0]) - expected[state]) < abs(float(out[0]) - expected[1 - state])
            if is_seen or not view.is_calling:
                return Look.between(before, Moment.of(view.memory.pid), late_s, is_seen=is_seen)
            late_s = time.perf_counter() - before.wall_s


def _wait(seconds: float) -> None:
    """Without sleeping, which may take longer."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


@contextlib.contextmanager
def _away_from(cpus: tuple[int, ...]) -> Iterator[None]:
    """Look from another processor, if there is one."""
    before = os.sched_getaffinity(0)
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, before - set(cpus) or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
