"""What searches of recorded spaces came to: as a table, and as plain values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from evolve.replay.score import COUNTS, chance, mean_score
from evolve.report.quantities import percent, plain_number, seconds
from evolve.report.text import paragraph, table
from evolve.search.protocol import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.inference import Estimate
    from evolve.replay.score import Score
    from evolve.replay.seeds import Entry, Ground, Terms

_EXACT = "random, exact"


def plain(grounds: Sequence[Ground], entries: Sequence[Entry], terms: Terms) -> dict[str, Any]:
    """Plain values for JSON."""
    return {
        "schema": 1,
        **asdict(terms),
        "spaces": [_space(ground, terms) for ground in grounds],
        "results": [entry.as_dict() for entry in entries],
        "means": [
            {"strategy": strategy, "spaces": len(scores), "score": mean.as_dict(), "within_5_percent": _within(scores)}
            for strategy, scores, mean in _means(entries)
        ],
        "remarks": [*remarks(grounds, entries, terms)],
    }


def text(grounds: Sequence[Ground], entries: Sequence[Entry], terms: Terms) -> str:
    """A row for each strategy on each space, beside exact random search, and the means over all spaces."""
    counts = [count for count in COUNTS if count <= terms.budget]
    header = ("SPACE", "STRATEGY", "SCORE", *(f"@{count}" for count in counts), "WITHIN 5 %", "A SEARCH")
    rows = [row for ground in grounds for row in _rows(ground, entries, terms, counts)]
    if len(grounds) > 1:
        gaps = [""] * len(counts)
        rows += [
            (f"all {len(scores)}", strategy, _interval(mean), *gaps, percent(_within(scores)), "")
            for strategy, scores, mean in _means(entries)
        ]
    return f"{table(header, rows)}\n\n{_legend(terms)}"


def remarks(grounds: Sequence[Ground], entries: Sequence[Entry], terms: Terms) -> Iterator[str]:
    """What a reader of the table should know besides."""
    for ground in grounds:
        size = len(ground.landscape.times_s)
        if terms.budget > size:
            yield f"{ground.landscape.name} has {size} schedules only: a budget of {terms.budget} ends there"
    for entry in entries:
        where = f"{entry.strategy} on {entry.space}"
        if stalled := (entry.ends or {}).get("stalled"):
            yield f"{where}: {stalled} of {terms.seeds} searches stalled, with nothing new in {PATIENCE} asks in a row"
        if entry.illegal:
            yield f"{where}: asked {entry.illegal} times for schedules that are not legal, which cost nothing"
        if entry.fault:
            yield entry.fault


def _space(ground: Ground, terms: Terms) -> dict[str, Any]:
    landscape, known = ground.landscape, chance(ground.landscape, terms.budget)
    return {
        "space": landscape.name,
        "file": str(ground.path),
        "source": landscape.source,
        "schedules": len(landscape.times_s),
        "failed": landscape.failed,
        "best_s": landscape.best_s,
        "median_s": landscape.median_s,
        "random": {"median_ratio": _exact(ground, terms), "within_5_percent": float(known.near[-1])},
        "counted": known.counted,
    }


def _exact(ground: Ground, terms: Terms) -> Mapping[str, float]:
    known, best_s = chance(ground.landscape, terms.budget), ground.landscape.best_s
    return {str(n): float(known.median_s[n - 1]) / best_s for n in COUNTS if n <= len(known.median_s)}


def _rows(ground: Ground, entries: Sequence[Entry], terms: Terms, counts: Sequence[int]) -> Iterator[tuple[str, ...]]:
    space, exact = ground.landscape.name, _exact(ground, terms)
    near = percent(float(chance(ground.landscape, terms.budget).near[-1]))
    yield space, _EXACT, "0 exactly", *(_ratio(exact.get(str(count))) for count in counts), near, ""
    for entry in entries:
        if entry.space != space:
            continue
        if entry.score is None:
            yield space, entry.strategy, "failed", *("" for _ in counts), "", ""
            continue
        ratios = (_ratio(entry.score.median_ratio.get(count)) for count in counts)
        within = percent(entry.score.within_5_percent)
        cost = seconds(entry.seconds_per_evaluation * entry.score.evaluations)
        yield space, entry.strategy, _interval(entry.score.score), *ratios, within, cost


def _means(entries: Sequence[Entry]) -> Iterator[tuple[str, list[Score], Estimate]]:
    """Of each strategy that failed nowhere."""
    for strategy in dict.fromkeys(entry.strategy for entry in entries):
        scores = [entry.score for entry in entries if entry.strategy == strategy]
        known = [score for score in scores if score is not None]
        if len(known) == len(scores):
            yield strategy, known, mean_score([score.scores for score in known])


def _within(scores: Sequence[Score]) -> float:
    return sum(score.within_5_percent for score in scores) / len(scores)


def _interval(estimate: Estimate) -> str:
    return plain_number(estimate.as_dict())


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _legend(terms: Terms) -> str:
    arm = f"{terms.control_share:.0%} of them random draws" if terms.control_share else "no control arm"
    return paragraph(
        f"Score: 0 is exact random search, 1 the optimum at once; mean over {terms.budget} evaluations ({arm}) and "
        f"{terms.seeds} seeds, with its 95 % interval. @n: median over seeds of best / optimum after n evaluations. "
        f"Within 5 %: share of seeds that end so near to the optimum. A search: what asking and telling takes."
    )
