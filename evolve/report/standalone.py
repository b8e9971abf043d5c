"""What an exported file holds besides its kernel and the door by which callers come in: the check.

``export`` cuts these functions out and puts them into the file, so they stand on numpy and the standard library alone,
on any platform, and speak to somebody who has nothing but the file.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.compare import worst_error
from benchmarks.inference import speedup_estimate
from benchmarks.race import loops_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MOST_ROUNDS = 30
LEAST_ROUNDS = 6
MOST_S = 10.0

say = print
"""The file's own output, on stdout."""


@dataclass(frozen=True)
class Subject:
    """What is checked.

    Attributes:
        name: the public function's name.
        call: the public function.
        baseline: the plain loop, ``(*inputs, out)``.
        reference: the truth in float64 NumPy, ``(*inputs)``.
        problem: ``(size, dtype, rng)``, new random inputs.
        tolerance: ``(size, dtype)``, the relative error that is still right.
        scale: ``(truth)``, what it is relative to.
        dtype: of the output.
        sizes: sizes to prove it on.
        size: the size to time it at.
        published: what was measured when the file was made.
    """

    name: str
    call: Callable[..., Any]
    baseline: Callable[..., Any]
    reference: Callable[..., Any]
    problem: Callable[..., Any]
    tolerance: Callable[..., float]
    scale: Callable[..., Any]
    dtype: str
    sizes: Sequence[tuple[int, ...]]
    size: tuple[int, ...]
    published: str


def check(subject: Subject) -> int:
    """Prove the kernel against its reference and time it against the plain loop; 0 where it is right, else 1."""
    say(f"{subject.name} {subject.dtype} against its NumPy reference: largest error, 1 is what is tolerated")
    wrong = [size for size in dict.fromkeys((*subject.sizes, subject.size)) if not is_right(subject, size)]
    if wrong:
        say("WRONG: do not use this file on this machine")
        return 1
    say(f"all right; timing {shown(subject.size)} against the plain loop, for about {MOST_S:.0f} s ...")
    timed(subject)
    return 0


def is_right(subject: Subject, size: tuple[int, ...]) -> bool:
    """True where the kernel is right on random inputs of a size, however they lie in memory; prints what it found."""
    inputs = subject.problem(size, subject.dtype, np.random.default_rng(sum(size)))
    before = [np.copy(value) for value in inputs]
    truth = np.ascontiguousarray(subject.reference(*inputs), dtype=np.float64)
    out = off_by_one(np.full(truth.shape, np.nan, subject.dtype))
    results = [subject.call(*inputs), subject.call(*map(off_by_one, inputs), out=out)]
    limit, scale = subject.tolerance(size, subject.dtype), subject.scale(truth).ravel()
    error = max(float(worst_error(result.ravel(), truth.ravel(), scale)) for result in results)
    is_same = all(np.array_equal(value, old) for value, old in zip(inputs, before, strict=True))
    # an exact result may be asked for: a tolerance of 0
    verdict = f"{error / limit:.2g}" if limit else f"{error:.2g}"
    is_fine = error <= limit and is_same and results[1] is out
    say(f"  {shown(size):20} {verdict:8} {'right' if is_fine else 'WRONG'}{'' if is_same else ', changed its inputs'}")
    return is_fine


def off_by_one(value: Any) -> Any:
    """The same values one element off any alignment."""
    if not isinstance(value, np.ndarray):
        return value
    moved = np.empty(value.size + 1, value.dtype)[1:].reshape(value.shape)
    moved[...] = value
    return moved


def timed(subject: Subject) -> None:
    """Time kernel and plain loop in pairs of samples whose order alternates, and print the ratio."""
    inputs = subject.problem(subject.size, subject.dtype, np.random.default_rng(0))
    out = subject.call(*inputs)
    calls = [lambda: subject.call(*inputs, out=out), lambda: subject.baseline(*inputs, out)]
    loops = loops_for(min(sample_s(call, 1) for call in calls for _ in range(2)))
    times: tuple[list[float], list[float]] = ([], [])
    start = time.perf_counter()
    while len(times[0]) < LEAST_ROUNDS or (len(times[0]) < MOST_ROUNDS and time.perf_counter() - start < MOST_S):
        for side in (0, 1) if len(times[0]) % 4 in {0, 3} else (1, 0):
            times[side].append(sample_s(calls[side], loops))
    ratio = speedup_estimate(*times)
    interval = f"95 % interval {ratio.low:.3g} to {ratio.high:.3g}, {len(times[0])} rounds"
    say(f"  {np.median(times[0]):.3g} s a call: {ratio.estimate:.3g}x the speed of the plain loop ({interval})")
    say(f"  {subject.published}")


def sample_s(call: Callable[[], Any], loops: int) -> float:
    """Seconds a call."""
    start = time.perf_counter()
    for _ in range(loops):
        call()
    return (time.perf_counter() - start) / loops


def shown(size: tuple[int, ...]) -> str:
    """A size in one word."""
    return "x".join(map(str, size))
