"""How long a run may search: so many seconds, or so many evaluations."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TypeVar

_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0}
_TIME = re.compile(r"(?:\d+(?:\.\d+)?[smh])+")
_EVALUATIONS = re.compile(r"(\d+)evals?")
_Number = TypeVar("_Number", int, float)
_COUNT = re.compile(r"\d+(?:\.\d+)?")
_FORMS = "write 90s, 5m, 1h30m or 300evals"


@dataclass(frozen=True)
class Budget:
    """A limit of the search, of one kind; the other is None.

    Attributes:
        seconds: wall time of the search.
        evaluations: outcomes of its own that the search may take; duplicates are free.
        text: as it was given, to be parsed again on resuming.
    """

    seconds: float | None
    evaluations: int | None
    text: str

    @classmethod
    def parse(cls, text: str) -> Budget:
        """The budget that ``"90s"``, ``"5m"``, ``"1h30m"`` or ``"300evals"`` names.

        Raises:
            ValueError: no such form, or nothing to spend.
        """
        plain = text.replace(" ", "").lower()
        if found := _EVALUATIONS.fullmatch(plain):
            return cls(None, _positive(int(found[1]), text), text)
        if _TIME.fullmatch(plain):
            seconds = sum(float(count) * _UNITS_S[unit] for count, unit in re.findall(r"([\d.]+)([smh])", plain))
            return cls(_positive(seconds, text), None, text)
        if plain.lstrip("+-").replace(".", "", 1).isdigit():
            raise ValueError(f"budget {text!r} has no unit: {_FORMS}")
        raise ValueError(f"budget {text!r} is no length of time and no count of evaluations: {_FORMS}")

    def times(self, factor: int) -> Budget:
        """So many times as much."""
        return Budget.parse(_COUNT.sub(lambda count: f"{factor * float(count[0]):.15g}", self.text))

    def fraction(self, elapsed_s: float, evaluations: int) -> float:
        """The share that is used up: 1 or more when it is over."""
        if self.seconds is not None:
            return elapsed_s / self.seconds
        assert self.evaluations is not None
        return evaluations / self.evaluations

    def left_s(self, elapsed_s: float, evaluations: int) -> float | None:
        """Seconds until it is over, at the rate seen so far; None where no rate has been seen."""
        if self.seconds is not None:
            return max(0.0, self.seconds - elapsed_s)
        assert self.evaluations is not None
        if not evaluations:
            return None
        return max(0.0, (self.evaluations - evaluations) * elapsed_s / evaluations)


def _positive(value: _Number, text: str) -> _Number:
    if not 0 < value < math.inf:
        raise ValueError(f"budget {text!r} leaves nothing to search with: {_FORMS}")
    return value
