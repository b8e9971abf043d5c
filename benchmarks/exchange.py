"""What is asked of a child, and what its answers mean: plain data on the way, typed values on this side."""

from __future__ import annotations

from typing import Any

from benchmarks.contestant import Contestant
from benchmarks.isolation import Child
from benchmarks.outcome import KINDS, Outcome, Samples
from benchmarks.race import Rules
from benchmarks.worker import Answer

PATIENCE_S = 600.0  # with what is proven, or must be right


class ContestantFailedError(RuntimeError):
    """Something that was proven before is wrong, crashes or hangs when it is measured again."""


def paired(child: Child, candidate: Contestant, incumbent: Contestant, rules: Rules) -> Samples:
    """Paired samples of two proven contestants.

    Raises:
        ContestantFailedError: one of them failed, though it was proven before.
    """
    answer = child.call(race_request(candidate, incumbent, rules), PATIENCE_S)
    if "failed" in answer:
        raise ContestantFailedError(f"{answer['failed']}: {answer['reason']}")
    return samples_of(answer)


def race_request(candidate: Contestant, incumbent: Contestant, rules: Rules) -> dict[str, Any]:
    """What a child is asked for a race."""
    sides = {"candidate": candidate, "incumbent": incumbent}
    return {"do": "race", **sides, "rules": rules}


def samples_of(raced: Answer) -> Samples:
    """The samples that a race yielded."""
    return Samples(tuple(raced["candidate_s"]), tuple(raced["incumbent_s"]), raced["loops"])


def failure_of(answer: Answer) -> Outcome:
    """The outcome of an answer that says ``failed``."""
    return KINDS[answer["failed"]](answer["reason"])
