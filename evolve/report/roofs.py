"""What stands in a roofline, drawn or not: the machine's measured roofs, and each problem's contestants below them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evolve.report.quantities import extents

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Told = dict[str, Any]

PLAIN, DEFAULT = "baseline", "default"
_USUAL = "fma"

CONTESTANTS = {"plain": "plain loop", "rival": "fastest rival", "champion": "champion"}
"""Whose seconds a problem has, and what a legend calls them."""


def measured(benchmarks: Iterable[Mapping[str, Any]]) -> Iterator[Told]:
    """Each problem with the seconds of its champion, its plain loop and its fastest rival."""
    for one in (benchmark["extra_info"] for benchmark in benchmarks):
        if "speedups" in one:
            rivals = {n: s for n, s in one["speedups"].items() if n not in (PLAIN, DEFAULT)}
            best = min(rivals, key=lambda name: float(rivals[name]["estimate"]), default=None)
            plain = one["speedups"].get(PLAIN)
            yield {
                **one,
                "name": f"{one['kernel']} {one['dtype']} {extents(one['size'])}" + _threads(one),
                "champion": one["time_s"],
                "plain": one["time_s"] * plain["estimate"] if plain else None,
                "rival": one["time_s"] * rivals[best]["estimate"] if best else None,
                "rival_name": best,
                "over_rival": rivals[best] if best else None,
                "over_plain": plain,
            }


def _threads(one: Mapping[str, Any]) -> str:
    return f", {one['threads']} threads" if one.get("threads", 1) > 1 else ""


def below(problems: Iterable[Told]) -> list[Told]:
    """Those that have a place below the roofs: what computes nothing has none."""
    return [one for one in problems if one["flop"] and one["moved_bytes"]]


def intensity(one: Told) -> float:
    """FLOP a compulsory byte."""
    return float(one["flop"] / one["moved_bytes"])


def flat(ceilings: Mapping[str, Any], threads: int) -> dict[str, float]:
    """FLOP a second by dtype and operations: of fused multiply-adds, and of the best mix where that is another."""
    found: dict[str, float] = {}
    for dtype, mixes in ceilings.get("flop_per_s", {}).items():
        known = _with(mixes, threads)
        shown = {_USUAL, max(known, key=known.__getitem__, default=_USUAL)}
        found |= {f"{dtype} {mix.replace('_', ' and ')}": known[mix] for mix in known if mix in shown}
    return found


def slopes(ceilings: Mapping[str, Any], threads: int) -> dict[str, float]:
    """Bytes a second by cache level, of the pattern that goes fastest."""
    known = {level: _with(patterns, threads) for level, patterns in ceilings.get("bytes_per_s", {}).items()}
    return {level: max(figures.values()) for level, figures in known.items() if figures}


def _with(kinds: Mapping[str, Mapping[str, float]], threads: int) -> dict[str, float]:
    """What was measured with so many threads."""
    of = str(threads)
    return {kind: float(figures[of]) for kind, figures in kinds.items() if of in figures}


def cores(threads: int) -> str:
    """Whose roofs they are."""
    return "one core" if threads == 1 else f"{threads} cores"
