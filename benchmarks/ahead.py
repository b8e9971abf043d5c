"""Loading ahead: one child takes in what others have built while they are still building."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from benchmarks.contestant import Contestant
    from benchmarks.isolation import Child


class Ahead:
    """Has a child load contestants, one after the other; it is waited for at the end of the block only.

    Loading a compiled function takes some 15 ms, which no core has to rest for: in a run they were two of three that an
    evaluation spent in proofs.

    Args:
        child: one that is at work already. One that has not begun makes its inputs and looks at the machine first,
            which is nothing to be done while others build: then nothing is loaded.
    """

    def __init__(self, child: Child) -> None:
        self._child = child
        self._waiting: deque[Contestant] = deque()
        self._is_loading = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._waiting.clear()
        if self._is_loading:
            self._finish()

    def load(self, contestant: Contestant) -> None:
        """Have a contestant loaded as soon as the child is free; what comes of that shows when it is proven."""
        self._waiting.append(contestant)
        if self._is_loading and self._child.pipe.poll(0):
            self._finish()
        if not self._is_loading and self._child.pid is not None:
            self._child.ask({"do": "compile", "candidate": self._waiting.popleft()}, self._child.place.limits.call_s)
            self._is_loading = True

    def _finish(self) -> None:
        self._is_loading = False
        self._child.answer()
