"""What is asked of a child, and what its answers mean: plain data on the way, typed values on this side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.contestant import Contestant
from benchmarks.isolation import Child
from benchmarks.outcome import KINDS, Conditions, Outcome, Retake, Rounds
from benchmarks.race import Rules
from benchmarks.worker import Answer

PATIENCE_S = 600.0  # with what is proven, or must be right


class ContestantFailedError(RuntimeError):
    """Something that was proven before is wrong, crashes or hangs when it is measured again."""


def rounds(child: Child, contestants: Sequence[Contestant], rules: Rules) -> Rounds:
    """Rounds of several proven contestants.

    Raises:
        ContestantFailedError: one of them failed, though it was proven before.
    """
    answer = child.call(race_request(contestants, rules), PATIENCE_S)
    if "failed" in answer:
        raise ContestantFailedError(f"{answer['failed']}: {answer['reason']}")
    return rounds_of(answer)


def race_request(contestants: Sequence[Contestant], rules: Rules) -> dict[str, Any]:
    """What a child is asked for a race; the first contestant is the one in question."""
    return {"do": "race", "contestants": tuple(contestants), "rules": rules}


def rounds_of(raced: Answer) -> Rounds:
    """The samples that a race yielded."""
    seconds = tuple(tuple(times) for times in raced["seconds"])
    return Rounds(seconds, raced["loops"], raced["floor_s"], _conditions(raced["conditions"]))


def _conditions(told: Answer) -> Conditions:
    retakes = tuple(Retake(one["reason"], tuple(one["seconds"])) for one in told["retakes"])
    tuples = {name: tuple(told[name]) for name in ("clock_hz", "memory_bytes_per_s", "flags")}
    return Conditions(**{**told, **tuples, "retakes": retakes})


def failure_of(answer: Answer) -> Outcome:
    """The outcome of an answer that says ``failed``."""
    return KINDS[answer["failed"]](answer["reason"])
