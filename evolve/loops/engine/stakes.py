"""What faster parts can do for an engine, said beforehand: Amdahl's law over all of its parts at once.

G = 1 / (1 - sum f_i (1 - 1 / s_i)), where part i takes the share f_i of the time and becomes s_i times as fast (Amdahl,
AFIPS 1967; growth.md section 4). No s_i exceeds c_i, the part's time over what the machine allows, so that no lap takes
the engine beyond G at s = c: the ceiling. Where parts took no time at all G would be 1 / (1 - sum f_i): the endpoint.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.inference import Estimate
from evolve.loops.forecast import next_gain
from evolve.tracker.amdahl import speedup_of_all

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

NEVER_SEARCHED = Estimate(0.65, 0.34, 1.0)
"""Of its bound, what a champion comes to: 34 to 84 % in the six problems of ``benchmarks/RESULTS.md``."""
MOST_SHARE = 0.999


@dataclass(frozen=True)
class Stake:
    """What one part takes of the engine's time, and what it could be without.

    Attributes:
        part: its name.
        share: of a generation's time, 0 to 1.
        room: ln of its time over the bound's; 0 where it is at the bound.
        spread: by how much the bound may differ when its ceilings are measured again, in ln units.
    """

    part: str
    share: Estimate
    room: float
    spread: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "share": self.share.as_dict()}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Stake:
        """The inverse of ``as_dict``; what else is told is left out."""
        known = {name: told[name] for name in ("part", "room", "spread")}
        return cls(share=Estimate(**told["share"]), **known)


@dataclass(frozen=True)
class Searched:
    """How far the search of a part has come.

    Attributes:
        gain: ln of its champion's speedup over the plain loop, alone.
        left: ln of what the bound leaves the champion, alone.
        draws: evaluations so far.
        more: evaluations of the next lap.
    """

    gain: Estimate
    left: float
    draws: float
    more: float


def to_bound(stakes: Sequence[Stake]) -> Estimate:
    """The ln G of an engine whose parts all came to the machine's bound."""
    return _all(stakes, lambda stake, sign: math.exp(max(0.0, stake.room + sign * stake.spread)))


def to_nothing(stakes: Sequence[Stake]) -> Estimate:
    """The ln G of an engine whose parts took no time."""
    return _all(stakes, lambda _stake, _sign: math.inf)


def expected(stakes: Sequence[Stake], searched: Mapping[str, Searched]) -> Estimate:
    """The ln G of the next lap's engine over this one.

    Args:
        stakes: of the parts that will be searched, in the engine at work.
        searched: how far, by part; those that are not there were never searched, and run as plain loops.
    """
    by_part = {stake.part: _speedup(stake, searched.get(stake.part)) for stake in stakes}

    def speedup(stake: Stake, sign: int) -> float:
        found = by_part[stake.part]
        return (found.low, found.estimate, found.high)[sign + 1]

    return _all(stakes, speedup)


def _speedup(stake: Stake, searched: Searched | None) -> Estimate:
    """How much faster a part will be: by what champions come to, then by the law of further draws."""
    if searched is None:
        room = math.exp(max(0.0, stake.room))
        return Estimate(*(max(1.0, share * room) for share in _ends(NEVER_SEARCHED)))
    ceiling = searched.gain.estimate + max(0.0, searched.left)
    after = next_gain(searched.gain, searched.draws, searched.more, ceiling, None).gain
    # what is not faster is not deployed
    return Estimate(*(math.exp(max(0.0, end - searched.gain.estimate)) for end in _ends(after)))


def _all(stakes: Sequence[Stake], speedup: Callable[[Stake, int], float]) -> Estimate:
    """The ln G in the middle, and with everything at its low and at its high end."""

    def at(sign: int) -> float:
        shares = [(stake.share.low, stake.share.estimate, stake.share.high)[sign + 1] for stake in stakes]
        fitted = [min(max(0.0, share), MOST_SHARE) for share in shares]
        scale = min(1.0, MOST_SHARE / max(sum(fitted), MOST_SHARE))
        pairs = zip(fitted, stakes, strict=True)
        return math.log(speedup_of_all((scale * share, speedup(stake, sign)) for share, stake in pairs))

    return Estimate(at(0), at(-1), at(1))


def _ends(found: Estimate) -> tuple[float, float, float]:
    return found.estimate, found.low, found.high
