"""How far a kernel can still go: the cap that the measured ceiling sets, in units of speedup."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Headroom:
    """Where a kernel stands below its cap.

    Attributes:
        cap: t_baseline / t_bound, the greatest speedup that the machine allows.
        fraction: t_bound / t, the share of the bound that is reached.
        left: t / t_bound, the factor that is left.
    """

    cap: float
    fraction: float
    left: float

    def as_dict(self) -> dict[str, float]:
        """Plain values for JSON."""
        return asdict(self)


def headroom(*, baseline_s: float, bound_s: float, time_s: float) -> Headroom:
    """The headroom of a kernel that takes ``time_s`` a call.

    Raises:
        ValueError: a time is not positive.
    """
    if min(baseline_s, bound_s, time_s) <= 0:
        raise ValueError(f"times must be positive; got baseline {baseline_s}, bound {bound_s}, kernel {time_s}")
    return Headroom(baseline_s / bound_s, bound_s / time_s, time_s / bound_s)
