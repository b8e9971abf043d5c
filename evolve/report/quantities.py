"""Numbers as people read them, in ASCII: seconds, rates, bytes and speedups are formatted here and nowhere else."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SCALES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_TIMES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


def number(value: float) -> str:
    """Three significant digits, all digits of larger whole parts, no exponent."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(decimals, 6)}f}"


def seconds(value_s: float) -> str:
    """A short time: ``4.86 ms``."""
    scale, unit = next(((scale, unit) for scale, unit in _TIMES if abs(value_s) >= scale), _TIMES[-1])
    return f"{number(value_s / scale)} {unit}"


def clock(value_s: float) -> str:
    """A long time in whole units: ``45s``, ``2m 51s``, ``1h 05m``."""
    whole = round(value_s)
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m {rest:02}s"
    return f"{minutes // 60}h {minutes % 60:02}m"


def rate(value: float, unit: str) -> str:
    """A rate with its decimal prefix: ``55.2 GFLOP/s``."""
    scale, prefix = next(((scale, prefix) for scale, prefix in _SCALES if abs(value) >= scale), _SCALES[-1])
    return f"{number(value / scale)} {prefix}{unit}"


def percent(share: float) -> str:
    """A share in whole per cent, with one decimal where that would say 0 or a misleading 100."""
    is_edge = 0.0005 <= share < 0.01 or 0.995 <= share < 0.9995
    return f"{100 * share:.{int(is_edge)}f} %"


def capacity(value_bytes: int) -> str:
    """Bytes with a binary prefix: ``32 KiB``."""
    for exponent, prefix in ((30, "Gi"), (20, "Mi"), (10, "Ki")):
        if value_bytes >= 1 << exponent:
            return f"{number(value_bytes / (1 << exponent)).removesuffix('.00').removesuffix('.0')} {prefix}B"
    return f"{value_bytes} B"


def factor(value: float) -> str:
    """A ratio: ``24.3x``."""
    return f"{number(value)}x"


def speedup(estimate: Mapping[str, Any]) -> str:
    """A ratio with its interval: ``24.3x [24.0, 24.6]``; an open end says so: there were too few rounds.

    Args:
        estimate: ``estimate``, ``low``, ``high`` as in ``Estimate.as_dict``.
    """
    if not estimate["low"] or estimate["high"] is None:
        return f"{factor(estimate['estimate'])} (interval open)"
    return f"{factor(estimate['estimate'])} [{number(estimate['low'])}, {number(estimate['high'])}]"


def terms(threads: int, policy: str) -> str:
    """On which terms a figure holds: ``1 thread``, ``2 threads, flush caches``; hot caches go without saying."""
    count = "1 thread" if threads == 1 else f"{threads} threads"
    return count if policy == "hot" else f"{count}, {policy} caches"


def fraction(estimate: Mapping[str, Any]) -> str:
    """A share with its interval: ``71 % [70, 72]``; an open end says so.

    Args:
        estimate: ``estimate``, ``low``, ``high`` as in ``Estimate.as_dict``.
    """
    if not estimate["low"] or estimate["high"] is None:
        return f"{percent(estimate['estimate'])} (interval open)"
    ends = (percent(estimate[end]).removesuffix(" %") for end in ("low", "high"))
    return f"{percent(estimate['estimate'])} [{', '.join(ends)}]"


def extents(size: Sequence[int]) -> str:
    """A problem's size as a user writes it: ``512x256x128``."""
    return "x".join(map(str, size))


def problem(one: Mapping[str, Any]) -> str:
    """A kernel with its problem: ``matmul float64 512x256x128``."""
    return f"{one['kernel']} {one['dtype']} {extents(one['size'])}"


def plain_number(estimate: Mapping[str, Any]) -> str:
    """A number with its interval, which may hold 0: ``0.31 [0.22, 0.40]``; an open end says so.

    Args:
        estimate: ``estimate``, ``low``, ``high`` as in ``Estimate.as_dict``.
    """
    centre, low, high = (_two_decimals(estimate[end]) for end in ("estimate", "low", "high"))
    if estimate["low"] is not None and estimate["low"] == estimate["high"]:
        return f"{centre} exactly"
    return f"{centre} [{low}, {high}]"


def _two_decimals(value: float | None) -> str:
    """Of a ratio or an elasticity hardly more is ever known."""
    if value is None:
        return "open"
    if abs(value) >= 1e9:
        return f"{value:.0e}"
    return number(value) if abs(value) >= 10 else f"{value:.2f}".replace("-0.00", "0.00")
