"""Measurements in a fresh process, with memory layout, inputs, and where wanted a build of its own.

A fresh build shares nothing with the cache that the search filled: the sources are copied, each checked against the
digest that is its name, and compiled by the launch's own process.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from benchmarks.contestant import Contestant
from benchmarks.exchange import PATIENCE_S, ContestantFailedError, rounds
from benchmarks.isolation import Child
from benchmarks.outcome import Rounds, Samples
from benchmarks.race import Rules
from kernels.language import SourceFolder


@contextlib.contextmanager
def fresh_build(sources: SourceFolder, contestants: Iterable[Contestant]) -> Iterator[SourceFolder]:
    """A folder with the sources of contestants and no compiled code; whoever is launched on it first compiles.

    Raises:
        ContestantFailedError: a source is gone, or was changed after it was written.
    """
    with tempfile.TemporaryDirectory(prefix="evolve-build-", ignore_cleanup_errors=True) as path:
        folder = SourceFolder(Path(path))
        for contestant in contestants:
            for handle in (contestant.handle, *(contestant.driver or ())):
                if handle is None:
                    continue
                try:
                    sources.copy(handle, folder)
                except (FileNotFoundError, ValueError) as error:
                    raise ContestantFailedError(str(error)) from error
        yield folder


@dataclass
class Launch:
    """Measurements in one fresh process."""

    child: Child
    _proven: set[Contestant] = field(default_factory=set)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.child.stop()

    def prove(self, contestant: Contestant) -> None:
        """Compile a contestant within the limits of any build, and prove it on the launch's own inputs, once.

        Raises:
            ContestantFailedError: it is wrong, crashes, hangs, or is a rival that is not to be had.
        """
        if contestant in self._proven:
            return
        for step in ("compile", "try") if contestant.rival is None else ("try",):
            answer = self.child.call({"do": step, "candidate": contestant}, PATIENCE_S)
            if "failed" in answer:
                raise ContestantFailedError(f"{answer['failed']}: {answer['reason']}")
        self._proven.add(contestant)

    def rounds(self, contestants: Sequence[Contestant], rules: Rules) -> Rounds:
        """Prove all on the launch's own inputs, then time them.

        Raises:
            ContestantFailedError: one of them failed.
        """
        for contestant in contestants:
            self.prove(contestant)
        return rounds(self.child, contestants, rules)

    def pair(self, candidate: Contestant, incumbent: Contestant, rules: Rules) -> Samples | None:
        """Prove both on the launch's own inputs, then time them; None where a rival is not to be had, or fails.

        Who fails in a race is not told apart: one with a rival says nothing of ours, the one with the plain loop does.

        Raises:
            ContestantFailedError: one of ours failed, though it was proven before.
        """
        self.prove(candidate)
        try:
            self.prove(incumbent)
            return rounds(self.child, [candidate, incumbent], rules).pair(0, 1)
        except ContestantFailedError:
            if incumbent.rival is None:
                raise
            return None

    def assembly(self, contestant: Contestant) -> dict[str, str]:
        """The assembly of what this launch itself compiled, by the function's name; empty where it cannot be had."""
        answer = self.child.call({"do": "assembly", "candidate": contestant}, PATIENCE_S)
        texts: dict[str, str] = answer.get("texts", {})
        return texts
