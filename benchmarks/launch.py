"""Measurements in a fresh process, with a memory layout and inputs of its own: for what is published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from benchmarks.contestant import Contestant
from benchmarks.exchange import PATIENCE_S, ContestantFailedError, paired
from benchmarks.isolation import Child
from benchmarks.outcome import Samples
from benchmarks.race import Rules


@dataclass
class Launch:
    """Measurements in one fresh process."""

    child: Child

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.child.stop()

    def pair(self, candidate: Contestant, incumbent: Contestant, rules: Rules) -> Samples | None:
        """Prove both on the launch's own inputs, then time them; None where a rival is not to be had, or fails.

        Raises:
            ContestantFailedError: one of ours failed, though it was proven before.
        """
        for contestant in (candidate, incumbent):
            answer = self.child.call({"do": "try", "candidate": contestant}, PATIENCE_S)
            if "failed" in answer and contestant.rival is not None:
                return None
            if "failed" in answer:
                raise ContestantFailedError(f"{answer['failed']}: {answer['reason']}")
        return paired(self.child, candidate, incumbent, rules)
